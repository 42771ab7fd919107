// Rows of units: the projection and the strongest probes at the epoch shown, and all epochs in a strip.

const LARGE = 60; // CSS pixels of a projection and of each probe
const SMALL = 30; // of a projection in the strip
const GAP = 3;

/** @param {DataView} view */
function as_integers(view) {
  return new Int32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}

/** @param {DataView} bytes @param {string} type */
function bitmap_of(bytes, type) {
  return createImageBitmap(new Blob([as_bytes(bytes)], { type }));
}

/** What `sheet_of` sends, ready to be drawn. @param {any} sheet */
async function opened_sheet(sheet) {
  return {
    projections: await bitmap_of(sheet.projections, "image/png"),
    index: as_integers(sheet.index),
    frame: as_integers(sheet.frame),
    activation: as_floats(sheet.activation),
    cosine: as_floats(sheet.cosine),
    many: sheet.many,
  };
}

/** Draws a part of a picture into a square, whole and in its middle. @param {CanvasRenderingContext2D} context @param {any} picture @param {number[]} part left, top, width, height @param {number} left @param {number} side */
function draw_fitted(context, picture, part, left, side) {
  const [x, y, width, height] = part;
  const scale = side / Math.max(width, height, 1);
  context.imageSmoothingEnabled = scale < 4; // few large pixels are shown as they are
  context.drawImage(picture, x, y, width, height, left + (side - width * scale) / 2, (side - height * scale) / 2, width * scale, height * scale);
}

/**
 * The rows of one layer; arrow keys go through units and epochs.
 * @param {Model} model @param {{unit: (address: string) => void, epoch: (at: number) => void, at: () => number}} turn @param {AbortSignal} signal
 */
