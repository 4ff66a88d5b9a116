// The list of boxes beside the picture: the same boxes for those who do not see them, or point at nothing.
// @ts-check

import { element, scrollWithin } from "./elements.js";
import { boxInWords } from "./label_words.js";
import { toneOf } from "./label_tones.js";

/** @typedef {import("./label_history.js").Label} Label */

export class BoxList {
  /** @type {{label: Label | null, row: HTMLLIElement, button: HTMLButtonElement, swatch: HTMLElement, tag: HTMLElement, place: HTMLElement}[]} */
  #rows = [];
  #selected = -1;

  /**
   * @param {HTMLElement} list
   * @param {HTMLElement} heading Says how many boxes there are.
   * @param {(index: number) => void} chosen
   */
  constructor(list, heading, chosen) {
    this.list = list;
    this.heading = heading;
    this.chosen = chosen;
  }

  /**
   * Only rows whose box has changed are touched.
   * @param {Label[]} labels
   * @param {{width: number, height: number}} size
   */
  show(labels, size) {
    this.heading.textContent = labels.length.toLocaleString("en");
    for (const gone of this.#rows.splice(labels.length)) gone.row.remove();
    const added = [];
    for (const [index, label] of labels.entries()) {
      let row = this.#rows[index];
      if (!row) {
        row = this.#made(index);
        this.#rows.push(row);
        added.push(row.row);
      }
      if (row.label === label) continue;
      if (row.label?.tag !== label.tag) {
        row.tag.textContent = label.tag;
        row.swatch.className = `swatch tone-${toneOf(label.tag)}`;
      }
      if (label.bbox) row.place.textContent = boxInWords(label.bbox, size);
      row.label = label;
    }
    this.list.append(...added);
  }

  /** @param {number} index -1 for none */
  select(index) {
    this.#rows[this.#selected]?.button.setAttribute("aria-pressed", "false");
    this.#selected = index;
    const row = this.#rows[index];
    row?.button.setAttribute("aria-pressed", "true");
    scrollWithin(this.list, row?.row);
  }

  /** @param {number} index */
  #made(index) {
    const swatch = element("span", { class: "swatch" });
    const tag = element("span", { class: "name" });
    const place = element("span", { class: "quiet figure-text" });
    const button = element("button", { type: "button", aria: { pressed: "false" } }, swatch, tag, place);
    button.addEventListener("click", () => this.chosen(index));
    return { label: null, row: element("li", {}, button), button, swatch, tag, place };
  }
}
