// The filmstrip: one tile per layer, drawn anew as its picture comes; one of them is looked at.

/** The tiles of the newest view with their images as bitmaps, and which is looked at. @param {Model} model @param {() => void} loaded @param {AbortSignal} signal */
function tile_store(model, loaded, signal) {
  /** @type {{tiles: any[], asked: string, seed: number, focus: () => any}} */
  const held = {
    tiles: [],
    asked: "",
    seed: 0,
    focus: () => {
      const layer = held.asked || model.get("unit").replace(/:[^:]*$/, "");
      return held.tiles.find((each) => each.layer === layer) ?? held.tiles[Math.floor(held.tiles.length / 2)];
    },
  };
  let newest = 0;
  /** @param {any} tile @param {any} old @param {string} image */
  const bitmaps_of = async (tile, old, image) => {
    const mark = [image, tile.kind, tile.pixel, tile.losses].join(" ");
    if (old && (old.mark === mark || (!tile.images.length && !tile.note))) return { ...tile, mark, bitmaps: old.bitmaps, stale: old.mark !== mark };
    const bitmaps = await Promise.all(tile.images.map((/** @type {DataView} */ bytes) => createImageBitmap(new Blob([as_bytes(bytes)], { type: tile.type }))));
    return { ...tile, mark, bitmaps, stale: false };
  };
  const load = async () => {
    const view = model.get("view");
    if (!view.tiles) return;
    newest += 1;
    const mine = newest;
    const before = new Map(held.tiles.map((each) => [each.layer, each]));
    const tiles = await Promise.all(view.tiles.map((/** @type {any} */ tile) => bitmaps_of(tile, before.get(tile.layer), view.image)));
    if (signal.aborted || mine !== newest) return; // only the newest is drawn
    held.tiles = tiles;
    loaded();
  };
  on_change(model, ["view"], load, signal);
  load();
  return held;
}

/** Draws a bitmap over the width of its place. @param {HTMLCanvasElement} canvas @param {CanvasImageSource & {width: number, height: number}} bitmap @param {number} [width] */
function draw_whole(canvas, bitmap, width = canvas.parentElement?.clientWidth || bitmap.width) {
  const height = (width * bitmap.height) / bitmap.width;
  const context = fit_canvas(canvas, width, height);
  context.imageSmoothingEnabled = width < bitmap.width;
  context.drawImage(bitmap, 0, 0, width, height);
}

/** An error for people. @param {number[]} values */
function mean_of(values) {
  return values.length ? values.reduce((sum, each) => sum + each, 0) / values.length : NaN;
}

/** @param {Model} model @param {ReturnType<typeof tile_store>} held @param {(layer: string) => void} focus @param {(wish: any) => void} look @param {AbortSignal} signal */
function strip_part(model, held, focus, look, signal) {
  const stem = fresh_id("tile");
  const list = element("div", { class: "cv-film", role: "listbox", "aria-label": word("Layers; Delete takes one away"), "aria-orientation": "horizontal", ...KEYED });
  const add = element("select", { "aria-label": word("Add a layer"), ...KEYED });
  const away = tool_button(word("Take away"), "close", () => drop(), signal, { title: word("Take the layer that is looked at out of the filmstrip") });
  const node = element("section", { class: "cv-strip-of-layers", "aria-label": word("Filmstrip of layers") }, list, element("div", { class: "cv-tools" }, add, away.node));
  /** @type {any[]} */
  let parts = [];
  const layers = () => held.tiles.map((each) => each.layer);
  const lay = () => {
    const names = layers();
    if (names.join("\n") === parts.map((each) => each.layer).join("\n")) return;
    parts = names.map((layer, place) => {
      const canvas = element("canvas", { "aria-hidden": "true" });
      const pixel = element("span", { class: "cv-numbers" });
      const answer = element("span", { class: "cv-numbers cv-faint" });
      const tile = element("div", { class: "cv-film-tile", role: "option", id: `${stem}-${place}`, "data-layer": layer },
        element("div", { class: "cv-film-frame" }, canvas), element("strong", {}, layer), pixel, answer);
      return { layer, canvas, pixel, answer, node: tile };
    });
    list.replaceChildren(...parts.map((each) => each.node));
    const offered = (model.get("network").layers ?? []).map((/** @type {any} */ each) => each.name).filter((/** @type {string} */ name) => !names.includes(name));
    add.replaceChildren(element("option", { value: "" }, word("+ layer …")), ...offered.map((/** @type {string} */ name) => element("option", { value: name }, name)));
    away.node.disabled = names.length < 2;
  };
  const draw = once_per_frame(() => {
    lay();
    const chosen = held.focus();
    parts.forEach((part, place) => {
      const tile = held.tiles[place];
      const bitmap = tile.bitmaps[Math.min(held.seed, tile.bitmaps.length - 1)];
      if (bitmap) draw_whole(part.canvas, bitmap);
      else part.canvas.removeAttribute("style");
      part.canvas.hidden = !bitmap;
      const known = tile.pixel.length > 0 && !tile.stale;
      part.pixel.textContent = known ? word("pixel {value}", { value: mean_of(tile.pixel).toFixed(3) }) : tile.note ? word("not told") : word("under way …");
      part.answer.textContent = known && tile.losses.length ? word("answer {value}", { value: short_number(Number(mean_of(tile.losses).toPrecision(2))) }) : "";
      const state = tile.stale || !(tile.done || known) ? "waiting" : !tile.done ? "running" : tile.note ? "noted" : "done";
      set_attributes(part.node, { "aria-selected": String(tile === chosen), title: heard(tile.note) || null, "data-state": state,
        "aria-label": `${tile.layer}: ${part.pixel.textContent} ${part.answer.textContent} ${heard(tile.note)}`.trim() });
      if (tile === chosen) set_attributes(list, { "aria-activedescendant": part.node.id });
    });
    node.dataset.drawn = String(Number(node.dataset.drawn ?? 0) + 1);
  }, signal);
  const drop = () => {
    const chosen = held.focus()?.layer;
    const names = layers();
    if (names.length < 2) return;
    const place = names.indexOf(chosen);
    const next = names[place + 1] ?? names[place - 1];
    held.asked = next;
    look({ layers: names.filter((name) => name !== chosen), layer: next });
  };
  list.addEventListener("click", (/** @type {any} */ event) => {
    const tile = event.target.closest(".cv-film-tile");
    if (tile) focus(tile.dataset.layer);
  }, { signal });
  list.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const names = layers();
    const place = names.indexOf(held.focus()?.layer);
    /** @type {Record<string, number>} */
    const moves = { ArrowLeft: place - 1, ArrowUp: place - 1, ArrowRight: place + 1, ArrowDown: place + 1, Home: 0, End: names.length - 1 };
    if (event.key === "Delete" || event.key === "Backspace") drop();
    else if (event.key in moves) focus(names[Math.max(0, Math.min(names.length - 1, moves[event.key]))]);
    else return;
    event.preventDefault();
  }, { signal });
  add.addEventListener("change", () => {
    if (!add.value) return;
    held.asked = add.value;
    look({ layers: [...layers(), add.value], layer: add.value });
  }, { signal });
  const watch = new ResizeObserver(draw);
  watch.observe(list);
  signal.addEventListener("abort", () => watch.disconnect());
  return { node, draw };
}
