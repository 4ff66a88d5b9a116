// What to label next: as in the grid, or the most useful image first. The engine orders while one labels; a key never waits for it.
// @ts-check

import { callEngine } from "./engine_calls.js";

/** @typedef {import("./label_images.js").DraftImage} DraftImage */
/** @typedef {import("./label_images.js").DraftImages} DraftImages */

/** @typedef {{numbers: number[], at: number}} Trail The images that were shown, and which of them is the present one. */

const REMEMBERED = "vision-studio-label-order";
const KEPT = 2;
const TRAIL_MAX = 500;
const AHEAD = 4;
const LOW = 6;
const AGAIN_MS = 1500;
const WAIT_MS = 3000;

/** @type {Trail} */
export const NO_TRAIL = { numbers: [], at: -1 };

/**
 * The trail after an image was shown: a step along it, or a new end.
 * @param {Trail} trail
 * @param {number} number
 * @returns {Trail}
 */
export function visited({ numbers, at }, number) {
  for (const near of [at, at + 1, at - 1]) if (near >= 0 && numbers[near] === number) return { numbers, at: near };
  const kept = [...numbers.slice(0, at + 1), number].slice(-TRAIL_MAX);
  return { numbers: kept, at: kept.length - 1 };
}

/**
 * The next images after a new order came: those that are ready to be shown stay first, so that a key never waits.
 * @param {number[]} upcoming
 * @param {number[]} ordered
 */
export function reordered(upcoming, ordered) {
  return [...new Set([...upcoming.slice(0, KEPT), ...ordered])];
}

export class LabelOrder {
  /** @type {number[]} */
  #upcoming = [];
  /** Images that were shown since the order was chosen: they are not shown again while there are others. */
  #seen = new Set();
  #trail = NO_TRAIL;
  #complete = false;
  /** @type {Promise<void> | null} */
  #asked = null;
  #answered = -1;
  #timer = 0;
  /** Whether a label was saved while an order was asked for, which may not know of it. */
  #outdated = false;

  /**
   * @param {string} address Of the draft: `/studio/drafts/NAME`.
   * @param {DraftImages} images
   */
  constructor(address, images) {
    this.address = address;
    this.images = images;
    this.told = document.getElementById("order-told");
    const choice = document.getElementById("order");
    this.choice = choice instanceof HTMLSelectElement ? choice : null;
    this.choice?.addEventListener("change", () => this.#chosen());
    if (this.isUseful) this.#ask();
  }

  get isUseful() {
    return this.choice?.value === "useful";
  }

  /** An image is shown. @param {number} number */
  shown(number) {
    this.#trail = visited(this.#trail, number);
    this.#seen.add(number);
    if (!this.isUseful) return;
    const open = this.#open();
    for (const next of open.slice(0, AHEAD)) {
      const image = this.images.known(next);
      if (image) this.images.picture(image).decode().catch(() => undefined);
    }
    if (open.length < LOW) this.#soon(0);
  }

  /** A label was saved: the order may be another one now. */
  saved() {
    if (!this.isUseful) return;
    this.#outdated = this.#asked !== null;
    this.#soon(AGAIN_MS);
  }

  /**
   * The number of the next image without labels; null if there is none but this one. Until the engine has answered for the first
   * time, the order is that of the grid.
   * @param {number} number
   */
  async after(number) {
    if (!this.isUseful || this.#answered < 0) return this.images.unlabelledAfter(number);
    if (!this.#open().length) this.#seen = new Set([number]); // next come those that were skipped
    return this.#open()[0] ?? this.images.unlabelledAfter(number);
  }

  /**
   * The image before or after another one, as they were shown; undefined where the order does not say.
   * @param {number} number
   * @param {"before" | "after"} way
   */
  async step(number, way) {
    if (!this.isUseful) return undefined;
    const found = this.#trail.numbers[this.#trail.at + (way === "after" ? 1 : -1)];
    return found ?? (way === "after" ? this.after(number) : undefined);
  }

  #open() {
    return this.#upcoming.filter((number) => !this.#seen.has(number) && !this.images.isLabelled(number));
  }

  #chosen() {
    localStorage.setItem(REMEMBERED, this.choice?.value ?? "");
    this.#seen = new Set(this.#trail.numbers.slice(this.#trail.at, this.#trail.at + 1));
    if (this.isUseful) this.#ask();
    else if (this.told) this.told.textContent = "";
    // After a choice by mouse or touch, the next key is for the picture.
    if (!this.choice?.matches(":focus-visible")) document.getElementById("stage")?.focus({ preventScroll: true });
  }

  /** @param {number} milliseconds At least since the last answer. */
  #soon(milliseconds) {
    if (this.#timer || this.#asked) return;
    const wait = Math.max(milliseconds, AGAIN_MS - (performance.now() - this.#answered));
    this.#timer = setTimeout(() => {
      this.#timer = 0;
      if (this.isUseful) this.#ask();
    }, wait);
  }

  #ask() {
    this.#asked ??= this.#fetch().finally(() => {
      this.#asked = null;
      this.#answered = performance.now();
      if (this.isUseful && (this.#outdated || !this.#complete)) this.#soon(this.#outdated ? AGAIN_MS : WAIT_MS);
      this.#outdated = false;
    });
    return this.#asked;
  }

  async #fetch() {
    let value;
    try {
      ({ value } = await callEngine(`${this.address}/label/next`));
    } catch {
      return; // asked for again after the next label
    }
    /** @type {DraftImage[]} */
    const images = value.images;
    // What is known may have changes that are not saved.
    for (const image of images) if (!this.images.known(image.number)) this.images.arrived(image);
    this.#upcoming = reordered(this.#open(), images.map((image) => image.number));
    this.#complete = value.complete;
    if (this.told && this.isUseful && this.told.textContent !== value.told) this.told.textContent = value.told;
  }
}

/** Open the page in the order that was chosen last, unless its address says which image or order. */
export function takeRemembered() {
  const query = new URLSearchParams(location.search);
  if (query.has("order") || query.has("number") || !document.getElementById("order")) return;
  if (localStorage.getItem(REMEMBERED) !== "useful") return;
  query.set("order", "useful");
  location.replace(`?${query}`);
}
