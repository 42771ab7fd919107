// The chosen neuron, large: its map over the photo, the value and the receptive field under the pointer, its patches.

/** @param {Model} model @param {(wish: any) => void} look @param {AbortSignal} signal @param {(name: string) => any} layer_of */
function neuron_part(model, look, signal, layer_of) {
  const title = element("h3", { class: "cv-numbers" });
  const canvas = element("canvas", { class: "cv-large", role: "img", "aria-roledescription": word("map over photo"), ...KEYED });
  const read = element("p", { class: "cv-told cv-numbers", role: "status", "aria-live": "polite" });
  const cover = element("input", { type: "range", min: 0, max: 100, value: 80, "aria-label": word("How much the map covers the photo") });
  const bars = svg("svg", { class: "cv-histogram", viewBox: "0 0 240 34", preserveAspectRatio: "none", role: "img" });
  const ends = element("div", { class: "cv-ends cv-faint cv-numbers" });
  const patches = element("div", { class: "cv-patches" });
  const waiting = element("p", { class: "cv-faint" });
  const bar = element("progress", { max: 1, value: 0, "aria-label": word("Search for patches") });
  const node = element("section", { class: "cv-neuron", "aria-label": word("Chosen neuron") }, title, canvas, read,
    element("label", { class: "cv-cover" }, element("span", {}, word("photo")), cover, element("span", {}, word("map"))),
    bars, ends, element("h3", {}, word("Excited most by")), patches, waiting, bar);

  /** @type {any} */
  let held = null;
  /** @type {ImageBitmap | null} */
  let photo = null;
  /** @type {[number, number] | null} */
  let pointed = null;

  const load_photo = async () => {
    const data = model.get("photo");
    if (!data.png) return;
    const bitmap = await createImageBitmap(new Blob([as_bytes(data.png)], { type: "image/png" }));
    if (signal.aborted) return;
    photo = bitmap;
    draw();
  };
  const take = () => {
    const neuron = model.get("neuron");
    if (!neuron.unit) return;
    const values = as_floats(neuron.values);
    const [height, width] = neuron.shape;
    const low = values.reduce((a, b) => Math.min(a, b), Infinity);
    const high = values.reduce((a, b) => Math.max(a, b), -Infinity);
    const codes = Uint8Array.from(values, (value) => (high > low ? (255 * (value - low)) / (high - low) : 0));
    const [layer, rest] = neuron.unit.split(":");
    const position = rest.includes("@") ? rest.split("@")[1].split(",").map(Number) : null;
    held = { unit: neuron.unit, layer, channel: Number.parseInt(rest, 10), values, height, width, low, high, position,
      field: layer_of(layer)?.field, map: canvas_of(faded(coloured(codes, width, height, as_bytes(model.get("network").colours)), codes)) };
    pointed = null;
    const classes = model.get("network").scores === layer ? model.get("network").classes : [];
    title.textContent = classes[held.channel] ? `${neuron.unit} · ${classes[held.channel]}` : neuron.unit;
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    const best = values.indexOf(high);
    held.summary = values.length === 1 ? word("value {value}", { value: short_number(high) })
      : word("mean {mean}, largest {most} at row {row}, column {column}", { mean: short_number(mean), most: short_number(high), row: Math.floor(best / width), column: best % width });
    set_attributes(canvas, { "aria-label": word("unit {unit} of {layer}, {summary}. Arrow keys read values, Enter picks the neuron.", { unit: held.channel, layer, summary: held.summary }) });
    histogram();
    show_patches();
    draw();
  };
  /** Where the map lies over the photo, in photo pixels. */
  const placed = () => {
    const [height, width] = model.get("photo").size;
    if (!held.field || held.values.length === 1) return { x: 0, y: 0, dx: width / held.width, dy: height / held.height };
    const { size, stride, start } = held.field;
    return { x: start[1] + size[1] / 2 - stride[1] / 2, y: start[0] + size[0] / 2 - stride[0] / 2, dx: stride[1], dy: stride[0] };
  };
  const draw = once_per_frame(() => {
    if (!held || !photo) return;
    const side = Math.max(120, Math.min(320, node.clientWidth || 288));
    const zoom = side / Math.max(photo.width, photo.height);
    const context = fit_canvas(canvas, photo.width * zoom, photo.height * zoom);
    context.scale(zoom, zoom);
    context.drawImage(photo, 0, 0);
    const { x, y, dx, dy } = placed();
    context.globalAlpha = Number(cover.value) / 100;
    context.imageSmoothingEnabled = held.values.length > 1;
    context.drawImage(held.map, x, y, dx * held.width, dy * held.height);
    context.globalAlpha = 1;
    const place = pointed ?? held.position;
    if (place) outline(context, place, zoom);
    read.textContent = place ? word("row {row}, column {column}: {value}", { row: place[0], column: place[1], value: short_number(held.values[place[0] * held.width + place[1]]) }) : held.summary;
    canvas.dataset.unit = held.unit;
    mark();
  }, signal);
  /** The receptive field of a neuron. @param {CanvasRenderingContext2D} context @param {[number, number]} place @param {number} zoom */
  const outline = (context, place, zoom) => {
    const { x, y, dx, dy } = placed();
    const box = held.field
      ? [held.field.start[1] + place[1] * held.field.stride[1], held.field.start[0] + place[0] * held.field.stride[0], held.field.size[1], held.field.size[0]]
      : [0, 0, canvas.clientWidth / zoom, canvas.clientHeight / zoom];
    for (const [colour, width] of /** @type {[string, number][]} */ ([["#000", 4], [getComputedStyle(canvas).getPropertyValue("--cv-mark"), 2]])) {
      context.strokeStyle = colour;
      context.lineWidth = width / zoom;
      context.strokeRect(box[0], box[1], box[2], box[3]);
      context.beginPath();
      context.arc(x + (place[1] + 0.5) * dx, y + (place[0] + 0.5) * dy, (width + 1) / zoom, 0, 7);
      context.stroke();
    }
  };
  const BINS = 30;
  const bin = (/** @type {number} */ value) => Math.min(BINS - 1, Math.floor((BINS * (value - held.low)) / Math.max(held.high - held.low, 1e-12)));
  const histogram = () => {
    bars.toggleAttribute("hidden", held.values.length === 1);
    ends.hidden = held.values.length === 1;
    const counts = new Array(BINS).fill(0);
    for (const value of held.values) counts[bin(value)] += 1;
    const most = Math.log1p(Math.max(...counts));
    set_attributes(bars, { "aria-label": word("Histogram of {count} values from {low} to {high}", { count: held.values.length, low: short_number(held.low), high: short_number(held.high) }) });
    bars.replaceChildren(svg("title", {}, word("{count} values, {low} to {high}; heights are logarithmic", { count: held.values.length, low: short_number(held.low), high: short_number(held.high) })),
      ...counts.map((count, place) => {
        const height = (34 * Math.log1p(count)) / most;
        return svg("rect", { x: (place * 240) / BINS + 0.5, y: 34 - height, width: 240 / BINS - 1, height });
      }));
    ends.replaceChildren(element("span", {}, short_number(held.low)), element("span", {}, short_number(held.high)));
  };
  const mark = () => {
    const place = pointed ?? held.position;
    const at = place ? bin(held.values[place[0] * held.width + place[1]]) : -1;
    bars.querySelectorAll("rect").forEach((/** @type {Element} */ rect, /** @type {number} */ number) => set_attributes(rect, { "data-at": number === at }));
  };
  const show_patches = () => {
    const top = model.get("neuron").top;
    patches.replaceChildren(...(top ?? []).map((/** @type {any} */ each) => {
      const value = short_number(each.activation);
      const button = element("button", { type: "button", class: "cv-patch", title: word("{image}: look at it", { image: each.image }), "aria-label": word("patch of {image}, activation {value}", { image: each.image, value }) },
        element("img", { src: object_url(each.jpeg, "image/jpeg", signal), alt: "" }), element("span", { class: "cv-numbers cv-faint" }, value));
      const unit = `${held.layer}:${held.channel}${held.values.length > 1 ? `@${each.position.join(",")}` : ""}`;
      button.addEventListener("click", () => look({ image: each.image, unit }), { signal });
      return button;
    }));
    show_progress();
  };
  const show_progress = () => {
    const progress = model.get("progress");
    const top = model.get("neuron").top;
    bar.hidden = !progress.label;
    bar.value = progress.fraction ?? 0;
    waiting.textContent = progress.label ? heard(progress.label) : (top && !top.length ? word("No picture excites it.") : "");
  };
  /** @param {PointerEvent} event */
  const under = (event) => {
    if (!held || !photo) return null;
    const corner = canvas.getBoundingClientRect();
    const zoom = corner.width / photo.width;
    const { x, y, dx, dy } = placed();
    const row = Math.floor(((event.clientY - corner.top) / zoom - y) / dy);
    const column = Math.floor(((event.clientX - corner.left) / zoom - x) / dx);
    return /** @type {[number, number]} */ ([Math.max(0, Math.min(held.height - 1, row)), Math.max(0, Math.min(held.width - 1, column))]);
  };
  const pick = () => {
    if (pointed && held.values.length > 1) look({ unit: `${held.layer}:${held.channel}@${pointed.join(",")}` });
  };
  canvas.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => {
    pointed = under(event);
    draw();
  }, { signal });
  canvas.addEventListener("pointerleave", () => {
    pointed = null;
    draw();
  }, { signal });
  canvas.addEventListener("click", (/** @type {PointerEvent} */ event) => {
    pointed = under(event);
    pick();
  }, { signal });
  canvas.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (!held) return;
    /** @type {Record<string, [number, number]>} */
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    if (event.key in moves) {
      const [row, column] = pointed ?? held.position ?? [Math.floor(held.height / 2), Math.floor(held.width / 2)];
      pointed = [Math.max(0, Math.min(held.height - 1, row + moves[event.key][0])), Math.max(0, Math.min(held.width - 1, column + moves[event.key][1]))];
      draw();
    } else if (event.key === "Enter") pick();
    else if (event.key === "Escape" && held.position) look({ unit: `${held.layer}:${held.channel}` });
    else return;
    event.preventDefault();
  }, { signal });
  cover.addEventListener("input", draw, { signal });
  on_change(model, ["photo"], load_photo, signal);
  on_change(model, ["neuron"], take, signal);
  on_change(model, ["progress"], show_progress, signal);
  const watch = new ResizeObserver(draw);
  watch.observe(node);
  signal.addEventListener("abort", () => watch.disconnect());
  load_photo();
  take();
  show_progress();
  return { node };
}
