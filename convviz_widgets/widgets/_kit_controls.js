// Controls that widgets share: icons, buttons, one request under way, a slider for a knob, a line that grows.

/** Paths in a field of 16 by 16. @type {Record<string, string>} */
const ICONS = {
  play: "M4 2.5v11l9-5.5z",
  pause: "M4 3h3v10H4zM9 3h3v10H9z",
  stop: "M3.5 3.5h9v9h-9z",
  again: "M8 2.6a5.4 5.4 0 1 0 5.2 6.9l-1.7-.5A3.6 3.6 0 1 1 8 4.4c1 0 1.9.4 2.6 1L8.8 7.2H14V2l-2.1 2.1A5.4 5.4 0 0 0 8 2.6z",
  pin: "M5 1.5h6v1.6l-1 .7v3.4l2 1.9v1.5H8.8V14L8 15l-.8-1v-3.4H4V9.1l2-1.9V3.8l-1-.7z",
  copy: "M5 1.5h8.5V11H11v3.5H2.5V5H5zm1.6 1.6V5H11v4.4h.9V3.1zM4.1 6.6v6.3h5.3V6.6z",
  save: "M7.1 1.5h1.8v6l2.1-2 1.2 1.3L8 11 3.8 6.8 5 5.5l2.1 2zM2.5 12.7h11v1.8h-11z",
  film: "M1.5 3h13v10h-13zm1.6 1.3v1.6h1.4V4.3zm0 2.9v1.6h1.4V7.2zm0 2.9v1.6h1.4v-1.6zm8.4-5.8v1.6h1.4V4.3zm0 2.9v1.6h1.4V7.2zm0 2.9v1.6h1.4v-1.6zM6 4.6v6.8h4V4.6z",
  dice: "M3 2h10a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1H3a1 1 0 0 1-1-1V3a1 1 0 0 1 1-1zm2 2a1.2 1.2 0 1 0 .01 0zm6 0a1.2 1.2 0 1 0 .01 0zM8 6.8a1.2 1.2 0 1 0 .01 0zM5 9.6a1.2 1.2 0 1 0 .01 0zm6 0a1.2 1.2 0 1 0 .01 0z",
  close: "M4 2.9 8 6.8l4-3.9L13.1 4 9.2 8l3.9 4-1.1 1.1L8 9.2l-4 3.9L2.9 12l3.9-4-3.9-4z",
  larger: "M2 2h5v1.8H5.1l2.5 2.5-1.3 1.3-2.5-2.5V7H2zm12 12H9v-1.8h1.9L8.4 9.7l1.3-1.3 2.5 2.5V9H14z",
  smaller: "M7.6 7.6h-5V5.8h1.9L2 3.3 3.3 2l2.5 2.5V2.6h1.8zm.8.8h5v1.8h-1.9l2.5 2.5-1.3 1.3-2.5-2.5v1.9H8.4z",
  back: "M6.5 2.5v3h2.3a4.2 4.2 0 1 1 0 8.4H4v-1.8h4.8a2.4 2.4 0 1 0 0-4.8H6.5v3L2 6.4z",
};

/** @param {string} name */
function icon(name) {
  return svg("svg", { class: "cv-icon", viewBox: "0 0 16 16", "aria-hidden": "true" }, svg("path", { d: ICONS[name], "fill-rule": "evenodd" }));
}

/**
 * A button with an icon and a word; `show` changes both and keeps the focus.
 * @param {string} label @param {string} picture @param {() => void} press @param {AbortSignal} signal @param {{title?: string, quiet?: boolean, bare?: boolean}} [look]
 */
function tool_button(label, picture, press, signal, look = {}) {
  const node = element("button", { type: "button", class: `cv-tool${look.quiet ? " cv-quiet" : ""}${look.bare ? " cv-bare" : ""}`, ...KEYED });
  let shown = "";
  const show = (/** @type {string} */ text, /** @type {string} */ drawn, /** @type {string | undefined} */ title = look.title) => {
    if (shown === text + drawn) return;
    shown = text + drawn;
    node.replaceChildren(icon(drawn), ...(look.bare ? [] : [element("span", {}, text)]));
    set_attributes(node, { title: title ?? (look.bare ? text : null) });
    if (look.bare) set_attributes(node, { "aria-label": text });
  };
  show(label, picture);
  node.addEventListener("click", press, { signal });
  return { node, show };
}

/** Whether the server runs on this machine, so that bytes cost nothing on their way. */
const NEAR = ["localhost", "127.0.0.1", "[::1]"].includes(window.location.hostname);

/**
 * Lets one request be under way; of the wishes that come meanwhile the newest values go together when it is answered.
 * @param {(wish: any, number: number) => void} send @param {(number: number) => boolean} answered
 */
