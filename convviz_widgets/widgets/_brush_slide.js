// The sliding square: its size and steps, its run, and the square moving over the photo in step with the three maps.

const speeds = () => ({ 2: word("slow"), 8: word("usual"), 20: word("fast") });
const USUAL_SPEED = "8"; // positions a second

/**
 * @param {Model} model @param {(wish: any) => void} look @param {() => void} moved tells that the square is elsewhere @param {AbortSignal} signal
 */
function slide_part(model, look, moved, signal) {
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  let at = 0; // the square's place, in reading order
  let playing = false;
  let pointed = false; // the pointer lies on a map or on the photo: the square stays there
  let seen_run = -1;
  let timer = 0;
  signal.addEventListener("abort", () => clearTimeout(timer));

  const square = slide_slider(model, "square", word("square"), look, signal);
  const stride = slide_slider(model, "stride", word("stride"), look, signal);
  const target = slide_entry(word("class"), word("Class that is followed"), (value) => look({ target: value || null }), model.get("network").classes, signal);
  const unit = slide_entry(word("unit"), word("Feature map that is summed"), (value) => look({ unit: value }), model.get("network").layers.map((/** @type {any} */ each) => `${each.name}:0`), signal);
  const run = tool_button(word("Run again"), "again", () => model.send({ kind: model.get("slide").state === "running" ? "stop" : "slide" }), signal);
  const done = element("progress", { max: 1, value: 0, "aria-label": word("Positions looked at") });
  const counted = element("span", { class: "cv-faint cv-numbers" });
  const play = tool_button(word("Play"), "play", () => turn(!playing), signal);
  const scrub = element("input", { type: "range", min: 0, max: 0, step: 1, value: 0, "aria-label": word("Place of the square"), ...KEYED });
  const speed = element("select", { "aria-label": word("Speed"), ...KEYED }, ...Object.entries(speeds()).map(([value, text]) => element("option", { value, selected: value === USUAL_SPEED }, text)));
  const read = element("p", { class: "cv-numbers cv-slide-read", role: "status" });
  const maps_part = slide_maps_part(model, { at: () => at, go: (cell) => point_at(cell), leave: () => leave(), pressed: (event) => pressed(event) }, signal);
  const node = element("section", { class: "cv-panel cv-slide", "aria-label": word("Sliding square") },
    element("div", { class: "cv-tools" }, target.node, unit.node, square.node, stride.node, run.node, counted, done),
    maps_part.node,
    element("div", { class: "cv-tools cv-slide-play" }, play.node, scrub, speed), read);

  const go = (/** @type {number} */ cell) => {
    const maps = slide_maps(model);
    if (!maps) return;
    at = Math.max(0, Math.min(maps.count - 1, cell));
    scrub.value = String(at);
    tell(maps);
    maps_part.draw();
    moved();
  };
  const point_at = (/** @type {number} */ cell) => {
    pointed = true;
    go(cell);
  };
  const leave = () => (pointed = false);
  /** @param {any} maps */
  const tell = (maps) => {
    const [row, column] = [Math.floor(at / maps.columns), at % maps.columns];
    const where = word("row {row} of {rows}, column {column} of {columns}", { row: row + 1, rows: maps.rows, column: column + 1, columns: maps.columns });
    const [probability, activation] = [maps.probability[at], maps.activation[at]];
    const change = change_text(probability - maps.clean[0]);
    const found = Number.isFinite(probability)
      ? word("{name} {probability} ({change}) · {map} {value} (clean {clean}) · most probable: {best}", { name: maps.name, probability: percent_text(probability), change, map: maps.unit ?? word("map"), value: short_number(activation), clean: short_number(maps.clean[1]), best: maps.names[maps.top[at]] })
      : "";
    const text = maps.known[at] ? word("{where}: {found}", { where, found }) : `${word("{where}: not looked at yet", { where })}${found ? word("; near it {found}", { found }) : ""}`;
    set_attributes(read, { "aria-live": (playing && !pointed) || maps.state === "running" ? "off" : "polite" });
    if (read.textContent !== text) read.textContent = text; // the same text is not said again
    set_attributes(scrub, { "aria-valuetext": where });
    read.dataset.cell = String(at);
  };
  /** To the next place that was looked at, in reading order, around at the end. */
  const advance = () => {
    const maps = slide_maps(model);
    timer = window.setTimeout(advance, 1000 / Number(speed.value));
    if (!maps || pointed || !model.get("sliding")) return;
    for (let step = 1; step <= maps.count; step += 1) {
      const cell = (at + step) % maps.count;
      if (maps.known[cell]) return go(cell);
    }
  };
  /** @param {boolean} on */
  const turn = (on) => {
    playing = on;
    clearTimeout(timer);
    if (on) timer = window.setTimeout(advance, 1000 / Number(speed.value));
    play.show(on ? word("Pause") : word("Play"), on ? "pause" : "play");
    node.dataset.playing = String(on);
  };
  /** @param {KeyboardEvent} event @returns {true | undefined} */
  const pressed = (event) => {
    const maps = slide_maps(model);
    if (!maps || event.ctrlKey || event.metaKey || event.altKey) return undefined;
    const [row, column] = [Math.floor(at / maps.columns), at % maps.columns];
    /** @type {Record<string, [number, number]>} */
    const places = { ArrowUp: [row - 1, column], ArrowDown: [row + 1, column], ArrowLeft: [row, column - 1], ArrowRight: [row, column + 1], Home: [row, 0], End: [row, maps.columns - 1] };
    if (event.key === " ") {
      if (!event.repeat) turn(!playing);
    } else if (event.key in places) {
      turn(false);
      const [down, right] = places[event.key];
      if (down >= 0 && right >= 0 && down < maps.rows && right < maps.columns) go(down * maps.columns + right);
    } else return undefined;
    return true;
  };
  const show = () => {
    const told = model.get("slide");
    const mine = told.image !== undefined && told.image === model.get("photo").name;
    const running = mine && told.state === "running";
    node.hidden = !model.get("sliding");
    node.dataset.state = mine ? told.state : "";
    run.show(running ? word("Stop") : word("Run again"), running ? "stop" : "again");
    counted.textContent = mine && told.total ? `${word("{done} of {count} places", { done: told.done, count: told.total })}${told.state === "stopped" ? word(", stopped") : ""}` : "";
    done.value = mine && told.total ? told.done / told.total : 0;
    done.style.visibility = running ? "visible" : "hidden";
    target.show(mine ? told.name ?? "" : "");
    unit.show(mine ? told.unit ?? "" : "");
    set_attributes(scrub, { max: Math.max(0, (told.shape?.[0] ?? 0) * (told.shape?.[1] ?? 0) - 1) });
    if (running && told.run !== seen_run && !told.done) {
      seen_run = told.run;
      at = 0;
      if (!calm && !playing) turn(true);
    }
    maps_part.draw();
    go(at);
    if (!model.get("sliding") && playing) turn(false);
  };
  scrub.addEventListener("input", () => {
    turn(false);
    go(Number(scrub.value));
  }, { signal });
  speed.addEventListener("change", () => playing && turn(true), { signal });
  on_change(model, ["slide", "sliding", "photo"], show, signal);
  turn(false);
  show();
  /** The square in pixels of the photo: left, top, side; null where nothing was slid yet. */
  const box = () => {
    const maps = slide_maps(model);
    return maps && [(at % maps.columns) * maps.stride, Math.floor(at / maps.columns) * maps.stride, maps.square];
  };
  const point = (/** @type {number[]} */ place) => {
    const cell = maps_part.cell_at(place);
    if (cell !== null) point_at(cell);
  };
  return { node, box, point, leave, pressed };
}

