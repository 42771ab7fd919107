// The layers of a dissection, each with a bar of the concepts it detects, and the bars by category of the chosen one.

/** @typedef {{ask: (change: any) => void, query: () => any}} Asking */

/** The colour of a category. @param {Model} model @param {string} category @returns {string} */
function colour_of(model, category) {
  const { categories, colours } = model.get("overview");
  return colours[categories.indexOf(category)] ?? "currentColor";
}

/** A square in the colour of a category. @param {Model} model @param {string} category */
function swatch(model, category) {
  const node = element("span", { class: "cv-swatch", "aria-hidden": "true" });
  node.style.background = colour_of(model, category);
  return node;
}

/** A bar for a share. @param {number} share @param {string} colour */
function share_bar(share, colour) {
  const node = element("span", { class: "cv-share-bar", "aria-hidden": "true" }, element("span"));
  /** @type {HTMLElement} */ (node.firstChild).style.cssText = `width:${(100 * Math.min(1, Math.max(0, share))).toFixed(1)}%;background:${colour}`;
  return node;
}

/** @param {number[]} counts */
function sum_of(counts) {
  return counts.reduce((one, other) => one + other, 0);
}

/** @param {Model} model @param {Asking} asking @param {AbortSignal} signal */
function layers_part(model, { ask, query }, signal) {
  const { reports, categories, colours } = model.get("overview");
  const way = element("select", { "aria-label": word("How unique detectors are counted"), title: word("A unit stands for its one best concept, or for its best concept in each category"), ...KEYED },
    element("option", { value: "unit" }, word("best of each unit")), element("option", { value: "category" }, word("best of each category")));
  const list = element("div", { class: "cv-layer-list", role: "listbox", "aria-label": word("Layers"), ...KEYED });
  const bars = element("div", { class: "cv-category-bars", role: "group", "aria-label": word("Unique detectors by category") });
  const title = element("h3");
  const node = element("section", { class: "cv-layers", "aria-label": word("Layers and unique detectors") },
    element("div", { class: "cv-head" }, element("h3", {}, word("Layers")), element("label", { class: "cv-faint" }, `${word("counted by")} `, way)), list, title, bars);
  const layers = reports[0].layers;
  const ids = layers.map(() => fresh_id("layer"));
  const name_of = (/** @type {any} */ layer) => layer.name || word("all layers");
  const unique = (/** @type {any} */ layer) => layer.unique[way.value];
  const other_of = (/** @type {string} */ name) => reports[1]?.layers.find((/** @type {any} */ each) => each.name === name);

  /** Parts side by side, one per category. @param {any} layer @param {number} longest */
  const stacked = (layer, longest) => {
    const chart = svg("svg", { viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" });
    let left = 0;
    unique(layer).forEach((/** @type {number} */ count, /** @type {number} */ place) => {
      const width = (100 * count) / longest;
      if (count) chart.append(svg("rect", { x: left.toFixed(2), y: 0, width: Math.max(0.2, width - 0.4).toFixed(2), height: 8, fill: colours[place] }));
      left += width;
    });
    return chart;
  };
  const draw_list = () => {
    const chosen = query().layer;
    const longest = Math.max(1, ...layers.slice(1).map((/** @type {any} */ each) => sum_of(unique(each))), sum_of(unique(layers[0])));
    list.replaceChildren(...layers.map((/** @type {any} */ layer, /** @type {number} */ place) => {
      const total = sum_of(unique(layer));
      const told = word("{detectors} of {units} units detect {concepts} concepts", { detectors: layer.detectors, units: layer.units, concepts: total });
      const option = element("div", { class: "cv-layer", role: "option", id: ids[place], title: told, "aria-selected": String(layer.name === chosen), "aria-label": `${name_of(layer)}: ${told}` },
        element("span", { class: "cv-layer-name" }, name_of(layer)), element("span", { class: "cv-numbers cv-faint" }, `${layer.detectors}/${layer.units} → ${total}`), stacked(layer, longest));
      option.dataset.name = layer.name;
      return option;
    }));
    const at = layers.findIndex((/** @type {any} */ each) => each.name === chosen);
    set_attributes(list, { "aria-activedescendant": ids[at] });
  };
  const draw_bars = () => {
    const { layer: chosen, category } = query();
    const layer = layers.find((/** @type {any} */ each) => each.name === chosen) ?? layers[0];
    const other = other_of(layer.name);
    title.textContent = word("Concepts detected in {layer}", { layer: name_of(layer) });
    const most = Math.max(1, ...unique(layer), ...(other ? unique(other) : []));
    bars.replaceChildren(...categories.map((/** @type {string} */ name, /** @type {number} */ place) => {
      const count = unique(layer)[place];
      const theirs = other ? unique(other)[place] : null;
      const told = theirs === null ? word("{name}: {number} different concepts. Press to list only {name}.", { name, number: count })
        : word("{name}: {number} different concepts, {theirs} in {other}. Press to list only {name}.", { name, number: count, theirs, other: reports[1].name });
      const button = element("button", { type: "button", class: "cv-quiet cv-category", "aria-pressed": String(name === category), "aria-label": told, title: told, ...KEYED },
        swatch(model, name), element("span", { class: "cv-cut" }, name),
        element("span", { class: "cv-bar-pair" }, share_bar(count / most, colours[place]), ...(theirs === null ? [] : [share_bar(theirs / most, `repeating-linear-gradient(135deg, ${colours[place]} 0 2px, transparent 2px 5px)`)])),
        element("span", { class: "cv-numbers" }, theirs === null ? String(count) : `${count} | ${theirs}`));
      button.dataset.category = name;
      return button;
    }), ...(reports[1] ? [element("p", { class: "cv-faint" }, other ? word("Full: {name}. Hatched: {other}.", { name: reports[0].name, other: reports[1].name })
      : word("Full: {name}. Hatched: {other}, which has no such layer.", { name: reports[0].name, other: reports[1].name }))] : []));
  };
  const show = () => {
    const focused = /** @type {HTMLElement | null} */ (bars.contains(document.activeElement) ? document.activeElement : null)?.dataset.category;
    draw_list();
    draw_bars();
    if (focused) bars.querySelector(`[data-category="${CSS.escape(focused)}"]`)?.focus();
  };
  /** @param {number} place */
  const choose = (place) => {
    const layer = layers[Math.max(0, Math.min(layers.length - 1, place))];
    if (layer.name !== query().layer) ask({ layer: layer.name });
    show();
    list.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
  };
  list.addEventListener("click", (/** @type {any} */ event) => {
    const option = event.target.closest(".cv-layer");
    if (option) choose(layers.findIndex((/** @type {any} */ each) => each.name === option.dataset.name));
  }, { signal });
  list.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const place = layers.findIndex((/** @type {any} */ each) => each.name === query().layer);
    /** @type {Record<string, number>} */
    const moves = { ArrowUp: place - 1, ArrowDown: place + 1, Home: 0, End: layers.length - 1 };
    if (!(event.key in moves)) return;
    event.preventDefault();
    choose(moves[event.key]);
  }, { signal });
  bars.addEventListener("click", (/** @type {any} */ event) => {
    const name = event.target.closest(".cv-category")?.dataset.category;
    if (name === undefined) return;
    ask({ category: name === query().category ? "" : name });
    show();
  }, { signal });
  way.addEventListener("change", show, { signal });
  on_change(model, ["listing"], show, signal);
  show();
  return { node };
}
