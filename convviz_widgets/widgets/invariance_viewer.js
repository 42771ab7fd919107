// The invariance viewer: a photo that moves under a slider, curves with a marker. The slider itself sends no message.

/** @param {{model: Model, el: HTMLElement}} view */
function render({ model, el }) {
  const ended = new AbortController();
  const { signal } = ended;
  const gate = one_under_way((wish, number) => model.send({ kind: "look", ask: number, near: NEAR, ...wish }), (number) => model.get("answered") >= number);
  const root = element("div", { class: "cv cv-viewer cv-invariance", role: "group", "aria-label": word("Invariance viewer of {network}", { network: model.get("network").name }) });
  const busy = () => (root.dataset.busy = String(gate.busy() || (!model.get("view").path && !model.get("problem").text && model.get("names").length > 0)));
  /** @param {any} wish */
  const look = (wish) => {
    gate.wish(wish);
    busy();
  };
  const amounts = () => (model.get("view").amounts ? as_floats(model.get("view").amounts) : new Float32Array([0]));
  const nearest = (/** @type {number} */ wanted) => amounts().reduce((best, amount, place, all) => (Math.abs(amount - wanted) < Math.abs(all[best] - wanted) ? place : best), 0);
  let at = nearest(model.get("amount"));
  const sent = { number: 0, place: -1 };
  const slide = {
    at: () => Math.min(at, amounts().length - 1),
    move: (/** @type {number} */ place) => {
      at = place;
      photo.show();
      curves.show();
    },
    let_go: () => {
      sent.number = Math.max(sent.number + 1, Date.now());
      sent.place = slide.at();
      model.send({ kind: "amount", number: sent.number, amount: amounts()[sent.place] });
    },
  };
  /** Takes over an amount that was set in Python; what comes back of the slider's own is behind where it stands now. */
  const set_from_python = () => {
    if (model.get("taken") < sent.number) return;
    const place = nearest(model.get("amount"));
    const echo = place === sent.place;
    sent.place = -1;
    if (!echo) slide.move(place);
  };
  const photos = photos_part(model, look, signal);
  const photo = photo_part(model, slide, signal);
  const curves = curves_part(model, look, slide, signal);
  const bar = element("progress", { max: 1, value: 0, "aria-label": word("Curves") });
  const progress = () => {
    const { label, fraction } = model.get("progress");
    bar.style.visibility = label ? "visible" : "hidden";
    bar.value = fraction ?? 0;
  };
  root.append(problem_box(model, signal), photos.node, tools_part(model, look, signal).node, element("div", { class: "cv-row" }, photo.node, curves.node), bar);
  on_change(model, ["answered", "view", "problem"], () => {
    gate.settle();
    busy();
  }, signal);
  on_change(model, ["amount"], set_from_python, signal);
  on_change(model, ["view"], () => slide.move(nearest(model.get("amount"))), signal);
  on_change(model, ["progress"], progress, signal);
  progress();
  busy();
  take_drops(root, photos.upload, signal);
  el.append(root);
  return () => ended.abort();
}

export default { render: in_language(render) };
