// The recipe and one slider for each knob; those that the recipe leaves alone are folded away.

/** @param {Model} model @param {{wish: (wish: any) => void, busy: () => boolean}} gate @param {AbortSignal} signal */
function knobs_part(model, gate, signal) {
  const { recipes = [], knobs = [] } = model.get("network");
  const recipe = element("select", { "aria-label": word("Recipe"), ...KEYED },
    ...recipes.map((/** @type {any} */ each) => element("option", { value: each.name }, each.name)));
  const summary = element("p", { class: "cv-summary" });
  const used = element("div", { class: "cv-knobs" });
  const folded = element("summary", { ...KEYED });
  const unused = element("div", { class: "cv-knobs" });
  const more = element("details", {}, folded, unused);
  const scratch = element("input", { type: "checkbox", ...KEYED });
  const seed = element("input", { type: "number", min: 0, step: 1, class: "cv-numbers", "aria-label": word("Seed"), ...KEYED });
  const dice = tool_button(word("Another seed"), "dice", () => gate.wish({ seed: Math.floor(Math.random() * 10_000) }), signal, { bare: true, title: word("Another seed") });
  const node = element("section", { class: "cv-recipe", "aria-label": word("Recipe and knobs") },
    element("div", { class: "cv-head" }, element("label", {}, element("span", { class: "cv-strong" }, `${word("Recipe")} `), recipe)),
    summary, used, more,
    element("div", { class: "cv-start" },
      element("label", { title: word("A turned knob begins anew instead of going on from the present picture") }, scratch, ` ${word("from scratch")}`),
      element("span", { class: "cv-seed" }, element("label", {}, `${word("seed")} `, seed), dice.node)));

  const rows = new Map(knobs.map((/** @type {any} */ knob) => [knob.name, slider_row(knob, (value) => gate.wish({ knobs: { [knob.name]: value } }), signal)]));
  let laid = "";
  /** Puts each row where it belongs; only when that changed, so that a slider being dragged stays where it is. @param {any} chosen */
  const lay = (chosen) => {
    if (laid === chosen.name) return;
    laid = chosen.name;
    const takes = (/** @type {any} */ knob) => chosen.used.includes(knob.name) || knob.name in model.get("knobs");
    used.replaceChildren(...knobs.filter(takes).map((/** @type {any} */ knob) => rows.get(knob.name).node));
    const rest = knobs.filter((/** @type {any} */ knob) => !takes(knob));
    unused.replaceChildren(...rest.map((/** @type {any} */ knob) => rows.get(knob.name).node));
    folded.textContent = word("{count} more knobs that this recipe leaves alone", { count: rest.length });
    more.hidden = rest.length === 0;
  };
  const show = () => {
    const chosen = recipes.find((/** @type {any} */ each) => each.name === model.get("recipe"));
    if (!chosen) return;
    recipe.value = chosen.name;
    summary.replaceChildren(heard(chosen.summary), element("span", { class: "cv-faint" }, ` ${chosen.source}`));
    lay(chosen);
    if (gate.busy()) return; // the person is ahead of the answers
    const turned = model.get("knobs");
    for (const knob of knobs) {
      const base = chosen.knobs[knob.name] ?? knob.low;
      rows.get(knob.name).set(turned[knob.name] ?? base, base);
    }
    if (knobs.some((/** @type {any} */ knob) => knob.name in turned && unused.contains(rows.get(knob.name).node))) more.open = true;
    if (document.activeElement !== seed) seed.value = String(model.get("seed"));
    scratch.checked = model.get("from_scratch");
  };
  recipe.addEventListener("change", () => gate.wish({ recipe: recipe.value }), { signal });
  scratch.addEventListener("change", () => gate.wish({ from_scratch: scratch.checked }), { signal });
  seed.addEventListener("change", () => gate.wish({ seed: Math.max(0, Math.round(Number(seed.value) || 0)) }), { signal });
  on_change(model, ["recipe", "knobs", "seed", "from_scratch"], show, signal);
  show();
  return { node, show };
}