function one_under_way(send, answered) {
  const PATIENCE = 15_000; // ms after which an answer is given up: the kernel was restarted, or a message was lost
  let under_way = 0;
  let since = 0;
  let last = 0;
  /** @type {any} */
  let waiting = null;
  const go = (/** @type {any} */ wish) => {
    last = Math.max(last + 1, Date.now()); // larger than any number of another view of the same widget
    under_way = last;
    since = Date.now();
    send(wish, last);
  };
  const settle = () => {
    if (under_way && !answered(under_way) && Date.now() - since < PATIENCE) return;
    under_way = 0;
    if (!waiting) return;
    const wish = waiting;
    waiting = null;
    go(wish);
  };
  const wish = (/** @type {any} */ change) => {
    const knobs = waiting?.knobs || change.knobs ? { knobs: { ...waiting?.knobs, ...change.knobs } } : {};
    waiting = { ...waiting, ...change, ...knobs };
    settle();
  };
  return { wish, settle, busy: () => under_way > 0 };
}

/** Buttons of which one is chosen; arrow keys go through them. @param {string} label @param {[string, string, string][]} choices value, text and title @param {(value: string) => void} choose @param {AbortSignal} signal */
function choice_row(label, choices, choose, signal) {
  const name = fresh_id("choice");
  const inputs = choices.map(([value, text, title]) => {
    const input = element("input", { type: "radio", name, value, ...KEYED });
    input.addEventListener("change", () => choose(value), { signal });
    return { input, node: element("label", { title }, input, element("span", {}, text)) };
  });
  const node = element("span", { class: "cv-segments", role: "radiogroup", "aria-label": label }, ...inputs.map((each) => each.node));
  const show = (/** @type {string} */ value) => inputs.forEach(({ input }) => (input.checked = input.value === value));
  return { node, show };
}

/** Where a knob's value stands on its slider, and back. @param {any} knob */
function scale_of(knob) {
  const { low, high, whole } = knob;
  const round = (/** @type {number} */ value) => Math.min(high, Math.max(low, whole ? Math.round(value) : Number(value.toPrecision(3))));
  if (knob.scale !== "log" || high <= 0) {
    const step = whole && high - low <= 400 ? 1 : (high - low) / 200;
    return { min: low, max: high, step, place: (/** @type {number} */ value) => value, value: round };
  }
  const floor = low > 0 ? low : high / 1e4; // a logarithm has no zero: the leftmost place stands for it
  const first = low > 0 ? 0 : 1;
  const span = Math.log(high / floor);
  return {
    min: 0,
    max: 200,
    step: 1,
    place: (/** @type {number} */ value) => (value < floor ? 0 : first + ((200 - first) * Math.log(value / floor)) / span),
    value: (/** @type {number} */ place) => (place < first ? low : round(floor * Math.exp((span * (place - first)) / (200 - first)))),
  };
}

/**
 * A slider with its name, its value to type, and a way back to the value it began with.
 * @param {any} knob @param {(value: number | null) => void} turn @param {AbortSignal} signal
 */
function slider_row(knob, turn, signal) {
  const scale = scale_of(knob);
  const name = heard(knob.name.replaceAll("_", " "));
  const id = fresh_id("knob");
  const label = element("label", { for: id, title: heard(knob.help) }, name, ...(knob.unit ? [element("span", { class: "cv-faint" }, ` ${heard(knob.unit)}`)] : []));
  const range = element("input", { id, type: "range", min: scale.min, max: scale.max, step: scale.step, title: word("{help} — double click or Delete: back to the recipe", { help: heard(knob.help) }), ...KEYED });
  const number = element("input", { type: "number", class: "cv-numbers", min: knob.low, max: knob.high, step: "any", "aria-label": word("{name}, as a number", { name }), ...KEYED });
  const back = tool_button(word("Reset {name}", { name }), "back", () => turn(null), signal, { quiet: true, bare: true, title: word("Back to the recipe's value") });
  const node = element("div", { class: "cv-knob", "data-knob": knob.name }, label, range, number, back.node);
  let given = NaN;
  let current = NaN;
  const tell = (/** @type {number} */ value) => {
    current = value;
    number.value = String(value);
    range.style.setProperty("--cv-share", String((Number(range.value) - scale.min) / (scale.max - scale.min)));
    set_attributes(range, { "aria-valuetext": `${short_number(value)} ${heard(knob.unit)}`.trim() });
  };
  range.addEventListener("input", () => {
    const value = scale.value(Number(range.value));
    tell(value);
    node.dataset.turned = String(value !== given);
    turn(value);
  }, { signal });
  const typed = () => {
    const value = Number(number.value);
    if (number.value === "" || !Number.isFinite(value)) turn(null);
    else if (value !== current) turn(knob.whole ? Math.round(value) : value);
    current = value;
  };
  number.addEventListener("change", typed, { signal });
  number.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    typed();
  }, { signal });
  range.addEventListener("dblclick", () => turn(null), { signal });
  range.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Delete" && event.key !== "Backspace") return;
    event.preventDefault();
    turn(null);
  }, { signal });
  /** Shows a value; ``base`` is the recipe's. @param {number} value @param {number} base */
  const set = (value, base) => {
    given = base;
    if (document.activeElement === number && number.value !== String(current)) return; // it is being typed
    range.value = String(scale.place(value));
    node.dataset.turned = String(value !== base);
    back.node.style.visibility = value === base ? "hidden" : "visible";
    tell(value);
  };
  return { node, set };
}

