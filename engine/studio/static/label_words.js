// What the page that labels says, in words: pure functions.
// @ts-check

/** @typedef {import("./label_history.js").Label} Label */
/** @typedef {import("./label_geometry.js").Box} Box */

/**
 * Labels in a few words: `cat`, `cat and dog`, `3 boxes: 2 × cup, 1 × fork`, `nothing`.
 * @param {Label[]} labels
 */
export function labelsInWords(labels) {
  if (!labels.length) return "nothing";
  if (!labels[0]?.bbox) return listed(labels.map((label) => label.tag));
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const { tag } of labels) counts.set(tag, (counts.get(tag) ?? 0) + 1);
  const parts = [...counts].slice(0, 5).map(([tag, count]) => `${count} × ${tag}`);
  return `${counted(labels.length, "box", "boxes")}: ${parts.join(", ")}${counts.size > 5 ? " …" : ""}`;
}

/**
 * A box in pixels: `120 × 80 px at 10, 20`.
 * @param {Box} box
 * @param {{width: number, height: number}} size Of the image.
 */
export function boxInWords([left, top, width, height], size) {
  const [x = 0, y = 0, wide = 0, high = 0] = [left * size.width, top * size.height, width * size.width, height * size.height].map(Math.round);
  return `${wide} × ${high} px at ${x}, ${y}`;
}

/**
 * @param {number} count
 * @param {string} one
 * @param {string} many
 */
export function counted(count, one, many) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

/**
 * Who changed an image when: `Ben changed this image at 14:02.`
 * @param {string | undefined} who
 * @param {string | undefined} when As the engine writes moments.
 * @param {string} me Who is signed in.
 */
export function changeInWords(who, when, me) {
  const time = when ? ` at ${clock(new Date(when))}` : "";
  if (!who) return `Someone changed this image${time}.`;
  return who === me ? `You, or someone who signs in as you do, changed this image in another window${time}.` : `${who} changed this image${time}.`;
}

/** `14:03` @param {Date} moment */
export function clock(moment) {
  return moment.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
}

/**
 * @param {string[]} names
 */
function listed(names) {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}
