// Filters as tiles with their names, themselves or their spectra; a filter is drawn by whole pixels, grey is zero.

const TILE = 72; // CSS pixels of a tile's picture
const LARGE = 132; // the same of what a mixture comes to

/** A filter drawn without smoothing. @param {HTMLCanvasElement} canvas @param {ImageData} image @param {number} wide */
function draw_tile(canvas, image, wide) {
  const context = fit_canvas(canvas, wide, wide);
  context.imageSmoothingEnabled = false;
  context.drawImage(canvas_of(image), 0, 0, wide, wide);
}

/** One of several pictures (side, side, 3). @param {Uint8Array} bytes @param {number} side @param {number} place */
function picture_at(bytes, side, place) {
  const image = new ImageData(side, side);
  const from = place * side * side * 3;
  for (let pixel = 0; pixel < side * side; pixel += 1) {
    for (let part = 0; part < 3; part += 1) image.data[4 * pixel + part] = bytes[from + 3 * pixel + part];
    image.data[4 * pixel + 3] = 255;
  }
  return image;
}

/** The filters, and whether they are shown themselves or as their spectra. @param {Model} model @param {AbortSignal} signal */
function filters_part(model, signal) {
  let spectra = false;
  const kind = choice_row(word("What is shown of a filter"), [
    ["filters", word("filters"), word("Weights; grey is zero")],
    ["spectra", word("spectra"), word("Size of the Fourier transform: frequency zero in the middle, half a cycle per pixel at the edge")],
  ], (value) => {
    spectra = value === "spectra";
    draw();
  }, signal);
  kind.show("filters");
  const heading = element("h3", {}, word("Filters"));
  const tiles = element("div", { class: "cv-design-tiles", role: "list" });
  const node = element("section", { class: "cv-design-filters", "aria-label": word("Filters") }, element("div", { class: "cv-head" }, heading, kind.node), tiles);
  /** @type {{figure: any, canvas: any, name: any}[]} */
  let held = [];
  const tile = () => {
    const canvas = element("canvas", { role: "img" });
    const name = element("figcaption", { class: "cv-numbers" });
    return { figure: element("figure", { class: "cv-design-tile", role: "listitem" }, canvas, name), canvas, name };
  };
  const draw = () => {
    const { names = [], side, filters, spectra: sizes, spectrum, channels } = model.get("view");
    if (!filters) return;
    heading.textContent = channels ? word("{count} bases of {side} by {side} pixels", { count: names.length, side }) : word("{count} filters of {side} by {side} pixels", { count: names.length, side });
    while (held.length < names.length) held.push(tile());
    held.length = names.length;
    if (tiles.childElementCount !== names.length) tiles.replaceChildren(...held.map((each) => each.figure));
    const [bytes, codes] = [as_bytes(filters), as_bytes(sizes)];
    const colours = as_bytes(model.get("offered").colours);
    held.forEach(({ canvas, name }, place) => {
      const part = codes.subarray(place * spectrum * spectrum, (place + 1) * spectrum * spectrum);
      draw_tile(canvas, spectra ? coloured(part, spectrum, spectrum, colours) : picture_at(bytes, side, place), TILE);
      name.textContent = names[place];
      set_attributes(canvas, { "aria-label": spectra ? word("Spectrum {name}", { name: names[place] }) : word("Filter {name}", { name: names[place] }) });
    });
    tiles.dataset.ready = `${model.get("view").family} ${names.length} ${side} ${spectra ? "spectra" : "filters"}`;
  };
  on_change(model, ["view"], draw, signal);
  draw();
  return { node };
}
