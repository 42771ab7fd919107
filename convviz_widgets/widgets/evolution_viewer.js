// The evolution viewer: a slider over the epochs of a training; all it shows it holds itself.

const SECONDS_A_STEP = 0.8;

/** @param {{model: Model, el: HTMLElement}} view */
function render({ model, el }) {
  const ended = new AbortController();
  const { signal } = ended;
  const overview = model.get("overview");
  const { network, epochs, accuracy, layers, stopped, threshold } = overview;
  const most = epochs.length - 1;
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
  const percent = (/** @type {number | null} */ value) => (value === null ? "" : `${(100 * value).toFixed(1)} %`);
  let at = model.get("shown");
  let timer = 0;
  let layer = layers[0];

  const told = element("p", { class: "cv-numbers", role: "status", "aria-live": "polite" });
  const note = element("p", { class: "cv-note", hidden: true });
  const scrub = element("input", { type: "range", min: 0, max: most, step: 1, value: at, "aria-label": word("Epoch"), ...KEYED });
  const label = element("span", { class: "cv-numbers cv-evo-epoch" });
  const play = tool_button(word("Play"), "play", () => run(!timer), signal);
  const menu = element("select", { "aria-label": word("Layer"), ...KEYED }, ...layers.map((/** @type {any} */ { name }) => element("option", { value: name }, name)));
  const gained = snapshot_chart(word("Held-out accuracy"), epochs, [{ name: "accuracy", values: accuracy }], null);
  gained.node.hidden = accuracy.every((/** @type {number | null} */ value) => value === null);
  const settles = snapshot_chart(word("Cosine to the last snapshot"), epochs, layers.map((/** @type {any} */ { name, to_last }) => ({ name, values: to_last })), threshold);

  /** @param {string} unit */
  const choose = (unit) => {
    if (unit === model.get("unit")) return;
    model.set("unit", unit); // shown at once, also without a kernel
    model.send({ kind: "look", unit });
  };
  const first_of = (/** @type {string} */ name) => choose(`${name}:${layers.find((/** @type {any} */ each) => each.name === name).units[0]}`);
  const table = settling_table(overview, first_of, signal);
  const rows = unit_rows(model, { unit: choose, epoch: (place) => settle(place), at: () => at }, signal);

  const show = () => {
    const epoch = epochs[at];
    scrub.value = String(at);
    label.textContent = word("epoch {epoch}", { epoch });
    const cosine = layer.to_last[at];
    told.textContent = sentences(
      accuracy[at] === null ? word("After epoch {epoch}.", { epoch }) : word("After epoch {epoch}: held-out accuracy {value}.", { epoch, value: percent(accuracy[at]) }),
      cosine === null ? word("{layer}: nothing arrives at the pixels", { layer: layer.name }) : word("{layer}: cosine to the last snapshot {value}", { layer: layer.name, value: cosine.toFixed(2) }),
    ) + (at && layer.jumped[at - 1] !== null ? word(", {share} % of its units jumped to another picture since epoch {epoch}", { share: Math.round(100 * layer.jumped[at - 1]), epoch: epochs[at - 1] }) : "") + word(".");
    set_attributes(scrub, { "aria-valuetext": word("after epoch {epoch}", { epoch }) });
    gained.show(at, "accuracy", word("Held-out accuracy after epoch {epoch}: {value}; from {first} to {last}", { epoch, value: percent(accuracy[at]), first: percent(accuracy[0]), last: percent(accuracy[most]) }));
    settles.show(at, layer.name, word("Cosine of projections to those of the last snapshot, after epoch {epoch}: {values}", { epoch, values: layers.map((/** @type {any} */ each) => `${each.name} ${each.to_last[at] === null ? word("unknown") : each.to_last[at].toFixed(2)}`).join(", ") }));
    rows.draw();
  };
  const turn_to_unit = () => {
    const unit = model.get("unit");
    const [name, channel] = unit.split(":");
    const found = layers.find((/** @type {any} */ each) => each.name === name);
    const here = found?.units.includes(Number(channel));
    note.hidden = here;
    note.textContent = here ? "" : sentences(word("{unit} was not recorded.", { unit }), found ? word("Recorded of {layer}: {units}.", { layer: name, units: found.units.join(", ") }) : word("Recorded layers: {layers}.", { layers: layers.map((/** @type {any} */ each) => each.name).join(", ") }));
    layer = found ?? layer;
    menu.value = layer.name;
    table.show(layer.name);
    rows.show(layer.name);
    show();
  };
  const tell = shown_place(model, (place) => {
    at = place;
    show();
  }, signal);
  /** Goes to a snapshot and tells it. @param {number} place */
  const settle = (place) => {
    run(false);
    at = Math.max(0, Math.min(most, place));
    show();
    tell(at);
  };
  const advance = () => {
    at = at < most ? at + 1 : 0;
    show();
    if (at === most && calm.matches) return run(false); // to the end once, and no further
    timer = window.setTimeout(advance, (at === most ? 2 : 1) * 1000 * SECONDS_A_STEP);
  };
  /** @param {boolean} on */
  const run = (on) => {
    clearTimeout(timer);
    timer = on ? window.setTimeout(advance, 250) : 0;
    set_attributes(told, { "aria-live": on ? "off" : "polite" });
    play.show(on ? word("Pause") : word("Play"), on ? "pause" : "play");
  };
  scrub.addEventListener("input", () => {
    run(false);
    at = Number(scrub.value);
    show();
  }, { signal });
  scrub.addEventListener("change", () => tell(Number(scrub.value)), { signal });
  menu.addEventListener("change", () => first_of(menu.value), { signal });
  on_change(model, ["unit"], turn_to_unit, signal);
  on_change(model, ["sheets"], () => rows.show(layer.name), signal);
  signal.addEventListener("abort", () => clearTimeout(timer));

  const head = element("div", { class: "cv-tools" }, element("h3", {}, word("Features of {network} coming about", { network })), element("label", { class: "cv-choose" }, word("layer"), menu), play.node, scrub, label);
  const side = element("div", { class: "cv-evo-side" }, gained.node, settles.node, table.node);
  const node = element("div", { class: "cv cv-viewer cv-evolution", role: "group", "aria-label": word("Evolution of {network}", { network }) }, problem_box(model, signal), head, told, note,
    ...(stopped ? [element("p", { class: "cv-note" }, word("The recorder stopped. {reason}.", { reason: heard(stopped) }))] : []), element("div", { class: "cv-evo-main" }, rows.node, side));
  const theme = new MutationObserver(() => rows.draw()); // the mark's colour is painted, so it must be painted anew
  theme.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
  signal.addEventListener("abort", () => theme.disconnect());
  el.append(node);
  turn_to_unit();
  return () => ended.abort();
}

export default { render: in_language(render) };
