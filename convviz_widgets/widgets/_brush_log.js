// The log of strokes, the newest first: what each did to the class that is followed. A click goes back to it.

/** @param {Model} model @param {(number: number) => void} go @param {AbortSignal} signal */
function log_part(model, go, signal) {
  const list = element("ol", { class: "cv-strokes", reversed: true, "aria-label": word("Strokes, the newest first") });
  const node = element("section", { class: "cv-panel", "aria-label": word("Strokes") }, element("div", { class: "cv-line-head" }, element("h3", {}, word("Strokes")), element("span", { class: "cv-faint" }, word("click: back to it"))), list);
  const show = once_per_frame(() => {
    const strokes = model.get("strokes");
    const now = strokes.findIndex((/** @type {any} */ each) => each.number === model.get("stroke"));
    const focused = list.contains(document.activeElement) ? /** @type {HTMLElement} */ (document.activeElement).dataset.number : null;
    list.replaceChildren(...strokes.map((/** @type {any} */ { number, stroke, effect }, /** @type {number} */ place) => {
      const before = strokes[place - 1]?.effect;
      const step = effect.name && before?.name === effect.name ? change_text(effect.value - before.value) : "";
      const button = element("button", { type: "button", class: "cv-quiet", "aria-current": place === now ? "step" : false, ...KEYED },
        element("span", { class: "cv-class-name" }, heard(stroke)), element("span", { class: "cv-numbers" }, effect.name ? `${effect.name} ${percent_text(effect.value)}` : ""),
        element("span", { class: "cv-numbers cv-change", "data-way": step.startsWith("−") ? "down" : step.startsWith("+") ? "up" : "" }, step));
      button.dataset.number = String(number);
      button.addEventListener("click", () => go(number), { signal });
      return element("li", { "data-undone": place > now }, button);
    }).reverse());
    if (focused) list.querySelector(`[data-number="${focused}"]`)?.focus();
  }, signal);
  on_change(model, ["strokes", "stroke"], show, signal);
  show();
  return { node };
}
