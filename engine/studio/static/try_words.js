// What Try it out says of an answer. Functions of values alone: nothing here touches the page.
// @ts-check

/** @typedef {{x: number, y: number, w: number, h: number}} Box */
/** @typedef {{name: string, confidence: number, threshold?: number}} Tag */
/** @typedef {{id: string, boundingBox: Box, tags: Tag[]}} Found */
/** @typedef {{id: string, name: string, place: Box | null, found: string | null, instead: string | null}} Position */
/** @typedef {{matchingResultPerPosition: unknown[], positions: Position[], extra: string[]}} Match */
/** @typedef {"found" | "gap" | "planned" | "missing" | "wrong" | "extra"} Look */
/**
 * Something that is drawn onto the picture and listed beside it. `box` is null if its place is not in the picture.
 * @typedef {{id: string, label: string, note: string, look: Look, box: Box | null}} Mark
 */
/** @typedef {{title: string, marks: Mark[]}} Group */

/** @param {number} share 0 to 1 */
export function percent(share) {
  if (share > 0 && share < 0.001) return "< 0.1 %";
  if (share < 1 && share > 0.999) return "> 99.9 %";
  return `${(100 * share).toFixed(1)} %`;
}

/** @param {number} count @param {string} noun */
export function counted(count, noun) {
  return `${count.toLocaleString("en-US")} ${noun}${count === 1 ? "" : "s"}`;
}

/** @param {number} milliseconds */
export function seconds(milliseconds) {
  return milliseconds < 9_950 ? `${(milliseconds / 1000).toFixed(2)} s` : `${Math.round(milliseconds / 1000)} s`;
}