/** A slider of pixels, sent when it is let go. @param {Model} model @param {string} name a trait @param {string} label @param {(wish: any) => void} look @param {AbortSignal} signal */
function slide_slider(model, name, label, look, signal) {
  const range = element("input", { type: "range", min: 1, max: 64, "aria-label": word("{name}, in pixels", { name: label }), ...KEYED });
  const value = element("span", { class: "cv-numbers" });
  const tell = () => {
    value.textContent = word("{count} px", { count: range.value });
    set_attributes(range, { "aria-valuetext": word("{count} pixels", { count: range.value }) });
  };
  const show = () => {
    const side = Math.min(...(model.get("photo").size ?? [64]));
    set_attributes(range, { max: Math.max(model.get(name), name === "square" ? side : Math.ceil(side / 2)) });
    range.value = String(model.get(name));
    tell();
  };
  range.addEventListener("input", tell, { signal });
  range.addEventListener("change", () => look({ [name]: Number(range.value) }), { signal });
  on_change(model, [name, "photo"], show, signal);
  show();
  return { node: element("label", { class: "cv-strength" }, label, range, value) };
}

/** A name to type, with proposals. @param {string} label @param {string} spoken_label @param {(value: string) => void} typed @param {string[]} known @param {AbortSignal} signal */
function slide_entry(label, spoken_label, typed, known, signal) {
  const list = fresh_id("known");
  const entry = element("input", { type: "search", list, "aria-label": spoken_label, ...KEYED });
  let shown = "";
  const take = () => {
    const value = entry.value.trim();
    if (value === shown) return;
    shown = value;
    typed(value);
  };
  entry.addEventListener("change", take, { signal });
  entry.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => event.key === "Enter" && take(), { signal });
  const show = (/** @type {string} */ value) => {
    shown = value;
    if (document.activeElement !== entry) entry.value = value;
  };
  return { show, node: element("label", { class: "cv-strength" }, label, entry, element("datalist", { id: list }, ...known.map((value) => element("option", { value })))) };
}
