// The card of a unit: its concepts, the pictures that excite it most with its mask over them, an image grown for it.

/** @param {Model} model @param {(wish: any) => void} look @param {AbortSignal} signal */
function unit_card_part(model, look, signal) {
  const name = element("h3", { class: "cv-numbers", tabindex: -1 });
  const facts = element("p", { class: "cv-faint" });
  const concepts = element("div", { class: "cv-rows", role: "group", "aria-label": word("Concepts of the unit") });
  const choice = mask_choice(signal, () => painted.forEach((each) => each.draw()));
  const pictures = element("div", { class: "cv-shots" });
  const note = element("p", { class: "cv-faint", role: "status", "aria-live": "polite" });
  const grown = element("figure", { class: "cv-grown" });
  const grow = work_button(model, "grow", () => ({}), word("Grow an image for it"), word("Activation maximization: the image that this unit answers to most"), signal);
  const pictures_head = element("div", { class: "cv-head" }, element("h3", {}, word("Excites it most")), choice.node);
  const node = element("article", { class: "cv-card", "aria-label": word("Unit") }, name, facts, concepts, pictures_head, note, pictures,
    element("h3", {}, word("Grown for it")), grow.node, grown);
  /** @type {{draw: () => void}[]} */
  let painted = [];
  let shown = new AbortController();
  signal.addEventListener("abort", () => shown.abort());

  const show_card = () => {
    const card = model.get("card");
    node.hidden = card.face !== "unit";
    if (node.hidden) return;
    name.textContent = card.unit;
    const best = card.concepts[0];
    facts.textContent = heard(card.missing) || `${best ? word("best with {concept}", { concept: best[0] }) : word("meets no concept")} · ${word("number {rank} of {all} in its layer", { rank: card.rank, all: card.of })} · ${word("active above {value}", { value: short_number(card.threshold < 1e-30 ? 0 : card.threshold) })}`;
    const { limit } = model.get("overview");
    concepts.replaceChildren(...card.concepts.map((/** @type {any} */ [concept, category, iou]) => {
      const told = iou > limit ? word("{concept}, {category}: IoU {iou}, detected. Press to look at the concept.", { concept, category, iou: iou.toFixed(3) })
        : word("{concept}, {category}: IoU {iou}. Press to look at the concept.", { concept, category, iou: iou.toFixed(3) });
      const button = element("button", { type: "button", class: "cv-quiet cv-line-row", "aria-label": told, title: told, "data-faint": iou <= limit, ...KEYED },
        swatch(model, category), element("span", { class: "cv-cut" }, concept), element("span", { class: "cv-cut cv-faint" }, category),
        share_bar(iou / 0.5, colour_of(model, category)), element("span", { class: "cv-numbers" }, iou.toFixed(3)));
      button.addEventListener("click", () => look({ concept: `${category}: ${concept}` }), { signal });
      return button;
    }));
    show_pictures();
    show_grown();
  };
  const show_pictures = () => {
    const { of, items, note: told } = model.get("pictures");
    const { unit, face, concepts: [best] = [], missing } = model.get("card");
    if (face !== "unit") return;
    shown.abort();
    shown = new AbortController();
    const here = of === unit ? items : [];
    note.textContent = of === unit ? heard(told) : word("Pictures are being read.");
    note.hidden = !note.textContent;
    pictures_head.hidden = Boolean(missing);
    painted = [];
    pictures.replaceChildren(...here.map((/** @type {any} */ item) => {
      const covers = `${word("{share} % lit", { share: (100 * item.shares[0]).toFixed(0) })}${best ? word(", IoU with {concept} here {iou}", { concept: best[0], iou: item.iou.toFixed(2) }) : ""}`;
      const value = item.activation === null ? "" : short_number(item.activation);
      const picture = masked_picture(item, () => choice.masks(item), word("{image}: activation {value}, {covers}", { image: item.name, value, covers }), shown.signal);
      const figure = element("figure", { class: "cv-shot" }, picture.canvas, element("figcaption", { class: "cv-faint cv-numbers" }, value));
      picture.watch(figure);
      painted.push(picture);
      return figure;
    }));
  };
  const show_grown = () => {
    const made = model.get("grown");
    const { unit, face } = model.get("card");
    const here = face === "unit" && made.unit === unit;
    grown.hidden = !here;
    grow.node.hidden = here;
    if (!here) return;
    const told = word("image grown for {unit}, activation {value}", { unit, value: short_number(made.activation) });
    grown.replaceChildren(element("img", { src: object_url(made.jpeg, "image/jpeg", shown.signal), alt: told }),
      element("figcaption", { class: "cv-faint" }, `${word("activation {value}", { value: short_number(made.activation) })}${made.note ? ` · ${heard(made.note)}` : ""}`));
  };
  on_change(model, ["card"], show_card, signal);
  on_change(model, ["pictures"], () => {
    show_pictures();
    show_grown();
  }, signal);
  on_change(model, ["grown"], show_grown, signal);
  show_card();
  return { node, focus: () => name.focus() };
}
