// What filters are mixed to: each one's share as a bar, and the sum; of a trained layer also all its filters, to choose.

const channel_words = () => [word("red"), word("green"), word("blue")];
const BAR = 14; // CSS pixels of a row of bars, at least

/** @param {Model} model @param {(wish: any) => void} turn @param {AbortSignal} signal */
function mixture_part(model, turn, signal) {
  const canvas = element("canvas", { role: "img" });
  const sum = element("figcaption", {});
  const bars = element("table", { class: "cv-design-bars" });
  const layers = element("select", { "aria-label": word("Structured layer"), ...KEYED });
  const choose = element("label", { class: "cv-choose" }, `${word("Layer")} `, layers);
  const strip = element("div", { class: "cv-design-strip", role: "radiogroup", "aria-label": word("Filters of the layer") });
  const of_layer = element("div", { class: "cv-design-layer" }, choose, strip);
  const node = element("section", { class: "cv-design-mixture", "aria-label": word("Mixture") }, element("h3", {}, word("Mixture")), of_layer,
    element("div", { class: "cv-design-sum" }, element("figure", { class: "cv-design-tile" }, canvas, sum), bars));
  const name = fresh_id("filter");

  layers.addEventListener("change", () => turn({ unit: `${layers.value}:0` }), { signal });
  const fill_layers = () => {
    const names = Object.keys(model.get("offered").layers ?? {});
    layers.replaceChildren(...names.map((each) => element("option", { value: each }, each)));
  };
  const show_strip = () => {
    const { layer, side, count, filters } = model.get("layer_filters");
    if (!filters) return;
    const bytes = as_bytes(filters);
    strip.replaceChildren(...Array.from({ length: count }, (_, place) => {
      const tile = element("canvas", { "aria-hidden": "true" });
      const input = element("input", { type: "radio", name, value: place, "aria-label": `${layer}:${place}`, ...KEYED });
      draw_tile(tile, picture_at(bytes, side, place), 36);
      input.addEventListener("change", () => turn({ unit: `${layer}:${place}` }), { signal });
      return element("label", { title: `${layer}:${place}` }, input, tile);
    }));
    mark();
  };
  const mark = () => {
    const [layer, channel] = model.get("unit").split(":");
    layers.value = layer;
    for (const input of strip.querySelectorAll("input")) input.checked = input.value === channel;
  };
  /** A bar to the left or right of zero. @param {number} value @param {number} reach @param {string} what @param {number} channel @param {number} channels */
  const bar = (value, reach, what, channel, channels) => {
    const share = (50 * Math.abs(value)) / reach;
    const rect = svg("rect", { x: value < 0 ? 50 - share : 50, y: 1, width: Math.max(share, 0.3), height: 6, class: `cv-bar cv-bar-${channels === 3 ? channel : "one"}` });
    return svg("svg", { viewBox: "0 0 100 8", preserveAspectRatio: "none", role: "img", "aria-label": `${what}: ${short_number(value)}` }, rect, svg("path", { d: "M50 0V8", class: "cv-zero" }));
  };
  const draw = () => {
    const { family, channels, names = [], shares, mixture, side } = model.get("view");
    node.hidden = !channels;
    of_layer.hidden = family !== "learned mixture";
    if (!channels) return;
    draw_tile(canvas, picture_at(as_bytes(mixture), side, 0), LARGE);
    const unit = of_layer.hidden ? word("steered") : model.get("unit");
    sum.textContent = unit;
    set_attributes(canvas, { "aria-label": word("What the mixture comes to: {unit}", { unit }) });
    const values = as_floats(shares);
    const reach = values.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-12);
    bars.replaceChildren(element("caption", { class: "cv-faint" }, channels === 3 ? word("Share of each basis, by channel (red, green, blue)") : channels > 1 ? word("Share of each basis, by channel (mean size)") : word("Share of each filter")),
      ...names.map((/** @type {string} */ each, /** @type {number} */ place) => {
        const own = Array.from(values.subarray(place * channels, (place + 1) * channels));
        const shown = channels > 3 ? [Math.sqrt(own.reduce((total, value) => total + value * value, 0) / channels)] : own;
        const told = shown.map(short_number).join(", ");
        return element("tr", {}, element("th", { scope: "row" }, each),
          element("td", { class: "cv-design-bar" }, ...shown.map((value, channel) => bar(value, reach, `${each}${shown.length === 3 ? ` ${channel_words()[channel]}` : ""}`, channel, shown.length))),
          element("td", { class: "cv-numbers" }, told));
      }));
    bars.style.setProperty("--cv-row", `${BAR * Math.min(3, channels)}px`);
    mark();
    canvas.dataset.ready = `${of_layer.hidden ? "steered" : unit} ${names.length}`;
  };
  on_change(model, ["view"], draw, signal);
  on_change(model, ["layer_filters"], show_strip, signal);
  fill_layers();
  show_strip();
  draw();
  return { node };
}
