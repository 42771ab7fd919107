// The occlusion brush: photos, tools, the photo to paint on, and beside it what the network answers.

/** @param {{model: Model, el: HTMLElement}} view */
function render({ model, el }) {
  const ended = new AbortController();
  const { signal } = ended;
  const root = element("div", { class: "cv cv-viewer cv-brush", role: "group", "aria-label": `Occlusion brush on ${model.get("network").name}` });
  const gate = one_under_way((wish, number) => {
    const { mask, ...rest } = wish;
    // The mask goes as it is when it is sent, not as it was when it was asked for.
    if (mask) model.send({ kind: "look", ask: number, on: current, stroke: paint.painting() ? 0 : history.number(), ...rest }, undefined, [history.held.mask.slice().buffer]);
    else model.send({ kind: "look", ask: number, stroke: history.number(), ...rest });
  }, (number) => model.get("answered") >= number);
  const busy = () => (root.dataset.busy = String(gate.busy()));
  const look = (/** @type {any} */ wish) => {
    gate.wish(wish);
    busy();
  };
  const send = () => look({ mask: true });
  let current = "";
  let taken = model.get("painted").number ?? 0;

  const history = brush_history(() => paint.draw(), () => {
    const { states, now } = history.held;
    tools.walk(now > 0, now < states.length - 1);
    log.show();
  });
  const restore = (/** @type {number} */ place) => !paint.painting() && history.go(place) && send();
  const undo = () => restore(history.held.now - 1) || true;
  const redo = () => restore(history.held.now + 1) || true;
  const whole = (/** @type {string} */ label, /** @type {(mask: Uint8Array) => void} */ change) => {
    if (paint.painting() || !history.held.mask.length) return;
    change(history.held.mask);
    finish(label);
    paint.draw();
  };
  const finish = (/** @type {string} */ label) => {
    history.keep(label);
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
  const paint = paint_part(model, history.held, { tools: () => tools, paint: send, done: finish, undo, redo }, signal);
  const log = log_part(history, restore, signal);
  const photos = photos_part(model, look, signal);
  const status = element("p", { class: "cv-faint cv-numbers cv-status", role: "status", "aria-live": "polite" });
  const said = (/** @type {string} */ text) => (status.textContent = text);

  const save = async (/** @type {string} */ what) => {
    if (!history.held.mask.length) return;
    const picture = what === "mask" ? grey_picture(history.held.mask, history.held.size) : paint.seen();
    const blob = await new Promise((done) => picture.toBlob(done, "image/png"));
    hand_over(`${current.replace(/\.\w+$/, "")}-${what}.png`, "image/png", new DataView(await blob.arrayBuffer()));
  };
  /** Takes over the photo, and the mask that came from Python for it. */
  const arrive = () => {
    const photo = model.get("photo");
    const painted = model.get("painted");
    if (!photo.name) return;
    const given = painted.image === photo.name && (painted.number ?? 0) > taken;
    if (photo.name === current && !given) return;
    const first = photo.name !== current;
    current = photo.name;
    if (given) taken = painted.number;
    const mask = given ? as_bytes(painted.mask) : null;
    if (first) history.begin(photo.size, null, "clean photo");
    if (mask && mask.length === history.held.mask.length) {
      history.held.mask.set(mask);
      history.keep("from Python");
      paint.draw();
    }
    tell();
  };
  const tell = () => {
    const view = model.get("view");
    if (view.image !== current) return;
    const followed = (view.classes ?? []).find((/** @type {any} */ each) => each.index === view.target);
    if (followed && history.held.states.length) {
      history.tell(history.held.states[0].number, { name: followed.name, value: followed.clean });
      const python = view.stroke === 0 && !paint.painting() && history.held.states[history.held.now].label === "from Python";
      history.tell(python ? history.number() : view.stroke, { name: followed.name, value: followed.now });
    }
    const told = followed ? `${followed.name} ${percent_text(followed.now)}, clean ${percent_text(followed.clean)} · ` : "";
    said(`${told}${percent_text(view.share)} hidden · ${view.full ? "whole network" : `window ${view.window[0]} × ${view.window[1]} px`} · ${view.ms.toFixed(0)} ms`);
    root.dataset.stroke = String(view.stroke);
  };
  const receive = async (/** @type {any} */ message) => {
    if (message?.kind === "code") said((await copy_text(message.text)) ? "Code copied." : "The browser does not let anything be copied; print(brush.code()) shows it.");
  };
  model.on("msg:custom", receive);
  signal.addEventListener("abort", () => model.off("msg:custom", receive));

  root.append(problem_box(model, signal), photos.node, tools.node,
    element("div", { class: "cv-row" }, paint.node, element("div", { class: "cv-side" }, scores_part(model, look, signal).node, unit_part(model, look, signal).node, log.node)), status);
  on_change(model, ["photo", "painted"], arrive, signal);
  on_change(model, ["answered", "view", "problem"], () => {
    gate.settle();
    busy();
    tell();
  }, signal);
  tools.show();
  arrive();
  busy();
  model.send({ kind: "recall" });
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

export default { render };
