// Which unit, and its map laid over the photo: a click or the arrow keys choose the neuron that is carried down.

/** The unit as a layer and a channel to choose. @param {Model} model @param {(wish: any) => void} look @param {AbortSignal} signal */
function unit_part(model, look, signal) {
  const layers = model.get("network").layers ?? [];
  const layer = element("select", { "aria-label": word("Layer"), ...KEYED },
    ...layers.map((/** @type {any} */ each) => element("option", { value: each.name }, each.name)));
  const channel = element("input", { type: "number", min: 0, step: 1, class: "cv-numbers", "aria-label": word("Channel"), ...KEYED });
  const count = element("span", { class: "cv-faint" });
  const node = element("span", { class: "cv-choose" }, element("label", {}, `${word("Layer")} `, layer), element("label", {}, `${word("channel")} `, channel), count);
  const channels = () => layers.find((/** @type {any} */ each) => each.name === layer.value)?.shape[0] ?? 1;
  const show = () => {
    const { network, unit } = { network: model.get("network"), unit: model.get("unit") };
    const split = unit.lastIndexOf(":");
    if (split < 0) return;
    layer.value = unit.slice(0, split);
    const place = Number.parseInt(unit.slice(split + 1), 10);
    if (document.activeElement !== channel || Number(channel.value) !== place) channel.value = String(place);
    set_attributes(channel, { max: channels() - 1 });
    const name = network.scores === layer.value ? network.classes[place] : "";
    count.textContent = `${word("of {count}", { count: channels() })}${name ? ` · ${name}` : ""}`;
  };
  layer.addEventListener("change", () => look({ layer: layer.value }), { signal });
  const pick = () => {
    const place = Math.max(0, Math.min(channels() - 1, Math.round(Number(channel.value) || 0)));
    channel.value = String(place);
    if (model.get("unit") !== `${layer.value}:${place}`) look({ unit: `${layer.value}:${place}` });
  };
  channel.addEventListener("change", pick, { signal });
  channel.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    pick();
  }, { signal });
  on_change(model, ["unit"], show, signal);
  show();
  return { node };
}

