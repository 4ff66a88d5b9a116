// Boxes as they are drawn over a picture: one drawing for all of them, and one above it for the box that is being changed.
// @ts-check

import { HANDLES } from "./label_geometry.js";
import { toneOf } from "./label_tones.js";
import { svgElement } from "./svg.js";

/** @typedef {import("./label_geometry.js").Box} Box */
/** @typedef {import("./label_geometry.js").Handle} Handle */
/** @typedef {import("./label_history.js").Label} Label */

const NAMED_MAX = 60;
const HANDLE_PIXELS = 9;
const NAME_PIXELS = 13;

export class BoxDrawing {
  /** @type {{label: Label | null, group: SVGGElement, rect: SVGRectElement, name: SVGTextElement}[]} */
  #drawn = [];
  #scale = { x: 1, y: 1 };
  #size = { width: 1, height: 1 };
  #lifted = -1;

  /** @param {HTMLElement} sheet What has the picture's size. */
  constructor(sheet) {
    this.sheet = sheet;
    this.all = svgElement("svg", { class: "boxes", "aria-hidden": "true", preserveAspectRatio: "none" });
    this.above = svgElement("svg", { class: "boxes above", "aria-hidden": "true", preserveAspectRatio: "none" });
    this.theirs = svgElement("g", { class: "theirs" });
    this.all.append(this.theirs);
    this.rect = svgElement("rect", {});
    this.name = svgElement("text", {});
    this.handles = /** @type {Handle[]} */ (Object.keys(HANDLES)).map((handle) => ({ handle, rect: svgElement("rect", { class: "handle" }) }));
    this.above.append(this.rect, this.name, ...this.handles.map(({ rect }) => rect));
    sheet.append(this.all, this.above);
  }

  /**
   * @param {{width: number, height: number}} size Of the image, in the units that boxes are drawn in.
   */
  set size(size) {
    this.#size = size;
    for (const drawing of [this.all, this.above]) drawing.setAttribute("viewBox", `0 0 ${size.width} ${size.height}`);
  }

  /**
   * How large the sheet is on the screen, in pixels.
   * @param {number} width
   * @param {number} height
   */
  scaled(width, height) {
    this.#scale = { x: this.#size.width / Math.max(1, width), y: this.#size.height / Math.max(1, height) };
    for (const drawing of [this.all, this.above]) drawing.style.setProperty("--name-size", `${NAME_PIXELS * this.#scale.y}px`);
  }

  /**
   * Draw these labels. Only what differs from what is drawn is touched.
   * @param {Label[]} labels
   */
  draw(labels) {
    this.all.classList.toggle("crowded", labels.length > NAMED_MAX);
    for (const gone of this.#drawn.splice(labels.length)) gone.group.remove();
    const added = [];
    for (const [index, label] of labels.entries()) {
      let drawn = this.#drawn[index];
      if (!drawn) {
        drawn = { label: null, group: svgElement("g", {}), rect: svgElement("rect", {}), name: svgElement("text", {}) };
        drawn.group.append(drawn.rect, drawn.name);
        this.#drawn.push(drawn);
        added.push(drawn.group);
      }
      if (drawn.label === label) continue;
      drawn.label = label;
      drawn.group.setAttribute("class", `tone-${toneOf(label.tag)}${index === this.#lifted ? " lifted" : ""}`);
      if (label.bbox) this.#place(drawn.rect, drawn.name, label.bbox, label.tag);
    }
    this.all.append(...added);
  }

  /**
   * Draw one box above all others, with handles if it can be changed by them; none with null.
   * @param {{index: number, box: Box, tag: string, handles: boolean} | null} box `index` -1: it is a new one.
   */
  lift(box) {
    const index = box?.index ?? -1;
    if (index !== this.#lifted) {
      this.#drawn[this.#lifted]?.group.classList.remove("lifted");
      this.#drawn[index]?.group.classList.add("lifted");
      this.#lifted = index;
    }
    this.above.toggleAttribute("hidden", !box);
    if (!box) return;
    const classes = `boxes above tone-${toneOf(box.tag)}${box.handles ? "" : " bare"}`;
    if (this.above.getAttribute("class") !== classes) this.above.setAttribute("class", classes);
    this.#place(this.rect, this.name, box.box, box.tag);
    if (!box.handles) return;
    const [left, top, width, height] = box.box;
    const side = { x: HANDLE_PIXELS * this.#scale.x, y: HANDLE_PIXELS * this.#scale.y };
    for (const { handle, rect } of this.handles) {
      const [x, y] = HANDLES[handle];
      setAttributes(rect, {
        x: (left + x * width) * this.#size.width - side.x / 2, y: (top + y * height) * this.#size.height - side.y / 2, width: side.x, height: side.y,
      });
    }
  }

  /**
   * Draw the labels of another person, dashed.
   * @param {Label[]} labels
   */
  compare(labels) {
    const { width, height } = this.#size;
    this.theirs.replaceChildren(...labels.flatMap(({ tag, bbox }) => (bbox
      ? [svgElement("rect", { x: bbox[0] * width, y: bbox[1] * height, width: bbox[2] * width, height: bbox[3] * height, class: `tone-${toneOf(tag)}` })]
      : [])));
  }

  /**
   * @param {SVGRectElement} rect
   * @param {SVGTextElement} name
   * @param {Box} box
   * @param {string} tag
   */
  #place(rect, name, [left, top, width, height], tag) {
    const x = left * this.#size.width;
    const y = top * this.#size.height;
    setAttributes(rect, { x, y, width: width * this.#size.width, height: height * this.#size.height });
    // Above the box, or within it at the upper edge of the picture.
    const within = top * this.#size.height < NAME_PIXELS * 1.4 * this.#scale.y;
    setAttributes(name, { x: x + 4 * this.#scale.x, y: within ? y + NAME_PIXELS * 1.2 * this.#scale.y : y - 5 * this.#scale.y });
    if (name.textContent !== tag) name.textContent = tag;
  }
}

/**
 * @param {SVGElement} element
 * @param {Record<string, number>} attributes
 */
function setAttributes(element, attributes) {
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(Math.round(value * 100) / 100));
}
