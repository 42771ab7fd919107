// The occlusion brush: photos, tools, the photo to paint on, and beside it what the network answers.

/** @param {{model: Model, el: HTMLElement}} view */
function render({ model, el }) {
  const ended = new AbortController();
  const { signal } = ended;
  const root = element("div", { class: "cv cv-viewer cv-brush", role: "group", "aria-label": word("Occlusion brush on {network}", { network: model.get("network").name }) });
  /** What is painted, as far as this view knows. @type {{size: [number, number], mask: Uint8Array}} */
  const held = { size: [0, 0], mask: new Uint8Array(0) };
  /** What was done since the last message, in order: strokes that ended, with their masks, and steps along the log. @type {any[]} */
  let acts = [];
  const gate = one_under_way((wish, number) => {
    const { mask, ...rest } = wish;
    if (!mask) return model.send({ kind: "look", ask: number, near: NEAR, ...rest });
    const done = acts.splice(0);
    const masks = done.flatMap((act) => act.mask ?? []);
    // In the midst of a stroke the mask goes as it is when it is sent, not as it was when it was asked for.
    if (paint.painting() || !done.length) masks.push(held.mask);
    const told = done.map((act) => ({ ...act, mask: undefined }));
    return model.send({ kind: "look", ask: number, near: NEAR, on: current, acts: told, ...rest }, undefined, masks.map((each) => each.slice().buffer));
  }, (number) => model.get("answered") >= number);
  const busy = () => (root.dataset.busy = String(gate.busy()));
  const look = (/** @type {any} */ wish) => {
    gate.wish(wish);
    busy();
  };
  const send = () => look({ mask: true });
  let current = "";

  const along = (/** @type {any} */ act) => {
    if (paint.painting()) return;
    acts.push(act);
    send();
  };
  const undo = () => along({ walk: -1 }) ?? true;
  const redo = () => along({ walk: 1 }) ?? true;
  const whole = (/** @type {string} */ label, /** @type {(mask: Uint8Array) => void} */ change) => {
    if (paint.painting() || !held.mask.length) return;
    change(held.mask);
    finish(label);
    paint.draw();
  };
  const finish = (/** @type {string} */ label) => {
    acts.push({ end: label, mask: held.mask.slice() });
    send();
  };
  const tools = tools_part(model, {
    undo, redo, look,
    clear: () => whole("cleared", (mask) => mask.fill(0)),
    invert: () => whole("inverted", (mask) => mask.forEach((value, place) => (mask[place] = 255 - value))),
    save: (what) => save(what),
    code: () => model.send({ kind: "code" }),
    redraw: () => paint.draw(),
  }, signal);
  const paint = paint_part(model, held, { tools: () => tools, slide: () => slide, paint: send, done: finish, undo, redo }, signal);
  const slide = slide_part(model, look, paint.draw, signal);
  const log = log_part(model, (number) => along({ go: number }), signal);
  const photos = photos_part(model, look, signal);
  const status = element("p", { class: "cv-faint cv-numbers cv-status", role: "status", "aria-live": "polite" });
  const said = (/** @type {string} */ text) => (status.textContent = text);

  const save = async (/** @type {string} */ what) => {
    if (!held.mask.length) return;
    const picture = what === "mask" ? grey_picture(held.mask, held.size) : paint.seen();
    const blob = await new Promise((done) => picture.toBlob(done, "image/png"));
    hand_over(`${current.replace(/\.\w+$/, "")}-${what}.png`, "image/png", new DataView(await blob.arrayBuffer()));
  };
  /** Takes over another photo. */
  const arrive = () => {
    const photo = model.get("photo");
    if (!photo.name || photo.name === current) return;
    current = photo.name;
    held.size = photo.size;
    held.mask = new Uint8Array(photo.size[0] * photo.size[1]);
    acts = [];
    paint.drop();
    adopt();
    tell();
    paint.draw();
  };
  /** While nothing of this view's is under way, what Python holds is what counts: another view, or Python, has painted. */
  const adopt = () => {
    const region = as_bytes(model.get("region"));
    if (gate.busy() || acts.length || paint.painting() || model.get("image") !== current) return;
    if (region.length ? region.length !== held.mask.length || region.every((value, place) => value === held.mask[place]) : held.mask.every((value) => !value)) return;
    held.mask = region.length ? region.slice() : new Uint8Array(held.mask.length);
    paint.draw();
  };
  const tell = () => {
    const view = model.get("view");
    if (view.image !== current) return;
    const followed = (view.classes ?? []).find((/** @type {any} */ each) => each.index === view.target);
    const told = followed && word("{name} {now}, clean {clean}", { name: followed.name, now: percent_text(followed.now), clean: percent_text(followed.clean) });
    const box = view.window[0] > 0 && word("window {height} × {width} px", { height: view.window[0], width: view.window[1] });
    said([told, word("{share} hidden", { share: percent_text(view.share) }), view.full ? word("whole network") : box, `${view.ms.toFixed(0)} ms`].filter(Boolean).join(" · "));
  };
  const walked = () => {
    const strokes = model.get("strokes");
    const place = strokes.findIndex((/** @type {any} */ each) => each.number === model.get("stroke"));
    tools.walk(place > 0, place < strokes.length - 1);
    root.dataset.sliding = String(model.get("sliding"));
  };
  const receive = async (/** @type {any} */ message) => {
    if (message?.kind === "code") said((await copy_text(message.text)) ? word("Code copied.") : word("The browser does not let anything be copied; print(brush.code()) shows it."));
  };
  model.on("msg:custom", receive);
  signal.addEventListener("abort", () => model.off("msg:custom", receive));

  const side = element("div", { class: "cv-side" }, scores_part(model, look, signal).node, unit_part(model, look, signal).node, log.node);
  root.append(problem_box(model, signal, paint.painting), photos.node, tools.node, element("div", { class: "cv-row" }, paint.node, side, slide.node), status);
  on_change(model, ["photo"], arrive, signal);
  on_change(model, ["strokes", "stroke", "sliding"], walked, signal);
  on_change(model, ["answered", "view", "problem", "region"], () => {
    gate.settle();
    busy();
    adopt();
    tell();
  }, signal);
  tools.show();
  arrive();
  walked();
  tell();
  busy();
  take_drops(root, photos.upload, signal);
  el.append(root);
  return () => ended.abort();
}

/** A mask as a grey picture. @param {Uint8Array} mask @param {[number, number]} size */
function grey_picture(mask, [height, width]) {
  const image = new ImageData(width, height);
  mask.forEach((value, place) => image.data.set([value, value, value, 255], 4 * place));
  return canvas_of(image);
}

export default { render: in_language(render) };
