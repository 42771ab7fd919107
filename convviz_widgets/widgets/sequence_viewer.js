// The sequence viewer: a slider over a picture that loses segment after segment; all it shows it holds itself.

const STEPS_A_SECOND = 4;

/** @param {{model: Model, el: HTMLElement}} view */
function render({ model, el }) {
  const ended = new AbortController();
  const { signal } = ended;
  const { name, size, photo, hidden, gone, probability, left } = model.get("sequence");
  const [height, width] = size;
  const steps = new Int32Array(as_floats(gone).buffer);
  const [chances, shares] = [as_floats(probability), as_floats(left)];
  const most = chances.length - 1;
  const percent = (/** @type {number} */ value) => `${(100 * value).toFixed(value < 0.0995 ? 1 : 0)} %`;
  let at = model.get("shown");
  let timer = 0;

  const canvas = element("canvas", { role: "img" });
  const scrub = element("input", { type: "range", min: 0, max: most, step: 1, value: at, "aria-label": word("Segments hidden"), ...KEYED });
  const play = tool_button(word("Play"), "play", () => turn(!timer), signal);
  const told = element("p", { class: "cv-numbers", role: "status", "aria-live": "polite" });
  const line = growing_line(word("Probability of {name} as segments go", { name }));
  const node = element("div", { class: "cv cv-viewer cv-sequence", role: "group", "aria-label": word("The least of the picture for {name}", { name }) },
    element("figure", { class: "cv-panel" }, canvas),
    element("div", { class: "cv-sequence-side" }, element("h3", {}, word("The least that is enough for {name}", { name })), told,
      element("div", { class: "cv-tools" }, play.node, scrub), line.node));

  /** @type {ImageData[]} */
  let pictures = [];
  const draw = once_per_frame(() => {
    line.draw(chances, [at / Math.max(1, most)], 1);
    if (pictures.length < 2) return;
    const image = new ImageData(new Uint8ClampedArray(pictures[0].data), width, height);
    const [from, to] = [new Uint32Array(pictures[1].data.buffer), new Uint32Array(image.data.buffer)];
    steps.forEach((step, place) => {
      if (step && step <= at) to[place] = from[place];
    });
    const wide = canvas.parentElement?.clientWidth || 240;
    const context = fit_canvas(canvas, wide, (wide * height) / width);
    context.imageSmoothingEnabled = wide < width;
    context.drawImage(canvas_of(image), 0, 0, wide, (wide * height) / width);
    canvas.dataset.ready = String(at);
  }, signal);
  const show = () => {
    scrub.value = String(at);
    const text = word("{at} of {most} segments hidden, {left} of the picture left: {name} {value}", { at, most, left: percent(shares[at]), name, value: percent(chances[at]) });
    told.textContent = text;
    set_attributes(scrub, { "aria-valuetext": word("{count} segments, {value}", { count: at, value: percent(chances[at]) }) });
    set_attributes(canvas, { "aria-label": text });
    draw();
  };
  const tell = shown_place(model, (place) => {
    at = place;
    show();
  }, signal);
  const advance = () => {
    at = at < most ? at + 1 : 0;
    show();
    timer = window.setTimeout(advance, at === most ? 1500 : 1000 / STEPS_A_SECOND);
  };
  /** @param {boolean} on */
  const turn = (on) => {
    clearTimeout(timer);
    timer = on ? window.setTimeout(advance, 1000 / STEPS_A_SECOND) : 0;
    set_attributes(told, { "aria-live": on ? "off" : "polite" });
    play.show(on ? word("Pause") : word("Play"), on ? "pause" : "play");
  };
  const load = async () => {
    pictures = await Promise.all([photo, hidden].map(async (bytes) => {
      const bitmap = await createImageBitmap(new Blob([as_bytes(bytes)], { type: "image/png" }));
      const context = element("canvas", { width, height }).getContext("2d");
      context.drawImage(bitmap, 0, 0);
      return context.getImageData(0, 0, width, height);
    }));
    draw();
  };
  scrub.addEventListener("input", () => {
    turn(false);
    at = Number(scrub.value);
    show();
  }, { signal });
  scrub.addEventListener("change", () => tell(Number(scrub.value)), { signal });
  const watch = new ResizeObserver(draw);
  watch.observe(node);
  signal.addEventListener("abort", () => {
    watch.disconnect();
    clearTimeout(timer);
  });
  el.append(node);
  show();
  load();
  return () => ended.abort();
}

export default { render: in_language(render) };
