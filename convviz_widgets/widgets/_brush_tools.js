// The tools of the brush: brush, box or slide, paint or erase, size and hardness, fill, undo and the rest.

Object.assign(ICONS, {
  brush: "M13.6 1.2c.8.6 1.4 1.2.9 2L9.9 10 7.6 8.2l4.9-6.6c.4-.4.7-.7 1.1-.4zM6.7 9l2.4 1.9c.2 2.4-2.2 4-6.6 3.6 1.7-1 1.3-2 1.7-3.4C4.600 9.700 5.500 9 6.7 9z",
  box: "M2 3h12v10H2zm1.7 1.7v6.600h8.600V4.700z",
  erase: "M9.300 2 14.500 7.200 8.500 13.200H14v1.500H5L1.500 11.200zM3.800 11.100l2.100 2.100h.5l1.900-1.900-3-3z",
  redo: "M9.500 2.500v3H7.200a4.200 4.200 0 1 0 0 8.400H12v-1.800H7.200a2.400 2.400 0 1 1 0-4.800h2.300v3L14 6.400z",
  slide: "M1.500 1.500h6v6h-6zm1.600 1.600v2.800h2.800V3.100zM9 3.700h2.300V1.900L14.800 4.500l-3.500 2.600V5.300H9zM3.700 9h1.600v2.300h1.800l-2.600 3.500-2.600-3.500h1.800z",
  invert: "M8 1.500a6.500 6.500 0 1 0 0 13zM8 1.500a6.500 6.500 0 0 1 0 13v-1.600a4.900 4.900 0 0 0 0-9.800z",
});
const BRUSH_SIZES = { low: 1, high: 200 };
const fill_words = () => ({ grey: word("grey"), mean: word("mean colour"), blur: word("blur"), noise: word("noise") });

/**
 * @param {Model} model @param {{undo: () => void, redo: () => void, clear: () => void, invert: () => void, look: (wish: any) => void, save: (what: string) => void, code: () => void, redraw: () => void}} act
 * @param {AbortSignal} signal
 */
function tools_part(model, act, signal) {
  const brush = { size: 16, hardness: 0.8, erase: false, box: false, outline: true };
  const toggles = /** @type {any[]} */ ([]);
  /** A button that stays pressed. @param {string} label @param {string} picture @param {() => boolean} is @param {() => void} press @param {string} title */
  const toggle = (label, picture, is, press, title) => {
    const { node } = tool_button(label, picture, () => {
      press();
      show();
    }, signal, { title });
    toggles.push({ node, is });
    return node;
  };
  const show = () => {
    toggles.forEach(({ node, is }) => set_attributes(node, { "aria-pressed": String(is()) }));
    size.range.value = String(brush.size);
    size.value.textContent = word("{count} px", { count: brush.size });
    set_attributes(size.range, { "aria-valuetext": word("{count} pixels", { count: brush.size }) });
    hardness.value.textContent = `${Math.round(100 * brush.hardness)} %`;
    fill.value = model.get("fill");
    keep.checked = model.get("keep");
    act.redraw();
  };
  /** @param {string} name @param {string} label as it is spoken @param {number} min @param {number} max @param {number} at @param {(value: number) => void} turn */
  const slider = (name, label, min, max, at, turn) => {
    const range = element("input", { type: "range", min, max, value: at, "aria-label": label, ...KEYED });
    const value = element("span", { class: "cv-numbers" });
    range.addEventListener("input", () => {
      turn(Number(range.value));
      show();
    }, { signal });
    return { range, value, node: element("label", { class: "cv-strength" }, name, range, value) };
  };
  const size = slider(word("size"), word("Brush size"), BRUSH_SIZES.low, 96, brush.size, (value) => (brush.size = value));
  const hardness = slider(word("hardness"), word("Brush hardness"), 0, 100, 100 * brush.hardness, (value) => (brush.hardness = value / 100));
  const fill = element("select", { "aria-label": word("What stands in for what is hidden"), ...KEYED },
    ...Object.entries(fill_words()).map(([value, text]) => element("option", { value }, text)));
  fill.addEventListener("change", () => act.look({ fill: fill.value }), { signal });
  const keep = element("input", { type: "checkbox", ...KEYED });
  keep.addEventListener("change", () => act.look({ keep: keep.checked }), { signal });
  const outline = element("input", { type: "checkbox", checked: true, ...KEYED });
  outline.addEventListener("change", () => {
    brush.outline = outline.checked;
    act.redraw();
  }, { signal });
  const undo = tool_button(word("Undo"), "back", act.undo, signal, { title: word("Undo (Ctrl+Z)"), bare: true }).node;
  const redo = tool_button(word("Redo"), "redo", act.redo, signal, { title: word("Redo (Ctrl+Shift+Z)"), bare: true }).node;
  const group = (/** @type {string} */ label, /** @type {any[]} */ ...nodes) => element("div", { class: "cv-group", role: "group", "aria-label": label }, ...nodes);
  /** What is of no use while the square slides. */
  const painting = (/** @type {HTMLElement} */ part) => (part.classList.add("cv-painting"), part);
  const paint = (/** @type {boolean} */ box) => {
    brush.box = box;
    if (model.get("sliding")) act.look({ sliding: false });
  };
  const button = (/** @type {string} */ label, /** @type {string} */ picture, /** @type {() => void} */ press, /** @type {string} */ title) => tool_button(label, picture, press, signal, { title }).node;
  const node = element("div", { class: "cv-tools", role: "toolbar", "aria-label": word("Brush") },
    group(word("Tool"), toggle(word("Brush"), "brush", () => !brush.box && !model.get("sliding"), () => paint(false), word("Paint freely")),
      toggle(word("Box"), "box", () => brush.box && !model.get("sliding"), () => paint(true), word("Drag a box")),
      toggle(word("Slide"), "slide", () => model.get("sliding"), () => act.look({ sliding: !model.get("sliding") }), word("Slide a square over the whole photo"))),
    painting(toggle(word("Erase"), "erase", () => brush.erase, () => (brush.erase = !brush.erase), word("Take paint away (E)"))),
    painting(size.node), painting(hardness.node),
    painting(group(word("Strokes"), undo, redo, button(word("Clear"), "close", act.clear, word("Nothing painted")), button(word("Invert"), "invert", act.invert, word("What is painted becomes free, and the other way round")))),
    element("label", { class: "cv-strength" }, word("fill"), fill),
    painting(element("label", { class: "cv-strength", title: word("Shows only what is painted; all else is hidden") }, keep, word("keep only what is painted"))),
    painting(element("label", { class: "cv-strength" }, outline, word("outline"))),
    group(word("Take away"), button(word("Picture"), "save", () => act.save("picture"), word("The photo as the network sees it, as a PNG")),
      button(word("Mask"), "save", () => act.save("mask"), word("What is painted, as a grey PNG")), button(word("Code"), "copy", act.code, word("Copies Python that makes this brush and mask"))));
  /** @param {number} factor */
  const resize = (factor) => {
    const next = Math.round(brush.size * factor);
    brush.size = Math.max(BRUSH_SIZES.low, Math.min(BRUSH_SIZES.high, next === brush.size ? next + Math.sign(factor - 1) : next));
    show();
  };
  const flip = () => {
    brush.erase = !brush.erase;
    show();
  };
  const walk = (/** @type {boolean} */ back, /** @type {boolean} */ on) => {
    set_attributes(undo, { "aria-disabled": String(!back) });
    set_attributes(redo, { "aria-disabled": String(!on) });
  };
  on_change(model, ["fill", "keep", "sliding"], show, signal);
  return { node, brush, resize, flip, walk, show };
}
