// The design bench: a family, its sliders, the filters that come of them. One gesture sends one message; the newest wins.

/** @param {{model: Model, el: HTMLElement}} view */
function render({ model, el }) {
  const ended = new AbortController();
  const { signal } = ended;
  const root = element("div", { class: "cv cv-viewer cv-design", role: "group", "aria-label": word("Design bench") });
  const gate = one_under_way((wish, number) => model.send({ kind: "turn", ask: number, near: NEAR, ...wish }), (number) => model.get("answered") >= number);
  const busy = () => (root.dataset.busy = String(gate.busy()));
  /** @param {any} wish */
  const turn = (wish) => {
    gate.wish(wish);
    busy();
  };
  const controls = design_controls(model, { wish: turn, busy: gate.busy }, signal);
  const filters = filters_part(model, signal);
  const mixture = mixture_part(model, turn, signal);
  root.append(problem_box(model, signal), controls.node, element("div", { class: "cv-design-below" }, mixture.node, filters.node));
  on_change(model, ["answered", "view", "problem"], () => {
    const before = gate.busy();
    gate.settle();
    if (before && !gate.busy()) controls.show();
    busy();
  }, signal);
  busy();
  el.append(root);
  return () => ended.abort();
}

/** The family, one slider per knob of it, what is seen in words, and the code. @param {Model} model @param {{wish: (wish: any) => void, busy: () => boolean}} gate @param {AbortSignal} signal */
function design_controls(model, gate, signal) {
  const { families = [] } = model.get("offered");
  const menu = element("select", { "aria-label": word("Family of filters"), ...KEYED }, ...families.map((/** @type {any} */ each) => element("option", { value: each.name, title: heard(each.summary) }, heard(each.name))));
  const summary = element("p", { class: "cv-faint" });
  const sliders = element("div", { class: "cv-knobs" });
  const told = element("p", { class: "cv-numbers", role: "status", "aria-live": "polite" });
  const code = element("pre", { class: "cv-design-code", "aria-label": word("Code that makes these filters again"), ...KEYED });
  const copy = copy_button(() => code.textContent ?? "", signal);
  const node = element("section", { class: "cv-design-controls", "aria-label": word("Family and knobs") },
    element("div", { class: "cv-tools" }, element("label", {}, `${word("Family")} `, menu), copy.node), summary, sliders, told, code);
  /** @type {Map<string, Map<string, any>>} */
  const rows = new Map(families.map((/** @type {any} */ family) => [family.name,
    new Map(family.knobs.map((/** @type {any} */ knob) => [knob.name, slider_row(knob, (value) => gate.wish({ knobs: { [knob.name]: value } }), signal)]))]));
  let laid = "";
  const show = () => {
    const { code: text = "", told: words = "" } = model.get("view");
    const read = heard(words);
    if (told.textContent !== read) told.textContent = read;
    if (code.textContent !== text) code.textContent = text;
    if (gate.busy()) return; // the person is ahead of the answers
    const chosen = families.find((/** @type {any} */ each) => each.name === model.get("family"));
    if (!chosen) return;
    menu.value = chosen.name;
    summary.textContent = heard(chosen.summary);
    const own = rows.get(chosen.name) ?? new Map();
    if (laid !== chosen.name) {
      laid = chosen.name;
      sliders.replaceChildren(...Array.from(own.values(), (row) => row.node));
    }
    const turned = model.get("knobs");
    for (const knob of chosen.knobs) own.get(knob.name).set(turned[knob.name] ?? knob.value, knob.value);
  };
  menu.addEventListener("change", () => gate.wish({ family: menu.value, knobs: {} }), { signal });
  on_change(model, ["family", "knobs", "view"], show, signal);
  show();
  return { node, show };
}

export default { render: in_language(render) };
