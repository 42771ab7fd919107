// One layer enlarged: the photo, what was told of it, and what differs; several seeds tell what is not determined.

/** What the pictures of the third place show. @type {() => [string, string, string][]} */
const difference_words = () => [
  ["signed", word("signed"), word("What was told less the photo; grey is no difference")],
  ["absolute", word("absolute"), word("How far each pixel is off, mean over the colours")],
  ["seeds", word("between seeds"), word("Standard deviation over the seeds: what the layer does not determine")],
];

/** The numbers of a bitmap at a size, RGBA. @param {CanvasImageSource} bitmap @param {number} width @param {number} height */
function numbers_of(bitmap, width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
  context.drawImage(bitmap, 0, 0, width, height);
  return context.getImageData(0, 0, width, height).data;
}

/** Standard deviation over pictures, mean over the colours, of each pixel, in [0, 1]. @param {Uint8ClampedArray[]} pictures */
function spread_over(pictures) {
  const found = new Float32Array(pictures[0].length / 4);
  for (let place = 0; place < found.length; place += 1) {
    for (let colour = 0; colour < 3; colour += 1) {
      const values = pictures.map((each) => each[4 * place + colour]);
      const mean = mean_of(values);
      found[place] += Math.sqrt(mean_of(values.map((value) => (value - mean) ** 2))) / 765;
    }
  }
  return found;
}

