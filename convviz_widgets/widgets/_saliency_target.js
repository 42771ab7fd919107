// What the maps are of: a class, the most probable one first, or a unit that another widget chose.

/** @param {Model} model @param {(wish: any) => void} look @param {AbortSignal} signal */
function class_part(model, look, signal) {
  const menu = element("select", { class: "cv-class-menu", "aria-label": word("Class that the maps are of"), ...KEYED });
  const score = element("span", { class: "cv-numbers cv-faint" });
  const node = element("span", { class: "cv-choose" }, element("label", {}, `${word("Maps of")} `, menu), score);
  const name_of = (/** @type {number} */ index) => model.get("network").classes[index] ?? word("class {index}", { index });
  const fill = () => {
    const { order, probability } = model.get("ranking");
    const target = model.get("target");
    const [indices, shares] = order ? [new Int32Array(as_floats(order).buffer), as_floats(probability)] : [[], []];
    const options = Array.from(indices, (index, place) =>
      element("option", { value: index }, `${name_of(index)} · ${(100 * shares[place]).toFixed(shares[place] < 0.0995 ? 1 : 0)} %`));
    const first = indices.length ? word("most probable: {name}", { name: name_of(indices[0]) }) : word("most probable class");
    menu.replaceChildren(element("option", { value: "" }, first),
      ...(typeof target === "string" ? [element("option", { value: target }, word("the unit {unit}", { unit: target }))] : []), ...options);
    menu.value = String(target ?? "");
  };
  const show = () => {
    const view = model.get("view");
    score.textContent = view.name ? word("score {value}", { value: short_number(view.score) }) : "";
  };
  menu.addEventListener("change", () => {
    const value = menu.value;
    look({ target: value === "" ? null : value.includes(":") ? value : Number(value) });
  }, { signal });
  on_change(model, ["ranking", "target"], fill, signal);
  on_change(model, ["view"], show, signal);
  fill();
  show();
  return { node };
}
