// What is not saved yet: pure functions on the changes that wait, what was sent of them, and what the engine said.
// @ts-check

import { sameContent } from "./label_history.js";

/** @typedef {import("./label_history.js").Content} Content */

/**
 * A change that waits. `sent` are the contents that were sent and not answered, `refused` is why the engine does not take it, and
 * `theirs` the image as the engine has it, if another person was faster.
 * @typedef {{number: number, content: Content, eTag: string, sent: Content[], refused?: string, theirs?: Theirs | null}} Waiting
 */

/**
 * An image as the engine has it, as far as this concerns saving.
 * @typedef {{number: number, labels: import("./label_history.js").Label[], empty: boolean, eTag: string, state: string,
 *   changedBy?: string, changedDateTime?: string}} Theirs
 */

/** @typedef {{waiting: Waiting[], failures: number, alone: boolean}} Queue `alone`: one image is sent at a time, to find what is refused. */
/** @typedef {{number: number, saved: boolean, image?: Theirs | null}} Result */

/** @type {Queue} */
export const EMPTY = { waiting: [], failures: 0, alone: false };

const IMAGES_MAX = 50;
const LABELS_MAX = 4000;
const SENT_KEPT = 4;
const RETRY_SECONDS = [1, 2, 4, 8, 15];

/**
 * The queue with the content that an image gets. It replaces what waited for the image before, and a refusal of that. A conflict stays
 * until it is decided.
 * @param {Queue} queue
 * @param {number} number
 * @param {Content} content
 * @param {string} eTag That of the image, if nothing of it waits yet.
 * @returns {Queue}
 */
export function put(queue, number, content, eTag) {
  const old = queue.waiting.find((each) => each.number === number);
  /** @type {Waiting} */
  const next = { number, content, eTag: old?.eTag ?? eTag, sent: old?.sent ?? [], ...(old?.theirs === undefined ? {} : { theirs: old.theirs }) };
  return { ...queue, waiting: [...queue.waiting.filter((each) => each.number !== number), next] };
}

/**
 * What to send next: the first changes that can be sent; and the queue that knows that they were.
 * @param {Queue} queue
 * @returns {{queue: Queue, batch: Waiting[]}}
 */
export function taken(queue) {
  const batch = [];
  let labels = 0;
  for (const each of queue.waiting) {
    if (each.refused !== undefined || each.theirs !== undefined) continue;
    labels += each.content.labels.length;
    if (batch.length && (queue.alone || batch.length === IMAGES_MAX || labels > LABELS_MAX)) break;
    batch.push(each);
  }
  const sent = new Set(batch);
  const waiting = queue.waiting.map((each) => (sent.has(each) ? { ...each, sent: [...each.sent, each.content].slice(-SENT_KEPT) } : each));
  return { queue: { ...queue, waiting }, batch };
}

/**
 * The queue after the engine's answer. A change that was replaced meanwhile goes on waiting, with the image's new eTag. What was not
 * saved is a conflict, unless the engine has what this page sent before: then only an answer was lost.
 * @param {Queue} queue
 * @param {Result[]} results
 * @returns {Queue}
 */
export function answered(queue, results) {
  const byNumber = new Map(results.map((result) => [result.number, result]));
  const waiting = queue.waiting.flatMap((each) => {
    const result = byNumber.get(each.number);
    if (!result) return [each];
    const now = result.image;
    if (result.saved && now) {
      return sameContent(each.content, each.sent.at(-1) ?? each.content) ? [] : [{ ...each, eTag: now.eTag, sent: [] }];
    }
    const isOwn = now && now.state !== "removed" && each.sent.slice(0, -1).some((content) => sameContent(content, contentOf(now)));
    return [isOwn ? { ...each, eTag: now.eTag, sent: [] } : { ...each, sent: [], theirs: now ?? null }];
  });
  const alone = queue.alone && waiting.some((each) => each.refused === undefined && each.theirs === undefined);
  return { waiting, failures: 0, alone };
}

/**
 * The queue after no answer, or one that says that the engine cannot at present.
 * @param {Queue} queue
 * @returns {Queue}
 */
export function failed(queue) {
  return { ...queue, failures: queue.failures + 1 };
}

/**
 * The queue after a refusal of a batch. Of several images, each is sent alone then; one that is refused alone waits until it changes.
 * @param {Queue} queue
 * @param {number[]} numbers
 * @param {string} why
 * @returns {Queue}
 */
export function refused(queue, numbers, why) {
  if (numbers.length > 1) return { ...queue, failures: 0, alone: true };
  const waiting = queue.waiting.map((each) => (numbers.includes(each.number) ? { ...each, sent: [], refused: why } : each));
  return { ...queue, waiting, failures: 0 };
}

/**
 * The queue after a conflict was decided for what is on this page: it is sent over the others'.
 * @param {Queue} queue
 * @param {number} number
 * @param {string} eTag That of the image now.
 * @returns {Queue}
 */
export function keptMine(queue, number, eTag) {
  const waiting = queue.waiting.map((each) => {
    if (each.number !== number) return each;
    const { theirs: _, ...mine } = each;
    return { ...mine, eTag, sent: [] };
  });
  return { ...queue, waiting };
}

/**
 * The queue without an image: what waits of it is given up.
 * @param {Queue} queue
 * @param {number} number
 * @returns {Queue}
 */
export function without(queue, number) {
  return { ...queue, waiting: queue.waiting.filter((each) => each.number !== number) };
}

/**
 * How long to wait before the next attempt, in seconds.
 * @param {Queue} queue
 */
export function retrySeconds({ failures }) {
  return failures === 0 ? 0 : RETRY_SECONDS[Math.min(failures, RETRY_SECONDS.length) - 1] ?? 0;
}

/**
 * How much waits: to be sent, refused, and to be decided.
 * @param {Queue} queue
 */
export function waitingCounts({ waiting }) {
  const conflicts = waiting.filter((each) => each.theirs !== undefined).length;
  const refusals = waiting.filter((each) => each.refused !== undefined).length;
  return { toSend: waiting.length - conflicts - refusals, conflicts, refusals };
}

/** @param {Theirs} image @returns {Content} */
export function contentOf({ labels, empty }) {
  return { labels, empty };
}
