// The network drawn as it is: layers in order, branches side by side, shortcuts as arcs, blocks that open and close.

const BIG = 38;
const SLIM = 12;
const GAP = 16;
const LANE = 14;
const OPEN_AT_FIRST = 26; // networks with fewer layers show them all

/** @param {Model} model @param {(wish: any) => void} look @param {AbortSignal} signal */
function diagram_part(model, look, signal) {
  const network = model.get("network");
  /** @type {any[]} */
  const layers = network.layers;
  const by_name = new Map(layers.map((layer) => [layer.name, layer]));
  const blocks = layers.filter((layer) => layer.kind === "block");
  /** @type {Set<string>} */
  const open = new Set(layers.length - blocks.length <= OPEN_AT_FIRST ? blocks.map((block) => block.name) : []);
  const id = fresh_id("layer");
  let active = "";

  const drawing = svg("svg", { class: "cv-network", role: "listbox", "aria-label": word("Layers of {network}", { network: network.name }), "aria-orientation": "horizontal", ...KEYED });
  const frame = element("div", { class: "cv-network-frame" }, drawing);
  const told = element("p", { class: "cv-told cv-numbers" });
  const all = element("button", { type: "button", hidden: blocks.length === 0 }, word("Open all blocks"));
  const head = element("div", { class: "cv-head" }, element("h3", {}, network.name),
    element("span", { class: "cv-faint" }, word("input {shape}", { shape: network.input.join(" × ") })), all);
  const node = element("section", { class: "cv-diagram", "aria-label": word("Network") }, head, frame, told);

  /** @param {any} layer */
  const describe = (layer) => {
    const field = layer.field ? word("sees {size} px, every {stride} px", { size: layer.field.size.join(" × "), stride: layer.field.stride[0] }) : word("sees the whole picture");
    return `${layer.name} · ${layer.type} (${heard(layer.kind)}) · ${layer.shape.join(" × ")} · ${field}`;
  };
  /** The closed block that hides a layer, or the layer itself. @param {string} name */
  const stand_in = (name) => {
    let seen = name;
    for (let block = by_name.get(name)?.block; block; block = by_name.get(block)?.block) if (!open.has(block)) seen = block;
    return seen;
  };
  /** @param {any} layer */
  const is_drawn = (layer) => stand_in(layer.name) === layer.name && !(layer.kind === "block" && open.has(layer.name));

  /** Columns by the longest way from the input, lanes by branch. */
  const arrange = () => {
    const drawn = layers.filter(is_drawn);
    const position = new Map();
    const parents = new Map(drawn.map((layer) => [layer.name,
      [...new Set(layer.parents.map(stand_in))].filter((name) => name !== layer.name && by_name.has(name))]));
    for (const layer of drawn) {
      const before = (parents.get(layer.name) ?? []).map((name) => position.get(name)?.column ?? -1);
      position.set(layer.name, { column: Math.max(-1, ...before) + 1, lane: 0 });
    }
    /** @type {Map<number, any[]>} */
    const columns = new Map();
    for (const layer of drawn) {
      const { column } = position.get(layer.name);
      columns.set(column, [...(columns.get(column) ?? []), layer]);
    }
    return { drawn, parents, position, columns };
  };
  /** @param {any} layer */
  const width_of = (layer) => (["convolution", "linear", "block"].includes(layer.kind) ? BIG : SLIM);
  /** @param {any} layer */
  const height_of = (layer) => 18 + 42 * Math.sqrt(layer.shape.length === 3 ? layer.shape[1] / network.input[1] : 0.35);

  const draw = () => {
    const { drawn, parents, position, columns } = arrange();
    const chosen = stand_in(model.get("unit").split(":")[0]);
    let x = 26;
    const tallest = Math.max(...[...columns.values()].map((column) => column.reduce((sum, layer) => sum + height_of(layer) + LANE, -LANE)));
    const arcs = 40;
    const middle = arcs + tallest / 2;
    const order = [...columns.keys()].sort((a, b) => a - b);
    for (const column of order) {
      const members = columns.get(column) ?? [];
      const width = Math.max(...members.map(width_of));
      let y = middle - members.reduce((sum, layer) => sum + height_of(layer) + LANE, -LANE) / 2;
      for (const layer of members) {
        Object.assign(position.get(layer.name), { x: x + (width - width_of(layer)) / 2, y, w: width_of(layer), h: height_of(layer) });
        y += height_of(layer) + LANE;
      }
      x += width + GAP;
    }
    const bottom = arcs + tallest + 26;
    set_attributes(drawing, { width: x, height: bottom });
    const edges = drawn.flatMap((layer) => {
      const to = position.get(layer.name);
      const from = parents.get(layer.name) ?? [];
      if (!from.length) return [edge({ x: 4, y: middle - 8, w: 0, h: 16, column: -1 }, to, middle - tallest / 2)];
      return from.map((name) => edge(position.get(name), to, middle - tallest / 2));
    });
    drawing.replaceChildren(svg("circle", { class: "cv-input", cx: 6, cy: middle, r: 4 }), ...edges,
      ...drawn.map((layer) => box(layer, position.get(layer.name), layer.name === chosen)));
    set_attributes(drawing, { "aria-activedescendant": `${id}-${layers.indexOf(by_name.get(active))}` });
    all.textContent = open.size ? word("Close all blocks") : word("Open all blocks");
  };

  /** A line to the next column, an arc over all further ones. @param {any} from @param {any} to @param {number} top */
  const edge = (from, to, top) => {
    const [x0, y0, x1, y1] = [from.x + from.w, from.y + from.h / 2, to.x, to.y + to.h / 2];
    const reach = to.column - from.column;
    const path = reach <= 1 ? `M${x0},${y0} C${x0 + GAP / 2},${y0} ${x1 - GAP / 2},${y1} ${x1},${y1}`
      : `M${x0},${y0} C${x0 + 14},${top - 8 - 5 * Math.min(reach, 5)} ${x1 - 14},${top - 8 - 5 * Math.min(reach, 5)} ${x1},${y1}`;
    return svg("path", { class: reach > 1 ? "cv-edge cv-shortcut" : "cv-edge", d: path });
  };

  /** The last part of the name; where that is a number, with the type before it. @param {any} layer */
  const short_name = (layer) => {
    const last = layer.name.split(".").at(-1);
    const text = /^\d/.test(last) ? layer.type : last;
    const number = text === last ? "" : ` ${last}`;
    const room = 9 - number.length;
    return `${text.length > room ? `${text.slice(0, room - 1)}…` : text}${number}`;
  };

  /** @param {any} layer @param {any} place @param {boolean} chosen */
  const box = (layer, place, chosen) => {
    const group = svg("g", { class: `cv-layer cv-${layer.kind}`, role: "option", id: `${id}-${layers.indexOf(layer)}`, "aria-label": describe(layer),
      "aria-selected": String(chosen), "data-name": layer.name, "data-active": layer.name === active },
      svg("title", {}, describe(layer)),
      svg("rect", { x: place.x, y: place.y, width: place.w, height: place.h, rx: 4 }));
    if (place.w === BIG) group.append(svg("text", { x: place.x + BIG / 2, y: place.y + place.h + 12 }, short_name(layer)));
    if (layer.kind === "block") group.append(svg("text", { class: "cv-plus", x: place.x + BIG / 2, y: place.y + place.h / 2 + 5 }, "+"));
    return group;
  };

  /** @param {string} name */
  const activate = (name) => {
    active = name;
    told.textContent = by_name.has(name) ? describe(by_name.get(name)) : "";
    for (const group of drawing.querySelectorAll(".cv-layer")) set_attributes(group, { "data-active": group.dataset.name === name });
    set_attributes(drawing, { "aria-activedescendant": `${id}-${layers.indexOf(by_name.get(name))}` });
  };
  /** @param {string} name */
  const reveal = (name) => {
    const group = drawing.querySelector(`[data-name="${CSS.escape(name)}"] rect`);
    if (!group) return;
    const [left, width] = [Number(group.getAttribute("x")), Number(group.getAttribute("width"))];
    if (left < frame.scrollLeft || left + width > frame.scrollLeft + frame.clientWidth) frame.scrollLeft = left - frame.clientWidth / 2;
  };
  /** @param {string} name */
  const toggle = (name) => {
    const block = open.has(name) ? name : by_name.get(name)?.kind === "block" ? name : by_name.get(name)?.block;
    if (!block) return;
    if (open.has(block)) {
      open.delete(block);
      active = block;
    } else {
      open.add(block);
      active = layers.find((layer) => layer.block === block)?.name ?? block;
    }
    draw();
    activate(stand_in(active));
    reveal(active);
  };

  drawing.addEventListener("pointerover", (/** @type {any} */ event) => {
    const group = event.target.closest(".cv-layer");
    if (group) told.textContent = describe(by_name.get(group.dataset.name));
  }, { signal });
  drawing.addEventListener("pointerleave", () => activate(active), { signal });
  drawing.addEventListener("click", (/** @type {any} */ event) => {
    const group = event.target.closest(".cv-layer");
    if (!group) return;
    if (event.target.classList.contains("cv-plus")) toggle(group.dataset.name);
    else {
      activate(group.dataset.name);
      look({ layer: group.dataset.name });
    }
  }, { signal });
  drawing.addEventListener("dblclick", (/** @type {any} */ event) => {
    const group = event.target.closest(".cv-layer");
    if (group) toggle(group.dataset.name);
  }, { signal });
  drawing.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const names = layers.filter(is_drawn).map((layer) => layer.name);
    const place = names.indexOf(active);
    /** @type {Record<string, number>} */
    const moves = { ArrowRight: place + 1, ArrowLeft: place - 1, Home: 0, End: names.length - 1 };
    if (event.key in moves) {
      activate(names[Math.max(0, Math.min(names.length - 1, moves[event.key]))]);
      reveal(active);
    } else if (event.key === "Enter" || event.key === " ") look({ layer: active });
    else if (event.key === "ArrowDown" || event.key === "+") {
      if (by_name.get(active)?.kind === "block") toggle(active);
    } else if (event.key === "ArrowUp" || event.key === "-") {
      if (by_name.get(active)?.block) toggle(by_name.get(active).block);
    } else return;
    event.preventDefault();
  }, { signal });
  all.addEventListener("click", () => {
    const names = open.size ? [] : blocks.map((block) => block.name);
    open.clear();
    names.forEach((name) => open.add(name));
    active = stand_in(active);
    draw();
  }, { signal });

  const follow = () => {
    activate(stand_in(model.get("unit").split(":")[0]));
    draw();
    reveal(active);
  };
  on_change(model, ["unit"], follow, signal);
  follow();
  return { node, describe: (/** @type {string} */ name) => by_name.get(name) };
}
