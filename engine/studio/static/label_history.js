// Undo and redo across images: pure functions on lists of changes.
// @ts-check

/** @typedef {import("./label_geometry.js").Box} Box */
/** @typedef {{tag: string, bbox?: Box}} Label */
/** @typedef {{labels: Label[], empty: boolean}} Content What an image has; `empty` says that there is nothing to label. */
/** @typedef {{number: number, before: Content, after: Content, burst?: string}} Change Changes of one burst are undone together. */
/** @typedef {{done: Change[], undone: Change[]}} History The last change is at the end. */

const KEPT = 500;

/** @type {History} */
export const NO_HISTORY = { done: [], undone: [] };

/**
 * Whether two contents say the same.
 * @param {Content} one
 * @param {Content} other
 */
export function sameContent(one, other) {
  return one.empty === other.empty && one.labels.length === other.labels.length && one.labels.every((label, index) => sameLabel(label, other.labels[index]));
}

/**
 * @param {Label} one
 * @param {Label | undefined} other
 */
export function sameLabel(one, other) {
  return one.tag === other?.tag && (one.bbox ?? []).length === (other.bbox ?? []).length && (one.bbox ?? []).every((side, index) => side === other.bbox?.[index]);
}

/**
 * The history with one more change; what was undone cannot be redone any more. A change that changes nothing is not one.
 * @param {History} history
 * @param {Change} change
 * @returns {History}
 */
export function recorded(history, change) {
  if (sameContent(change.before, change.after)) return history;
  const last = history.done.at(-1);
  const joins = change.burst !== undefined && last?.burst === change.burst && last.number === change.number && history.undone.length === 0;
  const done = joins ? [...history.done.slice(0, -1), { ...change, before: last.before }] : [...history.done, change];
  return { done: done.slice(-KEPT), undone: [] };
}

/**
 * The history before its last change, and what to restore; null if there is nothing to undo.
 * @param {History} history
 * @returns {{history: History, number: number, content: Content} | null}
 */
export function undone(history) {
  const change = history.done.at(-1);
  if (!change) return null;
  return { history: { done: history.done.slice(0, -1), undone: [...history.undone, change] }, number: change.number, content: change.before };
}

/**
 * The history with the change that was undone last, and what to restore; null if there is nothing to redo.
 * @param {History} history
 * @returns {{history: History, number: number, content: Content} | null}
 */
export function redone(history) {
  const change = history.undone.at(-1);
  if (!change) return null;
  // Without its burst: what comes next is a change of its own.
  const { burst: _, ...again } = change;
  return { history: { done: [...history.done, again], undone: history.undone.slice(0, -1) }, number: change.number, content: change.after };
}
