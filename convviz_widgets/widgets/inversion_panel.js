// The inversion panel: photo, how pictures are told, the filmstrip of layers, one enlarged. One gesture sends one message.

/** @param {{model: Model, el: HTMLElement}} view */
function render({ model, el }) {
  const ended = new AbortController();
  const { signal } = ended;
  const root = element("div", { class: "cv cv-viewer cv-inversion", role: "group", "aria-label": word("Inversion panel of {network}", { network: model.get("network").name }) });
  const gate = one_under_way((wish, number) => model.send({ kind: "look", ask: number, ...wish }), (number) => {
    const { run, view } = { run: model.get("run"), view: model.get("view") };
    // A descent has answered once its first picture is here: so no newer one is asked for before, unless it waits.
    return model.get("answered") >= number && (run.state !== "running" || (view.number === run.number && view.step > 0));
  });
  const busy = () => (root.dataset.busy = String(gate.busy() || (!model.get("view").tiles && !model.get("problem").text && model.get("names").length > 0)));
  /** @param {any} wish */
  const look = (wish) => {
    gate.wish(wish);
    busy();
  };
  /** @param {string} layer */
  const focus = (layer) => {
    if (layer === held.focus()?.layer) return;
    held.asked = layer;
    draw();
    look({ layer });
  };
  const draw = () => {
    strip.draw();
    enlarged.draw();
    errors.draw();
  };
  const held = tile_store(model, () => draw(), signal);
  const photos = photos_part(model, look, signal);
  const tools = inversion_tools(model, { wish: look, busy: gate.busy }, signal);
  const strip = strip_part(model, held, focus, look, signal);
  const enlarged = focus_part(model, held, draw, signal);
  const errors = errors_part(model, held, focus, signal);
  root.append(problem_box(model, signal), photos.node, tools.node, run_part(model, signal).node, strip.node,
    element("div", { class: "cv-inversion-below" }, enlarged.node, errors.node));
  on_change(model, ["answered", "view", "run", "problem"], () => {
    const before = gate.busy();
    gate.settle();
    if (before && !gate.busy()) {
      tools.show();
      held.asked = "";
    }
    busy();
  }, signal);
  on_change(model, ["unit"], draw, signal);
  busy();
  draw();
  take_drops(root, photos.upload, signal);
  el.append(root);
  return () => ended.abort();
}

/** Pause, stop, restart, what to take away, and how far the descent is. @param {Model} model @param {AbortSignal} signal */
function run_part(model, signal) {
  const main = tool_button(word("Pause"), "pause", () => model.send({ kind: model.get("run").state === "paused" ? "resume" : "pause" }), signal);
  const stop = tool_button(word("Stop"), "stop", () => model.send({ kind: "stop" }), signal, { title: word("End the descent and keep the pictures") });
  const again = tool_button(word("Restart"), "again", () => model.send({ kind: "restart" }), signal, { title: word("Tell every picture anew") });
  const copy = copy_button(() => model.get("view").code ?? "", signal);
  const save = tool_button("PNG", "save", () => model.send({ kind: "file" }), signal, { title: word("Save the filmstrip as a picture, with what made it inside") });
  const counter = element("span", { class: "cv-counter cv-numbers" });
  const bar = element("progress", { max: 1, value: 0, "aria-label": word("Steps done") });
  const told = element("p", { class: "cv-hidden-text", role: "status", "aria-live": "polite" });
  const node = element("div", { class: "cv-inversion-run" }, element("div", { class: "cv-run", role: "toolbar", "aria-label": word("Run") }, main.node, stop.node, again.node, copy.node, save.node, counter), bar, told);
  const show = () => {
    const { run, view } = { run: model.get("run"), view: model.get("view") };
    const [running, paused] = [run.state === "running", run.state === "paused"];
    const active = running || paused;
    node.dataset.state = run.state;
    main.show(...(/** @type {[string, string]} */ (paused ? [word("Resume"), "play"] : [word("Pause"), "pause"])));
    const lost = !active && [main.node, stop.node].includes(document.activeElement);
    main.node.disabled = stop.node.disabled = !active;
    for (const each of [again, copy, save]) each.node.disabled = !view.tiles;
    if (lost) again.node.focus(); // a button that is disabled drops the focus, and with it the keys
    const left = running && view.left && view.step > 4 ? ` · ${word("{time} left", { time: view.left < 90 ? word("{count} s", { count: Math.ceil(view.left) }) : word("{count} min", { count: Math.round(view.left / 60) }) })}` : "";
    const words = /** @type {Record<string, string>} */ ({ idle: "", done: word("done"), stopped: word("stopped"), error: word("failed") })[run.state] ?? "";
    counter.textContent = !active ? words : view.total ? `${word("step {step}/{total}", { step: view.step, total: view.total })} · ${word("error {value}", { value: short_number(Number((view.error ?? 0).toPrecision(2))) })}${paused ? ` · ${word("paused")}` : left}` : word("starting…");
    bar.value = active && view.total ? view.step / view.total : 0;
    bar.style.visibility = active ? "visible" : "hidden";
    const said = paused ? word("paused") : running ? word("running") : words;
    if (told.textContent !== said) told.textContent = said;
  };
  /** @param {any} message @param {DataView[]} buffers */
  const receive = (message, buffers) => message?.kind === "file" && hand_over(message.name, message.type, buffers[0]);
  model.on("msg:custom", receive);
  signal.addEventListener("abort", () => model.off("msg:custom", receive));
  on_change(model, ["run", "view"], show, signal);
  show();
  return { node };
}

export default { render: in_language(render) };