function unit_rows(model, turn, signal) {
  const { epochs, probes, layers } = model.get("overview");
  const stem = fresh_id("evolution");
  const list = element("div", { class: "cv-evo-rows", role: "listbox", "aria-label": word("Units"), ...KEYED });
  const labels = epochs.map((/** @type {number} */ epoch) => element("span", { style: `width: ${SMALL + GAP}px` }, String(epoch)));
  const many = Math.max(...Object.values(model.get("sheets")).map((/** @type {any} */ each) => each.many));
  const head = element("div", { class: "cv-evo-head cv-faint", "aria-hidden": "true" }, element("span", { class: "cv-evo-name" }), element("span", { style: `width: ${LARGE}px` }, word("projection")),
    element("span", { style: `width: ${many * (LARGE + GAP) - GAP}px` }, word("excites it most")), element("span", { class: "cv-evo-epochs cv-numbers" }, ...labels));
  const node = element("div", { class: "cv-evo-units" }, head, list);
  /** @type {any[]} */
  let rows = [];
  /** @type {ImageBitmap[]} */
  let pictures = [];
  /** @type {any} */
  let sheet = null;
  /** @type {any} */
  let layer = null;

  const make = (/** @type {any} */ of) => {
    layer = of;
    rows = layer.units.map((/** @type {number} */ channel) => {
      const address = `${layer.name}:${channel}`;
      const projection = element("canvas", { role: "img" });
      const crops = element("canvas", { role: "img" });
      const strip = element("canvas", { role: "img", class: "cv-evo-strip", "aria-label": word("{unit} at all epochs", { unit: address }), title: word("Press an epoch to go there") });
      const numbers = ["activation", "cosine"].map(() => element("span", { class: "cv-faint cv-numbers" }));
      const row = element("div", { class: "cv-evo-row", role: "option", id: `${stem}-${channel}` },
        element("span", { class: "cv-evo-name" }, element("b", { class: "cv-numbers" }, address), ...numbers), projection, crops, strip);
      row.addEventListener("click", () => turn.unit(address), { signal });
      strip.addEventListener("click", (/** @type {MouseEvent} */ event) => {
        turn.epoch(Math.max(0, Math.min(epochs.length - 1, Math.floor((epochs.length * event.offsetX) / strip.clientWidth))));
      }, { signal });
      return { address, row, projection, crops, strip, numbers };
    });
    list.replaceChildren(...rows.map((each) => each.row));
  };
  const draw_row = (/** @type {any} */ each, /** @type {number} */ place, /** @type {number} */ at) => {
    const { side } = layer;
    const many = sheet.many;
    const first = (at * rows.length + place) * many;
    const tile = (/** @type {number} */ epoch) => [epoch * side, place * side, side, side];
    draw_fitted(fit_canvas(each.projection, LARGE, LARGE), sheet.projections, tile(at), 0, LARGE);
    const seen = fit_canvas(each.crops, many * (LARGE + GAP) - GAP, LARGE);
    for (let rank = 0; rank < many; rank += 1) {
      const [left, top, right, bottom] = sheet.frame.slice(4 * (first + rank), 4 * (first + rank) + 4);
      draw_fitted(seen, pictures[sheet.index[first + rank]], [left, top, right - left, bottom - top], rank * (LARGE + GAP), LARGE);
    }
    const strip = fit_canvas(each.strip, epochs.length * (SMALL + GAP), SMALL + 2 * GAP);
    strip.fillStyle = getComputedStyle(list).getPropertyValue("--cv-mark");
    strip.fillRect(at * (SMALL + GAP), 0, SMALL + GAP, SMALL + 2 * GAP);
    strip.translate(GAP / 2, GAP);
    epochs.forEach((/** @type {number} */ _, /** @type {number} */ epoch) => draw_fitted(strip, sheet.projections, tile(epoch), epoch * (SMALL + GAP), SMALL));
    const [answer, cosine] = [sheet.activation[first], sheet.cosine[place * epochs.length + at]];
    each.numbers[0].textContent = word("activation {value}", { value: short_number(answer) });
    each.numbers[1].textContent = Number.isNaN(cosine) ? word("no projection") : word("cosine {value}", { value: cosine.toFixed(2) });
    const told = { unit: each.address, epoch: epochs[at] };
    set_attributes(each.projection, { "aria-label": word("Projection of {unit} after epoch {epoch}", told), title: word("Projection, cosine to the last {value}", { value: Number.isNaN(cosine) ? word("unknown") : cosine.toFixed(2) }) });
    const names = Array.from(sheet.index.slice(first, first + many), (index) => String(index)).join(", ");
    set_attributes(each.crops, { "aria-label": word("Probes that excite {unit} after epoch {epoch} most: {names}", { ...told, names }), title: word("Probes {names}", { names }) });
  };
  const draw = once_per_frame(() => {
    if (!sheet || !pictures.length) return;
    const at = turn.at();
    rows.forEach((each, place) => draw_row(each, place, at));
    labels.forEach((/** @type {HTMLElement} */ each, /** @type {number} */ epoch) => (each.dataset.shown = String(epoch === at)));
    list.dataset.ready = `${layer.name}@${at}`;
  }, signal);
  const mark = (/** @type {string} */ unit) => {
    for (const { address, row } of rows) set_attributes(row, { "aria-selected": String(address === unit) });
    const chosen = rows.find((each) => each.address === unit);
    set_attributes(list, { "aria-activedescendant": chosen?.row.id ?? null });
  };
  /** Shows a layer; its sheet may still be on its way. @param {string} name */
  const show = async (name) => {
    const sent = model.get("sheets")[name];
    if (!sent) return;
    if (layer?.name !== name) {
      sheet = null;
      make(layers.find((/** @type {any} */ each) => each.name === name));
      const fresh = await opened_sheet(sent);
      if (layer.name === name) sheet = fresh;
    }
    mark(model.get("unit"));
    draw();
  };
  list.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const now = rows.findIndex((each) => each.address === model.get("unit"));
    /** @type {Record<string, number>} */
    const units = { ArrowUp: now - 1, ArrowDown: now + 1, Home: 0, End: rows.length - 1 };
    /** @type {Record<string, number>} */
    const steps = { ArrowLeft: -1, ArrowRight: 1 };
    if (!(event.key in units) && !(event.key in steps)) return;
    event.preventDefault();
    if (event.key in steps) turn.epoch(turn.at() + steps[event.key]);
    else turn.unit(rows[Math.max(0, Math.min(rows.length - 1, units[event.key]))].address);
  }, { signal });
  Promise.all(probes.map((/** @type {DataView} */ each) => bitmap_of(each, "image/jpeg"))).then((found) => {
    pictures = found;
    draw();
  });
  return { node, draw, show };
}
