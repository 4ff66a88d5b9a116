// What a change of many images' labels asks of each of them: pure functions.
// @ts-check

/**
 * @typedef {{tag: string, bbox?: number[]}} Label
 *
 * @typedef {object} DraftImage As the engine sends it.
 * @property {number} number
 * @property {string} eTag
 * @property {string} fileName
 * @property {Label[]} labels
 * @property {boolean} empty
 * @property {string} state
 * @property {Label[]} [theirs]
 *
 * @typedef {{number: number, eTag: string, labels: Label[], empty: boolean}} Order
 */

/**
 * Whether a tag is taken away from the images: all of them have it, and may have several.
 * @param {DraftImage[]} images
 * @param {string} tag
 * @param {string} kind `single` or `several`
 */
export function takesAway(images, tag, kind) {
  return kind === "several" && images.length > 0 && images.every((image) => has(image, tag));
}

/**
 * The orders that give a tag to images, or take it away. `single` images have this tag alone then, and none at all for an empty tag.
 * Images that have it already, and those that a bulk change leaves alone, are left out.
 * @param {DraftImage[]} images
 * @param {string} tag
 * @param {string} kind
 * @param {boolean} away
 * @returns {Order[]}
 */
export function ordersFor(images, tag, kind, away) {
  const orders = [];
  for (const image of images) {
    if (isLeft(image)) continue;
    const labels = labelsWith(image, tag, kind, away);
    if (!same(labels, image.labels) || (image.empty && labels.length > 0)) orders.push(order(image, labels, false));
  }
  return orders;
}

/**
 * Images that a bulk change leaves alone: a removed one has to be restored first, and a conflict has to be seen.
 * @param {DraftImage} image
 */
export function isLeft(image) {
  return image.state === "removed" || Boolean(image.theirs);
}

/**
 * The order that gives an image the labels that it had.
 * @param {DraftImage} before
 * @param {string} eTag Its present one.
 * @returns {Order}
 */
export function orderBack(before, eTag) {
  return { ...order(before, before.labels, before.empty), eTag };
}

/**
 * @param {DraftImage} image
 * @param {Label[]} labels
 * @param {boolean} empty
 * @returns {Order}
 */
function order(image, labels, empty) {
  return { number: image.number, eTag: image.eTag, labels, empty };
}

/**
 * @param {DraftImage} image
 * @param {string} tag
 * @param {string} kind
 * @param {boolean} away
 * @returns {Label[]}
 */
function labelsWith(image, tag, kind, away) {
  if (!tag) return [];
  if (kind === "single") return [{ tag }];
  if (away) return image.labels.filter((label) => label.tag !== tag);
  return has(image, tag) ? image.labels : [...image.labels, { tag }];
}

/**
 * @param {DraftImage} image
 * @param {string} tag
 */
function has(image, tag) {
  return image.labels.some((label) => label.tag === tag);
}

/**
 * @param {Label[]} some
 * @param {Label[]} others
 */
function same(some, others) {
  return some.length === others.length && some.every((label, index) => label.tag === others[index]?.tag);
}
