// The photo to paint on: pointer and keys become strokes; what is hidden is shown as the network sees it.

/** A PNG of a trait as a bitmap, loaded anew when it changes. @param {Model} model @param {string} trait @param {() => void} loaded @param {AbortSignal} signal */
function bitmap_of(model, trait, loaded, signal) {
  /** @type {{now: ImageBitmap | null, of: any}} */
  const held = { now: null, of: null };
  const load = async () => {
    const data = model.get(trait);
    if (!data.png) return;
    const bitmap = await createImageBitmap(new Blob([as_bytes(data.png)], { type: "image/png" }));
    if (signal.aborted || model.get(trait) !== data) return;
    held.now = bitmap;
    held.of = data;
    loaded();
  };
  on_change(model, [trait], load, signal);
  load();
  return held;
}

const brush_help = () => word("Arrows move the brush, with Shift by its size; Space paints; [ and ] resize; E erases; Ctrl+Z undoes.");
const brush_hint = () => word("Paint with mouse, pen or finger. Keys: arrows, Space, [ ], E, Ctrl+Z.");

/**
 * @param {Model} model @param {{size: [number, number], mask: Uint8Array}} held
 * @param {{tools: () => any, slide: () => any, paint: () => void, done: (label: string) => void, undo: () => void, redo: () => void}} act @param {AbortSignal} signal
 */
