// Pictures with masks over them: what lies outside a mask is dimmed, a mask and a label have a line along their border.

/** @type {() => [string, string][]} */
const mask_words = () => [["both", word("mask lit, concept outlined")], ["mask", word("mask lit")], ["label", word("concept lit")], ["none", word("photo alone")]];
const MASK_LINE = [255, 214, 10];
const LABEL_LINE = [86, 180, 233];

/** One byte per pixel, 0 or 1, of a mask that holds eight pixels a byte. @param {DataView} packed @param {number} count */
function unpacked(packed, count) {
  const bytes = as_bytes(packed);
  const bits = new Uint8Array(count);
  for (let place = 0; place < count; place += 1) bits[place] = (bytes[place >> 3] >> (7 - (place & 7))) & 1;
  return bits;
}

/** Draws a line along the border of a mask, inside it. @param {ImageData} image @param {Uint8Array} bits @param {number[]} colour */
function outlined(image, bits, colour) {
  const { width, height, data } = image;
  for (let place = 0; place < bits.length; place += 1) {
    const [x, y] = [place % width, Math.floor(place / width)];
    const inner = (x === 0 || bits[place - 1]) && (x === width - 1 || bits[place + 1]) && (y === 0 || bits[place - width]) && (y === height - 1 || bits[place + width]);
    if (bits[place] && !inner) data.set(colour, 4 * place);
  }
}

/** Takes light and colour from what lies outside a mask. @param {ImageData} image @param {Uint8Array} bits */
function dimmed(image, bits) {
  const { data } = image;
  for (let place = 0, at = 0; place < bits.length; place += 1, at += 4) {
    if (bits[place]) continue;
    const grey = (data[at] + data[at + 1] + data[at + 2]) / 6;
    for (let channel = at; channel < at + 3; channel += 1) data[channel] = 0.3 * data[channel] + 0.7 * grey;
  }
}

/**
 * A picture with masks, drawn anew when its place or the choice of masks changes.
 * @param {any} item as the trait holds it @param {() => {lit: DataView | null, line: DataView | null}} masks @param {string} told @param {AbortSignal} signal
 */
function masked_picture(item, masks, told, signal) {
  const [height, width] = item.size;
  const canvas = element("canvas", { role: "img", "aria-label": told, title: told });
  /** @type {ImageBitmap | null} */
  let photo = null;
  const draw = once_per_frame(() => {
    if (!photo) return;
    const own = document.createElement("canvas");
    [own.width, own.height] = [width, height];
    const context = /** @type {CanvasRenderingContext2D} */ (own.getContext("2d"));
    context.drawImage(photo, 0, 0, width, height);
    const image = context.getImageData(0, 0, width, height);
    const { lit, line } = masks();
    if (lit) {
      const bits = unpacked(lit, width * height);
      dimmed(image, bits);
      outlined(image, bits, MASK_LINE);
    }
    if (line) outlined(image, unpacked(line, width * height), LABEL_LINE);
    context.putImageData(image, 0, 0);
    const across = canvas.parentElement?.clientWidth || width;
    const shown = fit_canvas(canvas, across, (across * height) / width);
    shown.imageSmoothingEnabled = across < width;
    shown.drawImage(own, 0, 0, across, (across * height) / width);
    canvas.dataset.ready = "true";
  }, signal);
  createImageBitmap(new Blob([as_bytes(item.jpeg)], { type: "image/jpeg" })).then((bitmap) => {
    photo = bitmap;
    draw();
  });
  const watch = new ResizeObserver(draw);
  signal.addEventListener("abort", () => watch.disconnect());
  return { canvas, draw, watch: (/** @type {Element} */ place) => watch.observe(place) };
}

/** Which masks are shown over pictures; a choice of the reader's, which asks nothing of the kernel. @param {AbortSignal} signal @param {() => void} changed */
function mask_choice(signal, changed) {
  const node = element("select", { "aria-label": word("What is shown over the pictures"), ...KEYED }, ...mask_words().map(([value, text]) => element("option", { value }, text)));
  node.addEventListener("change", changed, { signal });
  const masks = (/** @type {any} */ item) => {
    const { value } = node;
    if (value === "label") return { lit: item.label, line: null };
    return { lit: value === "none" ? null : item.mask, line: value === "both" ? item.label : null };
  };
  return { node, masks };
}

/** Something that is asked for by a button and takes a while. @param {Model} model @param {string} kind @param {() => any} wish @param {string} label @param {string} title @param {AbortSignal} signal */
function work_button(model, kind, wish, label, title, signal) {
  const start = tool_button(label, "play", () => {
    model.send({ kind: model.get("progress").kind === kind ? "stop" : kind, ...wish() });
  }, signal, { title });
  const bar = element("progress", { max: 1, "aria-label": label });
  const text = element("span", { class: "cv-faint", role: "status", "aria-live": "polite" });
  const node = element("div", { class: "cv-work" }, start.node, text, bar);
  const show = () => {
    const { kind: under_way, label: told, fraction } = model.get("progress");
    const mine = under_way === kind;
    start.show(mine ? word("Stop") : label, mine ? "stop" : "play");
    bar.hidden = text.hidden = !mine;
    bar.value = fraction ?? 0;
    text.textContent = mine ? heard(told) : "";
  };
  on_change(model, ["progress"], show, signal);
  show();
  return { node };
}