/** @param {Model} model @param {ReturnType<typeof tile_store>} held @param {() => void} reseeded @param {AbortSignal} signal */
function focus_part(model, held, reseeded, signal) {
  const figure = (/** @type {string} */ name, /** @type {string} */ title) => {
    const canvas = element("canvas", { role: "img", "data-part": name });
    const told = element("p", { class: "cv-faint cv-numbers" });
    const [strong, what] = [element("strong", {}, title), element("span", { class: "cv-faint" })];
    return { canvas, told, strong, what, node: element("figure", { class: "cv-panel" }, element("figcaption", {}, strong, what), canvas, told) };
  };
  const [photo_at, told_at, differ_at] = [figure("photo", word("photo")), figure("told", ""), figure("difference", word("difference"))];
  let mode = "signed";
  const modes = choice_row(word("Difference shown"), difference_words(), (value) => {
    mode = value;
    draw();
  }, signal);
  const gain = element("input", { type: "range", min: 0, max: 40, step: 1, value: 10, "aria-label": word("Strength of the difference shown"), title: word("Contrast of the difference"), ...KEYED });
  const factor = element("span", { class: "cv-numbers cv-faint" });
  const seeds = element("div", { class: "cv-seeds", role: "radiogroup", "aria-label": word("Seeds"), hidden: true });
  const note = element("p", { class: "cv-note", hidden: true });
  const node = element("section", { class: "cv-focus", "aria-label": word("The layer looked at") },
    element("div", { class: "cv-row" }, photo_at.node, told_at.node, differ_at.node),
    note, element("div", { class: "cv-tools" }, modes.node, element("label", { class: "cv-strength" }, `${word("strength")} `, gain, factor)));
  told_at.node.append(seeds);
  const times = () => 2 ** (Number(gain.value) / 10);

  const draw = once_per_frame(() => {
    const tile = held.focus();
    factor.textContent = `× ${short_number(Number(times().toPrecision(2)))}`;
    set_attributes(gain, { "aria-valuetext": factor.textContent });
    if (photo.now) draw_whole(photo_at.canvas, photo.now);
    set_attributes(photo_at.canvas, { "aria-label": word("The photo {name}", { name: model.get("photo").name ?? "" }) });
    photo_at.told.textContent = model.get("photo").name ?? "";
    if (!tile) return;
    const count = tile.bitmaps.length;
    held.seed = Math.min(held.seed, Math.max(0, count - 1));
    const bitmap = tile.bitmaps[held.seed];
    told_at.strong.textContent = tile.layer;
    photo_at.what.textContent = word("as the network sees it");
    told_at.what.textContent = !bitmap ? word("not told") : tile.kind === "decoder" ? word("told by its decoder") : word("told by descent");
    note.textContent = heard(tile.note);
    note.hidden = !tile.note;
    for (const each of [told_at, differ_at]) each.canvas.style.visibility = bitmap ? "visible" : "hidden";
    told_at.node.dataset.stale = String(tile.stale);
    seed_row(tile);
    const several = count > 1;
    const last = /** @type {HTMLElement} */ (modes.node.lastElementChild);
    last.hidden = !several;
    const shown = mode === "seeds" && !several ? "absolute" : mode;
    modes.show(shown);
    if (!bitmap || !photo.now) {
      told_at.told.textContent = differ_at.told.textContent = differ_at.what.textContent = "";
      return;
    }
    draw_whole(told_at.canvas, bitmap, told_at.node.clientWidth);
    const place = held.seed;
    const errors = tile.pixel.length ? word("pixel error {pixel} · colour {colour}", { pixel: tile.pixel[place].toFixed(3), colour: tile.colour[place].toFixed(3) }) : "";
    const chance = tile.chance.length ? ` · ${word("class {value}", { value: tile.chance[place].toFixed(2) })}` : "";
    told_at.told.textContent = `${errors}${tile.losses.length ? ` · ${word("answer {value}", { value: short_number(Number(tile.losses[place].toPrecision(2))) })}` : ""}${chance}`;
    set_attributes(told_at.canvas, { "aria-label": `${tile.layer}, ${told_at.what.textContent}: ${told_at.told.textContent}` });
    difference(tile, bitmap, shown);
    told_at.canvas.dataset.layer = tile.layer;
  }, signal);
  const photo = photo_bitmap(model, draw, signal);

  /** @param {any} tile @param {ImageBitmap} bitmap @param {string} shown */
  const difference = (tile, bitmap, shown) => {
    const { width, height } = /** @type {ImageBitmap} */ (photo.now);
    const [theirs, ours] = [/** @type {ImageBitmap} */ (photo.now), bitmap].map((each) => numbers_of(each, width, height));
    const image = new ImageData(width, height);
    const strength = times();
    let text = "";
    if (shown === "signed") {
      let sum = 0;
      for (let at = 0; at < ours.length; at += 4) {
        for (let colour = at; colour < at + 3; colour += 1) {
          image.data[colour] = 127.5 + (strength * (ours[colour] - theirs[colour])) / 2;
          sum += ours[colour] - theirs[colour];
        }
        image.data[at + 3] = 255;
      }
      text = word("mean {value}; full colour at ± {full}", { value: short_number(Number((sum / (ours.length * 0.75) / 255).toPrecision(2))), full: short_number(Number((1 / strength).toPrecision(2))) });
    } else {
      const values = shown === "seeds" ? spread_over(tile.bitmaps.map((/** @type {ImageBitmap} */ each) => numbers_of(each, width, height)))
        : Float32Array.from({ length: width * height }, (_, at) => (Math.abs(ours[4 * at] - theirs[4 * at]) + Math.abs(ours[4 * at + 1] - theirs[4 * at + 1]) + Math.abs(ours[4 * at + 2] - theirs[4 * at + 2])) / 765);
      const codes = Uint8Array.from(values, (value) => Math.min(255, 255 * strength * value));
      image.data.set(coloured(codes, width, height, as_bytes(model.get("network").colours)).data);
      text = word("mean {value}, largest {most}; full colour at {full}", { value: mean_of(Array.from(values)).toFixed(3), most: values.reduce((a, b) => Math.max(a, b), 0).toFixed(3), full: short_number(Number((1 / strength).toPrecision(2))) });
    }
    draw_whole(differ_at.canvas, canvas_of(image), differ_at.node.clientWidth);
    differ_at.what.textContent = { signed: word("told less photo"), absolute: word("mean over colours"), seeds: word("spread over seeds") }[shown] ?? "";
    differ_at.told.textContent = text;
    set_attributes(differ_at.canvas, { "aria-label": word("Difference, {kind}: {text}", { kind: difference_words().find(([name]) => name === shown)?.[1] ?? "", text }), "data-mode": shown });
  };
  /** @type {any[]} */
  let faces = [];
  /** Small pictures, one per seed, of which one is looked at. @param {any} tile */
  const seed_row = (tile) => {
    const { bitmaps } = tile;
    seeds.hidden = bitmaps.length < 2;
    if (seeds.hidden) return;
    if (faces.length !== bitmaps.length) {
      const name = fresh_id("seed");
      faces = bitmaps.map((/** @type {ImageBitmap} */ _, /** @type {number} */ place) => {
        const input = element("input", { type: "radio", name, "aria-label": word("Seed {number}", { number: model.get("seed") + place }), ...KEYED });
        const canvas = element("canvas", { "aria-hidden": "true" });
        input.addEventListener("change", () => {
          held.seed = place;
          reseeded();
        }, { signal });
        return { input, canvas, node: element("label", {}, input, canvas) };
      });
      seeds.replaceChildren(...faces.map((each) => each.node));
    }
    faces.forEach(({ input, canvas }, place) => {
      input.checked = place === held.seed;
      draw_whole(canvas, bitmaps[place], 44);
    });
  };
  gain.addEventListener("input", draw, { signal });
  on_change(model, ["photo"], draw, signal);
  const watch = new ResizeObserver(draw);
  watch.observe(node);
  signal.addEventListener("abort", () => watch.disconnect());
  return { node, draw };
}
