// The list of units or concepts: search, filters, order. Only the rows in view exist, and only they are asked for.

const ROW_HEIGHT = 30;
const MARGIN = 4; // rows drawn above and below those in view
const PAGES_KEPT = 24;
/** @type {() => Record<string, [string, string][]>} */
const order_words = () => ({
  units: [["iou", word("best IoU first")], ["concept", word("by concept")], ["unit", word("by unit number")]],
  concepts: [["detectors", word("most detectors first")], ["iou", word("best IoU first")], ["concept", word("by name")]],
});

/** The fields that say which rows are listed. @param {Model} model @param {Asking} asking @param {AbortSignal} signal */
function query_part(model, { ask, query }, signal) {
  const { categories, reports } = model.get("overview");
  const tabs = ["units", "concepts"].map((things) => {
    const tab = element("button", { type: "button", role: "tab", ...KEYED }, things === "units" ? word("Units") : word("Concepts"));
    tab.addEventListener("click", () => ask({ things }), { signal });
    return { things, tab };
  });
  const strip = element("div", { class: "cv-tabs", role: "tablist", "aria-label": word("What is listed") }, ...tabs.map((each) => each.tab));
  strip.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    event.preventDefault();
    const other = tabs.find((each) => each.things !== query().things);
    other?.tab.focus();
    ask({ things: other?.things });
  }, { signal });
  const text = element("input", { type: "search", placeholder: word("concept, layer:unit or number"), "aria-label": word("Search by concept or unit"), ...KEYED });
  const category = element("select", { "aria-label": word("Category"), ...KEYED }, element("option", { value: "" }, word("all categories")),
    ...categories.map((/** @type {string} */ each) => element("option", { value: each }, each)));
  const bound = (/** @type {string} */ label) => element("input", { type: "number", min: 0, max: 1, step: 0.01, class: "cv-numbers", "aria-label": label, ...KEYED });
  const low = bound(word("Smallest IoU"));
  const high = bound(word("Largest IoU"));
  const order = element("select", { "aria-label": word("Order"), ...KEYED });
  const node = element("div", { class: "cv-query" }, element("div", { class: "cv-choose" }, strip, text),
    element("div", { class: "cv-choose" }, category, element("label", {}, `${word("IoU")} `, low), element("label", {}, `${word("to")} `, high), order));
  const set = (/** @type {any} */ field, /** @type {any} */ value) => {
    if (document.activeElement !== field && field.value !== String(value)) field.value = String(value);
  };
  const show = () => {
    const now = query();
    tabs.forEach(({ things, tab }) => set_attributes(tab, { "aria-selected": String(things === now.things), tabindex: things === now.things ? 0 : -1 }));
    const choices = [...order_words()[now.things], ...(now.things === "concepts" && reports[1] ? [["difference", word("most unlike {name}", { name: reports[1].name })]] : [])];
    if (order.dataset.things !== now.things) order.replaceChildren(...choices.map(([value, told]) => element("option", { value }, told)));
    order.dataset.things = now.things;
    order.value = now.order;
    category.value = now.category;
    set(text, now.text);
    set(low, now.low);
    set(high, now.high);
  };
  text.addEventListener("input", () => ask({ text: text.value }), { signal });
  category.addEventListener("change", () => ask({ category: category.value }), { signal });
  order.addEventListener("change", () => ask({ order: order.value }), { signal });
  const range = () => {
    const within = (/** @type {any} */ field, /** @type {number} */ otherwise) => (field.value === "" || !Number.isFinite(Number(field.value)) ? otherwise : Math.max(0, Math.min(1, Number(field.value))));
    const [from, to] = [within(low, 0), within(high, 1)];
    ask({ low: Math.min(from, to), high: Math.max(from, to) });
  };
  for (const field of [low, high]) {
    field.addEventListener("change", range, { signal });
    field.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      range();
    }, { signal });
  }
  on_change(model, ["listing"], show, signal);
  show();
  return { node, show };
}

