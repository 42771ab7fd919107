// The saliency viewer: photo and class, the maps side by side, where the object is. One gesture sends one message.

/** @param {{model: Model, el: HTMLElement}} view */
function render({ model, el }) {
  const ended = new AbortController();
  const { signal } = ended;
  const answered = (/** @type {number} */ number) => model.get("answered") >= number;
  const gate = one_under_way((wish, number) => model.send({ kind: "look", ask: number, ...wish }), answered);
  const cut = one_under_way((wish, number) => model.send({ kind: "place", ask: number, ...wish }), answered);
  const root = element("div", { class: "cv cv-viewer cv-saliency", role: "group", "aria-label": word("Saliency viewer of {network}", { network: model.get("network").name }) });
  const busy = () => (root.dataset.busy = String(gate.busy() || (!model.get("view").name && !model.get("problem").text && model.get("names").length > 0)));
  const cutting = () => (place.node.dataset.busy = String(cut.busy()));
  /** @param {any} wish */
  const look = (wish) => {
    gate.wish(wish);
    busy();
  };
  const photos = photos_part(model, look, signal);
  const maps = maps_part(model, signal);
  const place = place_part(model, (wish) => {
    cut.wish(wish);
    cutting();
  }, signal);
  const bar = element("progress", { max: 1, value: 0, "aria-label": word("Maps of many passes") });
  const status = element("p", { class: "cv-faint", role: "status", "aria-live": "polite" });
  const behind = element("div", { class: "cv-behind" }, bar, status);
  const progress = () => {
    const { label, fraction } = model.get("progress");
    behind.style.visibility = label ? "visible" : "hidden";
    bar.value = fraction ?? 0;
    if (status.textContent !== heard(label)) status.textContent = heard(label);
  };
  root.append(problem_box(model, signal), photos.node, element("div", { class: "cv-tools" }, class_part(model, look, signal).node, maps.tools),
    element("div", { class: "cv-row" }, maps.node, element("div", { class: "cv-side" }, place.node, curves_part(model, signal).node)), behind);
  on_change(model, ["answered", "view", "problem"], () => {
    gate.settle();
    cut.settle();
    cutting();
    busy();
  }, signal);
  on_change(model, ["progress"], progress, signal);
  progress();
  busy();
  take_drops(root, photos.upload, signal);
  el.append(root);
  return () => ended.abort();
}

export default { render: in_language(render) };
