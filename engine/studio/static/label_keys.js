// Which key means what on the page that labels: pure functions.
// @ts-check

/** @typedef {"imageClassification" | "imageMultiLabelClassification" | "imageObjectDetection"} Kind */
/** @typedef {{key: string, ctrlKey?: boolean, metaKey?: boolean, altKey?: boolean, shiftKey?: boolean}} Pressed */
/** @typedef {{does: string, [detail: string]: unknown}} Command */

/** @type {Record<string, string>} */
const BOTH = { a: "before", d: "after", x: "skip", m: "moreLike", Enter: "on" };
/** @type {Record<string, string>} */
const ONE_TAG = { 0: "clear", Backspace: "clear", Delete: "clear", n: "newTag" };
/** @type {Record<string, string>} */
const BOXES = {
  ...{ b: "draw", v: "select", n: "boxByKeyboard", t: "newTag", r: "repeat", h: "hide", Delete: "delete", Backspace: "delete", Escape: "leave" },
  ...{ "+": "zoomIn", "=": "zoomIn", "-": "zoomOut", 0: "zoomAll" },
};
/** @type {Record<string, string>} */
const WITH_CTRL = { z: "undo", y: "redo" };
/** @type {Record<string, string>} */
const BOXES_WITH_CTRL = { c: "copy", v: "paste" };

/**
 * Whether a key writes a character: such keys can be switched off. The space bar is not one of them.
 * @param {Pressed} pressed
 */
export function isCharacter({ key, ctrlKey, metaKey }) {
  return key.length === 1 && key !== " " && !ctrlKey && !metaKey;
}

/**
 * What a key does; null if nothing.
 * @param {Pressed} pressed
 * @param {Kind} kind
 * @param {boolean} selected Whether a box is selected.
 * @returns {Command | null}
 */
export function commandOf(pressed, kind, selected) {
  const { key, altKey = false, shiftKey = false } = pressed;
  const ctrl = Boolean(pressed.ctrlKey || pressed.metaKey);
  const boxes = kind === "imageObjectDetection";
  const name = key.length === 1 ? key.toLowerCase() : key;
  if (ctrl) {
    if (altKey) return null;
    if (name === "z" && shiftKey) return { does: "redo" };
    return named({ ...WITH_CTRL, ...(boxes ? BOXES_WITH_CTRL : {}) }, name);
  }
  if (name.startsWith("Arrow")) {
    if (boxes && selected) return { does: "nudge", key: name, pixels: altKey ? 10 : 1, resize: shiftKey };
    if (altKey || shiftKey) return null;
    return name === "ArrowLeft" ? { does: "before" } : name === "ArrowRight" ? { does: "after" } : null;
  }
  if (altKey) return null;
  if (boxes && name === "Tab") return { does: "nextBox", back: shiftKey };
  if (/^[1-9]$/.test(name)) return { does: "tag", index: Number(name) - 1 };
  return named({ ...BOTH, ...(boxes ? BOXES : ONE_TAG) }, name);
}

/**
 * @param {Record<string, string>} names
 * @param {string} key
 */
function named(names, key) {
  const does = Object.hasOwn(names, key) ? names[key] : undefined;
  return does === undefined ? null : { does };
}