/** @param {number} bytes */
export function size(bytes) {
  return bytes < 1024 * 1024 ? `${Math.max(1, Math.round(bytes / 1024))} KiB` : `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

/**
 * How new a picture is to the model, in words.
 * @param {number} novelty the share of training images that look less novel
 * @param {number} limit from which on it is probably something else
 */
export function noveltyWords(novelty, limit) {
  const below = Math.floor(100 * novelty + 1e-9);
  const compared = novelty >= 1 ? "all" : `${below} of 100`;
  const text = `More unlike the training images than ${compared} of them.`;
  if (novelty < limit) return { novel: false, text };
  return {
    novel: true,
    text: `${text} It probably shows something that the model was not trained for, and then its tags mean nothing. If such pictures are to be expected, add some with the right tag to the training images and train again. Otherwise let your application set answers of this novelty aside.`,
  };
}

/**
 * Whether a tag counts as present: of several tags per image, each has a threshold of its own.
 * @param {Tag} tag
 */
export function isPresent(tag) {
  return tag.threshold === undefined || tag.confidence >= tag.threshold;
}

/**
 * The tags to show at first: all that are present, if the model decides that, and some of the others.
 * @param {Tag[]} tags by falling confidence
 * @param {number} least
 */
export function firstTags(tags, least) {
  const several = tags.some((tag) => tag.threshold !== undefined);
  const present = several ? tags.filter(isPresent) : [];
  const rest = tags.filter((tag) => !present.includes(tag));
  return [...present, ...rest.slice(0, Math.max(0, least - present.length))];
}

/** @param {Found} found */
const best = (found) => /** @type {Tag} */ (found.tags[0]);

/** @param {Found} found */
export const confidence = (found) => best(found).confidence;

/**
 * A count for each tag: `3 objects: 2 apple, 1 pear`.
 * @param {Found[]} found
 * @param {string} noun
 */
export function countedByTag(found, noun) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const one of found) counts.set(best(one).name, (counts.get(best(one).name) ?? 0) + 1);
  const each = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)).map(([tag, count]) => `${count} ${tag}`);
  return `${counted(found.length, noun)}${each.length ? `: ${each.join(", ")}` : ""}`;
}

/** @param {Found} found @param {Look} look @param {string} [note] @returns {Mark} */
function mark(found, look, note) {
  const others = found.tags.slice(1).map((tag) => `or ${tag.name} ${percent(tag.confidence)}`);
  return {
    id: found.id,
    label: best(found).name,
    note: note ?? [percent(best(found).confidence), ...others].join(", "),
    look,
    box: found.boundingBox,
  };
}

/**
 * What a detector found.
 * @param {Found[]} found
 * @returns {Group[]}
 */
export function objectGroups(found) {
  return [{ title: "", marks: found.map((one) => mark(one, "found")) }];
}

/**
 * What a product recognizer found, and how it compares with a planogram.
 * @param {Found[]} products
 * @param {Found[]} gaps
 * @param {Match | null} match
 * @param {{width: number, height: number}} photo
 * @returns {Group[]}
 */
export function productGroups(products, gaps, match, photo) {
  const ofGaps = { title: counted(gaps.length, "gap"), marks: gaps.map((gap) => mark(gap, "gap")) };
  if (!match) {
    const all = { title: counted(products.length, "product"), marks: products.map((product) => mark(product, "found")) };
    return [all, ofGaps].filter((group) => group.marks.length);
  }
  const byId = new Map(products.map((product) => [product.id, product]));
  /** @param {string | null} id */
  const product = (id) => (id === null ? undefined : byId.get(id));
  const groups = { missing: /** @type {Mark[]} */ ([]), wrong: /** @type {Mark[]} */ ([]), planned: /** @type {Mark[]} */ ([]) };
  for (const position of match.positions) {
    const found = product(position.found);
    const instead = product(position.instead);
    if (found) groups.planned.push(mark(found, "planned", `position ${position.id}`));
    else if (instead) {
      groups.wrong.push({ ...mark(instead, "wrong", `at position ${position.id}`), label: `${best(instead).name}, not ${position.name}` });
    } else groups.missing.push(missing(position, photo));
  }
  const extra = match.extra.flatMap((id) => product(id) ?? []).map((one) => mark(one, "extra"));
  return [
    { title: `${groups.missing.length} missing`, marks: groups.missing },
    { title: `${groups.wrong.length} wrong`, marks: groups.wrong },
    { title: `${groups.planned.length} as planned`, marks: groups.planned },
    { title: `${extra.length} not in the planogram, or too many`, marks: extra },
    ofGaps,
  ].filter((group) => group.marks.length);
}

/** @param {Position} position @param {{width: number, height: number}} photo @returns {Mark} */
function missing({ id, name, place }, photo) {
  const seen = place && place.x < photo.width && place.y < photo.height && place.x + place.w > 0 && place.y + place.h > 0;
  const where = !place ? "" : seen ? "" : ", outside of the photo";
  return { id: `position ${id}`, label: name, note: `position ${id}${where}`, look: "missing", box: seen ? place : null };
}

/** @param {Match} match */
export function matchWords({ positions, extra }) {
  const found = positions.filter((position) => position.found !== null).length;
  const wrong = positions.filter((position) => position.found === null && position.instead !== null).length;
  const missed = positions.length - found - wrong;
  if (positions.length && !found) {
    return "No product was found at its place, so the photo cannot be compared. The names of the planogram's products must be the model's tags.";
  }
  return `${found} of ${counted(positions.length, "position")} as planned, ${missed} missing, ${wrong} wrong, ${extra.length} more.`;
}

/**
 * A planogram, alone or in a request of the API, from its text.
 * @param {string} text
 * @returns {{planogram: object} | {problem: string}}
 */
export function readPlanogram(text) {
  if (!text.trim()) return { problem: "Paste a planogram, or choose its file." };
  try {
    const value = JSON.parse(text);
    const planogram = value?.planogram ?? value;
    if (planogram && typeof planogram === "object" && !Array.isArray(planogram)) return { planogram };
    return { problem: "The planogram is not a JSON object with width, height, products, fixtures and positions." };
  } catch (error) {
    return { problem: `The planogram is not JSON: ${error instanceof Error ? error.message : error}.` };
  }
}

/**
 * The first address in a text, if it is nothing but addresses, as browsers drag and copy links.
 * @param {string} text
 */
export function onlyAddress(text) {
  const [first, ...rest] = text.split(/\r?\n/).map((line) => line.trim()).filter((line) => line && !line.startsWith("#"));
  return first && !rest.length && /^https?:\/\/\S+$/i.test(first) ? first : null;
}

/**
 * What an address is called: its file, without what may be secret.
 * @param {string} address
 */
export function nameOfAddress(address) {
  try {
    const { hostname, pathname } = new URL(address);
    return decodeURIComponent(pathname.split("/").at(-1) || hostname);
  } catch {
    return "picture of a URL";
  }
}
