// The log of strokes, the newest first: what each did to the class that is followed. A click goes back to it.

/** @param {ReturnType<typeof brush_history>} history @param {(place: number) => void} restore @param {AbortSignal} signal */
function log_part(history, restore, signal) {
  const list = element("ol", { class: "cv-strokes", reversed: true, "aria-label": "Strokes, the newest first" });
  const node = element("section", { class: "cv-panel", "aria-label": "Strokes" }, element("div", { class: "cv-line-head" }, element("h3", {}, "Strokes"), element("span", { class: "cv-faint" }, "click: back to it")), list);
  const show = once_per_frame(() => {
    const { states, now } = history.held;
    const focused = list.contains(document.activeElement) ? /** @type {HTMLElement} */ (document.activeElement).dataset.number : null;
    list.replaceChildren(...states.map((state, place) => {
      const { effect } = state;
      const before = states[place - 1]?.effect;
      const step = effect && before && before.name === effect.name ? change_text(effect.value - before.value) : "";
      const button = element("button", { type: "button", class: "cv-quiet", "aria-current": place === now ? "step" : false, ...KEYED },
        element("span", { class: "cv-class-name" }, state.label), element("span", { class: "cv-numbers" }, effect ? `${effect.name} ${percent_text(effect.value)}` : "…"),
        element("span", { class: "cv-numbers cv-change", "data-way": step.startsWith("−") ? "down" : step.startsWith("+") ? "up" : "" }, step));
      button.dataset.number = String(state.number);
      button.addEventListener("click", () => restore(place), { signal });
      return element("li", { "data-undone": place > now }, button);
    }).reverse());
    if (focused) list.querySelector(`[data-number="${focused}"]`)?.focus();
  }, signal);
  return { node, show };
}
