// The strip of photos, upload and drop, and what the network thinks the present photo is.

const THUMBNAIL_WIDTH = 58;
const LARGEST_UPLOAD = 32_000_000;

/** @param {Model} model @param {(wish: any) => void} look @param {AbortSignal} signal */
function photos_part(model, look, signal) {
  const strip = element("div", { class: "cv-strip", role: "listbox", "aria-label": word("Photos"), "aria-orientation": "horizontal", ...KEYED });
  const rail = element("div", { class: "cv-rail" });
  strip.append(rail);
  const file = element("input", { type: "file", accept: "image/*", class: "cv-hidden-text", tabindex: -1, "aria-label": word("Choose a photo file") });
  const add = element("button", { type: "button", title: word("Add a photo of your own; it can also be dropped anywhere on the widget") }, word("+ Photo"));
  const classes = element("ol", { class: "cv-classes" });
  const empty = element("p", { class: "cv-faint cv-empty" }, word("No photo yet: drop one here, or press “+ Photo”."));
  const node = element("section", { class: "cv-photos", "aria-label": word("Photo and predictions") },
    element("div", { class: "cv-photo-choice" }, add, file, strip, empty), classes);

  /** @type {Map<string, string>} */
  const urls = new Map();
  /** @type {Set<string>} */
  const asked = new Set();
  const shown = () => {
    const names = model.get("names");
    const first = Math.max(0, Math.floor(strip.scrollLeft / THUMBNAIL_WIDTH) - 3);
    const last = Math.min(names.length, first + Math.ceil((strip.clientWidth || 600) / THUMBNAIL_WIDTH) + 6);
    return { names, first, last };
  };
  const draw = once_per_frame(() => {
    const { names, first, last } = shown();
    rail.style.width = `${names.length * THUMBNAIL_WIDTH}px`;
    const chosen = model.get("image");
    rail.replaceChildren(...names.slice(first, last).map((/** @type {string} */ name, /** @type {number} */ step) => {
      const url = urls.get(name);
      const item = element("div", { class: "cv-thumbnail", role: "option", id: `${strip_id}-${first + step}`, title: name, "aria-label": name,
        "aria-selected": String(name === chosen), "aria-setsize": names.length, "aria-posinset": first + step + 1 });
      item.style.left = `${(first + step) * THUMBNAIL_WIDTH}px`;
      item.dataset.name = name;
      if (url) item.append(element("img", { src: url, alt: "" }));
      return item;
    }));
    set_attributes(strip, { "aria-activedescendant": names.includes(chosen) ? `${strip_id}-${names.indexOf(chosen)}` : null });
    empty.hidden = names.length > 0;
    strip.hidden = names.length === 0;
    const missing = names.slice(first, last).filter((/** @type {string} */ name) => !asked.has(name));
    if (missing.length) {
      missing.forEach((/** @type {string} */ name) => asked.add(name));
      model.send({ kind: "thumbnails", names: missing });
    }
  }, signal);
  const strip_id = fresh_id("photo");

  /** @param {any} message @param {DataView[]} buffers */
  const receive = (message, buffers) => {
    if (message?.kind !== "thumbnails") return;
    message.names.forEach((/** @type {string} */ name, /** @type {number} */ place) => urls.set(name, object_url(buffers[place], "image/jpeg", signal)));
    draw();
  };
  model.on("msg:custom", receive);
  signal.addEventListener("abort", () => model.off("msg:custom", receive));

  const reveal = () => {
    const place = model.get("names").indexOf(model.get("image"));
    const left = place * THUMBNAIL_WIDTH;
    if (place >= 0 && (left < strip.scrollLeft || left + THUMBNAIL_WIDTH > strip.scrollLeft + strip.clientWidth))
      strip.scrollLeft = left - strip.clientWidth / 2;
    draw();
  };
  strip.addEventListener("scroll", draw, { signal });
  strip.addEventListener("click", (/** @type {any} */ event) => {
    const item = event.target.closest(".cv-thumbnail");
    if (item) look({ image: item.dataset.name });
  }, { signal });
  strip.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const names = model.get("names");
    const place = names.indexOf(model.get("image"));
    /** @type {Record<string, number>} */
    const moves = { ArrowLeft: place - 1, ArrowRight: place + 1, Home: 0, End: names.length - 1, PageUp: place - 8, PageDown: place + 8 };
    if (!(event.key in moves)) return;
    event.preventDefault();
    const next = names[Math.max(0, Math.min(names.length - 1, moves[event.key]))];
    if (next !== model.get("image")) look({ image: next });
  }, { signal });

  /** @param {File | undefined | null} chosen */
  const upload = async (chosen) => {
    if (!chosen) return;
    if (chosen.size > LARGEST_UPLOAD) {
      model.set("problem", { text: word("{name} has {size} bytes; at most {most} are taken. Scale the picture down first.", { name: chosen.name, size: chosen.size, most: LARGEST_UPLOAD }) });
      return;
    }
    model.send({ kind: "upload", name: chosen.name }, undefined, [await chosen.arrayBuffer()]);
  };
  add.addEventListener("click", () => file.click(), { signal });
  file.addEventListener("change", () => {
    upload(file.files?.[0]);
    file.value = "";
  }, { signal });

  const predictions = () => {
    const photo = model.get("photo");
    const scores = model.get("network").scores;
    classes.replaceChildren(...(photo.predictions ?? []).map((/** @type {any} */ each) => {
      const percent = `${(100 * each.probability).toFixed(each.probability < 0.0995 ? 1 : 0)} %`;
      const bar = element("span", { class: "cv-bar" });
      bar.style.setProperty("--cv-share", String(each.probability));
      const button = element("button", { type: "button", class: "cv-quiet", disabled: !scores, title: scores ? word("Look at the score of “{name}”", { name: each.name }) : each.name },
        element("span", { class: "cv-class-name" }, each.name), bar, element("span", { class: "cv-numbers" }, percent));
      button.addEventListener("click", () => look({ unit: `${scores}:${each.index}` }), { signal });
      return element("li", {}, button);
    }));
  };
  on_change(model, ["names"], draw, signal);
  on_change(model, ["image"], reveal, signal);
  on_change(model, ["photo"], predictions, signal);
  const watch = new ResizeObserver(draw);
  watch.observe(strip);
  signal.addEventListener("abort", () => watch.disconnect());
  predictions();
  reveal();
  return { node, upload };
}

