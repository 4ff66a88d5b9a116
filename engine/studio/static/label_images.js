// The images of a draft, as far as the page that labels needs them: those around the present one, and pictures in advance.
// @ts-check

import { callEngine } from "./engine_calls.js";
import { excluding, extended, including, knownAfter, laneAt, nextIn, preceded, previousIn } from "./label_lane.js";

/** @typedef {import("./label_lane.js").Lane} Lane */
/**
 * @typedef {import("./label_queue.js").Theirs & {fileName: string, width?: number, height?: number, view: string, thumbnail: string,
 *   theirs?: import("./label_history.js").Label[]}} DraftImage
 */

const ASKED = 24;
const AHEAD = 6;
const KEPT = 600;
const PICTURES_KEPT = 12;
const ATTEMPTS = 50;

export class DraftImages {
  /** @type {Map<number, DraftImage>} */
  #known = new Map();
  /** @type {Map<string, HTMLImageElement>} */
  #pictures = new Map();
  /** @type {Map<string, Promise<void>>} */
  #asked = new Map();
  /** @type {Map<number, number>} */
  #fresh = new Map();

  /**
   * @param {string} address Of the draft's images: `/studio/drafts/NAME`.
   * @param {string} filter The query of the filter: `tag=…&only=…`, or empty.
   * @param {DraftImage[]} first Images that are known already, which follow each other in the filter.
   * @param {(image: DraftImage) => DraftImage} withUnsaved Adds to an image of the engine's what is not saved yet.
   */
  constructor(address, filter, first, withUnsaved) {
    this.address = address;
    this.filter = filter;
    /** @type {(image: DraftImage) => DraftImage} */
    this.withUnsaved = withUnsaved;
    const [start, ...more] = first.map((image) => image.number);
    /** @type {{walk: Lane, unlabelled: Lane}} */
    this.lanes = { walk: laneAt(start ?? 0, start !== undefined), unlabelled: laneAt(start ?? 0, false) };
    const last = more.at(-1);
    if (last !== undefined) this.lanes.walk = { ...this.lanes.walk, numbers: [start ?? 0, ...more], high: last + 1 };
    for (const image of first) this.arrived(image);
  }

  /** @param {number} number @returns {DraftImage | undefined} */
  known(number) {
    return this.#known.get(number);
  }

  /**
   * An image, asked for unless it is known.
   * @param {number} number
   * @returns {Promise<DraftImage>} Raises Refused.
   */
  async get(number) {
    return this.#known.get(number) ?? this.arrived(await this.fetch(number));
  }

  /**
   * An image as the engine has it now.
   * @param {number} number
   * @returns {Promise<DraftImage>} Raises Refused.
   */
  async fetch(number) {
    return (await callEngine(`${this.address}/images/${number}`)).value;
  }

  /**
   * Keep an image of the engine's, with what is not saved of it.
   * @param {DraftImage} image
   */
  arrived(image) {
    this.#fresh.set(image.number, performance.now());
    const kept = this.#keep(this.withUnsaved(image));
    if (this.isLabelled(image.number)) this.lanes.unlabelled = excluding(this.lanes.unlabelled, [image.number]);
    return kept;
  }

