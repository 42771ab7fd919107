// How the photo is moved: the transform, its direction, and what fills.

/** @type {() => [string, string, string][]} */
const transform_words = () => [["translate", word("Shift"), word("Shift the photo by pixels")], ["rotate", word("Turn"), word("Turn the photo by degrees")], ["scale", word("Scale"), word("Make the photo larger or smaller")]];
/** @type {() => [string, string, string][]} */
const direction_words = () => [["vertical", word("↕ down"), word("Shift it down, or up below zero")], ["horizontal", word("↔ right"), word("Shift it to the right, or to the left below zero")]];
const fill_words = () => ({ grey: word("grey"), mean: word("mean colour"), blur: word("blurred photo"), noise: word("noise"), edge: word("nearest pixel") });

/** @param {Model} model @param {(wish: any) => void} look @param {AbortSignal} signal */
function tools_part(model, look, signal) {
  const transform = choice_row(word("How the photo is moved"), transform_words(), (value) => look({ transform: value }), signal);
  const direction = choice_row(word("Direction"), direction_words(), (value) => look({ direction: value }), signal);
  const fill = element("select", { "aria-label": word("What shows where the photo does not reach"), ...KEYED },
    ...Object.entries(fill_words()).map(([value, text]) => element("option", { value }, text)));
  const node = element("div", { class: "cv-tools" }, transform.node, direction.node, element("label", {}, `${word("uncovered:")} `, fill));
  const show = () => {
    transform.show(model.get("transform"));
    direction.show(model.get("direction"));
    direction.node.style.visibility = model.get("transform") === "translate" ? "visible" : "hidden";
    fill.value = model.get("fill");
  };
  fill.addEventListener("change", () => look({ fill: fill.value }), { signal });
  on_change(model, ["transform", "direction", "fill"], show, signal);
  show();
  return { node };
}