/** A line that grows to the right, with marks where something changed. @param {string} name what is drawn */
function growing_line(name) {
  const WIDTH = 400;
  const HEIGHT = 64;
  const line = svg("path", { class: "cv-line" });
  const under = svg("path", { class: "cv-under" });
  const zero = svg("path", { class: "cv-zero" });
  const marks = svg("path", { class: "cv-joint" });
  const chart = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" }, zero, under, marks, line);
  const high = element("span", {});
  const low = element("span", {});
  const node = element("div", { class: "cv-trace" }, chart, element("div", { class: "cv-scale cv-faint cv-numbers", "aria-hidden": "true" }, high, low));
  /** @param {Float32Array} values @param {number[]} joints shares of the values' length @param {number} share of the width that the values fill */
  const draw = (values, joints, share) => {
    const finite = values.filter((value) => Number.isFinite(value));
    node.hidden = finite.length < 2;
    if (node.hidden) return;
    const bottom = finite.reduce((a, b) => Math.min(a, b));
    const top = finite.reduce((a, b) => Math.max(a, b));
    const x = (/** @type {number} */ part) => (WIDTH * share * part).toFixed(1);
    const y = (/** @type {number} */ value) => (HEIGHT - 3 - ((HEIGHT - 6) * (value - bottom)) / Math.max(top - bottom, 1e-30)).toFixed(1);
    const points = Array.from(values, (value, place) => (Number.isFinite(value) ? `${x(place / (values.length - 1))} ${y(value)}` : "")).filter(Boolean);
    set_attributes(line, { d: `M${points.join("L")}` });
    set_attributes(under, { d: `M${x(0)} ${HEIGHT}L${points.join("L")}L${x(1)} ${HEIGHT}Z` });
    set_attributes(zero, { d: bottom < 0 && top > 0 ? `M0 ${y(0)}H${WIDTH}` : "M0 0" });
    set_attributes(marks, { d: joints.map((part) => `M${x(part)} 0V${HEIGHT}`).join("") || "M0 0" });
    high.textContent = short_number(top);
    low.textContent = short_number(bottom);
    set_attributes(chart, { "aria-label": word("{name}: from {first} to {last} in {count} points, between {bottom} and {top}", { name, first: short_number(values[0]), last: short_number(values[values.length - 1]), count: values.length, bottom: short_number(bottom), top: short_number(top) }) });
  };
  return { node, draw };
}

/** Puts text on the clipboard; says whether it is there. @param {string} text */
async function copy_text(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = element("textarea", { class: "cv-hidden-text", "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

/** Hands a file to the reader. @param {string} name @param {string} type @param {DataView} bytes */
function hand_over(name, type, bytes) {
  const url = URL.createObjectURL(new Blob([as_bytes(bytes)], { type }));
  const anchor = element("a", { href: url, download: name });
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** A button that copies code, and says for a moment whether that was allowed. @param {() => string} code @param {AbortSignal} signal */
function copy_button(code, signal) {
  const button = tool_button(word("Copy as code"), "copy", async () => {
    const done = await copy_text(code());
    button.node.dataset.done = String(done);
    button.show(done ? word("Copied") : word("Not copied"), "copy");
    setTimeout(() => {
      button.show(word("Copy as code"), "copy");
      button.node.dataset.done = "false";
    }, 1500);
  }, signal);
  return button;
}

/**
 * Tells Python the place of a slider, its trait `shown`, and hears of places that come from elsewhere. What comes back of
 * the slider's own is behind where it stands by then, and is left out.
 * @param {Model} model @param {(place: number) => void} arrived @param {AbortSignal} signal
 */
function shown_place(model, arrived, signal) {
  const sent = new Set();
  on_change(model, ["shown"], () => {
    if (!sent.delete(model.get("shown"))) arrived(model.get("shown"));
  }, signal);
  return (/** @type {number} */ place) => {
    if (place !== model.get("shown") || sent.size) sent.add(place);
    model.send({ kind: "show", shown: place });
  };
}
