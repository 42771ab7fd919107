// A chart of curves over the amounts of a transform, with a marker that a pointer can drag.

const DASHES = ["", "7 4", "2 4", "9 3 2 3", "5 2", "1 3"];

/** A path through the points that are known; a gap where one is not. @param {ArrayLike<number>} values @param {(place: number) => number} x @param {(value: number) => number} y */
function known_path(values, x, y) {
  let pen = false;
  return Array.from(values, (value, place) => {
    const step = Number.isFinite(value) ? `${pen ? "L" : "M"}${x(place).toFixed(1)} ${y(value).toFixed(1)}` : "";
    pen = Number.isFinite(value);
    return step;
  }).join("") || "M0 0";
}

/**
 * @param {{title: string, head?: Node, height: number, move: (place: number) => void, let_go: () => void}} of
 * @param {AbortSignal} signal
 */
function chart_of(of, signal) {
  const [LEFT, RIGHT, TOP, BOTTOM] = [34, 10, 8, 20];
  const frame = svg("g", { class: "cv-frame" });
  const lines = svg("g", { class: "cv-curves" });
  const marker = svg("path", { class: "cv-marker" });
  const dots = svg("g");
  const chart = svg("svg", { class: "cv-chart", role: "img", height: of.height }, frame, lines, marker, dots);
  const node = element("div", { class: "cv-charted" }, element("h3", {}, of.title), ...(of.head ? [of.head] : []), chart);
  /** @type {{amounts: Float32Array, curves: {values: Float32Array, colour: number, dash: string}[], top: number, at: number, unit: string, text: string}} */
  let shown = { amounts: new Float32Array(), curves: [], top: 1, at: 0, unit: "", text: "" };
  let place_of = (/** @type {number} */ _x) => 0;
  const draw = once_per_frame(() => {
    const { amounts, curves, top, at, unit, text } = shown;
    const wide = node.clientWidth;
    if (!amounts.length || !wide) return;
    const [first, last] = [amounts[0], amounts[amounts.length - 1]];
    const across = (/** @type {number} */ amount) => LEFT + ((wide - LEFT - RIGHT) * (amount - first)) / (last - first);
    const x = (/** @type {number} */ place) => across(amounts[place]);
    const y = (/** @type {number} */ value) => of.height - BOTTOM - ((of.height - TOP - BOTTOM) * value) / top;
    place_of = (pixel) => {
      const wanted = first + ((pixel - LEFT) / (wide - LEFT - RIGHT)) * (last - first);
      return amounts.reduce((best, amount, place) => (Math.abs(amount - wanted) < Math.abs(amounts[best] - wanted) ? place : best), 0);
    };
    set_attributes(chart, { viewBox: `0 0 ${wide} ${of.height}`, "aria-label": text });
    const step = top > 2.5 ? Math.ceil(top / 4) : top > 1.2 ? 0.5 : 0.25;
    const heights = Array.from({ length: Math.floor(top / step + 1e-6) + 1 }, (_, place) => place * step);
    frame.replaceChildren(
      ...heights.flatMap((height) => [svg("path", { d: `M${LEFT} ${y(height)}H${wide - RIGHT}` }),
        svg("text", { x: LEFT - 5, y: y(height) + 4, "text-anchor": "end" }, String(Number(height.toFixed(2))))]),
      ...[0, 0.25, 0.5, 0.75, 1].map((share) => {
        const amount = first + share * (last - first);
        return svg("text", { x: across(amount), y: of.height - 5, "text-anchor": share === 0 ? "start" : share === 1 ? "end" : "middle" },
          `${Number(amount.toFixed(2))}${share === 1 ? ` ${unit}` : ""}`);
      }));
    lines.replaceChildren(...curves.map(({ values, colour, dash }) =>
      svg("path", { d: known_path(values, x, y), class: `cv-curve cv-colour-${colour}`, "stroke-dasharray": dash })));
    set_attributes(marker, { d: `M${x(at)} ${TOP}V${of.height - BOTTOM}` });
    dots.replaceChildren(...curves.filter(({ values }) => Number.isFinite(values[at])).map(({ values, colour }) =>
      svg("circle", { cx: x(at), cy: y(values[at]), r: 4, class: `cv-dot cv-colour-${colour}` })));
    chart.dataset.at = String(at);
  }, signal);
  /** @param {PointerEvent} event */
  const follow = (event) => of.move(place_of(event.clientX - chart.getBoundingClientRect().left));
  let held = false;
  chart.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
    held = true;
    try {
      chart.setPointerCapture(event.pointerId);
    } catch { /* the pointer is gone already */ }
    follow(event);
  }, { signal });
  chart.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => held && follow(event), { signal });
  for (const kind of ["pointerup", "pointercancel"])
    chart.addEventListener(kind, () => {
      if (held) of.let_go();
      held = false;
    }, { signal });
  const watch = new ResizeObserver(draw);
  watch.observe(node);
  signal.addEventListener("abort", () => watch.disconnect());
  /** @param {typeof shown} now */
  const show = (now) => {
    shown = now;
    draw();
  };
  return { node, show };
}
