// Where the picture is on its stage: which part is in sight, how large, and what is at a place of the screen.
// @ts-check

import { panned, showing, zoomed } from "./label_geometry.js";

/** @typedef {import("./label_geometry.js").Box} Box */
/** @typedef {import("./label_geometry.js").Point} Point */
/** @typedef {{width: number, height: number}} Size */

const NEAR_PIXELS = { mouse: 9, pen: 12, touch: 22 };
const ZOOM_STEP = 1.25;

export class Sheet {
  #view = { x: 0, y: 0, zoom: 1 };
  #size = { width: 1, height: 1 };
  #fit = { width: 1, height: 1 };
  /** Whether the picture was moved since this was set to false. */
  hasPanned = false;

  /**
   * @param {HTMLElement} stage
   * @param {HTMLElement} sheet What has the picture's size and place.
   * @param {(width: number, height: number) => void} placed Called with the sheet's size on the screen.
   */
  constructor(stage, sheet, placed) {
    this.stage = stage;
    this.sheet = sheet;
    this.placed = placed;
    new ResizeObserver(() => this.place()).observe(stage);
    stage.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
  }

  get view() {
    return this.#view;
  }

  /** In pixels of the image. */
  get size() {
    return this.#size;
  }

  get isZoomed() {
    return this.#view.zoom > 1;
  }

  /** @param {Size} size */
  open(size) {
    this.#size = size;
    this.zoomAll();
  }

  /** @param {Size} size */
  resize(size) {
    this.#size = size;
    this.place();
  }

  /**
   * Zoom towards a point, or away from it.
   * @param {boolean} nearer
   * @param {Point} at
   */
  zoom(nearer, at) {
    this.zoomAt(nearer ? ZOOM_STEP : 1 / ZOOM_STEP, at);
  }

  /** @param {number} factor @param {Point} at */
  zoomAt(factor, at) {
    this.#view = zoomed(this.#view, factor, at);
    this.place();
  }

  zoomAll() {
    this.#view = { x: 0, y: 0, zoom: 1 };
    this.place();
  }

  /** The middle of what is in sight. @returns {Point} */
  get middle() {
    return { x: this.#view.x + 0.5 / this.#view.zoom, y: this.#view.y + 0.5 / this.#view.zoom };
  }

  /** Move so that a box is in sight. @param {Box} box */
  reveal(box) {
    if (!this.isZoomed) return;
    this.#view = showing(this.#view, box);
    this.place();
  }

  /** @param {number} x In pixels of the screen. @param {number} y */
  panBy(x, y) {
    this.hasPanned = true;
    this.#view = panned(this.#view, { x: x / (this.#fit.width * this.#view.zoom), y: y / (this.#fit.height * this.#view.zoom) });
    this.place();
  }

  /**
   * Two fingers zoom and move: one is where it is now, after it was at `last`; the other stays.
   * @param {Point} now In pixels of the screen.
   * @param {Point} last
   * @param {Point} other
   */
  pinch(now, last, other) {
    const before = Math.hypot(last.x - other.x, last.y - other.y);
    const after = Math.hypot(now.x - other.x, now.y - other.y);
    if (before > 0) this.zoomAt(after / before, this.pointAt((now.x + other.x) / 2, (now.y + other.y) / 2));
    this.panBy((last.x - now.x) / 2, (last.y - now.y) / 2);
  }

  place() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    if (!width || !height) return;
    const scale = Math.min(width / this.#size.width, height / this.#size.height);
    const [wide, high] = [this.#size.width * scale, this.#size.height * scale];
    this.#fit = { width: wide, height: high };
    const { x, y, zoom } = this.#view;
    Object.assign(this.sheet.style, {
      left: `${(width - wide) / 2 - x * wide * zoom}px`, top: `${(height - high) / 2 - y * high * zoom}px`, width: `${wide * zoom}px`, height: `${high * zoom}px`,
    });
    this.placed(wide * zoom, high * zoom);
  }

  /** @param {number} x In pixels of the screen. @param {number} y @returns {Point} in shares of the image */
  pointAt(x, y) {
    const { left, top, width, height } = this.sheet.getBoundingClientRect();
    return { x: (x - left) / width, y: (y - top) / height };
  }

  /** A way on the screen, in shares of the image. @param {number} x In pixels of the screen. @param {number} y */
  stepOf(x, y) {
    const { width, height } = this.sheet.getBoundingClientRect();
    return { x: x / width, y: y / height };
  }

  /** What counts as near for a pointer, in shares of the image. @param {PointerEvent} event */
  near(event) {
    const pixels = NEAR_PIXELS[/** @type {keyof typeof NEAR_PIXELS} */ (event.pointerType)] ?? NEAR_PIXELS.mouse;
    return this.stepOf(pixels, pixels);
  }

  /** A number of the image's pixels, in shares. @param {number} count */
  pixels(count) {
    return { x: count / this.#size.width, y: count / this.#size.height };
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    if (event.ctrlKey) {
      event.preventDefault();
      this.zoomAt(ZOOM_STEP ** -Math.max(-2, Math.min(2, event.deltaY / 60)), this.pointAt(event.clientX, event.clientY));
    } else if (this.isZoomed) {
      event.preventDefault();
      this.panBy(event.shiftKey ? event.deltaY : event.deltaX, event.shiftKey ? 0 : event.deltaY);
    }
  }
}