/** @param {Model} model @param {Asking & {look: (wish: any) => void, busy: () => boolean}} asking @param {AbortSignal} signal */
function list_part(model, asking, signal) {
  const { look, busy } = asking;
  const { limit, reports } = model.get("overview");
  const fields = query_part(model, asking, signal);
  const rail = element("div", { class: "cv-list-rail", role: "presentation" });
  const view = element("div", { class: "cv-list", role: "listbox", "aria-label": word("Units or concepts found"), ...KEYED }, rail);
  const count = element("p", { class: "cv-faint cv-numbers", role: "status", "aria-live": "polite" });
  const node = element("section", { class: "cv-found", "aria-label": word("Units and concepts") }, fields.node, count, view);
  const stem = fresh_id("row");
  /** @type {Map<number, any[]>} */
  let pages = new Map();
  let number = -1;
  let active = -1;
  let awaited = -1;

  const listing = () => model.get("listing");
  const row_at = (/** @type {number} */ place) => {
    const size = listing().page;
    return pages.get(place - (place % size))?.[place % size];
  };
  /** @param {number} start @param {any[]} rows */
  const keep = (start, rows) => {
    pages.delete(start);
    pages.set(start, rows);
    for (const first of pages.keys()) if (pages.size > PAGES_KEPT && first !== start) pages.delete(first);
  };
  const scale = (/** @type {string} */ category, /** @type {number} */ iou) => share_bar(iou / 0.5, colour_of(model, category));
  const number_of = (/** @type {number} */ iou) => element("span", { class: "cv-numbers" }, iou.toFixed(3));
  /** @param {any[]} row */
  const unit_row = ([unit, concept, category, iou, found]) => ({
    told: concept ? `${word("{unit}: {concept}, {category}, IoU {iou}", { unit, concept, category, iou: iou.toFixed(3) })}${found ? "" : word(", below the limit")}` : word("{unit}: meets no concept", { unit }),
    faint: !found,
    parts: [element("span", { class: "cv-numbers cv-cut" }, unit), ...(concept ? [swatch(model, category)] : [element("span")]), element("span", { class: "cv-cut" }, concept || "—"),
      element("span", { class: "cv-cut cv-faint cv-wide" }, category), scale(category, iou), number_of(iou)],
  });
  /** @param {any[]} row */
  const concept_row = ([name, category, detectors, unit, iou, theirs, their_iou]) => ({
    told: `${word("{name}, {category}: {number} detectors, best {unit} with IoU {iou}", { name, category, number: detectors, unit: unit || word("none"), iou: iou.toFixed(3) })}${reports[1] ? word("; in {name} {number} detectors, IoU {iou}", { name: reports[1].name, number: theirs, iou: their_iou.toFixed(3) }) : ""}`,
    faint: iou <= limit,
    parts: [element("span", { class: "cv-numbers" }, reports[1] ? `${detectors} | ${theirs}` : `${detectors} ×`), swatch(model, category), element("span", { class: "cv-cut" }, name),
      element("span", { class: "cv-cut cv-faint cv-wide" }, unit),
      element("span", { class: "cv-bar-pair" }, scale(category, iou), ...(reports[1] ? [share_bar(their_iou / 0.5, `repeating-linear-gradient(135deg, ${colour_of(model, category)} 0 2px, transparent 2px 5px)`)] : [])), number_of(iou)],
  });
  const in_view = () => {
    const first = Math.floor(view.scrollTop / ROW_HEIGHT);
    return { first, last: Math.min(listing().total, first + Math.ceil((view.clientHeight || 400) / ROW_HEIGHT) + 1) };
  };
  const draw = once_per_frame(() => {
    const { total, query, page } = listing();
    if (total === undefined) return;
    const { first, last } = in_view();
    rail.style.height = `${total * ROW_HEIGHT}px`;
    const rows = [];
    for (let place = Math.max(0, first - MARGIN); place < Math.min(total, last + MARGIN); place += 1) {
      const row = row_at(place);
      const made = row ? (query.things === "units" ? unit_row(row) : concept_row(row)) : { told: word("loading"), faint: true, parts: [element("span", {}, "…")] };
      const item = element("div", { class: "cv-found-row", role: "option", id: `${stem}-${place}`, title: made.told, "aria-label": made.told, "aria-selected": String(place === active),
        "aria-setsize": total, "aria-posinset": place + 1, "data-faint": made.faint, "data-place": place }, ...made.parts);
      item.style.top = `${place * ROW_HEIGHT}px`;
      rows.push(item);
    }
    rail.replaceChildren(...rows);
    set_attributes(view, { "aria-activedescendant": active >= 0 && rows.some((each) => each.id === `${stem}-${active}`) ? `${stem}-${active}` : null });
    view.dataset.things = query.things;
    const starts = [];
    for (let place = first - (first % page); place < last; place += page) if (!pages.has(place)) starts.push(place);
    if (starts.length && !busy()) look({ page: [number, starts[0]] });
  }, signal);
  const reveal = () => {
    if (active < 0) return;
    const top = active * ROW_HEIGHT;
    const height = view.clientHeight || 400;
    if (top < view.scrollTop) view.scrollTop = top;
    else if (top + ROW_HEIGHT > view.scrollTop + height) view.scrollTop = top + ROW_HEIGHT - height;
  };
  /** @param {number} place */
  const choose = (place) => {
    active = Math.max(0, Math.min(listing().total - 1, place));
    const row = row_at(active);
    awaited = row ? -1 : active;
    if (row) look(listing().query.things === "units" ? { unit: row[0] } : { concept: `${row[1]}: ${row[0]}` });
    reveal();
    draw();
  };
  const take_listing = () => {
    const { number: now, rows, total, query } = listing();
    if (now === undefined) return;
    if (now !== number) {
      pages = new Map();
      awaited = -1;
      view.scrollTop = 0;
      active = model.get("card").row ?? -1;
    }
    number = now;
    keep(0, rows);
    const all = query.things === "units" ? reports[0].layers[0].units : model.get("overview").concepts;
    const [shown, there] = [total.toLocaleString("en"), all.toLocaleString("en")];
    const units = query.things === "units";
    if (total === all) count.textContent = units ? word("{number} units", { number: shown }) : word("{number} concepts", { number: shown });
    else count.textContent = units ? word("{number} of {all} units", { number: shown, all: there }) : word("{number} of {all} concepts", { number: shown, all: there });
    if (!total) count.textContent += word(": nothing fits. Widen the search or the filters.");
    draw();
  };
  const take_page = () => {
    const { number: of, start, rows } = model.get("page");
    if (of !== number) return;
    keep(start, rows);
    if (awaited >= 0 && row_at(awaited)) choose(awaited);
    draw();
  };
  const take_card = () => {
    if (busy() || awaited >= 0) return draw();
    active = model.get("card").row ?? -1;
    reveal();
    draw();
  };
  view.addEventListener("scroll", draw, { signal });
  view.addEventListener("click", (/** @type {any} */ event) => {
    const item = event.target.closest(".cv-found-row");
    if (item) choose(Number(item.dataset.place));
  }, { signal });
  view.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    const leap = Math.max(1, Math.floor((view.clientHeight || 400) / ROW_HEIGHT) - 1);
    /** @type {Record<string, number>} */
    const moves = { ArrowUp: active - 1, ArrowDown: active + 1, PageUp: active - leap, PageDown: active + leap, Home: 0, End: listing().total - 1, Enter: active };
    if (!(event.key in moves) || !listing().total) return;
    event.preventDefault();
    choose(moves[event.key]);
  }, { signal });
  on_change(model, ["listing"], take_listing, signal);
  on_change(model, ["page"], take_page, signal);
  on_change(model, ["card"], take_card, signal);
  const watch = new ResizeObserver(draw);
  watch.observe(view);
  signal.addEventListener("abort", () => watch.disconnect());
  take_listing();
  take_card();
  return { node, draw, show_query: fields.show };
}
