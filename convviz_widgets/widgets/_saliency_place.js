// Where the object is: its mask and box, and the percentiles that bound the seeds from which it is cut out.

/** @param {Model} model @param {(wish: any) => void} ask @param {AbortSignal} signal */
function place_part(model, ask, signal) {
  const canvas = element("canvas", { role: "img" });
  const text = element("p", { class: "cv-numbers", role: "status", "aria-live": "polite" });
  const row = (/** @type {string} */ name, /** @type {string} */ label, /** @type {string} */ title, /** @type {number} */ min, /** @type {number} */ max) => {
    const range = element("input", { type: "range", min, max, step: 0.5, "aria-label": label, title, ...KEYED });
    const value = element("span", { class: "cv-numbers" });
    const node = element("label", { class: "cv-percent", title }, element("span", {}, label), range, value);
    const tell = () => {
      value.textContent = `${Number(range.value)} %`;
      set_attributes(range, { "aria-valuetext": word("percentile {value}", { value: range.value }) });
    };
    range.addEventListener("input", () => {
      tell();
      moved(name);
    }, { signal });
    return { name, range, node, tell };
  };
  const above = row("above", word("object above"), word("Pixels above this percentile of the map are seeds of the object"), 50, 99.5);
  const below = row("below", word("ground below"), word("Pixels below this percentile of the map are seeds of the ground"), 1, 95);
  const node = element("figure", { class: "cv-panel cv-place" },
    element("figcaption", {}, element("strong", {}, word("where it is")), element("span", { class: "cv-faint", title: word("Cut out by colour, from seeds where the gradient's map is large") }, word("cut out from the map's seeds"))), canvas, text, above.node, below.node);
  /** The ground stays below the object. @param {string} name */
  const moved = (name) => {
    const [high, low] = [Number(above.range.value), Number(below.range.value)];
    if (low >= high && name === "above") below.range.value = String(high - 0.5);
    if (low >= high && name === "below") above.range.value = String(Math.min(99.5, low + 0.5));
    [above, below].forEach((each) => each.tell());
    ask({ above: Number(above.range.value), below: Number(below.range.value) });
  };
  const draw = once_per_frame(() => {
    if (!photo.now) return;
    const place = model.get("place");
    const current = place.mask && place.image === model.get("view").image && place.target === model.get("view").target;
    const zoom = (node.clientWidth || 200) / photo.now.width;
    const context = fit_canvas(canvas, photo.now.width * zoom, photo.now.height * zoom);
    context.imageSmoothingEnabled = zoom < 1;
    context.drawImage(photo.now, 0, 0, photo.now.width * zoom, photo.now.height * zoom);
    text.textContent = current ? words(place) : word("being cut out …");
    canvas.dataset.ready = current ? `${place.above}-${place.below}` : "";
    set_attributes(canvas, { "aria-label": current ? `${model.get("view").name}: ${words(place)}` : word("not found yet") });
    if (!current) return;
    const [height, width] = place.shape;
    const mask = as_bytes(place.mask);
    const shade = new ImageData(width, height);
    for (let at = 0; at < mask.length; at += 1) shade.data[4 * at + 3] = mask[at] ? 0 : 170;
    context.imageSmoothingEnabled = false;
    context.drawImage(canvas_of(shade), 0, 0, width * zoom, height * zoom);
    const [left, top, right, bottom] = place.box.map((/** @type {number} */ edge) => edge * zoom);
    for (const [colour, line] of /** @type {[string, number][]} */ ([["#000", 4], [getComputedStyle(canvas).getPropertyValue("--cv-mark"), 2]])) {
      context.strokeStyle = colour;
      context.lineWidth = line;
      context.strokeRect(left + 1, top + 1, right - left - 2, bottom - top - 2);
    }
  }, signal);
  const words = (/** @type {any} */ { box: [left, top, right, bottom], share }) => word("columns {left}–{right}, rows {top}–{bottom} · {share} % of the photo", { left, right: right - 1, top, bottom: bottom - 1, share: (100 * share).toFixed(0) });
  const photo = photo_bitmap(model, draw, signal);
  const set = () => {
    for (const each of [above, below]) {
      if (document.activeElement !== each.range) each.range.value = String(model.get(each.name));
      each.tell();
    }
  };
  on_change(model, ["place", "view"], draw, signal);
  on_change(model, ["above", "below"], set, signal);
  const watch = new ResizeObserver(draw);
  watch.observe(node);
  signal.addEventListener("abort", () => watch.disconnect());
  set();
  return { node };
}