function paint_part(model, held, act, signal) {
  const canvas = element("canvas", { role: "application", "aria-label": word("Photo to paint on"), "aria-roledescription": word("painting"), tabindex: 0, "data-lm-suppress-shortcuts": "true" });
  const help = element("p", { class: "cv-faint cv-hidden-text", id: fresh_id("help") }, brush_help());
  const hint = element("p", { class: "cv-faint" }, brush_hint());
  set_attributes(canvas, { "aria-describedby": help.id });
  const node = element("figure", { class: "cv-panel cv-paint" }, canvas, help, hint);
  let at = [NaN, NaN]; // the brush, in pixels of the photo
  let inside = false;
  /** @type {null | {from: number[], base: Uint8Array, pointer: number | null, box: boolean, turned: boolean}} */
  let stroke = null;
  const brush = () => act.tools().brush;
  /** The brush as it paints now: the other end of a pen erases whatever is chosen. */
  const tip = () => ({ ...brush(), erase: brush().erase || Boolean(stroke?.turned) });

  const sliding = () => model.get("sliding");
  const fill_fits = () => fill.now && fill.of.image === photo.of?.name && fill.now.width === held.size[1];
  const zoom = () => (node.clientWidth || 300) / Math.max(1, held.size[1]);
  const layer = () => {
    const [height, width] = held.size;
    const image = new ImageData(width, height);
    const keep = model.get("keep");
    for (let place = 0; place < held.mask.length; place += 1) image.data[4 * place + 3] = keep ? 255 - held.mask[place] : held.mask[place];
    const cover = canvas_of(image);
    const context = /** @type {CanvasRenderingContext2D} */ (cover.getContext("2d"));
    context.globalCompositeOperation = "source-in";
    if (fill_fits()) context.drawImage(/** @type {ImageBitmap} */ (fill.now), 0, 0);
    else context.fillRect(0, 0, width, height);
    return cover;
  };
  /** What the network sees, of its own size. */
  const seen = () => {
    const picture = element("canvas", { width: held.size[1], height: held.size[0] });
    const context = picture.getContext("2d");
    if (photo.now) context.drawImage(photo.now, 0, 0);
    context.drawImage(layer(), 0, 0);
    return picture;
  };
  const draw = once_per_frame(() => {
    if (!photo.now || photo.now.width !== held.size[1] || photo.now.height !== held.size[0]) return;
    const scale = zoom();
    const [height, width] = held.size.map((side) => side * scale);
    const context = fit_canvas(canvas, width, height);
    context.imageSmoothingEnabled = scale < 1;
    canvas.dataset.ready = photo.of.name;
    if (sliding()) {
      context.drawImage(photo.now, 0, 0, width, height);
      square(context, scale);
      return;
    }
    context.drawImage(seen(), 0, 0, width, height);
    if (brush().outline) outline(context, scale);
    if (Number.isFinite(at[0]) && (inside || stroke || document.activeElement === canvas)) cursor(context, scale);
  }, signal);
  /** The square where it is now, with what the network sees there. @param {CanvasRenderingContext2D} context @param {number} scale */
  const square = (context, scale) => {
    const box = act.slide().box();
    if (!box) return;
    const [left, top, side] = box;
    if (fill_fits()) context.drawImage(/** @type {ImageBitmap} */ (fill.now), left, top, side, side, left * scale, top * scale, side * scale, side * scale);
    twice(context, (pen) => pen.strokeRect(left * scale, top * scale, side * scale, side * scale));
  };
  /** Lines between pixels that are more than half painted and those that are not. @param {CanvasRenderingContext2D} context @param {number} scale */
  const outline = (context, scale) => {
    const [height, width] = held.size;
    const path = new Path2D();
    const on = (/** @type {number} */ row, /** @type {number} */ column) => row >= 0 && column >= 0 && row < height && column < width && held.mask[row * width + column] >= 128;
    for (let row = 0; row <= height; row += 1) {
      for (let column = 0; column <= width; column += 1) {
        if (on(row, column) !== on(row - 1, column)) {
          path.moveTo(column * scale, row * scale);
          path.lineTo((column + 1) * scale, row * scale);
        }
        if (on(row, column) !== on(row, column - 1)) {
          path.moveTo(column * scale, row * scale);
          path.lineTo(column * scale, (row + 1) * scale);
        }
      }
    }
    twice(context, (pen) => pen.stroke(path));
  };
  /** @param {CanvasRenderingContext2D} context @param {number} scale */
  const cursor = (context, scale) => twice(context, (pen) => {
    pen.beginPath();
    if (brush().box) {
      pen.moveTo(at[0] * scale - 8, at[1] * scale);
      pen.lineTo(at[0] * scale + 8, at[1] * scale);
      pen.moveTo(at[0] * scale, at[1] * scale - 8);
      pen.lineTo(at[0] * scale, at[1] * scale + 8);
    } else pen.arc(at[0] * scale, at[1] * scale, Math.max(2, (brush().size * scale) / 2), 0, 7);
    pen.stroke();
  });
  /** In black, then in the mark's colour: seen on any photo. @param {CanvasRenderingContext2D} context @param {(pen: CanvasRenderingContext2D) => void} line */
  const twice = (context, line) => {
    for (const [colour, wide] of /** @type {[string, number][]} */ ([["#000", 3], [getComputedStyle(canvas).getPropertyValue("--cv-mark"), 1.5]])) {
      context.strokeStyle = colour;
      context.lineWidth = wide;
      line(context);
    }
  };
  const photo = bitmap_of(model, "photo", draw, signal);
  const fill = bitmap_of(model, "stand_in", draw, signal);

  const place = (/** @type {PointerEvent} */ event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * held.size[1], ((event.clientY - box.top) / box.height) * held.size[0]];
  };
  /** @param {number | null} pointer @param {boolean} turned whether it is a pen's other end */
  const begin = (pointer, turned) => {
    stroke = { from: at, base: held.mask.slice(), pointer, box: brush().box, turned };
    if (!stroke.box) stamp(held.mask, held.size, at[0], at[1], tip());
    moved();
  };
  /** @param {number[]} to */
  const move = (to) => {
    const from = at;
    at = to;
    if (!stroke) return;
    if (stroke.box) {
      held.mask.set(stroke.base);
      stamp_box(held.mask, held.size, stroke.from, to, tip().erase);
    } else stroke_line(held.mask, held.size, from, to, tip());
  };
  const moved = () => {
    draw();
    if (stroke) act.paint();
  };
  /** @param {boolean} keep */
  const end = (keep) => {
    if (!stroke) return;
    const label = stroke.box ? "box" : `brush ${brush().size} px`;
    const erased = tip().erase;
    if (!keep) held.mask.set(stroke.base);
    const changed = held.mask.some((value, index) => value !== stroke?.base[index]);
    stroke = null;
    draw();
    if (!keep) act.paint();
    else if (changed) act.done(erased ? `erase, ${label}` : label);
  };
  const pointer = (/** @type {string} */ name, /** @type {(event: PointerEvent) => void} */ then) => canvas.addEventListener(name, then, { signal });
  pointer("pointerdown", (event) => {
    const turned = event.button === 5;
    if ((event.button !== 0 && !turned) || stroke || !held.mask.length) return;
    event.preventDefault();
    canvas.focus({ preventScroll: true });
    if (sliding()) return act.slide().point(place(event));
    canvas.setPointerCapture(event.pointerId);
    at = place(event);
    begin(event.pointerId, turned);
  });
  pointer("pointermove", (event) => {
    inside = true;
    if (sliding()) return act.slide().point(place(event));
    if (stroke && stroke.pointer !== event.pointerId) return;
    const events = event.getCoalescedEvents?.() ?? [];
    (events.length ? events : [event]).forEach((each) => move(place(each)));
    moved();
  });
  // The window hears these also when the canvas has left the page in the midst of a stroke, as a cell that is scrolled away does.
  for (const [name, keep] of /** @type {["pointerup" | "pointercancel" | "lostpointercapture", boolean][]} */ ([["pointerup", true], ["pointercancel", false], ["lostpointercapture", true]]))
    window.addEventListener(name, (event) => stroke?.pointer === event.pointerId && end(keep), { signal, capture: true });
  canvas.addEventListener("contextmenu", (/** @type {PointerEvent} */ event) => {
    if (!stroke && event.pointerType !== "touch") return;
    event.preventDefault(); // a finger that rests paints; a menu would call the stroke off
    event.stopPropagation();
  }, { signal });
  pointer("pointerleave", () => {
    inside = false;
    act.slide().leave();
    draw();
  });
  /** @param {KeyboardEvent} event */
  const pressed = (event) => {
    const control = event.ctrlKey || event.metaKey;
    const key = event.key.toLowerCase();
    if (sliding()) return act.slide().pressed(event);
    if (control && (key === "z" || key === "y")) return key === "y" || event.shiftKey ? act.redo() : act.undo();
    if (control || event.altKey) return undefined;
    const step = event.shiftKey ? Math.max(1, brush().size) : 1;
    /** @type {Record<string, number[]>} */
    const moves = { arrowleft: [-step, 0], arrowright: [step, 0], arrowup: [0, -step], arrowdown: [0, step] };
    if (!Number.isFinite(at[0])) at = [held.size[1] / 2, held.size[0] / 2];
    if (key in moves) {
      move([Math.max(0, Math.min(held.size[1], at[0] + moves[key][0])), Math.max(0, Math.min(held.size[0], at[1] + moves[key][1]))]);
      moved();
    } else if (key === " ") {
      if (!event.repeat && !stroke) begin(null, false);
    } else if (key === "[" || key === "]") act.tools().resize(key === "[" ? 1 / 1.2 : 1.2);
    else if (key === "e") act.tools().flip();
    else if (key === "escape" && stroke) end(false);
    else return undefined;
    return true;
  };
  canvas.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (pressed(event) === undefined) return;
    event.preventDefault();
    event.stopPropagation();
  }, { signal });
  canvas.addEventListener("keyup", (/** @type {KeyboardEvent} */ event) => event.key === " " && stroke?.pointer === null && end(true), { signal });
  canvas.addEventListener("blur", () => {
    if (stroke?.pointer === null) end(true);
    draw();
  }, { signal });
  canvas.addEventListener("focus", () => {
    if (!Number.isFinite(at[0])) at = [held.size[1] / 2, held.size[0] / 2];
    draw();
  }, { signal });
  const explain = () => {
    help.textContent = sliding() ? word("Arrows move the square; Space plays and pauses.") : brush_help();
    hint.textContent = sliding() ? word("Point at a place: the square goes there. Keys: arrows, Space.") : brush_hint();
    draw();
  };
  on_change(model, ["keep", "sliding"], explain, signal);
  explain();
  const watch = new ResizeObserver(draw);
  watch.observe(node);
  signal.addEventListener("abort", () => watch.disconnect());
  /** Gives up a stroke, as the photo below it has gone. */
  const drop = () => (stroke = null);
  return { node, draw, seen, drop, painting: () => stroke !== null };
}
