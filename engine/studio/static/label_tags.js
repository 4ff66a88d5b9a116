// The numbered list of tags: their keys, their counts, the filter, and the field for a new one.
// @ts-check

import { byId, element, scrollWithin } from "./elements.js";
import { sameLabel } from "./label_history.js";
import { toneOf } from "./label_tones.js";

/** @typedef {import("./label_history.js").Content} Content */
/** @typedef {{name: string, images: number, labels: number}} Tag */

const KEYS = 9;
const LENGTH_MAX = 255;

export class TagList {
  /** @type {Map<string, {tag: Tag, row: HTMLElement, button: HTMLButtonElement, count: HTMLElement}>} */
  #rows = new Map();

  /**
   * @param {Tag[]} tags
   * @param {{boxes: boolean, chosen: (tag: string) => void}} options With `boxes`, counts are of labels, and tags have colours.
   */
  constructor(tags, { boxes, chosen }) {
    this.boxes = boxes;
    this.chosen = chosen;
    this.list = byId("tags", HTMLElement);
    this.filter = byId("tag-filter", HTMLInputElement);
    this.field = byId("new-tag", HTMLInputElement);
    this.problem = byId("new-tag-problem", HTMLElement);
    for (const tag of tags) this.#add(tag);
    this.#sized();
    this.filter.addEventListener("input", () => this.#filtered());
    this.filter.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.#leaveFilter();
      if (event.key !== "Enter") return;
      event.preventDefault();
      const first = [...this.#rows.values()].find(({ row }) => !row.hidden);
      this.#leaveFilter();
      if (first) this.chosen(first.tag.name);
    });
    this.field.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      this.field.value = "";
      this.#problem("");
      this.#leave();
    });
    byId("new-tag-form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      this.#create();
    });
  }

  get names() {
    return [...this.#rows.keys()];
  }

  /** The tag of a key. @param {number} index */
  at(index) {
    return this.names[index];
  }

  /** Add a tag, if there is none of this name. @param {string} name */
  ensure(name) {
    if (this.#rows.has(name)) return;
    this.#add({ name, images: 0, labels: 0 });
    this.#sized();
  }

  /** Go to the field for a new tag. */
  ask() {
    this.field.focus();
  }

  /**
   * The counts as the engine has them. @param {Tag[]} tags
   */
  count(tags) {
    for (const tag of tags) {
      this.ensure(tag.name);
      this.#counted(tag.name, tag);
    }
  }

  /**
   * Count one image's change.
   * @param {Content} before
   * @param {Content} after
   */
  changed(before, after) {
    for (const [content, sign] of /** @type {[Content, number][]} */ ([[before, -1], [after, 1]])) {
      for (const name of new Set(content.labels.map((label) => label.tag))) {
        this.ensure(name);
        const tag = this.#rows.get(name)?.tag;
        if (tag) this.#counted(name, { name, images: tag.images + sign, labels: tag.labels + sign * content.labels.filter((label) => label.tag === name).length });
      }
    }
  }

  /**
   * Show which tags the image has; for boxes, the one that the next box gets.
   * @param {string[]} names
   */
  mark(names) {
    const marked = new Set(names);
    for (const [name, { button }] of this.#rows) {
      const pressed = String(marked.has(name));
      if (button.getAttribute("aria-pressed") !== pressed) button.setAttribute("aria-pressed", pressed);
    }
    const row = this.boxes ? this.#rows.get(names[0] ?? "")?.row : undefined;
    if (row) scrollWithin(this.list, row);
  }

  /** @param {Tag} tag */
  #add(tag) {
    const number = this.#rows.size + 1;
    const count = element("span", { class: "figure-text quiet" }, "");
    const key = number <= KEYS ? element("kbd", { aria: { hidden: "true" } }, String(number)) : element("span", { class: "no-key" });
    const swatch = this.boxes ? element("span", { class: `swatch tone-${toneOf(tag.name)}` }) : null;
    const button = element("button", { type: "button", aria: { pressed: "false" } }, key, swatch, element("span", { class: "name" }, tag.name), count);
    // A press must not take the focus: the next Enter goes on, and does not press again.
    button.addEventListener("mousedown", (event) => event.preventDefault());
    button.addEventListener("click", () => this.chosen(tag.name));
    const row = element("li", {}, button);
    this.#rows.set(tag.name, { tag, row, button, count });
    this.list.append(row);
    this.#counted(tag.name, tag);
  }

  /** @param {string} name @param {Tag} tag */
  #counted(name, tag) {
    const row = this.#rows.get(name);
    if (!row) return;
    row.tag = tag;
    row.count.textContent = Math.max(0, this.boxes ? tag.labels : tag.images).toLocaleString("en");
    row.count.title = this.boxes ? "boxes with this tag" : "images with this tag";
  }

  #sized() {
    byId("tag-filter-line", HTMLElement).hidden = this.#rows.size <= KEYS;
  }

  #filtered() {
    const text = this.filter.value.trim().toLowerCase();
    for (const [name, { row }] of this.#rows) row.hidden = text !== "" && !name.toLowerCase().includes(text);
  }

  #leaveFilter() {
    this.filter.value = "";
    this.#filtered();
    this.#leave();
  }

  #leave() {
    byId("stage", HTMLElement).focus({ preventScroll: true });
  }

  #create() {
    const name = this.field.value.trim();
    if (!name) {
      this.#leave();
      return;
    }
    if (name.length > LENGTH_MAX) {
      this.#problem(`The name has ${name.length} characters; at most ${LENGTH_MAX} are allowed.`);
      return;
    }
    const twin = this.names.find((other) => other !== name && other.toLowerCase() === name.toLowerCase());
    if (twin && this.problem.dataset.said !== name) {
      this.#problem(`There is a tag “${twin}” already. Press Enter again to add “${name}” beside it.`, name);
      return;
    }
    this.#problem("");
    this.field.value = "";
    this.ensure(name);
    this.#leave();
    this.chosen(name);
  }

  /** @param {string} text @param {string} [name] */
  #problem(text, name = "") {
    this.problem.textContent = text;
    this.problem.dataset.said = name;
  }
}

/**
 * The content with a tag set or, if it has it already and several are allowed, without it.
 * @param {Content} content
 * @param {string} tag
 * @param {boolean} several
 * @returns {Content}
 */
export function withTag(content, tag, several) {
  const label = { tag };
  if (!several) return { labels: [label], empty: false };
  const others = content.labels.filter((other) => !sameLabel(other, label));
  return { labels: others.length < content.labels.length ? others : [...content.labels, label], empty: false };
}
