// The pictures as they grow, how far the run is, the trace of the objective, and the best photo to compare with.

const state_words = () => ({ idle: word("ready"), running: word("running"), paused: word("paused"), done: word("done"), stopped: word("stopped"), error: word("failed") });

/** @param {Model} model @param {(message: any) => void} say @param {AbortSignal} signal */
function picture_part(model, say, signal) {
  const pictures = element("div", { class: "cv-pictures" });
  const nothing = element("p", { class: "cv-nothing cv-faint" }, word("Nothing yet. Choose a unit, or press Run."));
  const state_of = () => /** @type {keyof ReturnType<typeof state_words>} */ (model.get("run").state ?? "idle");
  const main = tool_button(word("Run"), "play", () => say({ kind: { running: "pause", paused: "resume", done: "resume", stopped: "resume" }[state_of()] ?? "restart" }), signal);
  main.node.classList.add("cv-main");
  const stop = tool_button(word("Stop"), "stop", () => say({ kind: "stop" }), signal, { title: word("End the run and keep the picture") });
  const again = tool_button(word("Restart"), "again", () => say({ kind: "restart" }), signal, { bare: true, title: word("Begin from scratch") });
  const counter = element("span", { class: "cv-counter cv-numbers" });
  const bar = element("progress", { max: 1, value: 0, "aria-label": word("Steps done") });
  const trace = growing_line(word("Objective"));
  const value = element("p", { class: "cv-value cv-numbers cv-faint" });
  const note = element("p", { class: "cv-note", role: "note" });
  const told = element("p", { class: "cv-hidden-text", role: "status", "aria-live": "polite" });
  const node = element("section", { class: "cv-made", "aria-label": word("Synthesised pictures") }, nothing, pictures,
    element("div", { class: "cv-run", role: "toolbar", "aria-label": word("Run") }, main.node, stop.node, again.node, counter), bar, trace.node, value, note, told);

  /** @type {ReturnType<typeof tile>[]} */
  let tiles = [];
  const tile = () => {
    const canvas = element("canvas", { role: "img" });
    const name = element("span", { class: "cv-name" });
    const [reached, against] = [element("span", { class: "cv-numbers" }), element("span", { class: "cv-numbers" })];
    const [own, theirs] = [element("span", { class: "cv-meter cv-own" }), element("span", { class: "cv-meter" })];
    const patch = element("img", { alt: "" });
    const photo = element("div", { class: "cv-photo" }, patch);
    const ratio = element("span", { class: "cv-ratio cv-faint cv-numbers" });
    const meters = element("div", { class: "cv-meters" },
      element("span", { class: "cv-what" }, word("picture")), own, reached, element("span", { class: "cv-what" }, element("span", { class: "cv-wordy" }, `${word("best")} `), word("photo")), theirs, against);
    const made = element("figure", { class: "cv-tile" }, canvas,
      element("figcaption", {}, element("div", { class: "cv-titles" }, name, ratio), element("div", { class: "cv-compare" }, photo, meters)));
    return { node: made, canvas, name, reached, photo, patch, against, own, theirs, ratio, last: undefined, objective: "" };
  };
  let newest = 0;
  const draw = async () => {
    const view = model.get("view");
    if (!view.images) return;
    newest += 1;
    const mine = newest;
    const bitmaps = await Promise.all(view.images.map((/** @type {DataView} */ bytes) => createImageBitmap(new Blob([as_bytes(bytes)], { type: "image/jpeg" }))));
    if (signal.aborted || mine !== newest) return; // only the newest preview is drawn
    if (tiles.length !== bitmaps.length) {
      tiles = bitmaps.map(tile);
      pictures.replaceChildren(...tiles.map((each) => each.node));
      pictures.style.setProperty("--cv-columns", String(Math.ceil(Math.sqrt(tiles.length))));
      pictures.dataset.count = String(tiles.length);
      node.parentElement?.toggleAttribute("data-many", tiles.length > 4);
      pictures.toggleAttribute("data-crowded", tiles.length > 16);
      show_best();
    }
    bitmaps.forEach((bitmap, place) => {
      const { canvas } = tiles[place];
      [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
      /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d")).drawImage(bitmap, 0, 0);
      set_attributes(canvas, { "aria-label": word("Synthesised picture for {objective}", { objective: view.objectives[place] }) });
      bitmap.close();
    });
    pictures.dataset.steps = String(view.steps);
    pictures.dataset.drawn = String(Number(pictures.dataset.drawn ?? 0) + 1);
    nothing.hidden = true;
    compare();
  };
  /** @type {Map<string, [DataView, string]>} */
  const urls = new Map();
  const show_best = () => {
    const best = model.get("best");
    tiles.forEach((each, place) => {
      const photo = best[place] ?? {};
      each.photo.hidden = !photo.jpeg;
      if (photo.jpeg) {
        const key = `${photo.image}@${photo.position}`;
        if (!urls.has(key)) urls.set(key, [photo.jpeg, object_url(photo.jpeg, "image/jpeg", signal)]);
        set_attributes(each.patch, { src: urls.get(key)?.[1], alt: word("Best photo: patch of {image}", { image: photo.image }), title: word("{image}, the best of {count} for this unit", { image: photo.image, count: photo.of }) });
      }
    });
    compare();
  };
  /** Activation reached beside the best photo's. */
  const compare = () => {
    const view = model.get("view");
    const best = model.get("best");
    tiles.forEach((each, place) => {
      const objective = view.objectives?.[place] ?? "";
      const reached = view.activations?.[place];
      const photo = best[place] ?? {};
      const known = typeof photo.activation === "number";
      each.name.textContent = in_words(objective, model.get("network").layers);
      each.name.title = objective;
      if (typeof reached === "number") each.last = reached;
      else if (objective !== each.objective) each.last = undefined; // of one unit the last known value stays while it is turned
      each.objective = objective;
      const most = Math.max(each.last ?? 0, photo.activation ?? 0, 1e-12);
      each.reached.textContent = each.last === undefined ? "" : short_number(each.last);
      each.own.style.setProperty("--cv-share", String(Math.max(0, each.last ?? 0) / most));
      each.theirs.style.setProperty("--cv-share", String(Math.max(0, photo.activation ?? 0) / most));
      each.against.textContent = known ? short_number(photo.activation) : "";
      each.node.dataset.answers = String(each.last !== undefined);
      each.node.dataset.photo = String(known);
      const times = known && photo.activation > 0 && each.last !== undefined ? each.last / photo.activation : null;
      const [brief, wordy, after = ""] = times !== null ? [`${short_number(Number(times.toPrecision(2)))} ×`, ` ${word("the best of {count} photos", { count: photo.of })}`]
        : photo.waiting ? [word("searching"), ` ${word("{count} photos", { count: photo.of })}`, "…"] : photo.error ? [word("not searched"), word(": an error among the photos")] : ["", ""];
      each.ratio.replaceChildren(brief, element("span", { class: "cv-wordy" }, wordy), after);
      set_attributes(each.ratio, { title: photo.error ?? null });
    });
  };
  const progress = () => {
    const view = model.get("view");
    const state = state_of();
    node.dataset.state = state;
    const active = state === "running" || state === "paused";
    main.show(...(/** @type {[string, string]} */ ({ running: [word("Pause"), "pause"], paused: [word("Resume"), "play"], stopped: [word("Continue"), "play"], done: [word("Continue"), "play"] }[state] ?? [word("Run"), "play"])));
    const lost = !active && document.activeElement === stop.node;
    stop.node.disabled = !active;
    if (lost) main.node.focus(); // a button that is disabled drops the focus, and with it the keys
    again.node.disabled = !view.images;
    const current = view.number === model.get("run").number;
    const total = view.total;
    const left = view.left === null || view.left === undefined || view.step < 5 || state !== "running" ? "" : ` · ${word("{time} left", { time: seconds(view.left) })}`;
    counter.textContent = !current ? (active ? word("starting…") : "") : total ? `${word("step {step}/{total}", { step: view.step, total })}${state === "paused" ? ` · ${word("paused")}` : left}` : `${state_words()[state]} · ${word("{count} steps", { count: view.steps })}`;
    bar.value = current && total ? view.step / total : 0;
    bar.style.visibility = active ? "visible" : "hidden";
    const words = `${state_words()[state]}${state === "done" || state === "stopped" ? word(": {objective} after {count} steps", { objective: model.get("objective"), count: view.steps ?? 0 }) : ""}`;
    if (told.textContent !== words) told.textContent = words;
  };
  const chart = () => {
    const view = model.get("view");
    if (!view.trace) return;
    const share = view.total ? view.steps / (view.steps + view.total - view.step) : 1;
    trace.draw(as_floats(view.trace), view.joints, share);
    value.textContent = view.value === null ? "" : word("objective {value}", { value: short_number(view.value) });
    note.textContent = heard(view.note);
    note.hidden = !view.note;
  };
  on_change(model, ["view"], draw, signal);
  on_change(model, ["view"], chart, signal);
  on_change(model, ["view", "run"], progress, signal);
  on_change(model, ["best"], show_best, signal);
  draw();
  chart();
  progress();
  return { node };
}

/** An objective for people: classes by their names. @param {string} objective @param {any[]} layers */
function in_words(objective, layers) {
  const score = objective.match(/^Class(Score|Probability)\((\d+), layer='([^']+)'\)$/);
  const unit = objective.match(/^([^:()]+):(\d+)$/);
  const [layer, channel] = score ? [score[3], score[2]] : unit ? [unit[1], unit[2]] : ["", ""];
  const name = layers.find((each) => each.name === layer)?.names[Number(channel)];
  if (!name) return objective;
  return score ? (score[1] === "Score" ? word("score of {name}", { name }) : word("probability of {name}", { name })) : `${objective} · ${name}`;
}

/** @param {number} value */
function seconds(value) {
  if (value < 1) return word("< {count} s", { count: 1 });
  return value < 90 ? word("{count} s", { count: Math.round(value) }) : word("{count} min", { count: Math.round(value / 60) });
}
