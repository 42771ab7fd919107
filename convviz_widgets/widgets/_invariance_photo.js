// The photo where the slider stands; the browser holds it at every amount.

const FRAMES_A_SECOND = 12;
/** @type {Record<string, (values: any) => string>} */
const DONE = {
  translate: (values) => word("{image}, shifted by {amount}", values),
  rotate: (values) => word("{image}, turned by {amount}", values),
  scale: (values) => word("{image}, scaled by {amount}", values),
};

/**
 * @param {Model} model @param {{at: () => number, move: (place: number) => void, let_go: () => void}} slide
 * @param {AbortSignal} signal
 */
function photo_part(model, slide, signal) {
  const canvas = element("canvas", { role: "img" });
  const scrub = element("input", { type: "range", min: 0, step: 1, "aria-label": word("How far the photo is moved"), ...KEYED });
  const play = tool_button(word("Play"), "play", () => turn(!timer), signal);
  const home = tool_button(word("As it is"), "back", () => {
    turn(false);
    slide.move(still());
    slide.let_go();
  }, signal, { quiet: true, title: word("Back to the photo as it is") });
  const told = element("p", { class: "cv-numbers", role: "status", "aria-live": "polite" });
  const node = element("figure", { class: "cv-panel cv-moved" }, canvas, told, scrub, element("div", { class: "cv-tools" }, play.node, home.node));
  /** @type {(ImageBitmap | undefined)[]} */
  let frames = [];
  let amounts = new Float32Array();
  let timer = 0;
  const still = () => amounts.reduce((best, amount, place) => (Math.abs(amount - model.get("view").stays) < Math.abs(amounts[best] - model.get("view").stays) ? place : best), 0);
  const draw = once_per_frame(() => {
    const view = model.get("view");
    const bitmap = frames[slide.at()];
    if (!bitmap) return;
    const [height, width] = view.size;
    const wide = canvas.parentElement?.clientWidth || 260;
    const context = fit_canvas(canvas, wide, (wide * height) / width);
    context.imageSmoothingEnabled = wide < width;
    context.drawImage(bitmap, 0, 0, wide, (wide * height) / width);
    canvas.dataset.ready = `${view.path[0]} ${view.path[1]} ${Number(amounts[slide.at()].toFixed(3))}`;
  }, signal);
  const show = () => {
    const view = model.get("view");
    if (!amounts.length) return;
    const amount = Number(amounts[slide.at()].toFixed(3));
    const text = amount === view.stays ? word("{image} as it is", { image: view.path[0] }) : DONE[view.path[1]]({ image: view.path[0], amount: `${amount} ${heard(view.unit)}` });
    if (told.textContent !== text) told.textContent = text;
    scrub.value = String(slide.at());
    set_attributes(scrub, { "aria-valuetext": `${amount} ${heard(view.unit)}` });
    set_attributes(canvas, { "aria-label": text });
    draw();
  };
  const advance = () => {
    slide.move((slide.at() + 1) % Math.max(1, amounts.length));
    timer = window.setTimeout(advance, 1000 / FRAMES_A_SECOND);
  };
  /** @param {boolean} on */
  const turn = (on) => {
    const playing = timer !== 0;
    clearTimeout(timer);
    timer = on ? window.setTimeout(advance, 1000 / FRAMES_A_SECOND) : 0;
    set_attributes(told, { "aria-live": on ? "off" : "polite" });
    play.show(on ? word("Pause") : word("Play"), on ? "pause" : "play");
    if (playing && !on) slide.let_go();
  };
  const load = async () => {
    const view = model.get("view");
    if (!view.frames) return;
    const loaded = await Promise.all(view.frames.map((/** @type {DataView} */ bytes) => createImageBitmap(new Blob([as_bytes(bytes)], { type: view.type }))));
    if (signal.aborted || model.get("view") !== view) return;
    frames = loaded;
    amounts = as_floats(view.amounts);
    scrub.max = String(amounts.length - 1);
    show();
  };
  scrub.addEventListener("input", () => {
    turn(false);
    slide.move(Number(scrub.value));
  }, { signal });
  scrub.addEventListener("change", () => slide.let_go(), { signal });
  on_change(model, ["view"], load, signal);
  const watch = new ResizeObserver(draw);
  watch.observe(node);
  signal.addEventListener("abort", () => {
    watch.disconnect();
    clearTimeout(timer);
  });
  load();
  return { node, show };
}
