// How the photo is moved: the transform, its direction, and what fills.

/** @type {[string, string, string][]} */
const TRANSFORMS = [["translate", "Shift", "Shift the photo by pixels"], ["rotate", "Turn", "Turn the photo by degrees"], ["scale", "Scale", "Make the photo larger or smaller"]];
/** @type {[string, string, string][]} */
const DIRECTIONS = [["vertical", "↕ down", "Shift it down, or up below zero"], ["horizontal", "↔ right", "Shift it to the right, or to the left below zero"]];
const FILL_TEXT = { grey: "grey", mean: "mean colour", blur: "blurred photo", noise: "noise", edge: "nearest pixel" };

/** @param {Model} model @param {(wish: any) => void} look @param {AbortSignal} signal */
function tools_part(model, look, signal) {
  const transform = choice_row("How the photo is moved", TRANSFORMS, (value) => look({ transform: value }), signal);
  const direction = choice_row("Direction", DIRECTIONS, (value) => look({ direction: value }), signal);
  const fill = element("select", { "aria-label": "What shows where the photo does not reach", ...KEYED },
    ...Object.entries(FILL_TEXT).map(([value, text]) => element("option", { value }, text)));
  const node = element("div", { class: "cv-tools" }, transform.node, direction.node, element("label", {}, "uncovered: ", fill));
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
