// What the network answers: bars with the change from the clean photo, and one unit's map before and after.

const percent_text = (/** @type {number} */ value) => `${(100 * value).toFixed(Math.abs(value) < 0.0995 ? 1 : 0)} %`;
const change_text = (/** @type {number} */ value) => (Math.abs(value) < 5e-4 ? "±0" : `${value > 0 ? "+" : "−"}${(100 * Math.abs(value)).toFixed(1)}`);

const BARS = 6; // the most probable five, and the class that is followed where it is none of them

/** @param {Model} model @param {(wish: any) => void} look @param {AbortSignal} signal */
function scores_part(model, look, signal) {
  const list = element("ol", { class: "cv-now", "aria-label": word("Most probable classes") });
  const auto = element("button", { type: "button", class: "cv-quiet", title: word("Follow the most probable class of the clean photo") }, word("follow the first"));
  auto.addEventListener("click", () => look({ target: null }), { signal });
  const node = element("section", { class: "cv-panel", "aria-label": word("Classes") },
    element("div", { class: "cv-line-head" }, element("h3", {}, word("Classes")), element("span", { class: "cv-faint" }, word("now · change in points")), auto), list);
  /** @type {any[]} */
  let rows = [];
  const row = () => {
    const parts = { name: element("span", { class: "cv-class-name" }), bar: element("span", { class: "cv-both" }), now: element("span", { class: "cv-numbers" }), change: element("span", { class: "cv-numbers cv-change" }) };
    const button = element("button", { type: "button", class: "cv-quiet", ...KEYED }, ...Object.values(parts));
    const held = { ...parts, button, item: element("li", {}, button), index: 0 };
    button.addEventListener("click", () => look({ target: held.index }), { signal });
    return held;
  };
  const known = model.get("network").classes.length;
  const show = () => {
    const { classes = [], target } = model.get("view");
    const most = classes.length && Math.min(known, BARS); // all have their place, so that what lies below never moves
    while (rows.length < Math.max(classes.length, most)) {
      rows.push(row());
      list.append(rows[rows.length - 1].item);
    }
    rows.forEach((held, place) => {
      const each = classes[place];
      held.item.style.visibility = each ? "visible" : "hidden";
      if (!each) return;
      held.index = each.index;
      held.name.textContent = each.name;
      held.bar.style.setProperty("--cv-now", String(each.now));
      held.bar.style.setProperty("--cv-clean", String(each.clean));
      held.now.textContent = percent_text(each.now);
      held.change.textContent = change_text(each.now - each.clean);
      held.change.dataset.way = each.now - each.clean < -5e-4 ? "down" : each.now - each.clean > 5e-4 ? "up" : "";
      set_attributes(held.button, { "aria-pressed": String(each.index === target), title: word("{name}: {clean} on the clean photo. Click: follow this class", { name: each.name, clean: percent_text(each.clean) }) });
    });
    auto.hidden = model.get("target") === null;
    node.hidden = model.get("view").image !== undefined && !classes.length;
  };
  on_change(model, ["view", "target"], show, signal);
  show();
  return { node };
}

/** @param {Model} model @param {(wish: any) => void} look @param {AbortSignal} signal */
function unit_part(model, look, signal) {
  const title = element("h3", {}, word("Unit"));
  const entry = element("input", { type: "search", "aria-label": word("Address of the unit"), placeholder: word("layer:channel"), title: word("Address of the unit, as conv3:5; empty: the strongest of the last layer of maps"), ...KEYED });
  const names = fresh_id("layers");
  const known = element("datalist", { id: names }, ...model.get("network").layers.map((/** @type {any} */ layer) => element("option", { value: `${layer.name}:0` })));
  set_attributes(entry, { list: names });
  const typed = () => entry.value.trim() !== asked && look({ unit: (asked = entry.value.trim()) });
  let asked = model.get("unit");
  entry.addEventListener("change", typed, { signal });
  entry.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => event.key === "Enter" && typed(), { signal });
  const tiles = [["before", word("before")], ["after", word("after")]].map(([name, when]) => ({ name, when, canvas: element("canvas", { role: "img" }), text: element("span", { class: "cv-faint cv-numbers" }) }));
  const pair = element("div", { class: "cv-before-after" }, ...tiles.map((tile) => element("figure", { class: "cv-panel" }, tile.canvas, element("figcaption", {}, tile.text))));
  const node = element("section", { class: "cv-panel", "aria-label": word("Unit") }, element("div", { class: "cv-line-head" }, title, entry, known), pair);
  const draw = once_per_frame(() => {
    const { map = {} } = model.get("view");
    pair.hidden = !map.shape;
    if (!map.shape) return;
    title.textContent = map.unit;
    if (document.activeElement !== entry) entry.value = model.get("unit");
    const [height, width] = map.shape;
    tiles.forEach(({ name, when, canvas, text }, place) => {
      const wide = Math.max(40, (pair.clientWidth - 12) / 2);
      const high = Math.min(2 * wide, (wide * height) / width);
      const context = fit_canvas(canvas, wide, high);
      context.imageSmoothingEnabled = false;
      context.drawImage(canvas_of(coloured(as_bytes(map[name]), width, height, as_bytes(model.get("network").colours))), 0, 0, wide, high);
      canvas.dataset.ready = map.unit;
      text.textContent = `${when} · ${word("mean {value}", { value: short_number(map.means[place]) })}`;
      set_attributes(canvas, { "aria-label": word("{unit} {when}: mean {value}, colours from {low} to {high}", { unit: map.unit, when, value: short_number(map.means[place]), low: short_number(map.low), high: short_number(map.high) }) });
    });
  }, signal);
  on_change(model, ["unit"], () => (asked = model.get("unit")), signal);
  on_change(model, ["view", "unit"], draw, signal);
  const watch = new ResizeObserver(draw);
  watch.observe(pair);
  signal.addEventListener("abort", () => watch.disconnect());
  draw();
  return { node };
}
