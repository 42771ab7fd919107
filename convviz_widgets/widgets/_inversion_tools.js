// How pictures are told: by descent or by decoder, the recipe's knobs, what is done to the answers first, the seeds.

const SEVERAL = 4; // seeds that are told side by side

/** @param {Model} model @param {{wish: (wish: any) => void, busy: () => boolean}} gate @param {AbortSignal} signal */
function inversion_tools(model, gate, signal) {
  const { recipes = [], knobs = [] } = model.get("network");
  const descents = recipes.filter((/** @type {any} */ each) => Object.keys(each.knobs).length);
  const other = recipes.find((/** @type {any} */ each) => !Object.keys(each.knobs).length);
  let descent = descents[0].name; // the one to come back to
  const kind = choice_row(word("How pictures are told"), [
    ["regularized", word("by descent"), word("Step by step, from noise, until the layer answers the same")],
    ["decoder", word("by decoder"), heard(other.summary)],
  ], (value) => gate.wish({ recipe: value === "decoder" ? other.name : descent }), signal);
  const recipe = element("select", { "aria-label": word("Recipe"), ...KEYED }, ...descents.map((/** @type {any} */ each) => element("option", { value: each.name, title: heard(each.summary) }, heard(each.name))));
  const recipe_label = element("label", {}, `${word("Recipe")} `, recipe);
  const seed = element("input", { type: "number", min: 0, step: 1, class: "cv-numbers", "aria-label": word("Seed"), ...KEYED });
  const dice = tool_button(word("Another seed"), "dice", () => gate.wish({ seed: Math.floor(Math.random() * 10_000) }), signal, { bare: true, title: word("Another seed") });
  const several = element("input", { type: "checkbox", ...KEYED });
  const seeds = element("span", { class: "cv-choose" }, element("label", {}, `${word("seed")} `, seed), dice.node,
    element("label", { title: word("{count} pictures per layer, each from noise of its own: what differs between them the layer does not determine", { count: SEVERAL }) }, several, ` ${word("several seeds")}`));
  const summary = element("p", { class: "cv-faint cv-summary" });
  const rows = new Map(knobs.map((/** @type {any} */ knob) => [knob.name, slider_row(knob, (value) => gate.wish({ knobs: { [knob.name]: value } }), signal)]));
  const folded = element("details", {}, element("summary", { ...KEYED }, word("Knobs of the descent")), element("div", { class: "cv-knobs" }, ...Array.from(rows.values(), (row) => row.node)));
  const harm = perturbation_part(model, gate, signal);
  const node = element("section", { class: "cv-inversion-tools", "aria-label": word("How pictures are told") },
    element("div", { class: "cv-tools" }, kind.node, recipe_label, seeds), summary, harm.node, folded);

  const show = () => {
    const name = model.get("recipe");
    const chosen = recipes.find((/** @type {any} */ each) => each.name === name);
    if (!chosen) return;
    const decodes = chosen === other;
    if (!decodes) recipe.value = descent = name;
    kind.show(decodes ? "decoder" : "regularized");
    for (const each of [recipe_label, folded, seeds]) each.hidden = decodes;
    summary.textContent = sentences(`${heard(chosen.summary)}${word(".")}`, chosen.source);
    harm.show();
    if (gate.busy()) return; // the person is ahead of the answers
    const turned = model.get("knobs");
    if (!decodes) knobs.forEach((/** @type {any} */ knob) => rows.get(knob.name).set(turned[knob.name] ?? chosen.knobs[knob.name], chosen.knobs[knob.name]));
    if (document.activeElement !== seed) seed.value = String(model.get("seed"));
    several.checked = model.get("seeds") > 1;
  };
  recipe.addEventListener("change", () => gate.wish({ recipe: recipe.value }), { signal });
  seed.addEventListener("change", () => gate.wish({ seed: Math.max(0, Math.round(Number(seed.value) || 0)) }), { signal });
  several.addEventListener("change", () => gate.wish({ seeds: several.checked ? SEVERAL : 1 }), { signal });
  on_change(model, ["recipe", "knobs", "seed", "seeds", "perturbation"], show, signal);
  show();
  return { node, show };
}

/** What is done to the answers before pictures are told from them. @param {Model} model @param {{wish: (wish: any) => void, busy: () => boolean}} gate @param {AbortSignal} signal */
function perturbation_part(model, gate, signal) {
  const kinds = model.get("network").perturbations ?? [];
  const menu = element("select", { "aria-label": word("Perturbation"), ...KEYED }, element("option", { value: "" }, word("none")),
    ...kinds.map((/** @type {any} */ each) => element("option", { value: each.name, title: heard(each.summary) }, heard(each.name))));
  const summary = element("span", { class: "cv-faint" });
  const rows = new Map(kinds.filter((/** @type {any} */ each) => each.knob).map((/** @type {any} */ each) =>
    [each.name, slider_row(each.knob, (value) => gate.wish({ perturbation: value === null ? each.name : `${each.name}:${value}` }), signal)]));
  const strength = element("div", { class: "cv-knobs cv-harm-strength" });
  const node = element("div", { class: "cv-harm", role: "group", "aria-label": word("Perturbation of the answers") }, element("label", {}, `${word("Answers perturbed:")} `, menu), strength, summary);
  let laid = "";
  const show = () => {
    if (gate.busy()) return;
    const [name, value] = model.get("perturbation").split(":");
    const chosen = kinds.find((/** @type {any} */ each) => each.name === name);
    menu.value = name;
    summary.textContent = heard(chosen?.summary);
    if (laid !== name) {
      laid = name;
      strength.replaceChildren(...(rows.has(name) ? [rows.get(name).node] : []));
    }
    rows.get(name)?.set(value === undefined ? chosen.default : Number(value), chosen.default);
  };
  menu.addEventListener("change", () => gate.wish({ perturbation: menu.value }), { signal });
  show();
  return { node, show };
}
