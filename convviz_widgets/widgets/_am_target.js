// What is to be explored: a layer and a channel, or whatever is typed.

/** @param {Model} model @param {(wish: any) => void} choose @param {AbortSignal} signal */
function target_part(model, choose, signal) {
  const layers = model.get("network").layers ?? [];
  const layer = element("select", { "aria-label": word("Layer"), ...KEYED },
    ...layers.map((/** @type {any} */ each) => element("option", { value: each.name }, each.name)));
  const channel = element("input", { type: "number", min: 0, step: 1, class: "cv-numbers", "aria-label": word("Channel"), ...KEYED });
  const count = element("span", { class: "cv-faint" });
  const typed = element("input", { type: "text", spellcheck: "false", autocomplete: "off", placeholder: "conv3:5 · conv3:1-9 · ClassScore('cat')", "aria-label": word("Unit, several units, or an objective"),
    title: word("A unit (conv3:5), a neuron (conv3:5@2,7), several (conv3:1-9 or conv3:1, 4, conv5:2), or an objective such as Channel('conv3:5') - 0.5 * Channel('conv3:6'). Enter shows it."), ...KEYED });
  const node = element("form", { class: "cv-target", "aria-label": word("What to explore") },
    element("span", { class: "cv-pick" }, element("label", {}, `${word("Layer")} `, layer), element("label", {}, `${word("channel")} `, channel), count),
    element("label", { class: "cv-typed" }, `${word("or")} `, typed));

  const of = (/** @type {string} */ name) => layers.find((/** @type {any} */ each) => each.name === name);
  const show = () => {
    const unit = model.get("unit");
    const objective = model.get("objective");
    if (document.activeElement !== typed || typed.dataset.edited !== "true") typed.value = objective;
    const split = unit.lastIndexOf(":");
    const found = of(unit.slice(0, split));
    if (!found) return;
    layer.value = found.name;
    const place = Number.parseInt(unit.slice(split + 1), 10);
    if (document.activeElement !== channel) channel.value = String(place);
    set_attributes(channel, { max: found.channels - 1 });
    count.textContent = found.names[place] ? `${word("of {count}", { count: found.channels })} · ${found.names[place]}` : word("of {count}", { count: found.channels });
  };
  const pick = () => {
    const found = of(layer.value);
    const place = Math.max(0, Math.min(found.channels - 1, Math.round(Number(channel.value) || 0)));
    channel.value = String(place);
    choose({ objective: `${found.name}:${place}` });
  };
  layer.addEventListener("change", pick, { signal });
  channel.addEventListener("change", pick, { signal });
  typed.addEventListener("input", () => (typed.dataset.edited = "true"), { signal });
  const settle = () => {
    delete typed.dataset.edited;
    if (typed.value.trim() && typed.value !== model.get("objective")) choose({ objective: typed.value });
    else typed.value = model.get("objective");
  };
  typed.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Enter") {
      event.preventDefault();
      settle();
    } else if (event.key === "Escape") {
      delete typed.dataset.edited;
      typed.value = model.get("objective");
    }
  }, { signal });
  node.addEventListener("submit", (/** @type {Event} */ event) => event.preventDefault(), { signal });
  on_change(model, ["unit", "objective"], show, signal);
  show();
  return { node };
}