/** @param {Model} model @param {(wish: any) => void} look @param {AbortSignal} signal */
function map_part(model, look, signal) {
  const name = element("strong", { class: "cv-numbers" });
  const what = element("span", { class: "cv-faint" });
  const title = element("figcaption", {}, name, what);
  const canvas = element("canvas", { class: "cv-map", role: "img", "aria-roledescription": word("map over photo"), ...KEYED });
  const read = element("p", { class: "cv-told cv-numbers", role: "status", "aria-live": "polite" });
  const cover = element("input", { type: "range", min: 0, max: 100, value: 70, "aria-label": word("How much the map covers the photo"), ...KEYED });
  const node = element("figure", { class: "cv-panel" }, title, canvas,
    element("label", { class: "cv-cover" }, element("span", {}, word("photo")), cover, element("span", {}, word("map"))), read);

  /** @type {any} */
  let held = null;
  /** @type {ImageBitmap | null} */
  let photo = null;
  /** The neuron asked for, before the answer is here. @type {[number, number] | null} */
  let asked = null;
  /** @type {[number, number] | null} */
  let pointed = null;

  const load_photo = async () => {
    const data = model.get("photo");
    if (!data.png) return;
    const bitmap = await createImageBitmap(new Blob([as_bytes(data.png)], { type: "image/png" }));
    if (signal.aborted || model.get("photo") !== data) return;
    photo = bitmap;
    draw();
  };
  const take = () => {
    const view = model.get("view");
    if (!view.unit) return;
    const values = as_floats(view.values);
    const [height, width] = view.shape;
    const low = values.reduce((a, b) => Math.min(a, b), Infinity);
    const high = values.reduce((a, b) => Math.max(a, b), -Infinity);
    const codes = Uint8Array.from(values, (value) => (high > low ? (255 * (value - low)) / (high - low) : 0));
    const split = view.unit.lastIndexOf(":");
    const layer = view.unit.slice(0, split);
    const field = model.get("network").layers.find((/** @type {any} */ each) => each.name === layer)?.field;
    const typed = view.unit.includes("@") ? view.unit.split("@").pop().split(",").map(Number) : null;
    held = { ...view, layer, channel: Number.parseInt(view.unit.slice(split + 1), 10), values, height, width, low, high, field,
      place: view.position ?? typed, single: view.keep === "strongest", flat: values.length === 1,
      map: canvas_of(faded(coloured(codes, width, height, as_bytes(model.get("network").colours)), codes)) };
    const kept = held.flat ? word("its answer") : held.single ? (typed ? word("a chosen neuron") : word("its strongest neuron")) : word("all of its map");
    name.textContent = view.unit;
    what.textContent = kept;
    set_attributes(canvas, { "aria-label": sentences(word("Map of {unit} on {image}, largest {value}.", { unit: view.unit, image: view.image, value: short_number(high) }), held.flat ? "" : word("Arrow keys choose a neuron, Escape the strongest one.")) });
    draw();
  };
  /** Where the map lies over the photo, in photo pixels. */
  const placed = () => {
    const [height, width] = model.get("photo").size;
    if (!held.field || held.flat) return { x: 0, y: 0, dx: width / held.width, dy: height / held.height };
    const { size, stride, start } = held.field;
    return { x: start[1] + size[1] / 2 - stride[1] / 2, y: start[0] + size[0] / 2 - stride[0] / 2, dx: stride[1], dy: stride[0] };
  };
  const draw = once_per_frame(() => {
    if (!held || !photo) return;
    const zoom = Math.max(60, canvas.parentElement?.clientWidth || 200) / photo.width;
    const context = fit_canvas(canvas, photo.width * zoom, photo.height * zoom);
    context.scale(zoom, zoom);
    context.drawImage(photo, 0, 0);
    const { x, y, dx, dy } = placed();
    context.globalAlpha = Number(cover.value) / 100;
    if (!held.flat) context.drawImage(held.map, x, y, dx * held.width, dy * held.height);
    context.globalAlpha = 1;
    if (asked ?? (held.single && held.place)) mark(context, asked ?? held.place, zoom);
    else if (held.box) frame(context, held.box, zoom);
    tell();
    canvas.dataset.unit = held.unit;
    canvas.dataset.ready = "true";
  }, signal);
  const tell = () => {
    const place = pointed ?? asked ?? held.place;
    if (held.flat) read.textContent = word("value {value}", { value: short_number(held.high) });
    else if (place) read.textContent = word("row {row}, column {column}: {value}", { row: place[0], column: place[1], value: short_number(held.values[place[0] * held.width + place[1]]) });
    else read.textContent = word("largest {value}", { value: short_number(held.high) });
  };
  /** @param {CanvasRenderingContext2D} context @param {number[]} box @param {number} zoom */
  const frame = (context, [left, top, right, bottom], zoom) => {
    for (const [colour, width] of /** @type {[string, number][]} */ ([["#000", 4], [getComputedStyle(canvas).getPropertyValue("--cv-mark"), 2]])) {
      context.strokeStyle = colour;
      context.lineWidth = width / zoom;
      context.strokeRect(left + 1 / zoom, top + 1 / zoom, right - left - 2 / zoom, bottom - top - 2 / zoom);
    }
  };
  /** A neuron and what it sees. @param {CanvasRenderingContext2D} context @param {number[]} place @param {number} zoom */
  const mark = (context, place, zoom) => {
    const { x, y, dx, dy } = placed();
    const [height, width] = model.get("photo").size;
    const field = held.flat ? null : held.field;
    const [left, top] = field ? [field.start[1] + place[1] * field.stride[1], field.start[0] + place[0] * field.stride[0]] : [0, 0];
    const [right, bottom] = field ? [left + field.size[1], top + field.size[0]] : [width, height];
    frame(context, [Math.max(0, left), Math.max(0, top), Math.min(width, right), Math.min(height, bottom)], zoom);
    if (held.flat) return;
    context.beginPath();
    context.arc(x + (place[1] + 0.5) * dx, y + (place[0] + 0.5) * dy, 3 / zoom, 0, 7);
    context.stroke();
  };
  /** @param {number} row @param {number} column @returns {[number, number]} */
  const within = (row, column) => [Math.max(0, Math.min(held.height - 1, row)), Math.max(0, Math.min(held.width - 1, column))];
  /** @param {PointerEvent} event */
  const under = (event) => {
    if (!held || !photo || held.flat) return null;
    const corner = canvas.getBoundingClientRect();
    const zoom = corner.width / photo.width;
    const { x, y, dx, dy } = placed();
    return within(Math.floor(((event.clientY - corner.top) / zoom - y) / dy), Math.floor(((event.clientX - corner.left) / zoom - x) / dx));
  };
  /** @param {[number, number] | null} place */
  const choose = (place) => {
    if (!place) return;
    asked = place;
    draw();
    look({ unit: `${held.layer}:${held.channel}@${place.join(",")}`, keep: "strongest" });
  };
  canvas.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => {
    pointed = under(event);
    if (held) tell();
  }, { signal });
  canvas.addEventListener("pointerleave", () => {
    pointed = null;
    if (held) tell();
  }, { signal });
  canvas.addEventListener("click", (/** @type {PointerEvent} */ event) => choose(under(event)), { signal });
  canvas.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (!held || held.flat) return;
    /** @type {Record<string, [number, number]>} */
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    if (event.key in moves) {
      const [row, column] = asked ?? held.place ?? [Math.floor(held.height / 2), Math.floor(held.width / 2)];
      choose(within(row + moves[event.key][0], column + moves[event.key][1]));
    } else if (event.key === "Escape") look({ unit: `${held.layer}:${held.channel}` });
    else return;
    event.preventDefault();
  }, { signal });
  cover.addEventListener("input", draw, { signal });
  on_change(model, ["photo"], load_photo, signal);
  on_change(model, ["view"], take, signal);
  const watch = new ResizeObserver(draw);
  watch.observe(node);
  signal.addEventListener("abort", () => watch.disconnect());
  /** All that was asked for is answered: what is shown is what counts. */
  const release = () => {
    asked = null;
    draw();
  };
  load_photo();
  take();
  return { node, release };
}
