// The three maps of the sliding square: cells over a faint photo, coarse at first, with the square's place marked.

const SLIDE_CLASSES = ["#8d99ae", "#e69f00", "#56b4e9", "#009e73", "#cc79a7", "#d55e00", "#f0e442", "#0072b2"];
const SLIDE_OTHERS = "#5c5c5c";

/** What a slide trait holds, as arrays; null where it has no maps of the present photo. @param {Model} model */
function slide_maps(model) {
  const told = model.get("slide");
  const [rows, columns] = told.shape ?? [0, 0];
  if (!rows || told.image !== model.get("photo").name) return null;
  const top = new Int32Array(as_floats(told.top).buffer);
  return { ...told, rows, columns, count: rows * columns, known: as_bytes(told.known), probability: as_floats(told.probability), activation: as_floats(told.activation), top };
}

/** Which colour each class of the third map has; a class keeps it while the map fills. */
function class_colours() {
  let run = NaN;
  /** @type {Map<number, string>} */
  const colours = new Map();
  /** @param {any} maps @returns {{colour: (index: number) => string, counts: [number, number][]}} */
  return (maps) => {
    if (maps.run !== run) colours.clear();
    run = maps.run;
    /** @type {Map<number, number>} */
    const counts = new Map();
    maps.top.forEach((/** @type {number} */ each) => each >= 0 && counts.set(each, (counts.get(each) ?? 0) + 1));
    const sorted = [...counts].sort((a, b) => b[1] - a[1]);
    sorted.forEach(([index]) => colours.has(index) || colours.set(index, SLIDE_CLASSES[colours.size] ?? SLIDE_OTHERS));
    return { colour: (index) => colours.get(index) ?? "transparent", counts: sorted };
  };
}

/** @param {string} hex */
const hex_rgb = (hex) => [1, 3, 5].map((place) => Number.parseInt(hex.slice(place, place + 2), 16));

/** A picture of one pixel per cell; what is only a neighbour's value is paler. @param {any} maps @param {(cell: number) => number[] | null} colour */
function cells_of(maps, colour) {
  const image = new ImageData(maps.columns, maps.rows);
  for (let cell = 0; cell < maps.count; cell += 1) {
    const rgb = colour(cell);
    if (rgb) image.data.set([...rgb, maps.known[cell] ? 235 : 130], 4 * cell);
  }
  return canvas_of(image);
}

/**
 * @param {Model} model @param {{at: () => number, go: (cell: number) => void, leave: () => void, pressed: (event: KeyboardEvent) => boolean}} act @param {AbortSignal} signal
 */