  /** How long ago the engine told of an image, in milliseconds. @param {number} number */
  age(number) {
    return performance.now() - (this.#fresh.get(number) ?? -Infinity);
  }

  /**
   * Take over what is known of an image now.
   * @param {number} number
   * @param {Partial<DraftImage>} changes
   */
  update(number, changes) {
    const old = this.#known.get(number);
    if (!old) return;
    this.#keep({ ...old, ...changes });
    if (changes.eTag !== undefined) this.#fresh.set(number, performance.now());
    const { unlabelled } = this.lanes;
    if (changes.labels) this.lanes.unlabelled = this.isLabelled(number) ? excluding(unlabelled, [number]) : including(unlabelled, number);
  }

  /**
   * The number of the image after another, in the order of the filter, or before it; null if there is none.
   * @param {number} number
   * @param {"after" | "before"} way
   */
  async beside(number, way) {
    return this.#find("walk", number, way);
  }

  /**
   * The number of the next image without labels, beginning again at the first; null if there is none but this one.
   * @param {number} number
   */
  async unlabelledAfter(number) {
    const found = (await this.#find("unlabelled", number, "after")) ?? (await this.#find("unlabelled", -1, "after"));
    return found === number ? null : found;
  }

  /**
   * Get ready what comes after an image: its data and its pictures.
   * @param {number} number
   * @param {boolean} unlabelled Whether the next ones without labels are expected.
   */
  async prepare(number, unlabelled) {
    const name = unlabelled ? "unlabelled" : "walk";
    const lane = this.lanes[name];
    const inside = number >= lane.low && (lane.high === null || number < lane.high);
    try {
      if (inside && lane.high !== null && knownAfter(lane, number) < AHEAD) await this.#ask(name, "after");
      else if (!inside && unlabelled) await this.unlabelledAfter(number);
    } catch {
      return; // it is asked for again on the way there
    }
    const next = this.lanes[name].numbers.filter((other) => other > number).slice(0, 4);
    for (const other of next) {
      const image = this.#known.get(other);
      // Decoded before it is shown, so that going on is instant.
      if (image) this.picture(image).decode().catch(() => undefined);
    }
  }

  /**
   * The picture of an image: the same element for as long as it is kept, so that it is decoded once.
   * @param {DraftImage} image
   */
  picture(image) {
    let picture = this.#pictures.get(image.view);
    if (!picture || (picture.complete && !picture.naturalWidth)) {
      picture = new Image();
      picture.decoding = "async";
      picture.draggable = false;
      picture.src = image.view;
    }
    this.#pictures.delete(image.view);
    this.#pictures.set(image.view, picture);
    for (const view of this.#pictures.keys()) {
      if (this.#pictures.size <= PICTURES_KEPT) break;
      this.#pictures.delete(view);
    }
    return picture;
  }

  /** Whether an image is known to be labelled. @param {number} number */
  isLabelled(number) {
    const image = this.#known.get(number);
    return image !== undefined && (image.labels.length > 0 || image.empty);
  }

  /**
   * @param {"walk" | "unlabelled"} name
   * @param {number} number
   * @param {"after" | "before"} way
   */
  async #find(name, number, way) {
    const find = way === "after" ? nextIn : previousIn;
    let found = find(this.lanes[name], number);
    for (let attempt = 0; found === undefined && attempt < ATTEMPTS; attempt += 1) {
      const { low, high } = this.lanes[name];
      if (number < low || (high !== null && number > high)) this.lanes[name] = laneAt(number, name === "walk");
      await this.#ask(name, way);
      found = find(this.lanes[name], number);
    }
    return found ?? null;
  }

  /** @param {DraftImage} image */
  #keep(image) {
    this.#known.delete(image.number);
    this.#known.set(image.number, image);
    for (const number of this.#known.keys()) {
      if (this.#known.size <= KEPT) break;
      this.#known.delete(number);
      this.#fresh.delete(number);
    }
    return image;
  }

  /**
   * Ask for more of a lane, once at a time.
   * @param {"walk" | "unlabelled"} name
   * @param {"after" | "before"} way
   */
  #ask(name, way) {
    const key = `${name} ${way}`;
    let asked = this.#asked.get(key);
    if (!asked) {
      asked = this.#fetch(name, way).finally(() => this.#asked.delete(key));
      this.#asked.set(key, asked);
    }
    return asked;
  }

  /** @param {"walk" | "unlabelled"} name @param {"after" | "before"} way */
  async #fetch(name, way) {
    const lane = this.lanes[name];
    if (way === "after" && lane.high === null) return;
    const query = new URLSearchParams(name === "walk" ? this.filter : "only=unlabelled");
    query.set("count", String(ASKED));
    query.set(way, String(way === "after" ? (lane.high ?? 0) - 1 : lane.low + 1));
    const { value } = await callEngine(`${this.address}/label/images?${query}`);
    /** @type {DraftImage[]} */
    const images = value.images;
    // What is known may have changes that are not saved.
    for (const image of images) if (!this.#known.has(image.number)) this.arrived(image);
    const numbers = images.map((image) => image.number);
    const now = this.lanes[name];
    if (now.low !== lane.low || now.high !== lane.high) return; // it began elsewhere meanwhile
    this.lanes[name] = (way === "after" ? extended : preceded)(now, numbers, ASKED);
    if (name === "unlabelled") this.lanes.unlabelled = excluding(this.lanes.unlabelled, numbers.filter((number) => this.isLabelled(number)));
  }
}
