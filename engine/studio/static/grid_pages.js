// The cells' data, in pages: only of what is seen or nearly so, and nothing that was scrolled away meanwhile.
// @ts-check

import { pagesOf } from "./grid_geometry.js";

const PAGE = 60;
const KEPT_PAGES = 40;

/**
 * @typedef {object} Cell
 * @property {number} position Of the image in its dataset.
 * @property {string} name
 * @property {string} page Address of the image's own page.
 * @property {string} picture Address of the thumbnail, or of one object's crop.
 * @property {string[]} tags
 * @property {number} more How many further tags it has.
 * @property {number} problems
 * @property {[left: number, top: number, width: number, height: number, tone: number][]} boxes Shares of the sides.
 * @property {string} [state] What a draft did to the image: a word.
 */

/** @typedef {{count: number, cells: Cell[]}} Page */

/** There are more or fewer cells than there were. */
export class OtherCount extends Error {}

export class GridPages {
  /** @type {Map<number, Cell[]>} */
  #kept = new Map();
  /** @type {Map<number, AbortController>} */
  #asked = new Map();
  #address;
  #arrived;
  #read;
  #version = 0;

  /**
   * @param {string} address Of the cells, with the filter in its query.
   * @param {(page: Page | null) => void} arrived Called when a page has come, or could not be had.
   * @param {Cell[]} [first] The first page, if it is known already.
   * @param {(body: any) => Page} [read] What an answer says; by default, it is a page itself.
   */
  constructor(address, arrived, first, read = (body) => body) {
    this.#address = new URL(address, location.href);
    this.#arrived = arrived;
    this.#read = read;
    if (first) this.#kept.set(0, first);
  }

  /**
   * @param {number} index
   * @returns {Cell | undefined}
   */
  at(index) {
    const start = index - (index % PAGE);
    return this.#kept.get(start)?.[index - start];
  }

  /**
   * Note what a cell has become.
   * @param {number} index
   * @param {Cell} cell
   */
  put(index, cell) {
    const page = this.#kept.get(index - (index % PAGE));
    if (page?.[index % PAGE]) page[index % PAGE] = cell;
  }

  /** What is known may be out of date: ask for it again when it is wanted. */
  forget() {
    for (const request of this.#asked.values()) request.abort();
    this.#asked.clear();
    this.#kept.clear();
    this.#version += 1;
  }

  /**
   * Ask for the pages of these cells, and for no others any more.
   * @param {number} first
   * @param {number} stop
   */
  want(first, stop) {
    const wanted = new Set(pagesOf(first, stop, PAGE));
    for (const [start, request] of this.#asked) {
      if (!wanted.has(start)) {
        request.abort();
        this.#asked.delete(start);
      }
    }
    for (const start of wanted) {
      const kept = this.#kept.get(start);
      if (kept) {
        this.#kept.delete(start);
        this.#kept.set(start, kept);
      } else if (!this.#asked.has(start)) {
        this.#ask(start);
      }
    }
    for (const start of this.#kept.keys()) {
      if (this.#kept.size <= KEPT_PAGES) break;
      if (!wanted.has(start)) this.#kept.delete(start);
    }
  }

  /**
   * The cells at these places, asked for where they are not there.
   * @param {number[]} indices Rising.
   * @param {number} [count] How many cells there were: if there are others now, the places mean other cells.
   * @returns {Promise<Cell[]>}
   */
  async all(indices, count) {
    /** @type {Map<number, Cell[]>} */
    const pages = new Map();
    for (const index of indices) {
      const start = index - (index % PAGE);
      if (pages.has(start)) continue;
      const kept = this.#kept.get(start);
      if (kept) {
        pages.set(start, kept);
        continue;
      }
      const page = await this.#fetch(start);
      if (count !== undefined && page.count !== count) throw new OtherCount();
      pages.set(start, page.cells);
    }
    return indices.flatMap((index) => pages.get(index - (index % PAGE))?.[index % PAGE] ?? []);
  }

  /** @param {number} start */
  async #ask(start) {
    const request = new AbortController();
    const version = this.#version;
    this.#asked.set(start, request);
    try {
      const page = await this.#fetch(start, request.signal);
      if (version !== this.#version) return;
      this.#kept.set(start, page.cells);
      this.#arrived(page);
    } catch {
      if (!request.signal.aborted) this.#arrived(null);
    } finally {
      if (this.#asked.get(start) === request) this.#asked.delete(start);
    }
  }

  /**
   * @param {number} start
   * @param {AbortSignal} [signal]
   * @returns {Promise<Page>}
   */
  async #fetch(start, signal) {
    const address = new URL(this.#address);
    address.searchParams.set("start", String(start));
    address.searchParams.set("count", String(PAGE));
    const response = await fetch(address, { signal: signal ?? null, headers: { Accept: "application/json" }, priority: "high" });
    if (response.status === 401) location.reload();
    if (!response.ok) throw new Error(`status ${response.status}`);
    return this.#read(await response.json());
  }
}
