// The activation maximization panel: what to explore, recipe and knobs, the picture as it grows, what is kept.

/** @param {{model: Model, el: HTMLElement}} view */
function render({ model, el }) {
  const ended = new AbortController();
  const { signal } = ended;
  const gate = one_under_way(
    (wish, number) => model.send({ kind: "choose", ask: number, ...wish }),
    (number) => {
      const run = model.get("run");
      // A run has answered once its first preview is here: so no newer one is asked for before.
      return run.answered >= number && (run.state !== "running" || model.get("view").number === run.number);
    },
  );
  /** @param {any} message */
  const say = (message) => model.send(message);
  const knobs = knobs_part(model, gate, signal);
  const pins = pins_part(model, say, gate.wish, signal);
  const root = element("div", { class: "cv cv-am", role: "group", "aria-label": word("Activation maximization in {network}", { network: model.get("network").name }) },
    element("div", { class: "cv-top" }, target_part(model, gate.wish, signal).node),
    problem_box(model, signal),
    element("div", { class: "cv-bench" }, picture_part(model, say, signal).node, element("div", { class: "cv-side" }, knobs.node, pins.node)),
    pins.board);
  on_change(model, ["run", "view", "problem"], () => {
    const busy = gate.busy();
    gate.settle();
    if (busy && !gate.busy()) knobs.show();
    root.dataset.busy = String(gate.busy());
  }, signal);
  el.append(root);
  return () => ended.abort();
}

export default { render: in_language(render) };
