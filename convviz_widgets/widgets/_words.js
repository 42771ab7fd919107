// What people read, in their language. Python puts `WORDS` before this: the part of the table that the widget needs.

/** The language of this widget's labels; every widget has a module of its own. */
let spoken = "en";
/** How a language is told to the browser, where that is more than its name: it chooses the letters' shapes by it. @type {Record<string, string>} */
const WRITTEN = { zh: "zh-Hans" };

/**
 * The language to speak. "auto" is the page's where that is another than English: JupyterLab and Notebook write there what
 * is chosen in their menu, and English where nothing is, as VS Code always does. Otherwise it is the first of the reader's
 * own languages that is in the table.
 * @param {string} set
 */
function language_of(set) {
  const known = (/** @type {string} */ name) => name.split(/[-_]/)[0].toLowerCase();
  if (known(set) in WORDS) return known(set);
  const page = known(document.documentElement.lang);
  if (page !== "en" && page in WORDS) return page;
  return navigator.languages.map(known).find((name) => name in WORDS) ?? "en";
}

/**
 * A text in the reader's language, with values for its placeholders; `count` decides the form where there are several.
 * @param {string} text in English, as the table has it @param {Record<string, string | number>} [values]
 * @returns {string}
 */
function word(text, values = {}) {
  const entry = WORDS[spoken]?.[text] ?? text;
  const form = typeof entry === "string" ? entry : entry[new Intl.PluralRules(spoken).select(Number(values.count))] ?? entry.other;
  return form.replace(/\{(\w+)\}/g, (/** @type {string} */ whole, /** @type {string} */ name) => String(values[name] ?? whole));
}

/** Sentences one after another; Chinese has no space between them. @param {...string} said */
function sentences(...said) {
  return said.filter(Boolean).join(spoken === "zh" ? "" : " ");
}

/** How texts of Python's that hold values look. @type {{key: string, names: string[], looks: RegExp}[]} */
const PATTERNS = WORDS.patterns.map((/** @type {string} */ key) => ({
  key,
  names: [...key.matchAll(/\{(\w+)\}/g)].map((found) => found[1]),
  looks: new RegExp(`^${key.replace(/[.*+?^$|()[\]\\]/g, "\\$&").replace(/\{\w+\}/g, "(.+?)")}$`),
}));

/** A text that came from Python, in the reader's language where the table has it. @param {string | null | undefined} text @returns {string} */
function heard(text) {
  if (!text || spoken === "en") return text ?? "";
  if (Object.hasOwn(WORDS[spoken], text)) return word(text);
  for (const { key, names, looks } of PATTERNS) {
    const found = text.match(looks);
    if (found) return word(key, Object.fromEntries(names.map((name, place) => [name, found[place + 1]])));
  }
  return text;
}

/**
 * Draws a widget in its language, and anew when another is set.
 * @param {(view: any) => () => void} draw @returns {(view: any) => () => void}
 */
function in_language(draw) {
  return (view) => {
    const { model, el } = view;
    const begin = () => {
      spoken = language_of(model.get("language"));
      el.lang = WRITTEN[spoken] ?? spoken;
      return draw(view);
    };
    let end = begin();
    const again = () => {
      end();
      el.replaceChildren();
      end = begin();
    };
    model.on("change:language", again);
    return () => {
      model.off("change:language", again);
      end();
    };
  };
}
