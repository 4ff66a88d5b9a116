// The editor of boxes: by mouse, touch and pen here, and by commands, which keys and buttons give.
// @ts-check

import { beside, boxAt, boxBetween, handleAt, middleBox, moved, nudged, panned, resized, showing, zoomed } from "./label_geometry.js";
import { BoxDrawing } from "./label_drawing.js";

/** @typedef {import("./label_geometry.js").Box} Box */
/** @typedef {import("./label_geometry.js").Point} Point */
/** @typedef {import("./label_geometry.js").Handle} Handle */
/** @typedef {import("./label_history.js").Label} Label */
/** @typedef {{kind: "draw", start: Point} | {kind: "second"} | {kind: "move", box: Box} | {kind: "resize", box: Box, handle: Handle} | {kind: "pan"} | {kind: "none"}} Gesture */

/**
 * What the editor asks of the page: to take changed labels, to know what is selected, the tag of new boxes, and to say something.
 * @typedef {object} Host
 * @property {(labels: Label[], burst?: string) => void} changed
 * @property {(index: number, byKeyboard: boolean) => void} selected
 * @property {() => string | null} tag null: ask for one first
 * @property {() => void} askTag
 * @property {(mode: "draw" | "select") => void} mode
 * @property {(text: string) => void} say
 */

const BOXES_MAX = 1000;
const CLICK_PIXELS = 4;
const LEAST_PIXELS = 2;
const NEAR_PIXELS = { mouse: 9, pen: 12, touch: 22 };
const ZOOM_STEP = 1.25;
const BURST_MS = 700;

export class BoxEditor {
  /** @type {Label[]} */
  #labels = [];
  #selected = -1;
  /** @type {"draw" | "select"} */
  #mode = "draw";
  /** @type {Gesture | null} */
  #gesture = null;
  /** @type {Point | null} */
  #corner = null;
  /** @type {Box | null} */
  #untagged = null;
  /** @type {Map<number, {x: number, y: number}>} */
  #pointers = new Map();
  #pressed = { x: 0, y: 0 };
  #view = { x: 0, y: 0, zoom: 1 };
  #size = { width: 1, height: 1 };
  #fit = { left: 0, top: 0, width: 1, height: 1 };
  #burst = { name: "", until: 0 };
  /** While the space bar is held, dragging moves the picture. */
  held = false;
  /** Whether the picture was moved since the space bar was pressed. */
  hasPanned = false;

