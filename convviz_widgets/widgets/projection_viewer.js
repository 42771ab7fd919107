// The projection viewer: photo and unit, the signal by three rules, the best patches. One gesture sends one message.

/** @param {{model: Model, el: HTMLElement}} view */
function render({ model, el }) {
  const ended = new AbortController();
  const { signal } = ended;
  const gate = one_under_way(
    (wish, number) => model.send({ kind: "look", ask: number, ...wish }),
    (number) => model.get("answered") >= number,
  );
  const root = element("div", { class: "cv cv-viewer cv-projections", role: "group", "aria-label": word("Projection viewer of {network}", { network: model.get("network").name }) });
  const busy = () => (root.dataset.busy = String(gate.busy() || (!model.get("view").unit && !model.get("problem").text && model.get("names").length > 0)));
  /** @param {any} wish */
  const look = (wish) => {
    gate.wish(wish);
    busy();
  };
  const strength = strength_part(signal, () => {
    rules.draw();
    top.draw();
  });
  const keep = choice_row(word("What is carried down"), [
    ["strongest", word("one neuron"), word("The strongest neuron of the channel, or the one you choose in the map")],
    ["map", word("whole map"), word("All neurons of the channel that are above zero")],
  ], (value) => look({ keep: value }), signal);
  const photos = photos_part(model, look, signal);
  const map = map_part(model, look, signal);
  const rules = rules_part(model, look, signal, strength);
  const top = top_part(model, look, signal, strength);
  const tools = element("div", { class: "cv-tools" }, unit_part(model, look, signal).node, keep.node, strength.node, strength.scale);
  root.append(problem_box(model, signal), photos.node, tools, element("div", { class: "cv-row" }, map.node, ...rules.nodes, rules.silent), top.node);
  on_change(model, ["keep"], () => keep.show(model.get("keep")), signal);
  on_change(model, ["answered", "view", "problem"], () => {
    gate.settle();
    if (!gate.busy()) map.release();
    busy();
  }, signal);
  keep.show(model.get("keep"));
  busy();
  take_drops(root, photos.upload, signal);
  el.append(root);
  return () => ended.abort();
}

export default { render: in_language(render) };
