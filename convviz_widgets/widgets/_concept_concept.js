// The card of a concept: its best units over all layers, how it fares by layer, and all units of a layer together.

/** @param {Model} model @param {(wish: any) => void} look @param {AbortSignal} signal */
function concept_card_part(model, look, signal) {
  const { reports, limit } = model.get("overview");
  const name = element("h3", { tabindex: -1 });
  const facts = element("p", { class: "cv-faint" });
  const units = element("div", { class: "cv-rows", role: "group", "aria-label": word("Best units of the concept") });
  const layers = element("div", { class: "cv-rows", role: "list", "aria-label": word("Layers") });
  const other = element("div", { class: "cv-rows" });
  const layer = element("select", { "aria-label": word("Layer whose units are combined"), ...KEYED }, ...reports[0].layers.slice(1).map((/** @type {any} */ each) => element("option", { value: each.name }, each.name)));
  const combine = work_button(model, "combine", () => ({ layer: layer.value }), word("Learn the combination"), word("Net2Vec: learns how much each unit of the layer says about the concept"), signal);
  const result = element("div", { class: "cv-rows", role: "status" });
  const note = element("p", { class: "cv-faint" });
  const table = element("div", { class: "cv-compared" });
  const combining = element("section", { class: "cv-card", "aria-label": word("All units together") },
    element("div", { class: "cv-head" }, element("h3", {}, word("All units of a layer together")), layer), combine.node, result);
  const node = element("article", { class: "cv-card", "aria-label": word("Concept") }, name, facts,
    element("h3", {}, word("Best units")), units, note, table, combining, element("h3", {}, word("By layer")), layers, other);
  let shown = new AbortController();
  let told_of = "";
  signal.addEventListener("abort", () => shown.abort());

  /** @param {Node[]} parts @param {string} told @param {any} [wish] */
  const line = (parts, told, wish) => {
    const row = element(wish ? "button" : "div", { class: `cv-quiet cv-line-row${wish ? "" : " cv-still"}`, title: told, "aria-label": told, ...(wish ? { type: "button", ...KEYED } : { role: "listitem" }) }, ...parts);
    if (wish) row.addEventListener("click", () => look(wish), { signal });
    return row;
  };
  /** @param {string} text @param {string} beside @param {number} iou @param {string} category @param {string} told @param {any} [wish] */
  const iou_line = (text, beside, iou, category, told, wish) => line([swatch(model, category), element("span", { class: "cv-numbers cv-cut" }, text), element("span", { class: "cv-faint cv-cut" }, beside),
    share_bar(iou / 0.5, colour_of(model, category)), element("span", { class: "cv-numbers" }, iou.toFixed(3))], told, wish);

  const show_card = () => {
    const card = model.get("card");
    node.hidden = card.face !== "concept";
    if (node.hidden) return;
    name.replaceChildren(swatch(model, card.category), ` ${card.name} `, element("span", { class: "cv-faint" }, card.category));
    facts.textContent = `${word("{detectors} in {layers}", { detectors: word("{count} detectors", { count: card.detectors }), layers: card.layers.length === 1 ? word("one layer") : word("{count} layers", { count: card.layers.length }) })} · ${word("labelled on {number} pixels", { number: card.labelled.toLocaleString("en") })}`;
    units.replaceChildren(...card.units.map((/** @type {any} */ [unit, iou]) => iou_line(unit, iou > limit ? word("detector") : "", iou, card.category, word("{unit}: IoU {iou}. Press to look at the unit.", { unit, iou: iou.toFixed(3) }), { unit })),
      ...(card.units.length ? [] : [element("p", { class: "cv-faint" }, word("No unit's mask meets it."))]));
    layers.replaceChildren(...card.layers.map((/** @type {any} */ [each, detectors, iou]) => iou_line(each, `${detectors} ×`, iou, card.category, word("{layer}: {count} detectors, best IoU {iou}", { layer: each, count: detectors, iou: iou.toFixed(3) }))));
    const theirs = card.other;
    other.hidden = !theirs;
    if (theirs) other.replaceChildren(element("h3", {}, word("In {name}: {found}", { name: reports[1].name, found: theirs.known ? word("{count} detectors", { count: theirs.detectors }) : word("not among its concepts") })),
      ...theirs.units.map((/** @type {any} */ [unit, iou]) => iou_line(unit, "", iou, card.category, word("{unit} of {name}: IoU {iou}", { unit, name: reports[1].name, iou: iou.toFixed(3) }))));
    if (told_of !== card.concept && card.units.length) layer.value = card.units[0][0].slice(0, card.units[0][0].lastIndexOf(":"));
    told_of = card.concept;
    show_combination();
  };
  const show_combination = () => {
    const card = model.get("card");
    if (card.face !== "concept") return;
    combining.hidden = !model.get("overview").pictures;
    const made = model.get("combination");
    const here = made.concept === card.concept;
    result.hidden = !here;
    if (here) {
      const best = (/** @type {number} */ iou) => (iou === Math.max(made.iou, made.single_iou) ? word("the better") : "");
      result.replaceChildren(
        iou_line(word("all units of {layer}", { layer: made.layer }), best(made.iou), made.iou, card.category, word("all units together: IoU {iou}", { iou: made.iou.toFixed(3) })),
        iou_line(made.single, best(made.single_iou), made.single_iou, card.category, word("the best single unit, {unit}: IoU {iou}", { unit: made.single, iou: made.single_iou.toFixed(3) }), { unit: made.single }),
        element("p", { class: "cv-faint" }, word("IoU on {kept} pictures kept apart; learnt on {learnt}. Largest weights: {weights}.", { kept: made.pictures[1], learnt: made.pictures[0], weights: made.weights.map((/** @type {any} */ [unit, weight]) => `${unit} ${weight > 0 ? "+" : "−"}${short_number(Math.abs(weight))}`).join(", ") })),
        curve_of(made));
    }
    show_pictures();
  };
  /** IoU against the number of units used, on a logarithmic axis. @param {any} made */
  const curve_of = (made) => {
    if (made.curve.length < 2) return element("span");
    const last = Math.log(made.curve[made.curve.length - 1][0]);
    const most = Math.max(made.single_iou, ...made.curve.map((/** @type {any} */ each) => each[1]), 1e-9);
    const [x, y] = [(/** @type {number} */ count) => (1 + (98 * Math.log(count)) / last).toFixed(2), (/** @type {number} */ iou) => (38 - (35 * iou) / most).toFixed(2)];
    const told = word("IoU by units used: {values}", { values: made.curve.map((/** @type {any} */ [count, iou]) => `${count}: ${iou.toFixed(3)}`).join(", ") });
    return element("figure", { class: "cv-curve" }, svg("svg", { viewBox: "0 0 100 40", preserveAspectRatio: "none", role: "img", "aria-label": told },
      svg("path", { class: "cv-zero", d: "M0 39H100" }), svg("path", { class: "cv-joint", d: `M0 ${y(made.single_iou)}H100` }),
      svg("path", { class: "cv-line", d: `M${made.curve.map((/** @type {any} */ [count, iou]) => `${x(count)} ${y(iou)}`).join("L")}` })),
    element("figcaption", { class: "cv-faint" }, word("IoU with 1 to {count} units, at most {most}; dashed: the best single unit", { count: made.curve[made.curve.length - 1][0], most: most.toFixed(3) })));
  };
  const show_pictures = () => {
    const { of, items, note: told } = model.get("pictures");
    const card = model.get("card");
    const made = model.get("combination");
    if (card.face !== "concept") return;
    shown.abort();
    shown = new AbortController();
    const combined = made.concept === card.concept;
    note.textContent = of === card.concept ? heard(told) : word("Looking for pictures that show it.");
    note.hidden = !note.textContent;
    const rows = combined ? made.items : of === card.concept ? items : [];
    const single = combined ? made.single : card.units[0]?.[0];
    const columns = [["label", word("labelled")], ["mask", single ?? word("no unit")], ...(combined ? [["combined", word("all units")]] : [])];
    table.style.setProperty("--cv-columns", String(columns.length));
    table.hidden = !rows.length;
    table.replaceChildren(...columns.map(([, title]) => element("span", { class: "cv-faint cv-cut", title }, title)),
      ...rows.flatMap((/** @type {any} */ item) => columns.map(([field, title]) => {
        const picture = masked_picture(item, () => ({ lit: item[field], line: field === "label" ? null : item.label }), `${item.name}: ${title}`, shown.signal);
        const figure = element("figure", { class: "cv-shot" }, picture.canvas);
        picture.watch(figure);
        return figure;
      })));
  };
  on_change(model, ["card"], show_card, signal);
  on_change(model, ["combination"], show_combination, signal);
  on_change(model, ["pictures"], show_pictures, signal);
  show_card();
  return { node, focus: () => name.focus() };
}
