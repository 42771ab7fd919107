// What is kept by depth: one line per way of telling; the tile that is looked at is marked.

/** What each measure is called. @type {() => Record<string, string>} */
const error_words = () => ({ pixel: word("pixel error"), colour: word("colour error"), answer: word("answer error"), class: word("probability of the photo's class") });

/** @param {Model} model @param {ReturnType<typeof tile_store>} held @param {(layer: string) => void} focus @param {AbortSignal} signal */
function errors_part(model, held, focus, signal) {
  const HEIGHT = 150;
  const [LEFT, RIGHT, TOP, BOTTOM] = [38, 14, 8, 22];
  let measure = "pixel";
  const modes = choice_row(word("Measure drawn"), [
    ["pixel", word("pixel"), word("Mean absolute difference from the photo, in [0, 1]")],
    ["colour", word("colour"), word("The same of the colours without their brightness")],
    ["answer", word("answer"), word("Squared distance of the layer's answer from what was told from, as a share of its own square")],
    ["class", word("class"), word("How probable the network finds, in what was told, the class it takes the photo for")],
  ], (value) => {
    measure = value;
    draw();
  }, signal);
  const heading = element("h3", {});
  const chart = svg("svg", { role: "img" });
  const legend = element("ul", { class: "cv-legend-lines" });
  const node = element("section", { class: "cv-errors", "aria-label": word("Errors by depth") },
    element("div", { class: "cv-tools" }, heading, modes.node), chart, legend);
  /** @type {{names: string[], x: (place: number) => number}} */
  let laid = { names: [], x: () => 0 };

  const draw = once_per_frame(() => {
    modes.show(measure);
    const title = error_words()[measure];
    heading.textContent = measure === "class" ? word("class kept by depth") : word("error by depth");
    const names = held.tiles.map((each) => each.layer);
    const lines = (model.get("view").lines ?? []).map((/** @type {any} */ line, /** @type {number} */ way) => ({
      ...line, way, at: names.flatMap((layer, place) => (line.points[layer]?.[measure] === undefined ? [] : [[place, line.points[layer][measure]]])),
    })).filter((/** @type {any} */ line) => line.at.length);
    const width = Math.max(160, chart.clientWidth || 300);
    set_attributes(chart, { viewBox: `0 0 ${width} ${HEIGHT}`, height: HEIGHT });
    const most = Math.max(0.02, ...lines.flatMap((/** @type {any} */ line) => line.at.map((/** @type {number[]} */ each) => each[1]))) * 1.05;
    const x = (/** @type {number} */ place) => (names.length < 2 ? (LEFT + width - RIGHT) / 2 : LEFT + ((width - LEFT - RIGHT) * place) / (names.length - 1));
    const y = (/** @type {number} */ value) => HEIGHT - BOTTOM - ((HEIGHT - TOP - BOTTOM) * value) / most;
    laid = { names, x };
    const step = nice_step(most);
    const grid = [];
    for (let value = 0; value <= most; value += step) {
      grid.push(svg("path", { class: "cv-grid-line", d: `M${LEFT} ${y(value)}H${width - RIGHT}` }), svg("text", { class: "cv-axis", x: LEFT - 5, y: y(value) + 4, "text-anchor": "end" }, String(Number(value.toFixed(3)))));
    }
    const chosen = names.indexOf(held.focus()?.layer);
    const mark = chosen < 0 ? [] : [svg("path", { class: "cv-joint", d: `M${x(chosen)} ${TOP}V${HEIGHT - BOTTOM}` })];
    const drawn = [...lines].reverse().flatMap((/** @type {any} */ line) => {
      const path = svg("path", { class: `cv-error-line cv-way-${line.way}`, d: `M${line.at.map((/** @type {number[]} */ each) => `${x(each[0]).toFixed(1)} ${y(each[1]).toFixed(1)}`).join("L")}` });
      const dots = line.at.map((/** @type {number[]} */ each) => svg("circle", { class: `cv-error-dot cv-way-${line.way}`, cx: x(each[0]).toFixed(1), cy: y(each[1]).toFixed(1), r: line.own ? 3.5 : 2.2 },
        svg("title", {}, `${names[each[0]]}: ${each[1].toFixed(3)} (${heard(line.name)})`)));
      return [path, ...dots];
    });
    chart.replaceChildren(...grid, ...mark, ...drawn, ...layer_names(names, chosen, x, width, HEIGHT));
    const told = lines.map((/** @type {any} */ line) => `${heard(line.name)}: ${line.at.map((/** @type {number[]} */ each) => `${names[each[0]]} ${each[1].toFixed(3)}`).join(", ")}`);
    set_attributes(chart, { "aria-label": sentences(word("{title} by depth.", { title }), told.join(". ")) });
    legend.replaceChildren(...lines.map((/** @type {any} */ line) => element("li", {},
      svg("svg", { viewBox: "0 0 24 8", "aria-hidden": "true" }, svg("path", { class: `cv-error-line cv-way-${line.way}`, d: "M0 4H24" })), element("span", {}, heard(line.name)))));
    node.hidden = !model.get("view").lines?.some((/** @type {any} */ line) => Object.keys(line.points).length);
  }, signal);
  chart.addEventListener("click", (/** @type {MouseEvent} */ event) => {
    const at = event.clientX - chart.getBoundingClientRect().left;
    const nearest = laid.names.map((name, place) => ({ name, far: Math.abs(laid.x(place) - at) })).sort((a, b) => a.far - b.far)[0];
    if (nearest) focus(nearest.name);
  }, { signal });
  const watch = new ResizeObserver(draw);
  watch.observe(chart);
  signal.addEventListener("abort", () => watch.disconnect());
  return { node, draw };
}

/** A round step between lines of a grid, about four of them. @param {number} most */
function nice_step(most) {
  const size = 10 ** Math.floor(Math.log10(most / 4));
  return [1, 2, 5, 10].map((each) => each * size).find((each) => most / each <= 5) ?? most;
}

/** Names below the axis, as many as have room; the chosen one always. @param {string[]} names @param {number} chosen @param {(place: number) => number} x @param {number} width @param {number} height */
function layer_names(names, chosen, x, width, height) {
  const LETTER = 6.4; // pixels
  const half = (/** @type {number} */ place) => (names[place].length * LETTER) / 2;
  const centre = (/** @type {number} */ place) => Math.min(width - half(place), Math.max(half(place), x(place)));
  /** @type {number[]} */
  const kept = chosen < 0 ? [] : [chosen];
  for (const place of [...names.keys()].slice(-1).concat([...names.keys()])) {
    if (!kept.includes(place) && kept.every((other) => Math.abs(centre(other) - centre(place)) > half(other) + half(place) + 6)) kept.push(place);
  }
  return kept.map((place) => svg("text", { class: `cv-axis${place === chosen ? " cv-chosen" : ""}`, x: centre(place), y: height - 6, "text-anchor": "middle" }, names[place]));
}
