// Shared by all widgets; joined in front of each widget's own module. It draws nothing of its own.

/**
 * @typedef {{get: (name: string) => any, set: (name: string, value: any) => void,
 *   on: (event: string, listener: (...values: any[]) => void) => void,
 *   off: (event: string, listener: (...values: any[]) => void) => void,
 *   send: (message: any, callbacks?: any, buffers?: ArrayBuffer[]) => void}} Model
 */

let kit_ids = 0;

/** A name that no other element of the page has. @param {string} stem */
function fresh_id(stem) {
  kit_ids += 1;
  return `cv-${stem}-${kit_ids}`;
}

/**
 * An element with attributes and children; text children are text, never markup.
 * @param {string} tag @param {Record<string, any>} [attributes] @param {...(Node | string)} children
 * @returns {any}
 */
function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  set_attributes(node, attributes);
  node.append(...children);
  return node;
}

/** The same for SVG. @param {string} tag @param {Record<string, any>} [attributes] @param {...(Node | string)} children @returns {any} */
function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  set_attributes(node, attributes);
  node.append(...children);
  return node;
}

/** @param {Element} node @param {Record<string, any>} attributes */
function set_attributes(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === undefined || value === null) node.removeAttribute(name);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
}

/** Listens to traits until the view is gone. @param {Model} model @param {string[]} names @param {() => void} listener @param {AbortSignal} signal */
function on_change(model, names, listener, signal) {
  for (const name of names) {
    model.on(`change:${name}`, listener);
    signal.addEventListener("abort", () => model.off(`change:${name}`, listener));
  }
}

/** Calls at most once per frame. @param {() => void} draw @param {AbortSignal} signal */
function once_per_frame(draw, signal) {
  let asked = 0;
  signal.addEventListener("abort", () => cancelAnimationFrame(asked));
  return () => {
    cancelAnimationFrame(asked);
    asked = requestAnimationFrame(draw);
  };
}

/** @param {DataView} view */
function as_floats(view) {
  return new Float32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}

/** @param {DataView} view */
function as_bytes(view) {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** A number for people: three significant digits. @param {number} value */
function short_number(value) {
  if (value === 0 || !Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  return size >= 1e4 || size < 1e-3 ? value.toExponential(1) : String(Number(value.toPrecision(3)));
}

/** An address for bytes, given back when the view is gone. @param {DataView} bytes @param {string} type @param {AbortSignal} signal */
function object_url(bytes, type, signal) {
  const url = URL.createObjectURL(new Blob([as_bytes(bytes)], { type }));
  signal.addEventListener("abort", () => URL.revokeObjectURL(url));
  return url;
}

/** Fits a canvas to its place on the page and to the screen's pixels; drawing goes on in CSS pixels. @param {HTMLCanvasElement} canvas @param {number} width @param {number} height */
function fit_canvas(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.max(1, Math.round(height * ratio));
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return context;
}

/** Colours codes (0-255) by a table of 256 RGB triples. @param {Uint8Array} codes @param {number} width @param {number} height @param {Uint8Array} colours @param {(code: number) => number} [level] */
function coloured(codes, width, height, colours, level = (code) => code) {
  const table = new Uint32Array(256);
  for (let code = 0; code < 256; code += 1) {
    const place = 3 * Math.max(0, Math.min(255, Math.round(level(code))));
    table[code] = (255 << 24) | (colours[place + 2] << 16) | (colours[place + 1] << 8) | colours[place];
  }
  const image = new ImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  for (let place = 0; place < pixels.length; place += 1) pixels[place] = table[codes[place]];
  return image;
}

/** Makes low values transparent, so that what lies below shows where there is little to see. @param {ImageData} image @param {Uint8Array} codes */
function faded(image, codes) {
  for (let place = 0; place < codes.length; place += 1) image.data[4 * place + 3] = 40 + (215 * codes[place]) / 255;
  return image;
}

/** A canvas that is never shown. @param {ImageData} image */
function canvas_of(image) {
  const canvas = document.createElement("canvas");
  canvas.width = image.width;
  canvas.height = image.height;
  /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")).putImageData(image, 0, 0);
  return canvas;
}

/** Attributes of an element that takes keys of its own, which JupyterLab must not act on. */
const KEYED = { tabindex: 0, "data-lm-suppress-shortcuts": "true" };

/** A box that tells an error and can be closed; while `wait` says so it neither comes nor goes, as it moves what lies below. @param {Model} model @param {AbortSignal} signal @param {() => boolean} [wait] */
function problem_box(model, signal, wait = () => false) {
  const text = element("span");
  const close = element("button", { type: "button", class: "cv-quiet", "aria-label": word("Close this message") }, "✕");
  const box = element("div", { class: "cv-problem", role: "alert", hidden: true }, text, close);
  /** @type {any} */
  let told = null;
  const show = () => {
    const problem = model.get("problem");
    if (wait() || problem === told) return;
    told = problem;
    text.textContent = problem.text ?? "";
    box.hidden = !problem.text;
  };
  close.addEventListener("click", () => (box.hidden = true), { signal });
  on_change(model, ["problem", "answered"], show, signal);
  show();
  return box;
}