function slide_maps_part(model, act, signal) {
  const photo = bitmap_of(model, "photo", () => draw(), signal);
  const colours_of = class_colours();
  const tiles = ["probability", "activation", "top"].map((name) => {
    const canvas = element("canvas", { role: "img", "aria-roledescription": word("map over photo"), ...KEYED });
    const title = element("strong", {});
    const legend = element("div", { class: "cv-slide-legend cv-numbers" });
    const node = element("figure", { class: "cv-panel", "data-map": name }, element("figcaption", {}, title), canvas, legend);
    return { name, canvas, title, legend, node };
  });
  const node = element("div", { class: "cv-three" }, ...tiles.map((tile) => tile.node));

  /** @param {any} maps @param {string} name @returns {[number, number]} */
  const range = (maps, name) => {
    const clean = maps.clean[name === "probability" ? 0 : 1];
    const values = maps[name].filter((/** @type {number} */ value) => Number.isFinite(value));
    const low = name === "probability" ? 0 : values.reduce((/** @type {number} */ a, /** @type {number} */ b) => Math.min(a, b), clean);
    return [low, values.reduce((/** @type {number} */ a, /** @type {number} */ b) => Math.max(a, b), clean)];
  };
  /** @param {any} tile @param {any} maps */
  const show_values = (tile, maps) => {
    const [low, high] = range(maps, tile.name);
    const colours = as_bytes(model.get("network").colours);
    const text = tile.name === "probability" ? percent_text : short_number;
    const clean = maps.clean[tile.name === "probability" ? 0 : 1];
    tile.title.textContent = tile.name === "probability" ? word("probability of {name}", { name: maps.name }) : word("sum of {map}", { map: maps.unit ?? word("the strongest map") });
    tile.legend.replaceChildren(text(low), element("span", { class: "cv-ramp", style: `background: ${ramp(colours)}` }), text(high), element("span", { class: "cv-faint" }, word("clean {clean}", { clean: text(clean) })));
    set_attributes(tile.canvas, { "aria-label": word("{title}, from {low} to {high}. Arrow keys move the square.", { title: tile.title.textContent, low: text(low), high: text(high) }) });
    return cells_of(maps, (cell) => {
      const value = maps[tile.name][cell];
      if (!Number.isFinite(value)) return null;
      const code = 3 * Math.round((255 * (value - low)) / (high - low || 1));
      return [...colours.subarray(code, code + 3)];
    });
  };
  /** @param {any} tile @param {any} maps */
  const show_classes = (tile, maps) => {
    const { colour, counts } = colours_of(maps);
    const shown = counts.slice(0, SLIDE_CLASSES.length);
    const seen = counts.reduce((sum, [, count]) => sum + count, 0);
    tile.title.textContent = word("most probable class");
    tile.legend.replaceChildren(...shown.map(([index, count]) => element("span", { class: "cv-swatch" },
      element("i", { style: `background: ${colour(index)}` }), `${maps.names[index]} ${percent_text(count / seen)}`)),
      ...(counts.length > shown.length ? [element("span", { class: "cv-swatch" }, word("{count} others", { count: counts.length - shown.length }))] : []));
    set_attributes(tile.canvas, { "aria-label": word("Most probable class: {classes}. Arrow keys move the square.", { classes: shown.map(([index, count]) => `${maps.names[index]} ${percent_text(count / seen)}`).join(", ") }) });
    return cells_of(maps, (cell) => (maps.top[cell] < 0 ? null : hex_rgb(colour(maps.top[cell]))));
  };
  /** Where a cell's middle part lies: where the square's middle is, as wide as its step. @param {any} maps @param {number} cell */
  const cell_box = (maps, cell) => {
    const edge = (maps.square - maps.stride) / 2;
    return [edge + (cell % maps.columns) * maps.stride, edge + Math.floor(cell / maps.columns) * maps.stride];
  };
  /** @type {{of: any, cells: HTMLCanvasElement[]}} */
  const kept = { of: null, cells: [] };
  const draw = once_per_frame(() => {
    const maps = slide_maps(model);
    node.hidden = !maps;
    if (!maps || !photo.now) return;
    if (kept.of !== model.get("slide")) {
      kept.of = model.get("slide");
      kept.cells = tiles.map((tile) => (tile.name === "top" ? show_classes(tile, maps) : show_values(tile, maps)));
    }
    const [height, width] = model.get("photo").size;
    tiles.forEach(({ canvas, node: figure }, place) => {
      const scale = (figure.clientWidth || 160) / width;
      const context = fit_canvas(canvas, width * scale, height * scale);
      context.filter = "grayscale(1)";
      context.globalAlpha = 0.45;
      context.drawImage(/** @type {ImageBitmap} */ (photo.now), 0, 0, width * scale, height * scale);
      context.filter = "none";
      context.globalAlpha = 1;
      context.imageSmoothingEnabled = false;
      const [left, top] = cell_box(maps, 0);
      const step = maps.stride * scale;
      context.drawImage(kept.cells[place], left * scale, top * scale, step * maps.columns, step * maps.rows);
      const [x, y] = cell_box(maps, Math.min(act.at(), maps.count - 1));
      for (const [colour, wide] of /** @type {[string, number][]} */ ([["#000", 3.5], ["#fff", 1.5]])) {
        context.strokeStyle = colour;
        context.lineWidth = wide;
        context.strokeRect(x * scale, y * scale, step, step);
      }
      canvas.dataset.ready = `${maps.image} ${maps.done}`;
    });
  }, signal);
  /** The cell at a place of the photo. @param {number[]} place x, y @returns {number | null} */
  const cell_at = ([x, y]) => {
    const maps = slide_maps(model);
    if (!maps) return null;
    const [left, top] = cell_box(maps, 0);
    const within = (/** @type {number} */ value, /** @type {number} */ most) => Math.max(0, Math.min(most - 1, Math.floor(value / maps.stride)));
    return within(y - top, maps.rows) * maps.columns + within(x - left, maps.columns);
  };
  tiles.forEach(({ canvas }) => {
    canvas.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => {
      const box = canvas.getBoundingClientRect();
      const [height, width] = model.get("photo").size;
      const cell = cell_at([((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height]);
      if (cell !== null) act.go(cell);
    }, { signal });
    canvas.addEventListener("pointerleave", act.leave, { signal });
    canvas.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      if (!act.pressed(event)) return;
      event.preventDefault();
      event.stopPropagation();
    }, { signal });
  });
  const watch = new ResizeObserver(draw);
  watch.observe(node);
  signal.addEventListener("abort", () => watch.disconnect());
  return { node, draw, cell_at };
}

/** A table of colours as a gradient. @param {Uint8Array} colours */
function ramp(colours) {
  const stops = [0, 32, 64, 96, 128, 160, 192, 224, 255].map((code) => `rgb(${colours.slice(3 * code, 3 * code + 3).join(" ")})`);
  return `linear-gradient(to right, ${stops.join(", ")})`;
}
