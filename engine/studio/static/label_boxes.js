// The editor of boxes: by mouse, touch and pen here, and by commands, which keys and buttons give.
// @ts-check

import { beside, boxAt, boxBetween, handleAt, middleBox, moved, nudged, resized } from "./label_geometry.js";
import { BoxDrawing } from "./label_drawing.js";
import { Sheet } from "./label_sheet.js";

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
  #burst = { name: "", until: 0 };
  #explained = false;
  /** While the space bar is held, dragging moves the picture. */
  held = false;

  /**
   * @param {HTMLElement} stage
   * @param {HTMLElement} sheet
   * @param {Host} host
   */
  constructor(stage, sheet, host) {
    this.stage = stage;
    this.host = host;
    this.drawing = new BoxDrawing(sheet);
    this.sheet = new Sheet(stage, sheet, (width, height) => {
      this.drawing.scaled(width, height);
      this.#lift();
    });
    // Pressing must not take the focus from where keys are expected.
    stage.addEventListener("mousedown", (event) => event.preventDefault());
    stage.addEventListener("pointerdown", (event) => this.#down(event));
    stage.addEventListener("pointermove", (event) => this.#move(event));
    stage.addEventListener("pointerup", (event) => this.#up(event));
    stage.addEventListener("pointercancel", (event) => this.#cancelled(event));
    // After a touch, browsers press what is at that place by then.
    stage.addEventListener("touchend", (event) => event.cancelable && event.preventDefault(), { passive: false });
    stage.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  get selected() {
    return this.#selected;
  }

  get mode() {
    return this.#mode;
  }

  /** Whether a box was drawn that waits for the first tag. */
  get isUntagged() {
    return this.#untagged !== null;
  }

  get labels() {
    return this.#labels;
  }

  get size() {
    return this.sheet.size;
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
    this.#labels = [];
    this.drawing.size = size;
    this.drawing.compare([]);
    this.sheet.open(size);
    this.show(labels);
    this.host.selected(-1, false);
  }

  /** The size of the image, once it is known better. @param {{width: number, height: number}} size */
  resize(size) {
    this.drawing.size = size;
    this.drawing.draw([]);
    this.sheet.resize(size);
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
    if (box && byKeyboard) this.sheet.reveal(box);
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
    this.#add(beside(middleBox(this.sheet.view), this.#boxes(), this.sheet.pixels(8)), true);
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
      const free = again ? beside(bbox, boxes, this.sheet.pixels(8)) : bbox;
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
    const box = nudged(label.bbox, key, this.sheet.pixels(pixels), resize);
    this.#replace(box, this.#burstName(`nudge ${this.#selected}`));
    this.sheet.reveal(box);
    this.host.selected(this.#selected, true);
  }

  /** @param {boolean} nearer */
  zoom(nearer) {
    const box = this.#labels[this.#selected]?.bbox;
    this.sheet.zoom(nearer, box ? { x: box[0] + box[2] / 2, y: box[1] + box[3] / 2 } : this.sheet.middle);
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
    const near = this.sheet.near(event);
    const selected = this.#labels[this.#selected]?.bbox;
    const handle = selected ? handleAt(selected, point, near) : null;
    if (selected && handle) return { kind: "resize", box: selected, handle };
    const index = boxAt(this.#boxes(), point, { x: near.x / 3, y: near.y / 3 });
    if (index !== this.#selected) this.select(index);
    const box = this.#labels[index]?.bbox;
    if (box) return { kind: "move", box };
    return this.sheet.isZoomed ? { kind: "pan" } : { kind: "none" };
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const pointer = this.#pointers.get(event.pointerId);
    const last = pointer && { ...pointer };
    if (pointer) [pointer.x, pointer.y] = [event.clientX, event.clientY];
    if (this.#pointers.size === 2 && pointer && last) {
      const other = [...this.#pointers].find(([id]) => id !== event.pointerId)?.[1];
      if (other) this.sheet.pinch(pointer, last, other);
      return;
    }
    const gesture = this.#gesture;
    const point = this.#pointOf(event);
    if (this.#corner && (!gesture || gesture.kind === "second")) {
      this.#rubber(this.#corner, point);
    } else if (gesture?.kind === "pan" && last) {
      this.sheet.panBy(last.x - event.clientX, last.y - event.clientY);
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
      const box = boxBetween(this.#corner, point, this.sheet.pixels(LEAST_PIXELS));
      this.#corner = null;
      if (box) this.#add(box, false);
      else this.#lift();
    } else if (gesture.kind === "draw" && this.#isDrag(event)) {
      const box = boxBetween(gesture.start, point, this.sheet.pixels(LEAST_PIXELS));
      if (box) this.#add(box, false);
      else this.#lift();
    } else if (gesture.kind === "draw") {
      this.#corner = gesture.start;
      this.#rubber(gesture.start, gesture.start);
      if (!this.#explained) this.host.say("First corner set. Click the opposite one; Esc stops.");
      this.#explained = true;
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
    const by = this.sheet.stepOf(event.clientX - this.#pressed.x, event.clientY - this.#pressed.y);
    return gesture.kind === "move" ? moved(gesture.box, by) : resized(gesture.box, gesture.handle, by, this.sheet.pixels(LEAST_PIXELS));
  }

  /** @param {PointerEvent} event */
  #isDrag(event) {
    return Math.hypot(event.clientX - this.#pressed.x, event.clientY - this.#pressed.y) > CLICK_PIXELS;
  }

  /** @param {PointerEvent} event */
  #pointOf(event) {
    return this.sheet.pointAt(event.clientX, event.clientY);
  }

  #boxes() {
    return this.#labels.flatMap(({ bbox }) => (bbox ? [bbox] : []));
  }
}
