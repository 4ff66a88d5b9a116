// Which cells of a grid are selected: pure functions on sorted, separate ranges, so that all of a million are one range.
// @ts-check

/** @typedef {ReadonlyArray<readonly [first: number, stop: number]>} Selection Each range is without its `stop`. */

/** @type {Selection} */
export const NOTHING = [];

/**
 * @param {Selection} selection
 * @param {number} index
 */
export function isSelected(selection, index) {
  let low = 0;
  let high = selection.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const [first, stop] = /** @type {readonly [number, number]} */ (selection[middle]);
    if (index < first) high = middle;
    else if (index >= stop) low = middle + 1;
    else return true;
  }
  return false;
}

/** @param {Selection} selection */
export function countOf(selection) {
  return selection.reduce((sum, [first, stop]) => sum + stop - first, 0);
}

/**
 * The selection with the cells `first` up to, but without, `stop`.
 * @param {Selection} selection
 * @param {number} first
 * @param {number} stop
 * @returns {Selection}
 */
export function withRange(selection, first, stop) {
  if (first >= stop) return selection;
  /** @type {[number, number][]} */
  const before = [];
  /** @type {[number, number][]} */
  const after = [];
  for (const [start, end] of selection) {
    if (end < first) before.push([start, end]);
    else if (start > stop) after.push([start, end]);
    else {
      first = Math.min(first, start);
      stop = Math.max(stop, end);
    }
  }
  return [...before, [first, stop], ...after];
}

/**
 * The selection without the cells `first` up to `stop`.
 * @param {Selection} selection
 * @param {number} first
 * @param {number} stop
 * @returns {Selection}
 */
export function withoutRange(selection, first, stop) {
  return selection.flatMap(([start, end]) => {
    /** @type {[number, number][]} */
    const left = [[start, Math.min(end, first)], [Math.max(start, stop), end]];
    return left.filter(([from, to]) => from < to);
  });
}

/**
 * The selection with a cell changed from selected to not, or back.
 * @param {Selection} selection
 * @param {number} index
 */
export function toggled(selection, index) {
  return isSelected(selection, index) ? withoutRange(selection, index, index + 1) : withRange(selection, index, index + 1);
}

/**
 * The first cells that are selected, at most so many.
 * @param {Selection} selection
 * @param {number} most
 */
export function firstSelected(selection, most) {
  const found = [];
  for (const [first, stop] of selection) {
    for (let index = first; index < stop && found.length < most; index += 1) found.push(index);
  }
  return found;
}
