// What is kept: the code, the picture, the film, and pinned pictures side by side.

/** @param {Model} model @param {(message: any) => void} say @param {(wish: any) => void} choose @param {AbortSignal} signal */
function pins_part(model, say, choose, signal) {
  let waits_for_file = false;
  const file = (/** @type {string} */ format, /** @type {number | undefined} */ number = undefined) => {
    waits_for_file = true;
    say({ kind: "file", format, ...(number === undefined ? {} : { number }) });
  };
  const pin = tool_button(word("Pin"), "pin", () => say({ kind: "pin" }), signal, { title: word("Keep this picture below, to compare others with") });
  const copy = tool_button(word("Code"), "copy", () => copied(model.get("view").code ?? "", copy), signal, { title: word("Copy as code: what makes this picture again") });
  copy.node.setAttribute("aria-label", word("Copy as code"));
  const save = tool_button("PNG", "save", () => file("png"), signal, { title: word("Save the picture, with what made it in its metadata") });
  const gif = tool_button("GIF", "film", () => file("gif"), signal, { title: word("Save a film of the run") });
  const apng = tool_button("APNG", "film", () => file("apng"), signal, { title: word("Save a film of the run, every pixel exact") });
  const code = element("pre", { class: "cv-code", "aria-label": word("Code that makes this picture again"), ...KEYED });
  const shelf = element("ul", { class: "cv-shelf", "aria-label": word("Pinned pictures") });
  const heading = element("h3", {}, word("Pinned"));
  const told = element("span", { class: "cv-hidden-text", role: "status", "aria-live": "polite" });
  const node = element("section", { class: "cv-kept", "aria-label": word("Keep and compare") },
    element("div", { class: "cv-run", role: "toolbar", "aria-label": word("Keep") }, pin.node, copy.node, save.node, gif.node, apng.node), told,
    code);
  const board = element("section", { class: "cv-board", "aria-label": word("Pinned") }, heading, shelf);

  /** @param {string} text @param {{node: any}} button */
  const copied = async (text, button) => {
    const done = await copy_text(text);
    told.textContent = done ? word("Code copied") : word("The browser refused the clipboard; the code stands below");
    button.node.dataset.done = String(done);
    setTimeout(() => delete button.node.dataset.done, 1500);
  };
  /** @type {Map<number, any>} */
  const cards = new Map();
  const show = () => {
    const pins = model.get("pins");
    for (const number of cards.keys()) if (!pins.some((/** @type {any} */ each) => each.number === number)) cards.delete(number);
    for (const each of pins) if (!cards.has(each.number)) cards.set(each.number, card(each));
    shelf.replaceChildren(...pins.map((/** @type {any} */ each) => cards.get(each.number)));
    board.hidden = pins.length === 0;
  };
  const card = (/** @type {any} */ each) => {
    const name = each.objectives.length > 1 ? word("{objective} and {count} more", { objective: each.objectives[0], count: each.objectives.length - 1 }) : in_words(each.objectives[0], model.get("network").layers);
    const turned = Object.entries(each.knobs).map(([knob, value]) => `${heard(knob.replaceAll("_", " "))} ${short_number(value)}`);
    const values = each.activations.filter((/** @type {any} */ value) => value !== null).map(short_number);
    const pictures = element("div", { class: "cv-pinned" }, ...each.images.map((/** @type {DataView} */ bytes, /** @type {number} */ place) =>
      element("img", { src: object_url(bytes, "image/jpeg", signal), alt: word("Picture for {objective} by {recipe}", { objective: each.objectives[place], recipe: each.recipe }) })));
    pictures.style.setProperty("--cv-columns", String(Math.ceil(Math.sqrt(each.images.length))));
    const use = tool_button(word("Use these settings again"), "back", () => choose({ objective: each.objectives.join(", "), recipe: each.recipe, seed: each.seed, knobs: each.knobs }), signal, { quiet: true, bare: true });
    const copy_it = tool_button(word("Copy as code"), "copy", () => copied(each.code, copy_it), signal, { quiet: true, bare: true });
    const save_it = tool_button(word("Save as PNG"), "save", () => file("png", each.number), signal, { quiet: true, bare: true });
    const away = tool_button(word("Unpin"), "close", () => {
      say({ kind: "unpin", number: each.number });
      pin.node.focus();
    }, signal, { quiet: true, bare: true });
    return element("li", { class: "cv-pin", "data-number": each.number }, pictures,
      element("span", { class: "cv-name" }, name), element("span", {}, each.recipe),
      element("span", { class: "cv-faint" }, [...turned, word("{count} steps", { count: each.steps })].join(" · ")),
      element("span", { class: "cv-numbers" }, values.length ? word("activation {value}", { value: `${values.slice(0, 4).join(", ")}${values.length > 4 ? " …" : ""}` }) : ""),
      element("span", { class: "cv-actions" }, use.node, copy_it.node, save_it.node, away.node));
  };
  const ready = () => {
    const view = model.get("view");
    for (const each of [pin, copy, save, gif, apng]) each.node.disabled = !view.images;
    code.hidden = !view.code;
    if (code.textContent !== view.code) code.textContent = view.code ?? "";
  };
  /** @param {any} message @param {DataView[]} buffers */
  const receive = (message, buffers) => {
    if (message?.kind !== "file" || !waits_for_file) return; // another view of the same panel asked
    waits_for_file = false;
    hand_over(message.name, message.type, buffers[0]);
    told.textContent = word("{name} saved", { name: message.name });
  };
  model.on("msg:custom", receive);
  signal.addEventListener("abort", () => model.off("msg:custom", receive));
  on_change(model, ["pins"], show, signal);
  on_change(model, ["view"], ready, signal);
  show();
  ready();
  return { node, board };
}
