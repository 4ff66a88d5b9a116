// One cell of the grid: its picture, the boxes over it, and its tags.
// @ts-check

import { svgElement } from "./svg.js";

/** @typedef {import("./grid_pages.js").Cell} Cell */

const RETRIES = 3;

export class GridCell {
  /** @type {Cell | null} */
  data = null;
  index = -1;
  #picture = new Image();
  #boxes = svgElement("svg", { class: "boxes", "aria-hidden": "true" });
  #caption = document.createElement("div");
  #state = document.createElement("span");
  #retry = 0;
  #tries = 0;

  /** @param {(cell: Cell) => void} failed Called when the picture cannot be had. */
  constructor(failed) {
    this.element = document.createElement("div");
    this.element.setAttribute("role", "option");
    this.element.className = "cell";
    const frame = document.createElement("div");
    frame.className = "frame";
    const mark = document.createElement("span");
    mark.className = "mark";
    this.#picture.alt = "";
    this.#picture.decoding = "async";
    this.#picture.draggable = false;
    this.#picture.addEventListener("load", () => this.#loaded());
    this.#picture.addEventListener("error", () => this.#failed(failed));
    this.#caption.className = "caption";
    this.#state.hidden = true;
    frame.append(this.#picture, this.#boxes, this.#state, mark);
    this.element.append(frame, this.#caption);
  }

  /**
   * Stand for another place of the grid.
   * @param {number} index
   * @param {number} count
   * @param {boolean} [stays] Whether it goes on showing what it shows.
   */
  take(index, count, stays = false) {
    this.index = index;
    this.element.id = `cell-${index}`;
    this.element.setAttribute("aria-posinset", String(index + 1));
    this.element.setAttribute("aria-setsize", String(count));
    if (stays) return;
    this.element.setAttribute("aria-label", `Image ${index + 1}`);
    this.element.classList.add("waits");
  }

  /** Leave the grid; what is still being loaded is given up. */
  leave() {
    this.index = -1;
    this.data = null;
    this.hide();
    this.#boxes.replaceChildren();
    this.#caption.replaceChildren();
    this.#state.hidden = true;
    this.element.classList.remove("broken", "has-problem", "is-removed");
    this.element.remove();
  }

  /** @param {Cell} data */
  fill(data) {
    if (this.data && this.data.picture !== data.picture) this.hide();
    this.data = data;
    this.#showState(data.state ?? "");
    const problems = data.problems ? `, ${data.problems === 1 ? "1 problem" : `${data.problems} problems`}` : "";
    this.element.setAttribute("aria-label", `${data.name}: ${data.tags.join(", ") || "no tag"}${problems}${data.state ? `, ${data.state}` : ""}`);
    this.element.classList.toggle("has-problem", data.problems > 0);
    this.element.classList.remove("waits");
    const names = document.createElement("span");
    names.textContent = data.tags.join(", ") || "no tag";
    if (!data.tags.length) names.className = "quiet";
    this.#caption.replaceChildren(names);
    if (data.more) this.#caption.append(`+${data.more}`);
    this.element.title = data.name;
    if (this.element.classList.contains("loaded")) this.#drawBoxes(data);
  }

  /** @param {string} state */
  #showState(state) {
    this.#state.hidden = !state;
    this.#state.dataset.state = state; // drawn by CSS: the label of the cell says it, too
    this.#state.className = `state ${state}`;
    this.element.classList.toggle("is-removed", state === "removed");
  }

  /**
   * Ask for the picture, unless that has been done.
   * @param {boolean} seen Browsers fetch few pictures at a time: those in sight come first.
   */
  show(seen) {
    if (!this.data || this.#picture.hasAttribute("src")) return;
    this.#picture.fetchPriority = seen ? "high" : "low";
    this.#picture.src = this.data.picture;
  }

  /** Give up the picture, or the request for it. */
  hide() {
    clearTimeout(this.#retry);
    this.#tries = 0;
    if (this.#picture.hasAttribute("src")) this.#picture.removeAttribute("src");
    this.element.classList.remove("loaded");
  }

  #loaded() {
    if (!this.data || !this.#picture.naturalWidth) return;
    this.#drawBoxes(this.data);
    this.element.classList.add("loaded");
    this.element.classList.remove("broken");
  }

  /** @param {Cell} data */
  #drawBoxes(data) {
    const { naturalWidth: width, naturalHeight: height } = this.#picture;
    this.#boxes.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.#boxes.replaceChildren(
      ...data.boxes.map(([left, top, wide, high, tone]) =>
        svgElement("rect", { x: left * width, y: top * height, width: wide * width, height: high * height, class: `tone-${tone}` })),
    );
  }

  /** @param {(cell: Cell) => void} failed */
  #failed(failed) {
    const data = this.data;
    if (!data || !this.#picture.hasAttribute("src")) return;
    // The engine may be making many pictures: it is asked again while the cell is in sight.
    if (this.#tries < RETRIES) {
      this.#tries += 1;
      this.#retry = setTimeout(() => {
        if (this.data === data) this.#picture.src = data.picture;
      }, 700 * 2 ** this.#tries);
    } else {
      this.element.classList.add("broken");
      failed(data);
    }
  }
}
