// Beside the units: the held-out accuracy, and the cosine to the last snapshot of each layer, both by snapshot.

/**
 * Lines over the snapshots, evenly spaced, with a mark at the one that is shown.
 * @param {string} title @param {number[]} epochs @param {{name: string, values: (number | null)[]}[]} lines @param {number | null} rule a height to draw a thin line at
 */
function snapshot_chart(title, epochs, lines, rule) {
  const [WIDTH, HEIGHT, LEFT, BOTTOM] = [280, 120, 30, 18];
  const x = (/** @type {number} */ at) => LEFT + 6 + ((WIDTH - LEFT - 12) * at) / Math.max(1, epochs.length - 1);
  const low = Math.min(0, ...lines.flatMap((line) => line.values.filter((value) => value !== null)));
  const y = (/** @type {number} */ value) => 6 + ((HEIGHT - BOTTOM - 6) * (1 - value)) / (1 - low);
  const chart = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
  for (const value of [0, 0.5, 1]) {
    chart.append(svg("path", { class: "cv-evo-grid", d: `M${LEFT} ${y(value)}H${WIDTH}` }), svg("text", { class: "cv-evo-tick", x: LEFT - 4, y: y(value) + 4, "text-anchor": "end" }, String(value)));
  }
  epochs.forEach((epoch, at) => chart.append(svg("text", { class: "cv-evo-tick", x: x(at), y: HEIGHT - 4, "text-anchor": "middle" }, String(epoch))));
  if (rule !== null) chart.append(svg("path", { class: "cv-evo-rule", d: `M${LEFT} ${y(rule)}H${WIDTH}` }));
  const mark = svg("path", { class: "cv-evo-mark" });
  chart.append(mark);
  const drawn = lines.map(({ name, values }) => {
    const known = values.flatMap((value, at) => (value === null ? [] : [[x(at), y(value)]]));
    const path = svg("path", { class: "cv-evo-line", d: known.length ? `M${known.map((point) => point.join(" ")).join("L")}` : "M0 0" });
    const dots = svg("g", {}, ...known.map(([cx, cy]) => svg("circle", { cx, cy, r: 2.5 })));
    const group = svg("g", { class: "cv-evo-series", "data-name": name }, path, dots, svg("title", {}, name));
    chart.append(group);
    return { name, group };
  });
  const node = element("figure", { class: "cv-panel" }, element("figcaption", {}, element("h3", {}, title)), chart);
  /** @param {number} at @param {string} active name of the line that stands out @param {string} told */
  const show = (at, active, told) => {
    set_attributes(mark, { d: `M${x(at)} 4V${HEIGHT - BOTTOM}` });
    for (const { name, group } of drawn) group.dataset.active = String(name === active);
    const front = drawn.find((each) => each.name === active);
    if (front) chart.append(front.group);
    set_attributes(chart, { "aria-label": told });
    node.dataset.at = String(at);
  };
  return { node, show };
}

/** Layers with the epoch from which on they are settled. @param {any} overview @param {(name: string) => void} choose @param {AbortSignal} signal */
function settling_table(overview, choose, signal) {
  const { layers, epochs, threshold } = overview;
  const last = epochs.length - 1;
  const rows = layers.map((/** @type {any} */ { name, settled }) => {
    const at = settled === null ? last : epochs.indexOf(settled);
    const text = settled === null ? word("at the end") : word("epoch {epoch}", { epoch: settled });
    const bar = element("span", { class: "cv-evo-bar", "aria-hidden": "true" }, element("span", { style: `width: ${(100 * (at + 1)) / (last + 1)}%`, "data-late": settled === null }));
    const node = element("button", { type: "button", class: "cv-quiet cv-evo-layer", title: settled === null ? word("{layer} is settled not before the last snapshot. Press to show it.", { layer: name }) : word("{layer} is settled from epoch {epoch} on. Press to show it.", { layer: name, epoch: settled }), ...KEYED }, element("span", { class: "cv-cut" }, name), bar, element("span", { class: "cv-numbers" }, text));
    node.addEventListener("click", () => choose(name), { signal });
    return { name, node };
  });
  const node = element("div", { class: "cv-panel", role: "group", "aria-label": word("Settling time of each layer") }, element("h3", {}, word("Settled from (cosine ≥ {threshold})", { threshold })), ...rows.map((/** @type {any} */ each) => each.node));
  const show = (/** @type {string} */ layer) => rows.forEach((/** @type {any} */ each) => set_attributes(each.node, { "aria-pressed": String(each.name === layer) }));
  return { node, show };
}
