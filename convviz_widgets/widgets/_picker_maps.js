// All channels of the chosen layer as a grid of maps, painted only where it is in view.

const TILE = 64;
const LABEL = 15;
const PAD = 6;

/** @param {Model} model @param {(wish: any) => void} look @param {AbortSignal} signal */
function maps_part(model, look, signal) {
  const title = element("h3");
  const sort = element("select", { "aria-label": word("Order of the channels") },
    ...[["max", word("strongest first")], ["mean", word("highest mean first")], ["silent", word("sparsest first")], ["index", word("by number")]].map(([value, text]) => element("option", { value }, text)));
  const find = element("input", { type: "search", placeholder: word("channel"), "aria-label": word("Find a channel by number or class name"), size: 9 });
  const scale = element("select", { "aria-label": word("Colour range") }, element("option", { value: "own" }, word("each map its own range")), element("option", { value: "shared" }, word("one range for all")));
  const canvas = element("canvas", { "aria-hidden": "true" });
  const spacer = element("div", { class: "cv-spacer" });
  const id = fresh_id("channel");
  const option = element("div", { role: "option", id, class: "cv-hidden-text", "aria-selected": "true" });
  const port = element("div", { class: "cv-port", role: "listbox", "aria-label": word("Channels"), "aria-activedescendant": id, ...KEYED }, canvas, spacer, option);
  const node = element("section", { class: "cv-maps", "aria-label": word("Channels of the layer") },
    element("div", { class: "cv-head" }, title, sort, scale, find), port);

  /** @type {any} */
  let held = null;
  /** @type {number[]} */
  let order = [];
  let hovered = -1;

  const chosen = () => {
    const [layer, rest] = model.get("unit").split(":");
    return held && layer === held.layer ? Number.parseInt(rest, 10) : -1;
  };
  /** @param {number} channel */
  const label = (channel) => {
    const network = model.get("network");
    return held.layer === network.scores && network.classes[channel] ? network.classes[channel] : String(channel);
  };
  /** @param {number} channel */
  const describe = (channel) =>
    word("unit {unit} of {layer}: mean {mean}, largest {most}", { unit: channel, layer: label(channel) === String(channel) ? held.layer : `${held.layer}, ${label(channel)}`, mean: short_number(held.mean[channel]), most: short_number(held.high[channel]) });

  const take = () => {
    const maps = model.get("maps");
    if (!maps.layer) return;
    const [count, height, width] = maps.shape;
    const [low, high, mean, silent] = [maps.low, maps.high, maps.mean, maps.silent].map(as_floats);
    held = { layer: maps.layer, count, height, width, codes: as_bytes(maps.codes), low, high, mean, silent,
      lowest: low.reduce((a, b) => Math.min(a, b), Infinity), highest: high.reduce((a, b) => Math.max(a, b), -Infinity) };
    title.textContent = `${maps.layer} · ${word("{count} channels", { count })}`;
    arrange();
  };
  const arrange = () => {
    if (!held) return;
    /** @type {Record<string, (channel: number) => number>} */
    const key = { index: (channel) => channel, max: (channel) => -held.high[channel], mean: (channel) => -held.mean[channel], silent: (channel) => -held.silent[channel] };
    const wanted = find.value.trim().toLowerCase();
    order = Array.from({ length: held.count }, (_, channel) => channel)
      .filter((channel) => !wanted || String(channel).startsWith(wanted) || label(channel).toLowerCase().includes(wanted))
      .sort((a, b) => key[sort.value](a) - key[sort.value](b) || a - b);
    draw();
  };
  const columns = () => Math.max(1, Math.floor((port.clientWidth - PAD) / (TILE + PAD)));
  const step = TILE + LABEL + PAD;
  /** @param {number} channel */
  const tile = (channel) => {
    const size = held.height * held.width;
    const codes = held.codes.subarray(channel * size, (channel + 1) * size);
    const span = held.high[channel] - held.low[channel];
    const whole = Math.max(held.highest - held.lowest, 1e-12);
    const shared = (/** @type {number} */ code) => (255 * (held.low[channel] + (span * code) / 255 - held.lowest)) / whole;
    const vector = size === 1;
    return canvas_of(coloured(vector ? new Uint8Array([255]) : codes, held.width, held.height, as_bytes(model.get("network").colours), scale.value === "shared" || vector ? shared : undefined));
  };
  const draw = once_per_frame(() => {
    if (!held) return;
    const across = columns();
    const content = Math.ceil(order.length / across) * step + PAD;
    spacer.style.height = `${content}px`;
    port.style.height = `${Math.max(step + PAD, content) + 2}px`; // up to the style's max-height
    const [width, height] = [port.clientWidth, Math.max(1, port.clientHeight)];
    const context = fit_canvas(canvas, width, height);
    const style = getComputedStyle(port);
    context.clearRect(0, 0, width, height);
    context.imageSmoothingEnabled = false;
    context.font = `11px ${style.fontFamily}`;
    context.textAlign = "center";
    const first = Math.max(0, Math.floor(port.scrollTop / step));
    const picked = chosen();
    for (let row = first; row * step - port.scrollTop < height; row += 1) {
      for (let column = 0; column < across; column += 1) {
        const channel = order[row * across + column];
        if (channel === undefined) break;
        const [x, y] = [PAD + column * (TILE + PAD), PAD + row * step - port.scrollTop];
        const ratio = Math.min(TILE / held.width, TILE / held.height);
        context.drawImage(tile(channel), x + (TILE - held.width * ratio) / 2, y + (TILE - held.height * ratio) / 2, held.width * ratio, held.height * ratio);
        if (channel === picked || channel === hovered) {
          context.lineWidth = channel === picked ? 3 : 2;
          context.strokeStyle = style.getPropertyValue(channel === picked ? "--cv-mark" : "--cv-line");
          context.strokeRect(x - 1, y - 1, TILE + 2, TILE + 2);
        }
        context.fillStyle = style.getPropertyValue(channel === picked ? "--cv-text" : "--cv-faint");
        const text = label(channel);
        context.fillText(text.length > 10 ? `${text.slice(0, 9)}…` : text, x + TILE / 2, y + TILE + 11);
      }
    }
    option.textContent = picked >= 0 ? describe(picked) : "";
    port.dataset.ready = held.layer;
  }, signal);
  const reveal = () => {
    const place = order.indexOf(chosen());
    if (place < 0) return draw();
    const top = Math.floor(place / columns()) * step;
    if (top < port.scrollTop) port.scrollTop = top;
    else if (top + step > port.scrollTop + port.clientHeight) port.scrollTop = top + step - port.clientHeight + PAD;
    draw();
  };
  /** @param {PointerEvent} event */
  const under = (event) => {
    const corner = port.getBoundingClientRect();
    const [x, y] = [event.clientX - corner.left - PAD, event.clientY - corner.top - PAD + port.scrollTop];
    const [column, row] = [Math.floor(x / (TILE + PAD)), Math.floor(y / step)];
    return column < 0 || column >= columns() || row < 0 ? undefined : order[row * columns() + column];
  };
  port.addEventListener("scroll", draw, { signal });
  port.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => {
    const channel = under(event) ?? -1;
    if (channel === hovered) return;
    hovered = channel;
    port.title = channel >= 0 ? describe(channel) : "";
    draw();
  }, { signal });
  port.addEventListener("pointerleave", () => {
    hovered = -1;
    draw();
  }, { signal });
  port.addEventListener("click", (/** @type {PointerEvent} */ event) => {
    const channel = under(event);
    if (channel !== undefined) look({ unit: `${held.layer}:${channel}` });
  }, { signal });
  port.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (!held) return;
    const place = order.indexOf(chosen());
    const page = columns() * Math.max(1, Math.floor(port.clientHeight / step));
    /** @type {Record<string, number>} */
    const moves = { ArrowRight: place + 1, ArrowLeft: place - 1, ArrowDown: place + columns(), ArrowUp: place - columns(), Home: 0, End: order.length - 1, PageDown: place + page, PageUp: place - page };
    if (event.key === "/") find.focus();
    else if (event.key in moves) {
      const channel = order[Math.max(0, Math.min(order.length - 1, moves[event.key]))];
      if (channel !== undefined && channel !== chosen()) look({ unit: `${held.layer}:${channel}` });
    } else return;
    event.preventDefault();
  }, { signal });
  find.addEventListener("input", () => {
    port.scrollTop = 0;
    arrange();
  }, { signal });
  find.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Enter" || !order.length) return;
    look({ unit: `${held.layer}:${order[0]}` });
    port.focus();
  }, { signal });
  sort.addEventListener("change", () => {
    arrange();
    reveal();
  }, { signal });
  scale.addEventListener("change", draw, { signal });
  on_change(model, ["maps"], () => {
    take();
    reveal();
  }, signal);
  on_change(model, ["unit"], reveal, signal);
  const watch = new ResizeObserver(draw);
  watch.observe(port);
  const theme = new MutationObserver(draw);
  theme.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "data-jp-theme-name"] });
  signal.addEventListener("abort", () => {
    watch.disconnect();
    theme.disconnect();
  });
  take();
  return { node };
}
