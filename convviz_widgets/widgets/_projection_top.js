// The nine patches that excite the unit most, each beside what in it did.

/** @param {Model} model @param {(wish: any) => void} look @param {AbortSignal} signal @param {{factor: () => number}} strength */
function top_part(model, look, signal, strength) {
  const title = element("h3");
  const rule = choice_row(word("Rule of these projections"), Object.entries(rule_words()).map(([name, [, title]]) => [name, name, title]), (value) => look({ rule: value }), signal);
  const list = element("div", { class: "cv-pairs" });
  const waiting = element("p", { class: "cv-faint", role: "status", "aria-live": "polite" });
  const bar = element("progress", { max: 1, value: 0, "aria-label": word("Search for patches") });
  const node = element("section", { class: "cv-top-nine", "aria-label": word("What excites the unit most") },
    element("div", { class: "cv-head" }, title, rule.node), waiting, bar, list);
  /** @type {{canvas: HTMLCanvasElement, signal: any}[]} */
  let painted = [];
  /** Gives the pictures of the previous patches back. */
  let shown = new AbortController();
  signal.addEventListener("abort", () => shown.abort());

  const draw = once_per_frame(() => painted.forEach((each) => paint_signal(each.canvas, each.signal, each.signal.reach / strength.factor(), true)), signal);
  const pair = (/** @type {any} */ each, /** @type {any} */ layer, /** @type {string} */ unit) => {
    const value = short_number(each.activation);
    const canvas = element("canvas", { "aria-hidden": "true" });
    const button = element("button", { type: "button", class: "cv-pair", title: word("{image}: look at it", { image: each.image }), "aria-label": word("patch of {image} and its projection, activation {value}", { image: each.image, value }), ...KEYED },
      element("span", {}, element("img", { src: object_url(each.jpeg, "image/jpeg", shown.signal), alt: "" })),
      element("span", {}, canvas), element("span", { class: "cv-numbers cv-faint" }, value));
    if (each.signal) painted.push({ canvas, signal: each.signal });
    const place = layer && layer.shape.length === 3 ? `@${each.position.join(",")}` : "";
    button.addEventListener("click", () => look({ image: each.image, unit: `${unit}${place}` }), { signal });
    return button;
  };
  const show = () => {
    const top = model.get("top");
    rule.show(model.get("rule"));
    if (!top.unit) return;
    shown.abort();
    shown = new AbortController();
    painted = [];
    const layer = model.get("network").layers.find((/** @type {any} */ each) => each.name === top.unit.slice(0, top.unit.lastIndexOf(":")));
    title.textContent = word("What excites {unit} most", { unit: top.unit });
    list.replaceChildren(...(top.patches ?? []).map((/** @type {any} */ each) => pair(each, layer, top.unit)));
    draw();
    progress();
  };
  const progress = () => {
    const { label, fraction } = model.get("progress");
    const top = model.get("top");
    bar.hidden = !label;
    bar.value = fraction ?? 0;
    waiting.textContent = label ? heard(label) : (top.patches && !top.patches.length ? word("No picture to search is in the album.") : "");
    waiting.hidden = !waiting.textContent;
  };
  on_change(model, ["top", "rule"], show, signal);
  on_change(model, ["progress"], progress, signal);
  const watch = new ResizeObserver(draw);
  watch.observe(list);
  signal.addEventListener("abort", () => watch.disconnect());
  show();
  progress();
  return { node, draw };
}
