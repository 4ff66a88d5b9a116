// The windowed grid of images: a listbox of any length, of which only what is in sight is in the page.
// @ts-check

import { GridCell } from "./grid_cell.js";
import { cellByKey, cellsWithin, layOut, placeOf, scrolledToShow } from "./grid_geometry.js";
import { GridPages } from "./grid_pages.js";
import { NOTHING, countOf, firstSelected, isSelected, toggled, withRange } from "./grid_selection.js";
import { say } from "./studio.js";

/** @typedef {import("./grid_selection.js").Selection} Selection */

const GAP = 12;
const CAPTION = 28;
const AROUND = { before: 0.5, after: 0.5 };
const COPIED_MAX = 1000;
/** Faster than this, in screens a second, nothing is asked for: nobody sees it. */
const FAST = 4;
const SETTLED_MS = 60;
const FOLLOW_MS = 600;
const RELOAD_MS = 5000;

/**
 * @typedef {object} Options
 * @property {(body: any) => import("./grid_pages.js").Page} [read] What an answer of the engine says; by default, it is a page of cells.
 * @property {() => void} [changed] Called when the engine has another number of cells, after the grid has taken it over. By default,
 *   the whole page is loaded again.
 */

export class Grid {
  /** @type {Map<number, GridCell>} */
  #shown = new Map();
  /** @type {GridCell[]} */
  #spare = [];
  /** @type {Selection} */
  #selection = NOTHING;
  /** @type {Selection} */
  #base = NOTHING;
  #anchor = 0;
  #active = -1;
  #count;
  #size = 168;
  #drawing = 0;
  #settling = 0;
  #last = { at: 0, scrolled: 0 };
  #told = false;
  #followed = -Infinity;
  #changed;

