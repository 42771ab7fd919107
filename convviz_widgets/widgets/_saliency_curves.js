// How far a map can be trusted: the score while the pixels it holds for important are removed, or put in.

/** @param {Model} model @param {AbortSignal} signal */
function curves_part(model, signal) {
  const menu = element("select", { "aria-label": word("Map to measure"), ...KEYED }, ...Object.keys(variant_words()).map((each) => element("option", { value: each }, each)));
  const start = element("button", { type: "button", title: word("Removes pixels, or puts them into a blurred photo, the most important first, beside a random order"), ...KEYED }, word("Measure"));
  const charts = ["deletion", "insertion"].map((kind) => {
    const own = svg("path");
    const chance = svg("path", { class: "cv-chance" });
    const chart = svg("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", role: "img" }, chance, own);
    const text = element("p", { class: "cv-numbers cv-faint" });
    return { kind, own, chance, chart, text };
  });
  const result = element("div", { class: "cv-measure", role: "status", hidden: true }, ...charts.flatMap(({ chart, text }) => [chart, text]));
  const node = element("section", { class: "cv-measure", "aria-label": word("How far the map can be trusted") },
    element("h3", {}, word("how far to trust a map")), element("div", {}, menu, start), result);
  /** @param {Float32Array} values @param {number} most */
  const path = (values, most) => `M${Array.from(values, (value, place) => `${((100 * place) / (values.length - 1)).toFixed(2)} ${(97 - (94 * Math.max(0, value)) / most).toFixed(2)}`).join("L")}`;
  const show = () => {
    const { image, target, variant, lines, areas } = model.get("curves");
    const view = model.get("view");
    result.hidden = !lines || image !== view.image || target !== view.target;
    if (result.hidden) return;
    charts.forEach(({ kind, own, chance, chart, text }) => {
      const [mine, random] = [as_floats(lines[kind]), as_floats(lines[`random_${kind}`])];
      const most = Math.max(...mine, ...random, 1e-9);
      set_attributes(own, { d: path(mine, most) });
      set_attributes(chance, { d: path(random, most) });
      const figures = { variant, area: short_number(areas[kind]), random: short_number(areas[`random_${kind}`]) };
      text.textContent = kind === "deletion" ? word("deletion by {variant}: area {area}, at random {random} (lower is better)", figures)
        : word("insertion by {variant}: area {area}, at random {random} (higher is better)", figures);
      set_attributes(chart, { "aria-label": text.textContent });
    });
  };
  start.addEventListener("click", () => model.send({ kind: "measure", variant: menu.value }), { signal });
  on_change(model, ["curves", "view"], show, signal);
  show();
  return { node };
}
