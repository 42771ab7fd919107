// The maps side by side over the photo, each by one way of asking. Cover and range are set here, without the kernel.

/** What each way of asking does. @type {() => Record<string, string>} */
const variant_words = () => ({
  gradient: word("slope of the score"),
  smoothgrad: word("its mean under noise"),
  integrated: word("slope from black to the photo, times the photo"),
  "grad-cam": word("late maps by their weight"),
  guided: word("slope, only what excites"),
  deconvnet: word("carried down, only what is positive"),
});
/** Those that are in the same unit: score per pixel value. */
const SLOPES = ["gradient", "smoothgrad", "guided", "deconvnet"];

/** Levels (0-255) of a map's 256 codes. @param {number} high @param {number} full the value of the brightest colour */
function map_levels(high, full) {
  return Uint8ClampedArray.from({ length: 256 }, (_, code) => (full > 0 ? (255 * high * (code / 255) ** 2) / full : 0));
}

/** @param {Model} model @param {AbortSignal} signal */
function maps_part(model, signal) {
  const cover = element("input", { type: "range", min: 0, max: 100, value: 70, "aria-label": word("How much the maps cover the photo"), ...KEYED });
  const range = element("select", { "aria-label": word("Range of the colours"), ...KEYED },
    element("option", { value: "own" }, word("each map its own range")), element("option", { value: "shared" }, word("one range for the four slopes")));
  const legend = element("canvas", { width: 256, height: 1, class: "cv-legend", "aria-hidden": "true" });
  const tools = element("div", { class: "cv-tools" }, element("label", { class: "cv-strength" }, `${word("photo")} `, cover, ` ${word("map (saliency)")}`), range,
    element("span", { class: "cv-strength cv-faint" }, "0", legend, word("full")));
  const tiles = Object.entries(variant_words()).map(([variant, text]) => {
    const canvas = element("canvas", { role: "img" });
    const told = element("p", { class: "cv-faint cv-numbers" });
    const node = element("figure", { class: "cv-panel", "data-variant": variant },
      element("figcaption", {}, element("strong", {}, variant), element("span", { class: "cv-faint", title: text }, text)), canvas, told);
    return { variant, canvas, told, node };
  });
  const node = element("div", { class: "cv-six" }, ...tiles.map((each) => each.node));
  const held = () => {
    const { view, more } = { view: model.get("view"), more: model.get("more") };
    const late = more.image === view.image && more.target === view.target ? more.maps ?? [] : [];
    return new Map([...(view.maps ?? []), ...late].map((each) => [each.variant, each]));
  };
  const draw = once_per_frame(() => {
    const maps = held();
    const most = Math.max(0, ...SLOPES.map((each) => maps.get(each)?.peak ?? 0));
    tiles.forEach((tile) => paint(tile, maps.get(tile.variant), most));
  }, signal);
  const photo = photo_bitmap(model, draw, signal);
  /** @param {any} tile @param {any} map @param {number} most */
  const paint = ({ variant, canvas, told, node: tile }, map, most) => {
    if (!photo.now) return;
    const width = tile.clientWidth || 200;
    const context = fit_canvas(canvas, width, (width * photo.now.height) / photo.now.width);
    const area = /** @type {[number, number, number, number]} */ ([0, 0, width, (width * photo.now.height) / photo.now.width]);
    context.imageSmoothingEnabled = width < photo.now.width;
    context.drawImage(photo.now, ...area);
    canvas.dataset.ready = map?.codes ? model.get("view").name : "";
    told.textContent = heard(map?.note) || (!map ? word("under way …") : map.high > 0 ? word("full colour: {value}", { value: short_number(map.peak || map.high) }) : word("Nothing arrives at the photo this way."));
    set_attributes(canvas, { "aria-label": map?.codes ? word("{variant} of {name} on {image}, up to {most}", { variant, name: model.get("view").name, image: map.image ?? model.get("image"), most: short_number(map.high) }) : word("{variant}: not here yet", { variant }) });
    if (!map?.codes) return;
    const codes = as_bytes(map.codes);
    const levels = map_levels(map.high, range.value === "shared" && SLOPES.includes(variant) ? most : map.peak || map.high);
    const image = coloured(codes, map.shape[1], map.shape[0], as_bytes(model.get("network").colours), (code) => levels[code]);
    const share = Number(cover.value) / 100;
    for (let place = 0; place < codes.length; place += 1) image.data[4 * place + 3] = 255 * share * (share + ((1 - share) * levels[codes[place]]) / 255);
    context.drawImage(canvas_of(image), ...area);
  };
  const paint_legend = () => {
    const strip = Uint8Array.from({ length: 256 }, (_, place) => place);
    legend.getContext("2d").putImageData(coloured(strip, 256, 1, as_bytes(model.get("network").colours)), 0, 0);
  };
  cover.addEventListener("input", draw, { signal });
  range.addEventListener("change", draw, { signal });
  on_change(model, ["view", "more"], draw, signal);
  const watch = new ResizeObserver(draw);
  watch.observe(node);
  signal.addEventListener("abort", () => watch.disconnect());
  paint_legend();
  draw();
  return { tools, node };
}
