// A picture with boxes drawn over it: lines in SVG, and tags that stay readable at any size.
// @ts-check

import { element } from "./elements.js";

/** @typedef {import("./try_words.js").Mark} Mark */

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = "28rem";
const HUES = 6;

/** With more boxes, a tag is shown only on the one that is pointed at: otherwise they would hide the picture. */
const LABELLED_MAX = 30;

/** @type {Map<string, number>} */
const hues = new Map();

/** The number of a tag's colour, the same in every picture. @param {string} label */
export function hueOf(label) {
  const hue = hues.get(label) ?? hues.size % HUES;
  hues.set(label, hue);
  return hue;
}

/** @param {string} name @param {Record<string, string | number>} attributes @param {...Node} children */
function svg(name, attributes, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.append(...children);
  return made;
}

export class DrawnPicture {
  /**
   * @param {HTMLElement} place to draw in
   * @param {{pointed: (id: string | null) => void, chosen: (id: string) => void}} on a box is pointed at, or pressed
   */
  constructor(place, on) {
    this.image = element("img", { alt: "", hidden: true, decoding: "async" });
    this.lines = /** @type {SVGSVGElement} */ (svg("svg", { class: "lines", "aria-hidden": "true", preserveAspectRatio: "none" }));
    this.labels = element("div", { class: "labels", aria: { hidden: "true" } });
    this.note = element("p", { class: "unseen", hidden: true });
    this.frame = element("div", { class: "frame" }, this.image, this.note, this.labels);
    this.labels.before(this.lines);
    place.append(this.frame);
    /** @type {Map<string, Element[]>} */
    this.drawn = new Map();
    for (const type of ["pointerover", "pointerout"]) {
      this.lines.addEventListener(type, (event) => on.pointed(type === "pointerover" ? idOf(event) : null));
    }
    this.lines.addEventListener("click", (event) => {
      const id = idOf(event);
      if (id !== null) on.chosen(id);
    });
  }

  /**
   * Show the picture itself.
   * @param {Blob} picture
   * @param {string} name
   */
  show(picture, name) {
    const address = URL.createObjectURL(picture);
    this.image.addEventListener("load", () => this.sized(this.image.naturalWidth, this.image.naturalHeight), { once: true });
    this.image.addEventListener("error", () => this.unseen("This browser cannot show the picture."), { once: true });
    this.image.src = address;
    this.image.alt = name;
    this.image.hidden = false;
    return address;
  }

  /** Say in the picture's place why it is not shown. @param {string} why */
  unseen(why) {
    this.image.hidden = true;
    this.note.textContent = why;
    this.note.hidden = false;
  }

  /** @param {number} width in pixels @param {number} height */
  sized(width, height) {
    if (!width || !height) return;
    this.width = width;
    this.height = height;
    this.frame.style.aspectRatio = `${width} / ${height}`;
    this.frame.style.width = `min(100%, calc(${HEIGHT} * ${width / height}))`;
    this.lines.setAttribute("viewBox", `0 0 ${width} ${height}`);
  }

  /** Draw boxes: gaps first, which may be where something is missing, and large ones first, so that each can be pointed at. @param {Mark[]} marks */
  draw(marks) {
    for (const { label, look } of marks) if (look === "found") hueOf(label); // colours in the order of the list
    const shown = marks.flatMap((mark) => (mark.box ? [{ ...mark, box: mark.box }] : []));
    shown.sort((a, b) => Number(b.look === "gap") - Number(a.look === "gap") || b.box.w * b.box.h - a.box.w * a.box.h);
    this.drawn.clear();
    this.frame.classList.toggle("crowded", shown.length > LABELLED_MAX);
    const lines = [];
    const labels = [];
    for (const { id, label, look, box } of shown) {
      const classes = look === "found" ? `look-found hue-${hueOf(label)}` : `look-${look}`;
      const place = { x: box.x, y: box.y, width: Math.max(0, box.w), height: Math.max(0, box.h) };
      const line = svg("g", { class: classes, "data-id": id }, svg("rect", { class: "halo", ...place }), svg("rect", { class: "line", ...place }));
      const written = element("span", { class: classes }, look === "missing" ? `${label} missing` : label);
      this.place(written, box);
      lines.push(line);
      labels.push(written);
      this.drawn.set(id, [line, written]);
    }
    this.lines.replaceChildren(...lines);
    this.labels.replaceChildren(...labels);
  }

  /**
   * Above its box, or within it at the upper edge of the picture.
   * @param {HTMLElement} label
   * @param {import("./try_words.js").Box} box
   */
  place(label, box) {
    const left = Math.max(0, (100 * box.x) / (this.width ?? 1));
    const top = Math.max(0, (100 * box.y) / (this.height ?? 1));
    label.style.top = `${top}%`;
    label.classList.toggle("within", top < 7);
    if (left > 65) label.style.right = `${Math.max(0, 100 - (100 * (box.x + box.w)) / (this.width ?? 1))}%`;
    else label.style.left = `${left}%`;
  }

  /** Make one box stand out; null for none. @param {string | null} id */
  highlight(id) {
    this.frame.classList.toggle("pointed", id !== null && this.drawn.has(id));
    for (const [other, parts] of this.drawn) {
      for (const part of parts) part.classList.toggle("lit", other === id);
    }
  }
}

/** @param {Event} event */
function idOf(event) {
  const group = event.target instanceof Element ? event.target.closest("[data-id]") : null;
  return group?.getAttribute("data-id") ?? null;
}
