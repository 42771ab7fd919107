// The signal that arrived at the photo by each rule; its strength is set here, without the kernel.

/** What a ReLU lets through on the way down; the second is as it is explained. @type {() => Record<string, [string, string]>} */
const rule_words = () => ({
  deconvnet: [word("ReLU passes what comes down above zero"), word("A ReLU passes what comes down above zero")],
  gradient: [word("ReLU passes where it was active"), word("A ReLU passes where it was active")],
  guided: [word("ReLU passes where both hold"), word("A ReLU passes where both hold")],
});

/** Grey levels of a signal's 256 codes; grey is zero. @param {number} high @param {number} full the magnitude of full contrast */
function signal_levels(high, full) {
  return Uint8ClampedArray.from({ length: 256 }, (_, code) => {
    const share = (code - 128) / 127;
    return 127.5 + (127.5 * high * share * Math.abs(share)) / Math.max(full, 1e-30);
  });
}

/** Paints a signal. @param {HTMLCanvasElement} canvas @param {any} signal as `signal_codes` tells it @param {number} full @param {boolean} [square] whether it is to fit into a square */
function paint_signal(canvas, signal, full, square = false) {
  const [height, width] = signal.shape;
  const codes = as_bytes(signal.codes);
  const levels = signal_levels(signal.high, signal.high > 0 ? full : 1);
  const image = new ImageData(width, height);
  for (let place = 0, from = 0; place < image.data.length; place += 4, from += 3) {
    image.data[place] = levels[codes[from]];
    image.data[place + 1] = levels[codes[from + 1]];
    image.data[place + 2] = levels[codes[from + 2]];
    image.data[place + 3] = 255;
  }
  const own = canvas_of(image);
  const zoom = (canvas.parentElement?.clientWidth || width) / (square ? Math.max(width, height) : width);
  const context = fit_canvas(canvas, width * zoom, height * zoom);
  context.imageSmoothingEnabled = zoom < 1;
  context.drawImage(own, 0, 0, width * zoom, height * zoom);
}

/** How strongly signals are shown, and whether all by one scale. @param {AbortSignal} signal @param {() => void} changed */
function strength_part(signal, changed) {
  const range = element("input", { type: "range", min: -30, max: 60, step: 1, value: 0, "aria-label": word("Strength of the signal shown"), title: word("Contrast: double click for the usual one"), ...KEYED });
  const text = element("span", { class: "cv-numbers cv-faint" });
  const scale = element("select", { "aria-label": word("Scale of the three signals"), ...KEYED },
    element("option", { value: "own" }, word("each rule its own scale")), element("option", { value: "shared" }, word("one scale for all")));
  const factor = () => 2 ** (Number(range.value) / 15);
  const show = () => {
    text.textContent = `× ${short_number(factor())}`;
    set_attributes(range, { "aria-valuetext": word("{count} times", { count: short_number(factor()) }) });
    changed();
  };
  range.addEventListener("input", show, { signal });
  range.addEventListener("dblclick", () => {
    range.value = "0";
    show();
  }, { signal });
  scale.addEventListener("change", changed, { signal });
  text.textContent = "× 1";
  return { node: element("label", { class: "cv-strength" }, `${word("Strength")} `, range, text), scale, factor, shared: () => scale.value === "shared" };
}

/** @param {Model} model @param {(wish: any) => void} look @param {AbortSignal} signal @param {{factor: () => number, shared: () => boolean}} strength */
function rules_part(model, look, signal, strength) {
  const tiles = Object.entries(rule_words()).map(([rule, [text, title]]) => {
    const canvas = element("canvas", { role: "img" });
    const note = element("p", { class: "cv-note", hidden: true });
    const node = element("figure", { class: "cv-panel", "data-rule": rule },
      element("figcaption", {}, element("strong", {}, rule), element("span", { class: "cv-faint", title }, text)), canvas, note);
    return { rule, canvas, note, node };
  });
  const draw = once_per_frame(() => {
    const rules = model.get("view").rules ?? [];
    const most = Math.max(...rules.map((/** @type {any} */ each) => each.reach), 0);
    tiles.forEach(({ rule, canvas, note, node }) => {
      const found = rules.find((/** @type {any} */ each) => each.rule === rule);
      node.hidden = !found;
      if (!found) return;
      paint_signal(canvas, found, (strength.shared() ? most : found.reach) / strength.factor());
      note.textContent = heard(found.note);
      note.hidden = !found.note;
      set_attributes(canvas, { "aria-label": word("Signal of {unit} at the photo by the {rule} rule, up to {most}", { unit: model.get("view").unit, rule, most: short_number(found.high) }) });
      canvas.dataset.unit = model.get("view").unit;
    });
  }, signal);
  const text = element("p");
  const ways = element("div", { class: "cv-ways" });
  const silent = element("div", { class: "cv-silent", role: "status", hidden: true }, text, ways);
  const way = (/** @type {string} */ label, /** @type {any} */ wish) => {
    const button = element("button", { type: "button", ...KEYED }, label);
    button.addEventListener("click", () => look(wish), { signal });
    return button;
  };
  const show = () => {
    const { inactive, unit } = model.get("view");
    silent.hidden = !inactive?.text;
    draw();
    if (silent.hidden) return;
    text.textContent = heard(inactive.text);
    const whole = unit.split("@")[0];
    const patches = model.get("top").unit === whole ? model.get("top").patches : null;
    const pictures = (patches ?? []).filter((/** @type {any} */ each) => each.activation > 0 && each.image !== model.get("image")).slice(0, 3);
    ways.replaceChildren(
      ...(inactive.here ? [way(word("Its strongest neuron"), { unit: whole })] : []),
      ...inactive.units.map((/** @type {string} */ each) => way(each, { unit: each })),
      ...pictures.map((/** @type {any} */ each) => way(word("{unit} on {image}", { unit: whole, image: each.image }), { image: each.image, unit: whole })),
      ...(patches ? [] : [element("span", { class: "cv-faint" }, word("Pictures that excite it are being searched for."))]));
  };
  on_change(model, ["view", "top"], show, signal);
  const watch = new ResizeObserver(draw);
  tiles.forEach(({ node }) => watch.observe(node));
  signal.addEventListener("abort", () => watch.disconnect());
  show();
  return { nodes: tiles.map((each) => each.node), silent, draw };
}
