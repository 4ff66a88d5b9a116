// Reads COCO files: those of this project, of standard tools, and what labelling projects of Azure ML export. Values alone.
// @ts-check

/** @typedef {{tag: string, box: number[] | null}} RawLabel */
/**
 * An entry of `images`. `ends` are the paths by which its file may be known; `shown` is the one to show.
 * @typedef {{shown: string, ends: string[][], width: number, height: number, labels: RawLabel[]}} CocoImage
 */
/** @typedef {{where: string, reason: string}} Problem */
/** @typedef {{images: CocoImage[], tags: string[], boxed: boolean, pixels: boolean, crowds: number, problems: Problem[]}} Coco */
/** @typedef {{tag: string, bbox?: number[]}} Label */

const ROUNDING = 1e-4;
const CLIPPED_PIXELS = 2;
const ADDRESSES = ["file_name", "coco_url", "absolute_url", "flickr_url"];

/**
 * A COCO file from its text.
 * @param {string} text
 * @returns {Coco | {problem: string}}
 */
export function readCoco(text) {
  let document;
  try {
    document = JSON.parse(text.replace(/^\ufeff/, ""));
  } catch (error) {
    return { problem: `is not JSON: ${error instanceof Error ? error.message : error}` };
  }
  const { images, annotations, categories } = Object(document);
  if (![images, annotations, categories].every(Array.isArray)) {
    return { problem: "is not a COCO file: it lacks a list of images, annotations or categories. vision convert reads labels of other tools" };
  }
  /** @type {Coco} */
  const coco = { images: [], tags: [], boxed: false, pixels: false, crowds: 0, problems: [] };
  const tags = readTags(categories, coco);
  const byId = readImages(images, coco);
  annotations.forEach((/** @type {any} */ entry, /** @type {number} */ index) => readAnnotation(entry, `annotations[${index}]`, byId, tags, coco));
  coco.pixels = coco.boxed && inPixels(coco.images);
  return coco;
}

/** @param {any[]} entries @param {Coco} coco */
function readTags(entries, coco) {
  /** @type {Map<string, string>} */
  const tags = new Map();
  entries.forEach((entry, index) => {
    const name = typeof entry?.name === "string" ? entry.name.trim() : "";
    const id = idOf(entry?.id);
    if (id === null || !name) coco.problems.push({ where: `categories[${index}]`, reason: "Has no id, or no name" });
    else tags.set(id, name);
  });
  coco.tags = [...new Set(tags.values())];
  return tags;
}

/** @param {any[]} entries @param {Coco} coco */
function readImages(entries, coco) {
  /** @type {Map<string, CocoImage>} */
  const byId = new Map();
  entries.forEach((entry, index) => {
    const addresses = ADDRESSES.map((name) => entry?.[name]).filter((value) => typeof value === "string" && value);
    const id = idOf(entry?.id);
    const ends = addresses.flatMap(endsOf);
    if (id === null || !ends.length || byId.has(id)) {
      const reason = id !== null && byId.has(id) ? "Its id is used twice" : "Has no id, or neither file_name nor an address";
      coco.problems.push({ where: `images[${index}]`, reason });
      return;
    }
    const shown = /** @type {string[]} */ (ends[0]).join("/");
    const image = { shown, ends, width: Number(entry.width) || 0, height: Number(entry.height) || 0, labels: [] };
    byId.set(id, image);
    coco.images.push(image);
  });
  return byId;
}

/**
 * @param {any} entry
 * @param {string} where
 * @param {Map<string, CocoImage>} images
 * @param {Map<string, string>} tags
 * @param {Coco} coco
 */
function readAnnotation(entry, where, images, tags, coco) {
  if (["1", "true"].includes(String(entry?.iscrowd).toLowerCase())) {
    coco.crowds += 1;
    return;
  }
  const image = images.get(idOf(entry?.image_id) ?? "");
  const tag = tags.get(idOf(entry?.category_id) ?? "");
  if (!image || tag === undefined) {
    coco.problems.push({ where, reason: image ? "Its category_id is not the id of a category" : "Its image_id is not the id of an image" });
    return;
  }
  const given = entry.bbox?.length ? entry.bbox : null;
  const masked = given === null && entry.segmentation && (!Array.isArray(entry.segmentation) || entry.segmentation.length > 0);
  const box = given === null ? (masked ? boundsOf(entry.segmentation) : null) : numbersOf(given);
  if (box === null && (given !== null || masked)) {
    coco.problems.push({ where, reason: given !== null ? "Its bbox is not four numbers" : "Its mask has no bbox, and is not of polygons" });
    return;
  }
  if (box !== null) coco.boxed = true;
  image.labels.push({ tag, box });
}

