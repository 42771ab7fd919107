// The dashboard: a bar with a button for each panel, and the panels that stand open, each a widget of its own.

/** Name, title and what it is for. @type {() => Record<string, [string, string]>} */
const panel_words = () => ({
  picker: [word("Layers and units"), word("The network drawn, the maps of a layer, one neuron and its nine patches")],
  brush: [word("Photo and brush"), word("Hide parts of the photo, and watch the classes and the unit's map change")],
  am: [word("What it likes"), word("Grow the picture that the unit answers to most")],
  projections: [word("What made it answer"), word("The photo carried back through the unit by three rules, beside its top nine with projections")],
  concepts: [word("Concepts"), word("What each unit stands for, by the dissection")],
});

/**
 * One panel in its frame; the widget inside is drawn when the kernel has made it.
 * @param {string} name @param {any} host @param {(kind: string, name: string) => void} ask @param {AbortSignal} signal
 */
function frame_part(name, host, ask, signal) {
  const [title, about] = panel_words()[name];
  const ended = new AbortController();
  const stop = () => ended.abort();
  signal.addEventListener("abort", stop, { signal: ended.signal });
  const inside = { signal: ended.signal };
  const larger = tool_button(word("Enlarge"), "larger", () => ask("enlarge", name), inside.signal, { quiet: true });
  const elsewhere = tool_button(word("In another cell"), "copy", () => ask("elsewhere", name), inside.signal, { quiet: true, title: word("Copy the line that shows this panel in another cell") });
  const close = tool_button(word("Close {title}", { title }), "close", () => ask("close", name), inside.signal, { quiet: true, bare: true, title: word("Close; what is set in it is kept") });
  const heading = element("h3", { title: about }, title);
  const body = element("div", { class: "cv-frame-body" }, element("p", { class: "cv-faint", role: "status" }, word("Opening…")));
  larger.node.classList.add("cv-larger");
  const node = element("section", { class: "cv-frame", "data-panel": name, "aria-label": title },
    element("header", {}, heading, element("span", { class: "cv-frame-tools" }, larger.node, elsewhere.node, close.node)), body);
  let shown = "";
  const draw = async (/** @type {string} */ ref) => {
    if (ref === shown) return;
    shown = ref;
    try {
      const child = await host.getWidget(ref);
      if (ended.signal.aborted || shown !== ref) return;
      body.replaceChildren();
      await child.render({ el: body, signal: ended.signal });
      node.dataset.ready = "true";
    } catch (error) {
      if (!ended.signal.aborted) body.replaceChildren(element("p", { role: "alert" }, word("This panel cannot be shown: {error}", { error })));
    }
  };
  const enlarge = (/** @type {boolean} */ large) => {
    set_attributes(node, { "data-large": large });
    larger.show(large ? word("Smaller") : word("Enlarge"), large ? "smaller" : "larger", large ? word("Back among the others") : word("Give it the whole width"));
  };
  return { node, draw, enlarge, close: stop };
}

/** @param {{model: Model, el: HTMLElement, host: any}} view */
function render({ model, el, host }) {
  const ended = new AbortController();
  const { signal } = ended;
  const { network, there } = model.get("about");
  const root = element("div", { class: "cv cv-explore", role: "group", "aria-label": word("Dashboard of {network}", { network }) });
  /** @type {Map<string, ReturnType<typeof frame_part>>} */
  const frames = new Map();
  let opened = "";
  const ask = (/** @type {string} */ kind, /** @type {string} */ name) => {
    opened = kind === "open" ? name : "";
    if (kind === "close") switches.get(name)?.focus();
    model.send({ kind, panel: name });
  };
  /** @type {Map<string, any>} */
  const switches = new Map(there.map((/** @type {string} */ name) => {
    const node = element("button", { type: "button", class: "cv-switch", "data-panel": name, title: panel_words()[name][1], ...KEYED }, panel_words()[name][0]);
    node.addEventListener("click", () => ask(model.get("panels").includes(name) ? "close" : "open", name), { signal });
    return [name, node];
  }));
  const copy = tool_button(word("Copy dashboard as code"), "copy", () => model.send({ kind: "code" }), signal, { title: word("One line of Python that makes this dashboard again") });
  const said = element("p", { class: "cv-faint", role: "status", "aria-live": "polite" });
  const line = element("textarea", { class: "cv-explore-code", rows: 2, readonly: true, hidden: true, "aria-label": word("The line of code"), ...KEYED });
  const looks = element("span", { class: "cv-explore-looks cv-numbers" });
  const space = element("div", { class: "cv-frames" });
  const empty = element("p", { class: "cv-faint" }, word("All panels are closed. Open one above."));

  const arrange = () => {
    const open = model.get("panels");
    for (const [name, frame] of frames) {
      if (open.includes(name)) continue;
      frame.close();
      frame.node.remove();
      frames.delete(name);
    }
    /** @type {Element | null} */
    let before = null;
    for (const name of open) {
      const frame = frames.get(name) ?? frame_part(name, host, ask, signal);
      frames.set(name, frame);
      if (!frame.node.isConnected) before ? before.after(frame.node) : space.prepend(frame.node);
      before = frame.node;
      frame.enlarge(model.get("large") === name);
      if (model.get(name)) frame.draw(model.get(name));
    }
    switches.forEach((node, name) => set_attributes(node, { "aria-pressed": String(open.includes(name)) }));
    empty.hidden = open.length > 0;
    if (opened && frames.has(opened)) frames.get(opened)?.node.scrollIntoView({ block: "nearest" });
    opened = "";
  };
  const tell = () => {
    const [unit, image] = [model.get("unit"), model.get("image")];
    looks.textContent = unit && image ? word("{unit} on {image}", { unit, image }) : unit || image;
  };
  /** What was copied is not what is shown any more. */
  const forget = () => {
    line.hidden = true;
    said.textContent = "";
  };
  const receive = async (/** @type {any} */ message) => {
    if (message?.kind !== "code") return;
    line.value = message.text;
    line.hidden = false;
    const done = await copy_text(message.text);
    if (message.for) said.textContent = done ? word("Copied: the line that shows this panel in another cell.") : word("The browser does not let anything be copied; here is the line that shows this panel in another cell.");
    else said.textContent = done ? word("Copied: the line that makes this dashboard again.") : word("The browser does not let anything be copied; here is the line that makes this dashboard again.");
  };
  model.on("msg:custom", receive);
  signal.addEventListener("abort", () => model.off("msg:custom", receive));

  const bar = element("div", { class: "cv-explore-bar" }, element("span", { class: "cv-switches", role: "group", "aria-label": word("Panels") }, ...switches.values()), looks, copy.node);
  root.append(bar, problem_box(model, signal), said, line, empty, space);
  on_change(model, ["panels", "large", ...there], once_per_frame(arrange, signal), signal);
  on_change(model, ["unit", "image"], tell, signal);
  on_change(model, ["unit", "image", "panels", "large"], forget, signal);
  el.append(root);
  arrange();
  tell();
  return () => ended.abort();
}

export default { render: in_language(render) };