  /**
   * @param {HTMLElement} stage
   * @param {HTMLElement} sheet
   * @param {Host} host
   */
  constructor(stage, sheet, host) {
    this.stage = stage;
    this.sheet = sheet;
    this.host = host;
    this.drawing = new BoxDrawing(sheet);
    // Pressing must not take the focus from where keys are expected.
    stage.addEventListener("mousedown", (event) => event.preventDefault());
    stage.addEventListener("pointerdown", (event) => this.#down(event));
    stage.addEventListener("pointermove", (event) => this.#move(event));
    stage.addEventListener("pointerup", (event) => this.#up(event));
    stage.addEventListener("pointercancel", (event) => this.#cancelled(event));
    stage.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    // After a touch, browsers press what is at that place by then.
    stage.addEventListener("touchend", (event) => event.cancelable && event.preventDefault(), { passive: false });
    stage.addEventListener("contextmenu", (event) => event.preventDefault());
    new ResizeObserver(() => this.#place()).observe(stage);
  }

  get selected() {
    return this.#selected;
  }

  get mode() {
    return this.#mode;
  }

  get labels() {
    return this.#labels;
  }

  get size() {
    return this.#size;
  }

  /**
   * Begin with another image.
   * @param {{width: number, height: number}} size In pixels of the image.
   * @param {Label[]} labels
   */
  open(size, labels) {
    this.#cancel();
    this.#untagged = null;
    this.#selected = -1;
    this.#view = { x: 0, y: 0, zoom: 1 };
    this.#size = size;
    this.drawing.size = size;
    this.drawing.compare([]);
    this.drawing.lift(null);
    this.#place();
    this.show(labels);
    this.host.selected(-1, false);
  }

  /** The size of the image, once it is known better. @param {{width: number, height: number}} size */
  resize(size) {
    this.#size = size;
    this.drawing.size = size;
    this.drawing.draw([]);
    this.#place();
    this.show(this.#labels);
  }

  /**
   * Show these labels; the same box stays selected while it is there.
   * @param {Label[]} labels
   */
  show(labels) {
    this.#labels = labels;
    if (this.#selected >= labels.length) this.#selected = -1;
    this.drawing.draw(labels);
    this.#lift();
  }

  /**
   * @param {number} index -1 for none
   * @param {boolean} [byKeyboard] Then it is announced, and moved into sight.
   */
  select(index, byKeyboard = false) {
    this.#selected = index;
    const box = this.#labels[index]?.bbox;
    if (box && byKeyboard && this.#view.zoom > 1) {
      this.#view = showing(this.#view, box);
      this.#place();
    }
    this.#lift();
    this.host.selected(index, byKeyboard);
  }

  /**
   * Select the next box, or the one before. Returns whether there was one; after the last one, nothing is selected.
   * @param {boolean} back
   */
  selectNext(back) {
    const next = back ? (this.#selected < 0 ? this.#labels.length : this.#selected) - 1 : this.#selected + 1;
    const exists = next >= 0 && next < this.#labels.length;
    this.select(exists ? next : -1, true);
    return exists;
  }

  /** @param {"draw" | "select"} mode */
  use(mode) {
    this.#mode = mode;
    this.#corner = null;
    this.stage.classList.toggle("draws", mode === "draw");
    this.#lift();
    this.host.mode(mode);
  }

  /** Stop what has begun; else select nothing. Returns whether there was either. */
  leave() {
    const begun = this.#corner !== null || this.#gesture !== null || this.#untagged !== null;
    this.#untagged = null;
    this.#cancel();
    if (begun) return true;
    if (this.#selected < 0) return false;
    this.select(-1);
    return true;
  }

  addInMiddle() {
    this.#add(beside(middleBox(this.#view), this.#boxes(), this.#pixels(8)), true);
  }

  /**
   * Add copies of labels that are not there yet. Those that are, are put beside if `again`.
   * @param {Label[]} labels
   * @param {boolean} again
   */
  addAll(labels, again) {
    const boxes = this.#boxes();
    const added = [];
    for (const { tag, bbox } of labels) {
      if (!bbox) continue;
      const free = again ? beside(bbox, boxes, this.#pixels(8)) : bbox;
      if (!again && this.#labels.some((label) => label.tag === tag && label.bbox?.every((side, index) => side === bbox[index]))) continue;
      boxes.push(free);
      added.push({ tag, bbox: free });
    }
    const room = BOXES_MAX - this.#labels.length;
    if (added.length > room) this.host.say(`An image has at most ${BOXES_MAX.toLocaleString("en")} boxes.`);
    if (!added.length || room <= 0) return 0;
    this.#change([...this.#labels, ...added.slice(0, room)]);
    if (again) this.select(this.#labels.length - 1, true);
    return Math.min(added.length, room);
  }

  /**
   * Give the selected box a tag, or the one that was drawn before there was a tag.
   * @param {string} tag
   */
  tag(tag) {
    const untagged = this.#untagged;
    if (untagged) {
      this.#untagged = null;
      this.#addTagged(untagged, tag, false);
    } else if (this.#labels[this.#selected]) {
      this.#change(this.#labels.map((label, index) => (index === this.#selected ? { ...label, tag } : label)));
    }
  }

  delete() {
    if (this.#selected < 0) return;
    const index = this.#selected;
    const labels = this.#labels.filter((_, other) => other !== index);
    this.#selected = -1;
    this.#change(labels);
    this.select(Math.min(index, labels.length - 1), true);
  }

  /**
   * @param {string} key
   * @param {number} pixels
   * @param {boolean} resize
   */
  nudge(key, pixels, resize) {
    const label = this.#labels[this.#selected];
    if (!label?.bbox) return;
    const box = nudged(label.bbox, key, this.#pixels(pixels), resize);
    this.#replace(box, this.#burstName(`nudge ${this.#selected}`));
    if (this.#view.zoom > 1) this.#view = showing(this.#view, box);
    this.#place();
    this.host.selected(this.#selected, true);
  }

  /** @param {boolean} nearer */
  zoom(nearer) {
    const box = this.#labels[this.#selected]?.bbox;
    const middle = box ? { x: box[0] + box[2] / 2, y: box[1] + box[3] / 2 } : { x: this.#view.x + 0.5 / this.#view.zoom, y: this.#view.y + 0.5 / this.#view.zoom };
    this.#zoomAt(nearer ? ZOOM_STEP : 1 / ZOOM_STEP, middle);
  }

  zoomAll() {
    this.#view = { x: 0, y: 0, zoom: 1 };
    this.#place();
  }

  /** @param {PointerEvent} event */
  #down(event) {
    this.stage.focus({ preventScroll: true });
    if (event.button > 1) return;
    event.preventDefault();
    this.stage.setPointerCapture(event.pointerId);
    this.#pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (this.#pointers.size > 1) {
      this.#cancel();
      return;
    }
    this.#pressed = { x: event.clientX, y: event.clientY };
    this.#gesture = this.#begun(event);
  }

  /** @param {PointerEvent} event @returns {Gesture} */
  #begun(event) {
    if (event.button === 1 || this.held) return { kind: "pan" };
    const point = this.#pointOf(event);
    // The second click of a box comes first: it may well be on a handle or on another box.
    if (this.#corner) return { kind: "second" };
    if (this.#mode === "draw") return { kind: "draw", start: point };
    const near = this.#near(event);
    const selected = this.#labels[this.#selected]?.bbox;
    const handle = selected ? handleAt(selected, point, near) : null;
    if (selected && handle) return { kind: "resize", box: selected, handle };
    const index = boxAt(this.#boxes(), point, { x: near.x / 3, y: near.y / 3 });
    if (index !== this.#selected) this.select(index);
    const box = this.#labels[index]?.bbox;
    if (box) return { kind: "move", box };
    return this.#view.zoom > 1 ? { kind: "pan" } : { kind: "none" };
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const pointer = this.#pointers.get(event.pointerId);
    const last = pointer && { ...pointer };
    if (pointer) [pointer.x, pointer.y] = [event.clientX, event.clientY];
    if (this.#pointers.size === 2 && last) {
      this.#pinch(event.pointerId, last);
      return;
    }
    const gesture = this.#gesture;
    const point = this.#pointOf(event);
    if (this.#corner && (!gesture || gesture.kind === "second")) {
      this.#rubber(this.#corner, point);
    } else if (gesture?.kind === "pan" && last) {
      this.#panBy(last.x - event.clientX, last.y - event.clientY);
    } else if (gesture?.kind === "draw" && this.#isDrag(event)) {
      this.#rubber(gesture.start, point);
    } else if (gesture?.kind === "move" || gesture?.kind === "resize") {
      const box = this.#isDrag(event) ? this.#changed(gesture, event) : gesture.box;
      this.drawing.lift({ index: this.#selected, box, tag: this.#labels[this.#selected]?.tag ?? "", handles: true });
    }
  }

  /** @param {PointerEvent} event */
  #up(event) {
    this.#pointers.delete(event.pointerId);
    const gesture = this.#gesture;
    this.#gesture = null;
    if (!gesture) return;
    const point = this.#pointOf(event);
    if (gesture.kind === "second" && this.#corner) {
      const box = boxBetween(this.#corner, point, this.#pixels(LEAST_PIXELS));
      this.#corner = null;
      if (box) this.#add(box, false);
      else this.#lift();
    } else if (gesture.kind === "draw" && this.#isDrag(event)) {
      const box = boxBetween(gesture.start, point, this.#pixels(LEAST_PIXELS));
      if (box) this.#add(box, false);
      else this.#lift();
    } else if (gesture.kind === "draw") {
      this.#corner = gesture.start;
      this.#rubber(gesture.start, gesture.start);
      this.host.say("First corner set. Click the opposite one; Esc stops.");
    } else if ((gesture.kind === "move" || gesture.kind === "resize") && this.#isDrag(event)) {
      this.#replace(this.#changed(gesture, event));
    }
  }

  /** @param {PointerEvent} event */
  #cancelled(event) {
    this.#pointers.delete(event.pointerId);
    this.#cancel();
  }

  #cancel() {
    this.#gesture = null;
    this.#corner = null;
    this.#lift();
  }

  /**
   * Two fingers zoom and move.
   * @param {number} id Of the pointer that moved.
   * @param {{x: number, y: number}} last Where it was.
   */
  #pinch(id, last) {
    const moved = this.#pointers.get(id);
    const other = [...this.#pointers].find(([each]) => each !== id)?.[1];
    if (!moved || !other) return;
    const before = Math.hypot(last.x - other.x, last.y - other.y);
    const after = Math.hypot(moved.x - other.x, moved.y - other.y);
    if (before > 0) this.#zoomAt(after / before, this.#pointAt((moved.x + other.x) / 2, (moved.y + other.y) / 2));
    this.#panBy((last.x - moved.x) / 2, (last.y - moved.y) / 2);
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    if (event.ctrlKey) {
      event.preventDefault();
      this.#zoomAt(ZOOM_STEP ** -Math.max(-2, Math.min(2, event.deltaY / 60)), this.#pointAt(event.clientX, event.clientY));
    } else if (this.#view.zoom > 1) {
      event.preventDefault();
      this.#panBy(event.shiftKey ? event.deltaY : event.deltaX, event.shiftKey ? 0 : event.deltaY);
    }
  }

  /** @param {number} factor @param {Point} at */
  #zoomAt(factor, at) {
    this.#view = zoomed(this.#view, factor, at);
    this.#place();
  }

  /** @param {number} x In pixels of the screen. @param {number} y */
  #panBy(x, y) {
    this.hasPanned = true;
    this.#view = panned(this.#view, { x: x / (this.#fit.width * this.#view.zoom), y: y / (this.#fit.height * this.#view.zoom) });
    this.#place();
  }

  /** Put the sheet where the view says. */
  #place() {
    const { clientWidth: width, clientHeight: height } = this.stage;
    if (!width || !height) return;
    const scale = Math.min(width / this.#size.width, height / this.#size.height);
    const [wide, high] = [this.#size.width * scale, this.#size.height * scale];
    this.#fit = { left: (width - wide) / 2, top: (height - high) / 2, width: wide, height: high };
    const { x, y, zoom } = this.#view;
    Object.assign(this.sheet.style, {
      left: `${this.#fit.left - x * wide * zoom}px`, top: `${this.#fit.top - y * high * zoom}px`, width: `${wide * zoom}px`, height: `${high * zoom}px`,
    });
    this.drawing.scaled(wide * zoom, high * zoom);
    this.#lift();
  }

  /** Draw the selected box above the others. */
  #lift() {
    if (this.#gesture || this.#corner) return;
    const label = this.#labels[this.#selected];
    if (this.#untagged) this.drawing.lift({ index: -1, box: this.#untagged, tag: "?", handles: false });
    else this.drawing.lift(label?.bbox ? { index: this.#selected, box: label.bbox, tag: label.tag, handles: this.#mode === "select" } : null);
  }

  /** @param {Point} one @param {Point} other */
  #rubber(one, other) {
    const box = boxBetween(one, other, { x: 0, y: 0 });
    if (box) this.drawing.lift({ index: -1, box, tag: this.host.tag() ?? "", handles: false });
  }

  /** @param {Box} box @param {boolean} byKeyboard */
  #add(box, byKeyboard) {
    const tag = this.host.tag();
    if (tag === null) {
      this.#untagged = box;
      this.#lift();
      this.host.askTag();
    } else {
      this.#addTagged(box, tag, byKeyboard);
    }
  }

  /** @param {Box} bbox @param {string} tag @param {boolean} byKeyboard */
  #addTagged(bbox, tag, byKeyboard) {
    if (this.#labels.length >= BOXES_MAX) {
      this.host.say(`An image has at most ${BOXES_MAX.toLocaleString("en")} boxes.`);
      this.#lift();
      return;
    }
    this.#change([...this.#labels, { tag, bbox }]);
    this.select(this.#labels.length - 1, byKeyboard);
  }

  /** @param {Box} bbox @param {string} [burst] */
  #replace(bbox, burst) {
    this.#change(this.#labels.map((label, index) => (index === this.#selected ? { ...label, bbox } : label)), burst);
  }

  /** @param {Label[]} labels @param {string} [burst] */
  #change(labels, burst) {
    this.show(labels);
    this.host.changed(labels, burst);
  }

  /** The name of a burst of changes, which are undone together. @param {string} what */
  #burstName(what) {
    const now = performance.now();
    if (!this.#burst.name.startsWith(`${what} `) || now > this.#burst.until) this.#burst.name = `${what} ${now}`;
    this.#burst.until = now + BURST_MS;
    return this.#burst.name;
  }

  /**
   * @param {{kind: "move", box: Box} | {kind: "resize", box: Box, handle: Handle}} gesture
   * @param {PointerEvent} event
   */
  #changed(gesture, event) {
    const { width, height } = this.sheet.getBoundingClientRect();
    const by = { x: (event.clientX - this.#pressed.x) / width, y: (event.clientY - this.#pressed.y) / height };
    return gesture.kind === "move" ? moved(gesture.box, by) : resized(gesture.box, gesture.handle, by, this.#pixels(LEAST_PIXELS));
  }

  /** @param {PointerEvent} event */
  #isDrag(event) {
    return Math.hypot(event.clientX - this.#pressed.x, event.clientY - this.#pressed.y) > CLICK_PIXELS;
  }

  /** @param {PointerEvent} event */
  #pointOf(event) {
    return this.#pointAt(event.clientX, event.clientY);
  }

  /** @param {number} x In pixels of the screen. @param {number} y @returns {Point} */
  #pointAt(x, y) {
    const { left, top, width, height } = this.sheet.getBoundingClientRect();
    return { x: (x - left) / width, y: (y - top) / height };
  }

  /** What counts as near, in shares of the image. @param {PointerEvent} event */
  #near(event) {
    const { width, height } = this.sheet.getBoundingClientRect();
    const pixels = NEAR_PIXELS[/** @type {keyof typeof NEAR_PIXELS} */ (event.pointerType)] ?? NEAR_PIXELS.mouse;
    return { x: pixels / width, y: pixels / height };
  }

  /** A number of the image's pixels, in shares. @param {number} count */
  #pixels(count) {
    return { x: count / this.#size.width, y: count / this.#size.height };
  }

  #boxes() {
    return this.#labels.flatMap(({ bbox }) => (bbox ? [bbox] : []));
  }
}