/** The photo as a bitmap, loaded anew when it changes. @param {Model} model @param {() => void} loaded @param {AbortSignal} signal */
function photo_bitmap(model, loaded, signal) {
  /** @type {{now: ImageBitmap | null}} */
  const held = { now: null };
  const load = async () => {
    const data = model.get("photo");
    if (!data.png) return;
    const bitmap = await createImageBitmap(new Blob([as_bytes(data.png)], { type: "image/png" }));
    if (signal.aborted || model.get("photo") !== data) return;
    held.now = bitmap;
    loaded();
  };
  on_change(model, ["photo"], load, signal);
  load();
  return held;
}

/**
 * Takes a photo that is dropped anywhere on a widget.
 * @param {HTMLElement} root @param {(file: File | undefined) => void} upload @param {AbortSignal} signal
 */
function take_drops(root, upload, signal) {
  root.addEventListener("dragover", (/** @type {DragEvent} */ event) => {
    event.preventDefault();
    root.dataset.drop = "true";
  }, { signal });
  root.addEventListener("dragleave", () => delete root.dataset.drop, { signal });
  root.addEventListener("drop", (/** @type {DragEvent} */ event) => {
    event.preventDefault();
    delete root.dataset.drop;
    upload(event.dataTransfer?.files?.[0]);
  }, { signal });
}
