// The concept browser: layers, a list, the card of a unit or a concept. One gesture sends one message.

/** Files of the report, through the browser. @param {Model} model @param {AbortSignal} signal */
function export_part(model, signal) {
  const buttons = [["csv", "CSV", word("Save the report: a line per unit, for tables")], ["json", "JSON", word("Save the report: all figures, for programs")], ["html", "HTML", word("Save the report: a page that stands alone, with pictures")]].map(([format, label, title]) =>
    tool_button(label, "save", () => model.send({ kind: "export", format }), signal, { title }).node);
  const receive = (/** @type {any} */ message, /** @type {DataView[]} */ buffers) => {
    if (message?.kind === "file") hand_over(message.name, message.type, buffers[0]);
  };
  model.on("msg:custom", receive);
  signal.addEventListener("abort", () => model.off("msg:custom", receive));
  const stop = tool_button(word("Stop"), "stop", () => model.send({ kind: "stop" }), signal, { title: word("Call the file off") });
  stop.node.classList.add("cv-stop");
  const text = element("span", { class: "cv-faint", role: "status", "aria-live": "polite" });
  const node = element("span", { class: "cv-choose", role: "group", "aria-label": word("Save the report") }, text, stop.node, ...buttons);
  const show = () => {
    const { kind, label, fraction } = model.get("progress");
    const busy = kind === "export";
    node.dataset.busy = String(busy);
    stop.node.hidden = !busy;
    text.textContent = busy ? `${heard(label)}${fraction ? `, ${Math.round(100 * fraction)} %` : ""}` : "";
  };
  on_change(model, ["progress"], show, signal);
  show();
  return { node };
}

/** @param {{model: Model, el: HTMLElement}} view */
function render({ model, el }) {
  const ended = new AbortController();
  const { signal } = ended;
  const { reports, note, count, limit } = model.get("overview");
  const gate = one_under_way(
    (wish, number) => model.send({ kind: "look", ask: number, ...wish }),
    (number) => model.get("answered") >= number,
  );
  const root = element("div", { class: "cv cv-viewer cv-concepts", role: "group", "aria-label": word("Concept browser of {network}", { network: reports[0].name }) });
  const busy = () => (root.dataset.busy = String(gate.busy()));
  /** @param {any} wish */
  const look = (wish) => {
    gate.wish(wish);
    busy();
  };
  /** The list that was asked for last, before it is here. @type {any} */
  let wished = null;
  const query = () => wished ?? model.get("listing").query ?? { things: "units", text: "", category: "", layer: "", low: 0, high: 1, order: "iou" };
  const ask = (/** @type {any} */ change) => {
    const now = { ...query(), ...change };
    if (change.things && change.order === undefined) now.order = change.things === "units" ? "iou" : "detectors";
    if (Object.entries(now).every(([name, value]) => query()[name] === value)) return;
    wished = now;
    list.show_query();
    look({ query: now });
  };
  const layers = layers_part(model, { ask, query }, signal);
  const list = list_part(model, { ask, query, look, busy: gate.busy }, signal);

  /** @type {any[]} */
  const behind = [];
  let here = "";
  let returning = false;
  const back = tool_button(word("Back"), "back", () => {
    const wish = behind.pop();
    returning = true;
    if (wish) look(JSON.parse(wish));
  }, signal, { title: word("Back to what was looked at before (Alt+Left)") });
  const cards = [unit_card_part(model, look, signal), concept_card_part(model, look, signal)];
  const side = element("section", { class: "cv-side", "aria-label": word("What is looked at") }, back.node, ...cards.map((each) => each.node));
  const walked = () => {
    const card = model.get("card");
    const now = card.face ? JSON.stringify({ [card.face]: card[card.face] }) : "";
    if (here && now !== here && !returning) behind.push(here);
    if (now !== here && side.contains(document.activeElement)) cards[card.face === "unit" ? 0 : 1].focus();
    returning = false;
    here = now;
    back.node.disabled = !behind.length;
  };
  root.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (!event.altKey || event.key !== "ArrowLeft") return;
    event.preventDefault();
    back.node.click();
  }, { signal });

  const title = element("p", { class: "cv-faint" }, word("{network}: {units} units on {pictures} pictures; a detector has an IoU above {limit}.", { network: reports[0].name, units: reports[0].layers[0].units.toLocaleString("en"), pictures: count.toLocaleString("en"), limit }));
  root.append(problem_box(model, signal), element("div", { class: "cv-head cv-spread" }, title, export_part(model, signal).node),
    ...(note ? [element("p", { class: "cv-note" }, heard(note))] : []), element("div", { class: "cv-walk" }, layers.node, list.node, side));
  on_change(model, ["answered", "listing", "problem"], () => {
    gate.settle();
    if (!gate.busy()) {
      wished = null;
      list.show_query();
    }
    list.draw();
    busy();
  }, signal);
  on_change(model, ["card"], walked, signal);
  walked();
  busy();
  el.append(root);
  return () => ended.abort();
}

export default { render: in_language(render) };
