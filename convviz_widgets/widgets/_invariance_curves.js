// The curves: how far each layer's answer has moved, and the probability of the class, where the slider stands.

/**
 * @param {Model} model @param {(wish: any) => void} look
 * @param {{at: () => number, move: (place: number) => void, let_go: () => void}} slide @param {AbortSignal} signal
 */
function curves_part(model, look, slide, signal) {
  const legend = element("ul", { class: "cv-legend-list", "aria-label": word("Layers") });
  const add = element("select", { "aria-label": word("Follow another layer"), ...KEYED });
  const menu = element("select", { class: "cv-class-menu", "aria-label": word("Class that is followed"), ...KEYED });
  const best = element("span", { class: "cv-numbers", role: "status" });
  const distance = chart_of({ title: word("how far the answers move"), height: 190, ...slide }, signal);
  const chance = chart_of({ title: word("what becomes of the class"), head: element("div", { class: "cv-choose" }, menu, best), height: 130, ...slide }, signal);
  const hint = element("p", { class: "cv-faint" }, word("distance from the answer to the photo as it is, in lengths of that answer"));
  const node = element("section", { class: "cv-side", "aria-label": word("Curves") }, element("div", { class: "cv-charted" }, distance.node, hint, legend, add), chance.node);

  /** What is drawn: nothing where the curves are of another photo or transform. */
  const read = () => {
    const [view, curves] = [model.get("view"), model.get("curves")];
    const amounts = view.amounts ? as_floats(view.amounts) : new Float32Array();
    const fits = amounts.length > 0 && curves.path && JSON.stringify(curves.path) === JSON.stringify(view.path);
    const count = amounts.length;
    const norms = fits ? as_floats(curves.norm) : new Float32Array();
    const far = fits ? as_floats(curves.distance) : new Float32Array();
    const layers = fits ? curves.layers.map((/** @type {string} */ name, /** @type {number} */ row) => ({
      name, values: far.slice(row * count, (row + 1) * count).map((value) => (value === 0 ? 0 : value / norms[row])) })) : [];
    const chances = fits && curves.chances ? as_floats(curves.chances) : null;
    return { view, amounts, layers, chances, classes: chances ? chances.length / count : 0 };
  };
  let known = read();
  const name_of = (/** @type {number} */ index) => model.get("network").classes[index] ?? word("class {index}", { index });
  const percent = (/** @type {number} */ value) => (Number.isFinite(value) ? `${(100 * value).toFixed(value < 0.0995 ? 1 : 0)} %` : "…");
  const row_of = (/** @type {number} */ place) => (known.chances ? known.chances.slice(place * known.classes, (place + 1) * known.classes) : new Float32Array());
  const largest = (/** @type {Float32Array} */ row) => row.reduce((most, value, index) => (value > row[most] ? index : most), 0);
  const still = () => known.amounts.reduce((found, amount, place) => (Math.abs(amount - known.view.stays) < Math.abs(known.amounts[found] - known.view.stays) ? place : found), 0);
  const target = () => model.get("target") ?? largest(row_of(still()));

  /** @type {any[]} */
  let values = [];
  const fill_legend = () => {
    const chosen = model.get("layers");
    const shown = known.layers.length ? known.layers.map((/** @type {any} */ each) => each.name) : chosen;
    values = shown.map(() => element("span", { class: "cv-numbers" }, "…"));
    legend.replaceChildren(...shown.map((/** @type {string} */ name, /** @type {number} */ place) => {
      const swatch = svg("svg", { class: "cv-swatch", viewBox: "0 0 26 8", "aria-hidden": "true" },
        svg("path", { d: "M0 4H26", class: `cv-curve cv-colour-${place}`, "stroke-dasharray": DASHES[place] }));
      const close = tool_button(word("Follow {layer} no longer", { layer: name }), "close", () => look({ layers: chosen.filter((/** @type {string} */ each) => each !== name) }), signal, { quiet: true, bare: true });
      close.node.style.visibility = chosen.includes(name) && chosen.length > 1 ? "visible" : "hidden";
      return element("li", {}, swatch, element("span", {}, name), values[place], close.node);
    }));
    const others = model.get("network").layers.filter((/** @type {any} */ each) => !shown.includes(each.name));
    add.replaceChildren(element("option", { value: "" }, word("+ layer")), ...others.map((/** @type {any} */ each) => element("option", { value: each.name }, each.name)));
    add.disabled = shown.length >= DASHES.length;
  };
  const fill_menu = () => {
    const row = row_of(still());
    const order = Array.from(row.keys()).sort((one, other) => row[other] - row[one]);
    const first = order.length ? word("most probable: {name}", { name: name_of(order[0]) }) : word("most probable class");
    menu.replaceChildren(element("option", { value: "" }, first), ...order.map((index) => element("option", { value: index }, `${name_of(index)} · ${percent(row[index])}`)));
    menu.value = String(model.get("target") ?? "");
    chance.node.hidden = !known.chances && model.get("curves").done === true;
  };
  const show = () => {
    const at = Math.min(slide.at(), Math.max(0, known.amounts.length - 1));
    const { amounts, layers, view } = known;
    const finite = layers.flatMap((/** @type {any} */ each) => Array.from(each.values).filter(Number.isFinite));
    const top = Math.max(1, ...finite) * 1.04;
    const amount = amounts.length ? `${Number(amounts[at].toFixed(3))} ${heard(view.unit)}` : "";
    layers.forEach((/** @type {any} */ each, /** @type {number} */ place) => {
      const text = Number.isFinite(each.values[at]) ? each.values[at].toFixed(2) : "…";
      if (values[place] && values[place].textContent !== text) values[place].textContent = text;
    });
    const told = layers.map((/** @type {any} */ each) => `${each.name} ${each.values[at].toFixed(2)}`).join(", ");
    distance.show({ amounts, top, at, unit: heard(view.unit), text: word("Distances at {amount}: {values}", { amount, values: told }),
      curves: layers.map((/** @type {any} */ each, /** @type {number} */ colour) => ({ values: each.values, colour, dash: DASHES[colour] })) });
    const index = known.chances ? target() : 0;
    const line = known.chances ? amounts.map((_, place) => /** @type {Float32Array} */ (known.chances)[place * known.classes + index]) : new Float32Array();
    chance.show({ amounts, top: 1, at, unit: heard(view.unit), curves: known.chances ? [{ values: line, colour: 6, dash: "" }] : [], text: word("Probability of {name} at {amount}: {value}", { name: name_of(index), amount, value: percent(line[at]) }) });
    if (known.chances) {
      const now = largest(row_of(at));
      const text = `${name_of(index)} ${percent(line[at])}${now !== index && Number.isFinite(line[at]) ? `; ${name_of(now)} ${percent(row_of(at)[now])}` : ""}`;
      if (best.textContent !== text) best.textContent = text;
    }
    node.dataset.known = String(layers.length ? Array.from(layers[0].values).filter(Number.isFinite).length : 0);
  };
  const load = () => {
    known = read();
    fill_legend();
    fill_menu();
    show();
  };
  add.addEventListener("change", () => add.value && look({ layers: [...model.get("layers"), add.value] }), { signal });
  menu.addEventListener("change", () => look({ target: menu.value === "" ? null : Number(menu.value) }), { signal });
  on_change(model, ["curves", "view", "layers", "target"], load, signal);
  load();
  return { node, show };
}
