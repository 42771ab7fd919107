// The layer picker: photos, network, channels, neuron. One gesture sends one message; what comes back is drawn.

/** @param {{model: Model, el: HTMLElement}} view */
function render({ model, el }) {
  const ended = new AbortController();
  const { signal } = ended;
  const root = element("div", { class: "cv cv-picker", role: "group", "aria-label": word("Layer picker of {network}", { network: model.get("network").name }) });
  /** @param {any} wish */
  const look = (wish) => {
    root.dataset.busy = "true";
    model.send({ kind: "look", ...wish });
  };
  const diagram = diagram_part(model, look, signal);
  const photos = photos_part(model, look, signal);
  const maps = maps_part(model, look, signal);
  const neuron = neuron_part(model, look, signal, diagram.describe);
  root.append(problem_box(model, signal), photos.node, diagram.node, element("div", { class: "cv-below" }, maps.node, neuron.node));
  on_change(model, ["neuron", "problem"], () => delete root.dataset.busy, signal);
  if (!model.get("neuron").unit && model.get("names").length) root.dataset.busy = "true";

  take_drops(root, photos.upload, signal);
  el.append(root);
  return () => ended.abort();
}

export default { render: in_language(render) };