/** @param {unknown} value an id: 1, 1.0 and "1" are the same */
function idOf(value) {
  return typeof value === "number" || (typeof value === "string" && value !== "") ? String(value) : null;
}

/** @param {any} box */
function numbersOf(box) {
  const numbers = Array.isArray(box) ? box.map((side) => (typeof side === "string" && side.trim() ? Number(side) : side)) : [];
  return numbers.length === 4 && numbers.every((side) => typeof side === "number" && Number.isFinite(side)) ? numbers : null;
}

/** The box around polygons. @param {any} polygons */
function boundsOf(polygons) {
  if (!Array.isArray(polygons)) return null;
  const numbers = (Array.isArray(polygons[0]) ? polygons : [polygons]).flat();
  if (numbers.length < 6 || numbers.length % 2 || !numbers.every(Number.isFinite)) return null;
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let index = 0; index < numbers.length; index += 2) {
    left = Math.min(left, numbers[index]);
    right = Math.max(right, numbers[index]);
    top = Math.min(top, numbers[index + 1]);
    bottom = Math.max(bottom, numbers[index + 1]);
  }
  return [left, top, right - left, bottom - top];
}

/** Whether most boxes have a number far over 1. @param {CocoImage[]} images */
function inPixels(images) {
  let [pixels, all] = [0, 0];
  for (const { labels } of images) {
    for (const { box } of labels) {
      if (box) {
        all += 1;
        pixels += Math.max(...box) > 1.5 ? 1 : 0;
      }
    }
  }
  return 2 * pixels > all;
}

/**
 * The parts of a path or address, as it is and decoded. The query, which may be secret, is left out.
 * @param {string} address
 * @returns {string[][]}
 */