  /**
   * @param {HTMLElement} list
   * @param {Options} [options]
   */
  constructor(list, { read, changed } = {}) {
    this.list = list;
    this.#changed = changed;
    this.sizer = /** @type {HTMLElement} */ (list.firstElementChild);
    this.#count = Number(list.dataset.count);
    const first = document.getElementById("first-cells")?.textContent;
    this.pages = new GridPages(list.dataset.cells ?? "", (page) => this.#arrived(page), first ? JSON.parse(first) : undefined, read);
    this.layout = this.#laidOut();
    list.addEventListener("scroll", () => this.#plan(), { passive: true });
    list.addEventListener("keydown", (event) => this.#key(event));
    list.addEventListener("click", (event) => this.#click(event));
    list.addEventListener("focus", () => this.#focused());
    new ResizeObserver(() => this.#relaid()).observe(list);
    const at = Number(history.state?.at ?? list.dataset.at ?? 0);
    this.#relaid();
    if (at > 0 && at < this.#count) this.#activate(at);
  }

  get selected() {
    return countOf(this.#selection);
  }

  /** How many cells there are. */
  get count() {
    return this.#count;
  }

  /** The cells that are selected, rising. */
  get selection() {
    return firstSelected(this.#selection, Infinity);
  }

  get size() {
    return this.#size;
  }

  /** @param {number} size Of a cell, about, in pixels. */
  set size(size) {
    this.#size = size;
    this.#relaid();
  }

  /** @param {number} index */
  goTo(index) {
    this.#activate(Math.min(this.#count - 1, Math.max(0, index)));
    this.list.focus();
  }

  open() {
    this.leave((cell) => cell.page);
  }

  /**
   * Go on to a page about the first selected cell, or the active one. Coming back leads to it.
   * @param {(cell: import("./grid_pages.js").Cell) => string} address
   */
  leave(address) {
    const index = firstSelected(this.#selection, 1)[0] ?? this.#active;
    const data = this.pages.at(index) ?? this.#shown.get(index)?.data;
    if (data) {
      history.replaceState({ ...history.state, at: index }, "");
      location.assign(address(data));
    }
  }

  async copyNames() {
    const chosen = firstSelected(this.#selection, COPIED_MAX);
    try {
      const cells = await this.pages.all(chosen);
      await navigator.clipboard.writeText(cells.map((cell) => cell.name).join("\n"));
      const left = this.selected - chosen.length;
      say(`Copied ${cells.length.toLocaleString("en")} names${left ? `; ${left.toLocaleString("en")} further ones were left out` : ""}`);
    } catch {
      say("The names could not be copied. The browser may not allow it here.");
    }
  }

  clear() {
    this.#select(NOTHING);
  }

  /** Show what is known of cells now: it was changed by `pages.put`. */
  redraw() {
    this.#plan();
  }

  /** Ask for everything again; until it comes, the cells stay as they are. */
  refresh() {
    this.pages.forget();
    this.#plan();
  }

  #laidOut() {
    const style = getComputedStyle(this.list);
    const width = this.list.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    const view = Math.max(1, this.list.clientHeight);
    return layOut({ count: this.#count, width, view, size: this.#size, gap: GAP, caption: CAPTION });
  }

  #relaid() {
    const seen = this.#shown.size ? Math.min(...this.#shown.keys()) : 0;
    const kept = this.#active >= 0 ? this.#active : seen;
    this.layout = this.#laidOut();
    this.sizer.style.height = `${this.layout.height}px`;
    this.list.scrollTop = scrolledToShow(this.layout, this.list.scrollTop, kept);
    this.#plan();
  }

  #plan() {
    this.#drawing ||= requestAnimationFrame((now) => {
      this.#drawing = 0;
      this.#draw(now);
    });
  }

  /** @param {number} now */
  #draw(now) {
    const scrolled = this.list.scrollTop;
    const seconds = Math.max(0.001, (now - this.#last.at) / 1000);
    const fast = seconds < 0.2 && Math.abs(scrolled - this.#last.scrolled) / this.layout.view / seconds > FAST;
    if (scrolled > this.#last.scrolled && this.#last.at) this.#follow();
    this.#last = { at: now, scrolled };
    const { first, stop } = cellsWithin(this.layout, scrolled, AROUND);
    for (const [index, cell] of this.#shown) {
      if (index < first || index >= stop) {
        cell.leave();
        this.#shown.delete(index);
        this.#spare.push(cell);
      }
    }
    if (!fast) this.pages.want(first, stop);
    const seen = cellsWithin(this.layout, scrolled, { before: 0, after: 0 });
    for (const index of [...range(seen.first, seen.stop), ...range(seen.stop, stop), ...range(first, seen.first)]) {
      this.#place(index, scrolled, !fast, index >= seen.first && index < seen.stop);
    }
    this.list.setAttribute("aria-busy", String(!this.#shown.size));
    this.#pointAtActive();
    clearTimeout(this.#settling);
    if (fast) this.#settling = setTimeout(() => this.#plan(), SETTLED_MS);
  }

  /**
   * @param {number} index
   * @param {number} scrolled
   * @param {boolean} asks
   * @param {boolean} seen Whether it is in sight: its picture comes before the others'.
   */
  #place(index, scrolled, asks, seen) {
    let cell = this.#shown.get(index);
    if (!cell) {
      cell = this.#spare.pop() ?? new GridCell((data) => this.#tellWhy(data.picture));
      cell.take(index, this.#count);
      this.#shown.set(index, cell);
      this.sizer.append(cell.element);
    }
    const { x, y } = placeOf(this.layout, scrolled, index);
    cell.element.style.width = `${this.layout.cell}px`;
    cell.element.style.transform = `translate(${x}px, ${y}px)`;
    const data = this.pages.at(index);
    if (data && cell.data !== data) cell.fill(data);
    if (asks) cell.show(seen);
    this.#mark(cell);
  }

  /** @param {GridCell} cell */
  #mark(cell) {
    cell.element.setAttribute("aria-selected", String(isSelected(this.#selection, cell.index)));
    cell.element.classList.toggle("active", cell.index === this.#active);
  }

  /** @param {import("./grid_pages.js").Page | null} page */
  #arrived(page) {
    if (!page) {
      say("The engine does not answer. Scroll to try again.");
    } else if (page.count !== this.#count) {
      if (this.#changed) this.#take(page.count);
      else this.#reload();
    } else {
      this.#plan();
    }
  }

  /**
   * There are more or fewer cells: what was selected may be at other places now.
   * @param {number} count
   */
  #take(count) {
    this.#count = count;
    this.#active = Math.min(this.#active, count - 1);
    for (const cell of this.#shown.values()) cell.take(cell.index, count, true);
    this.#select(NOTHING);
    this.refresh();
    this.#relaid();
    this.#changed?.();
  }

  /** The dataset has changed: show it as it is now. */
  #reload() {
    if (Date.now() < (history.state?.reloaded ?? 0) + RELOAD_MS) {
      say("The dataset is changing. Reload the page in a moment.");
    } else {
      history.replaceState({ ...history.state, reloaded: Date.now() }, "");
      location.reload();
    }
  }

  /**
   * Say once above the grid why pictures are missing.
   * @param {string} address
   */
  async #tellWhy(address) {
    if (this.#told) return;
    this.#told = true;
    const place = document.getElementById("grid-problem");
    const response = await fetch(address, { headers: { Accept: "application/json" } });
    if (response.ok || !place) return;
    const body = await response.json().catch(() => null);
    place.textContent = `Some pictures cannot be shown. ${body?.error?.message ?? ""}`;
    place.hidden = false;
  }

  /** While people scroll down the grid, the page follows until the whole grid is in sight. */
  #follow() {
    const beyond = this.list.getBoundingClientRect().bottom + 8 - innerHeight;
    if (beyond <= 0 || performance.now() < this.#followed + FOLLOW_MS) return;
    this.#followed = performance.now();
    scrollBy({ top: beyond, behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "instant" : "smooth" });
  }

  #pointAtActive() {
    if (this.#shown.has(this.#active)) this.list.setAttribute("aria-activedescendant", `cell-${this.#active}`);
    else this.list.removeAttribute("aria-activedescendant");
  }

  /** The active cell must be in sight. Nothing moves meanwhile: it may be a click that gives the focus. */
  #focused() {
    const { first, stop } = cellsWithin(this.layout, this.list.scrollTop, { before: 0, after: 0 });
    if (this.#active >= first && this.#active < stop) return;
    const cut = placeOf(this.layout, this.list.scrollTop, first).y < this.list.scrollTop;
    this.#active = Math.min(this.#count - 1, cut ? first + this.layout.columns : first);
    this.#plan();
  }

  /** @param {number} index */
  #activate(index) {
    if (!this.#count) return;
    this.#active = index;
    this.list.scrollTop = scrolledToShow(this.layout, this.list.scrollTop, index);
    history.replaceState({ ...history.state, at: index }, "");
    this.#plan();
  }

  /** @param {Selection} selection */
  #select(selection) {
    this.#selection = selection;
    this.#base = selection;
    this.#anchor = Math.max(0, this.#active);
    this.#selectionChanged();
  }

  /** @param {number} index */
  #extendTo(index) {
    this.#activate(index);
    this.#selection = withRange(this.#base, Math.min(this.#anchor, index), Math.max(this.#anchor, index) + 1);
    this.#selectionChanged();
  }

  #selectionChanged() {
    for (const cell of this.#shown.values()) this.#mark(cell);
    this.list.dispatchEvent(new Event("selection"));
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.altKey || event.metaKey) return;
    const next = cellByKey(this.layout, Math.max(0, this.#active), event.key, event.ctrlKey);
    if (next !== null) {
      if (event.shiftKey) {
        this.#extendTo(next);
      } else {
        this.#activate(next);
        this.#base = this.#selection;
        this.#anchor = next;
      }
    } else if (event.key === " ") {
      this.#select(toggled(this.#selection, this.#active));
    } else if (event.key === "Enter") {
      this.open();
    } else if (event.key === "a" && event.ctrlKey) {
      this.#select(withRange(NOTHING, 0, this.#count));
    } else if (event.key === "Escape" && this.selected) {
      this.#select(NOTHING);
    } else {
      return;
    }
    event.preventDefault();
  }

  /** @param {MouseEvent} event */
  #click(event) {
    const target = event.target instanceof Element ? event.target : null;
    const id = target?.closest("[role=option]")?.id;
    if (!id) return;
    const index = Number(id.slice("cell-".length));
    if (event.shiftKey) {
      this.#extendTo(index);
      return;
    }
    this.#activate(index);
    if (event.ctrlKey || event.metaKey || target?.closest(".mark")) {
      this.#select(toggled(this.#selection, index));
    } else {
      this.#base = NOTHING;
      const data = this.pages.at(index);
      if (data) location.assign(data.page);
    }
  }
}

/**
 * @param {number} first
 * @param {number} stop
 */
function range(first, stop) {
  return Array.from({ length: Math.max(0, stop - first) }, (_, index) => first + index);
}
