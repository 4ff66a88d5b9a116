// Boxes on an image, and the part of it that is in sight: pure functions. All lengths are shares of the image's sides.
// @ts-check

/** @typedef {[left: number, top: number, width: number, height: number]} Box Shares of the image's sides. */
/** @typedef {{x: number, y: number}} Point */
/** @typedef {{x: number, y: number}} Step Lengths along both sides. */
/** @typedef {{x: number, y: number, zoom: number}} View The upper left corner that is in sight, as shares of the image. */
/** @typedef {"nw" | "n" | "ne" | "e" | "se" | "s" | "sw" | "w"} Handle */

const DIGITS = 6;
const ZOOM_MAX = 16;

/** Where each handle is on a box, as shares of the box. @type {Record<Handle, [x: number, y: number]>} */
export const HANDLES = { nw: [0, 0], n: [0.5, 0], ne: [1, 0], e: [1, 0.5], se: [1, 1], s: [0.5, 1], sw: [0, 1], w: [0, 0.5] };

/**
 * @param {number} value
 * @param {number} least
 * @param {number} most
 */
function within(value, least, most) {
  return Math.min(Math.max(value, least), most);
}

/**
 * A box between two sides each, rounded so that it still ends within the image.
 * @param {number} left
 * @param {number} top
 * @param {number} right
 * @param {number} bottom
 * @returns {Box}
 */
function between(left, top, right, bottom) {
  const scale = 10 ** DIGITS;
  const [l = 0, t = 0, r = 0, b = 0] = [left, top, right, bottom].map((side) => Math.round(within(side, 0, 1) * scale));
  return [l / scale, t / scale, (r - l) / scale, (b - t) / scale];
}

/**
 * The box between two corners, in any order, clipped to the image; null if it is smaller than `least`.
 * @param {Point} one
 * @param {Point} other
 * @param {Step} least
 * @returns {Box | null}
 */
export function boxBetween(one, other, least) {
  const box = between(Math.min(one.x, other.x), Math.min(one.y, other.y), Math.max(one.x, other.x), Math.max(one.y, other.y));
  return box[2] >= least.x && box[3] >= least.y ? box : null;
}

/**
 * The box moved, as far as it stays within the image with its size.
 * @param {Box} box
 * @param {Step} by
 * @returns {Box}
 */
export function moved([left, top, width, height], by) {
  const x = within(left + by.x, 0, 1 - width);
  const y = within(top + by.y, 0, 1 - height);
  return between(x, y, x + width, y + height);
}

/**
 * The box with the sides of a handle moved: not beyond the image, nor nearer than `least` to the opposite sides.
 * @param {Box} box
 * @param {Handle} handle
 * @param {Step} by
 * @param {Step} least
 * @returns {Box}
 */
export function resized([left, top, width, height], handle, by, least) {
  let [l, t, r, b] = [left, top, left + width, top + height];
  if (handle.includes("w")) l = within(l + by.x, 0, Math.max(0, r - least.x));
  if (handle.includes("e")) r = within(r + by.x, Math.min(1, l + least.x), 1);
  if (handle.includes("n")) t = within(t + by.y, 0, Math.max(0, b - least.y));
  if (handle.includes("s")) b = within(b + by.y, Math.min(1, t + least.y), 1);
  return between(l, t, r, b);
}

/**
 * The box after an arrow key: moved by a step, or with `resize` its right or lower side. Any other key changes nothing.
 * @param {Box} box
 * @param {string} key
 * @param {Step} step
 * @param {boolean} resize
 * @returns {Box}
 */
export function nudged(box, key, step, resize) {
  const by = {
    x: key === "ArrowLeft" ? -step.x : key === "ArrowRight" ? step.x : 0,
    y: key === "ArrowUp" ? -step.y : key === "ArrowDown" ? step.y : 0,
  };
  return resize ? resized(box, "se", by, { x: Math.min(Math.abs(step.x), box[2]), y: Math.min(Math.abs(step.y), box[3]) }) : moved(box, by);
}

/**
 * The number of the box at a point: of those that hold it, the smallest, so that a box within another can be chosen. -1 if there
 * is none.
 * @param {Box[]} boxes
 * @param {Point} point
 * @param {Step} near How far beside a box still counts.
 */
export function boxAt(boxes, point, near) {
  let found = -1;
  let smallest = Infinity;
  boxes.forEach(([left, top, width, height], index) => {
    const holds = point.x >= left - near.x && point.x <= left + width + near.x && point.y >= top - near.y && point.y <= top + height + near.y;
    // Of two alike, the upper one: the one drawn last.
    if (holds && width * height <= smallest) [found, smallest] = [index, width * height];
  });
  return found;
}

/**
 * The handle of a box at a point, the nearest one; null if there is none.
 * @param {Box} box
 * @param {Point} point
 * @param {Step} near
 * @returns {Handle | null}
 */
export function handleAt([left, top, width, height], point, near) {
  let found = null;
  let nearest = 1;
  for (const handle of /** @type {Handle[]} */ (Object.keys(HANDLES))) {
    const [x, y] = HANDLES[handle];
    const away = Math.max(Math.abs(point.x - left - x * width) / near.x, Math.abs(point.y - top - y * height) / near.y);
    if (away < nearest) [found, nearest] = [handle, away];
  }
  return found;
}

/**
 * A copy of a box beside those that are there: a little further if one is exactly there.
 * @param {Box} box
 * @param {Box[]} boxes
 * @param {Step} step
 * @returns {Box}
 */
export function beside(box, boxes, step) {
  let free = box;
  while (boxes.some((other) => other.every((side, index) => side === free[index]))) {
    const next = moved(free, step);
    if (next.every((side, index) => side === free[index])) break; // in the corner
    free = next;
  }
  return free;
}

/**
 * A new box in the middle of what is in sight.
 * @param {View} view
 * @returns {Box}
 */
export function middleBox({ x, y, zoom }) {
  const side = 1 / zoom;
  return between(x + 0.375 * side, y + 0.375 * side, x + 0.625 * side, y + 0.625 * side);
}

/**
 * The view with another zoom, in which a point stays where it is.
 * @param {View} view
 * @param {number} factor
 * @param {Point} at
 * @returns {View}
 */
export function zoomed(view, factor, at) {
  const zoom = within(view.zoom * factor, 1, ZOOM_MAX);
  const kept = view.zoom / zoom;
  return inside({ x: at.x - (at.x - view.x) * kept, y: at.y - (at.y - view.y) * kept, zoom });
}

/**
 * The view moved, as far as the image reaches.
 * @param {View} view
 * @param {Step} by
 * @returns {View}
 */
export function panned(view, by) {
  return inside({ ...view, x: view.x + by.x, y: view.y + by.y });
}

/**
 * The view moved as little as needed to see a box, or the box's middle if it is larger than the view.
 * @param {View} view
 * @param {Box} box
 * @returns {View}
 */
export function showing(view, [left, top, width, height]) {
  const side = 1 / view.zoom;
  const along = (/** @type {number} */ from, /** @type {number} */ start, /** @type {number} */ length) =>
    length > side ? start + length / 2 - side / 2 : within(from, start + length - side, start);
  return inside({ x: along(view.x, left, width), y: along(view.y, top, height), zoom: view.zoom });
}

/** @param {View} view @returns {View} */
function inside({ x, y, zoom }) {
  return { x: within(x, 0, 1 - 1 / zoom), y: within(y, 0, 1 - 1 / zoom), zoom };
}