export function endsOf(address) {
  const isAddress = /^[a-z][a-z0-9+.-]*:\/\//i.test(address);
  const path = isAddress ? address.replace(/^[a-z][a-z0-9+.-]*:\/\//i, "").replace(/[?#].*$/s, "") : address.replaceAll("\\", "/");
  /** @param {string} text */
  const parts = (text) => text.split("/").filter((part) => part && part !== "." && part !== "..");
  const found = [parts(path)];
  try {
    const decoded = decodeURIComponent(path);
    if (decoded !== path) isAddress ? found.unshift(parts(decoded)) : found.push(parts(decoded));
  } catch {
    // A name with a percent sign that encodes nothing.
  }
  return found.filter((each) => each.length);
}

/**
 * The file of each image: the one whose path has the most parts in common with it, from the end.
 * @param {CocoImage[]} images
 * @param {string[]} paths
 * @returns {{path: number | null, named: boolean, reason: string}[]} the index of the path, or why there is none; `named` is whether any
 *   path ends with its name
 */
export function matchFiles(images, paths) {
  /** @type {Map<string, {parts: string[], index: number}[]>} */
  const named = new Map();
  paths.forEach((path, index) => {
    const parts = path.split("/").map(folded);
    const name = /** @type {string} */ (parts.at(-1));
    const same = named.get(name);
    if (same) same.push({ parts, index });
    else named.set(name, [{ parts, index }]);
  });
  return images.map(({ ends }) => {
    /** @type {{best: number, indices: Set<number>}} */
    const found = { best: 0, indices: new Set() };
    for (const end of ends.map((parts) => parts.map(folded))) {
      for (const { parts, index } of named.get(/** @type {string} */ (end.at(-1))) ?? []) {
        const alike = inCommon(parts, end);
        if (alike > found.best) Object.assign(found, { best: alike, indices: new Set([index]) });
        else if (alike === found.best) found.indices.add(index);
      }
    }
    const [first] = found.indices;
    if (first === undefined) return { path: null, named: false, reason: "No such picture was among the files" };
    if (found.indices.size === 1) return { path: first, named: true, reason: "" };
    const which = [...found.indices].slice(0, 3).map((index) => paths[index]).join(", ");
    return { path: null, named: true, reason: `Several files may be meant: ${which}${found.indices.size > 3 ? " …" : ""}` };
  });
}

/** @param {string} part a file name on any system: letter case and Unicode form do not count */
function folded(part) {
  return part.normalize("NFC").toLowerCase();
}

/** @param {string[]} one @param {string[]} other */
function inCommon(one, other) {
  let count = 0;
  while (count < one.length && count < other.length && one[one.length - 1 - count] === other[other.length - 1 - count]) count += 1;
  return count;
}

/**
 * The labels that an image gets, and those that it can't have.
 * @param {CocoImage} image
 * @param {{pixels: boolean, boxed: boolean}} file
 * @param {{width: number, height: number}} size of the upright picture, in pixels
 * @param {{kind: "single" | "several" | "boxes", boxes: number, tagLength: number}} rules
 * @returns {{labels: Label[], reasons: string[]}}
 */
export function labelsOf(image, file, size, rules) {
  /** @type {Label[]} */
  const labels = [];
  /** @type {string[]} */
  const reasons = [];
  for (const { tag, box } of image.labels) {
    const fault = tagFault(tag, rules.tagLength);
    if (fault) reasons.push(fault);
    else if (rules.kind !== "boxes") labels.push({ tag });
    else if (box === null) reasons.push(`'${tag}' has no box`);
    else {
      const placed = file.pixels ? ofPixels(box, image, size) : fractions(box);
      if (typeof placed === "string") reasons.push(`A box of '${tag}' ${placed}`);
      else labels.push({ tag, bbox: placed });
    }
  }
  if (rules.kind === "boxes") {
    if (labels.length <= rules.boxes) return { labels, reasons };
    return { labels: [], reasons: [`${labels.length.toLocaleString("en-US")} boxes; an image has at most ${rules.boxes.toLocaleString("en-US")}`] };
  }
  const tags = [...new Set(labels.map((label) => label.tag))];
  if (rules.kind === "single" && tags.length > 1) {
    return { labels: [], reasons: [`Has several tags (${tags.slice(0, 5).join(", ")}); an image of this draft has one`] };
  }
  return { labels: tags.map((tag) => ({ tag })), reasons };
}

/** Why a tag can't have this name; empty if it can. @param {string} tag @param {number} most */
export function tagFault(tag, most) {
  if ([...tag].length > most) return `A tag has ${[...tag].length} characters; at most ${most} are allowed`;
  return /\0|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/.test(tag) ? "A tag has characters that can't be stored" : "";
}

/**
 * A box as fractions of the picture's sides; or why it can't be one.
 * @param {number[]} box
 * @returns {number[] | string}
 */
function fractions(box) {
  const [left, top, width, height] = /** @type {[number, number, number, number]} */ (box);
  const inside = left >= -ROUNDING && top >= -ROUNDING && left < 1 && top < 1 && left + width <= 1 + ROUNDING && top + height <= 1 + ROUNDING;
  if (width <= 0 || height <= 0) return "has no area";
  return inside ? [left, top, width, height] : `is not inside the picture: [${box.map((side) => Number(side.toPrecision(5))).join(", ")}]`;
}

/**
 * @param {number[]} box
 * @param {{width: number, height: number}} claimed
 * @param {{width: number, height: number}} size
 * @returns {number[] | string}
 */
function ofPixels(box, claimed, size) {
  if (claimed.width && claimed.height && (claimed.width !== size.width || claimed.height !== size.height)) {
    const told = `${claimed.width} × ${claimed.height}`;
    return claimed.width === size.height && claimed.height === size.width
      ? `may be turned: the file says ${told} px, and the upright picture has ${size.width} × ${size.height}`
      : `is of a picture of ${told} px, and this one has ${size.width} × ${size.height}`;
  }
  const [left, top, width, height] = /** @type {[number, number, number, number]} */ (box);
  if (width <= 0 || height <= 0) return "has no area";
  const most = CLIPPED_PIXELS;
  if (left < -most || top < -most || left + width > size.width + most || top + height > size.height + most) {
    return `is not inside the picture: [${box.map((side) => Number(side.toPrecision(7))).join(", ")}] of ${size.width} × ${size.height} px`;
  }
  const [west, north] = [Math.max(0, left) / size.width, Math.max(0, top) / size.height];
  const [east, south] = [Math.min(size.width, left + width) / size.width, Math.min(size.height, top + height) / size.height];
  return east > west && south > north ? [west, north, east - west, south - north] : "has no area inside the picture";
}
