// Which labels each picture of an import gets, from folders and COCO files. Values alone.
// @ts-check

import { labelsOf, matchFiles, tagFault } from "./import_coco.js";

/** @typedef {import("./import_coco.js").Coco} Coco */
/** @typedef {import("./import_coco.js").Label} Label */
/** `empties` says that images without a label in a COCO file show nothing to label. @typedef {{kind: "single" | "several" | "boxes", boxes: number, tagLength: number, empties?: boolean}} Rules */
/** What the draft has of a picture. @typedef {{number: number, digest: string, eTag: string, width: number, height: number, labelled: boolean}} Facts */
/** `earlier` are pictures of a former import. @typedef {{path: string, folderTag: string | null, image: Facts | null, earlier?: boolean}} Picture */
/** @typedef {{number: number, eTag: string, labelled: boolean, labels: Label[], path: string}} Order */
/**
 * `orders` are the labels to save, an image each. `unmatched` are images of COCO files without a picture here; `bare` the number of
 * images that a COCO file lists without labels.
 * @typedef {{orders: Order[], unmatched: [string, string][], problems: [string, string][], bare: number, crowds: number}} Plan
 */

/**
 * @param {Picture[]} all those without `image` were refused, and get no labels
 * @param {{name: string, coco: Coco}[]} files
 * @param {Rules} rules
 * @returns {Plan}
 */
export function planLabels(all, files, rules) {
  const seen = new Set();
  const pictures = all.filter(({ path, image }) => {
    const key = `${image?.number ?? ""} ${path}`;
    return !seen.has(key) && seen.add(key);
  });
  /** @type {Plan} */
  const plan = { orders: [], unmatched: [], problems: [], bare: 0, crowds: 0 };
  const groups = [pictures.filter(({ earlier }) => !earlier), pictures.filter(({ earlier }) => earlier)];
  /** @type {Map<number, Order>} */
  const orders = new Map();
  /** @param {Picture} picture @param {Label[]} labels @param {string} source */
  const give = (picture, labels, source) => {
    const { image, path } = picture;
    if (!image) return;
    const other = orders.get(image.number);
    if (!other) orders.set(image.number, { number: image.number, eTag: image.eTag, labelled: image.labelled, labels, path });
    else if (rules.kind === "several") {
      const more = labels.filter((label) => !other.labels.some(({ tag }) => tag === label.tag));
      other.labels.push(...more);
    } else if (JSON.stringify(other.labels) !== JSON.stringify(labels)) {
      plan.problems.push([source, `Other labels than for the same picture before (${other.path}), which it keeps`]);
    }
  };
  const named = new Set();
  for (const { name, coco } of files) {
    plan.crowds += coco.crowds;
    plan.problems.push(...coco.problems.map(({ where, reason }) => /** @type {[string, string]} */ ([`${name}: ${where}`, reason])));
    if (rules.kind === "boxes" && !coco.boxed && coco.images.some((image) => image.labels.length)) {
      plan.problems.push([name, "Has no boxes, and images of this draft have only labels with a box"]);
      continue;
    }
    matchPictures(coco.images, groups).forEach(({ picture, reason }, index) => {
      const image = /** @type {import("./import_coco.js").CocoImage} */ (coco.images[index]);
      if (!picture) {
        plan.unmatched.push([image.shown, reason]);
        return;
      }
      named.add(picture);
      if (!picture.image) return;
      const found = labelsOf(image, coco, picture.image, rules);
      plan.problems.push(...found.reasons.map((each) => /** @type {[string, string]} */ ([picture.path, each])));
      if (!image.labels.length) plan.bare += 1;
      const empty = Boolean(rules.empties) && rules.kind !== "single" && !image.labels.length;
      if (found.labels.length || empty) give(picture, found.labels, picture.path);
    });
  }
  for (const picture of pictures) {
    if (picture.folderTag === null || named.has(picture) || !picture.image) continue;
    const tag = picture.folderTag.trim();
    const fault = tag ? tagFault(tag, rules.tagLength) : "The folder's name is blank";
    if (fault) plan.problems.push([picture.path, fault]);
    else give(picture, [{ tag }], picture.path);
  }
  plan.orders = [...orders.values()].sort((one, other) => one.number - other.number);
  return plan;
}

/**
 * The picture of each image: of the first group that has one with its name.
 * @param {import("./import_coco.js").CocoImage[]} images
 * @param {Picture[][]} groups
 * @returns {{picture: Picture | null, reason: string}[]}
 */
function matchPictures(images, groups) {
  const matches = groups.map((group) => matchFiles(images, group.map(({ path }) => path)));
  return images.map((_, index) => {
    const best = Math.max(0, matches.findIndex((match) => match[index]?.named));
    const { path = null, reason = "" } = matches[best]?.[index] ?? {};
    return { picture: path === null ? null : (groups[best]?.[path] ?? null), reason };
  });
}

/**
 * Orders in batches that the engine takes. Unless labels are replaced, an image that has some is only saved if they are the same: its
 * eTag is none that an image has.
 * @param {Order[]} orders
 * @param {boolean} replace
 * @param {number} most images of a batch
 * @param {number} bytes of a batch
 * @returns {{orders: Order[], body: string}[]}
 */
export function batches(orders, replace, most, bytes) {
  /** @type {{orders: Order[], body: string}[]} */
  const made = [];
  /** @type {{orders: Order[], texts: string[], length: number}} */
  let batch = { orders: [], texts: [], length: 0 };
  const close = () => {
    if (batch.orders.length) made.push({ orders: batch.orders, body: `{"images":[${batch.texts.join(",")}]}` });
    batch = { orders: [], texts: [], length: 0 };
  };
  for (const order of orders) {
    const { number, labels } = order;
    const text = JSON.stringify({ number, labels, ...(labels.length ? {} : { empty: true }), ...(replace ? {} : { eTag: order.labelled ? "0" : order.eTag }) });
    const length = new TextEncoder().encode(text).length + 1;
    if (batch.orders.length >= most || batch.length + length > bytes - 64) close();
    batch.orders.push(order);
    batch.texts.push(text);
    batch.length += length;
  }
  close();
  return made;
}
