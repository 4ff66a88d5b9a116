// Sends the pictures of an import, a few at once, until each was added, known or refused; then their labels.
// @ts-check

import { callEngine, Refused } from "./engine_calls.js";
import { batches } from "./import_labels.js";
import { reasonOf } from "./import_words.js";
import { InTurn } from "./in_turn.js";

/** @typedef {import("./import_labels.js").Facts} Facts */
/** @typedef {import("./import_labels.js").Order} Order */
/**
 * A picture to send. `image` is what the draft has of it, once it does.
 * @typedef {{path: string, file: File, folderTag: string | null, state: "waiting" | "added" | "known" | "refused", reason: string, image: Facts | null}} Entry
 */
/** @typedef {{path: string, asked: number, batch: number, batchBytes: number}} Limits */

const UPLOADS = 5;
const DIGESTS = 2;
const DELAYS_SECONDS = [1, 2, 4, 8, 15, 30];
const TRIES = 3;
const CUT_OFF_TRIES = 5;
const ANSWER_SECONDS_MAX = 300;
/** What may pass: no answer, a session that has ended, and a storage or a proxy that does not work now. */
const PASSING = new Set([0, 401, 502, 503, 504]);

/** Calls of the engine that all wait while it does not answer, and go on when it does. */
export class Line {
  /**
   * @param {string} probe the path of a small answer, which tells why a large body got none: who refuses it may not have read it
   * @param {(problem: {message: string, ended: boolean} | null) => void} onWaiting
   */
  constructor(probe, onWaiting) {
    this.probe = probe;
    this.onWaiting = onWaiting;
    this.leaves = new AbortController();
    /** @type {Promise<void> | null} */
    this.pause = null;
    this.failures = 0;
    this.waitedSeconds = 0;
    /** Why nothing more can be sent; empty after a stop by the visitor. */
    this.refusal = "";
  }

  /**
   * The engine's answer, however long that takes. Raises Refused for what will not pass, and AbortError after `stop`.
   * @param {string} path
   * @param {{method?: string, body?: BodyInit, type?: string}} options
   * @param {() => Promise<unknown>} [check] fails if the call can't be sent at all
   * @returns {Promise<any>}
   */
  async call(path, options, check) {
    const { signal } = this.leaves;
    for (let [failed, cutOff] = [0, 0]; ; ) {
      while (this.pause) await this.pause;
      signal.throwIfAborted();
      try {
        const value = await this.answer(path, options);
        if (this.failures) this.onWaiting(null);
        this.failures = 0;
        return value;
      } catch (error) {
        if (signal.aborted || !(error instanceof Refused)) throw error;
        if (error.status === 429) continue;
        failed += 1;
        let why = error;
        if (error.status === 0) {
          await check?.();
          const refusal = await this.refusalOfProbe();
          if (!refusal) cutOff += 1;
          why = refusal ?? (cutOff < CUT_OFF_TRIES ? error : new Refused(CUT_OFF, 413));
        }
        if (!PASSING.has(why.status) && !(why.status === 500 && failed < TRIES)) throw why;
        this.wait(why);
      }
    }
  }

  /** @param {string} path @param {{method?: string, body?: BodyInit, type?: string}} options */
  async answer(path, options) {
    const slow = AbortSignal.timeout(ANSWER_SECONDS_MAX * 1000);
    try {
      const { value } = await callEngine(path, { ...options, signal: AbortSignal.any([this.leaves.signal, slow]) });
      return value;
    } catch (error) {
      if (slow.aborted && !this.leaves.signal.aborted) throw new Refused("The engine does not answer.", 0);
      throw error;
    }
  }

  /** What the engine refuses now; null if it answers. */
  async refusalOfProbe() {
    try {
      await this.answer(this.probe, {});
      return null;
    } catch (error) {
      if (error instanceof Refused) return error;
      throw error;
    }
  }

  /** @param {Refused} error */
  wait(error) {
    if (this.pause) return;
    const seconds = DELAYS_SECONDS[Math.min(this.failures, DELAYS_SECONDS.length - 1)] ?? 1;
    this.failures += 1;
    this.onWaiting({ message: error.message, ended: error.ended });
    const began = performance.now();
    this.pause = new Promise((resolve) => {
      const go = () => {
        clearTimeout(timer);
        removeEventListener("online", go);
        this.waitedSeconds += (performance.now() - began) / 1000;
        this.pause = null;
        resolve();
      };
      const timer = setTimeout(go, seconds * 1000);
      addEventListener("online", go);
      this.leaves.signal.addEventListener("abort", go, { once: true });
    });
  }

  stop() {
    this.leaves.abort();
  }
}

/** The pictures of an import on their way. */
export class Pictures {
  /**
   * @param {Entry[]} entries
   * @param {Line} line
   * @param {Limits} limits
   */
  constructor(entries, line, limits) {
    this.entries = entries;
    this.line = line;
    this.limits = limits;
    this.uploads = new InTurn(UPLOADS);
    this.digests = new InTurn(DIGESTS);
    /** @type {Map<string, Entry>} the first of each content */
    this.first = new Map();
    /** @type {[Entry, Entry][]} a copy, and the first */
    this.copies = [];
  }

  /** Until all are settled. Raises Refused if nothing can be added at all, and AbortError after a stop. */
  async send() {
    const sent = new Set();
    for (let start = 0; start < this.entries.length; start += this.limits.asked) {
      const some = this.entries.slice(start, start + this.limits.asked).filter((entry) => entry.state === "waiting");
      for (const entry of await this.unknown(some)) {
        const upload = this.uploads.run(() => this.upload(entry)).finally(() => sent.delete(upload));
        upload.catch(() => undefined); // raised below, where all are awaited
        sent.add(upload);
      }
      while (sent.size > this.limits.asked) await Promise.race(sent);
    }
    await Promise.all(sent);
    for (const [copy, first] of this.copies) {
      copy.state = first.state === "added" ? "known" : first.state;
      copy.reason = first.state === "refused" ? first.reason : `The same picture as ${first.path}`;
      copy.image = first.image;
    }
  }

  /** Those that the draft lacks; others are settled. @param {Entry[]} some */
  async unknown(some) {
    const digests = await Promise.all(some.map((entry) => this.digests.run(() => this.digest(entry))));
    const { signal } = this.line.leaves;
    signal.throwIfAborted();
    /** @type {Map<string, Entry>} */
    const asked = new Map();
    some.forEach((entry, index) => {
      const digest = digests[index];
      if (!digest) return;
      const first = this.first.get(digest);
      if (first) this.copies.push([entry, first]);
      else {
        this.first.set(digest, entry);
        asked.set(digest, entry);
      }
    });
    if (!asked.size) return [];
    const body = JSON.stringify({ digests: [...asked.keys()] });
    const { images } = await this.line.call(`${this.limits.path}/known`, { method: "POST", body, type: "application/json" });
    for (const image of /** @type {Facts[]} */ (images)) {
      const entry = asked.get(image.digest);
      if (entry) Object.assign(entry, { state: "known", reason: "The draft has it already", image });
      asked.delete(image.digest);
    }
    return [...asked.values()];
  }

  /** SHA-256 in hex; empty if the file can't be read. @param {Entry} entry */
  async digest(entry) {
    if (this.line.leaves.signal.aborted) return "";
    try {
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await entry.file.arrayBuffer()));
      return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
    } catch {
      Object.assign(entry, { state: "refused", reason: UNREADABLE });
      return "";
    }
  }

  /** @param {Entry} entry */
  async upload(entry) {
    const path = `${this.limits.path}/pictures?fileName=${encodeURIComponent(entry.path.slice(-1000))}`;
    try {
      const options = { method: "POST", body: entry.file, type: "application/octet-stream" };
      const { added, image } = await this.line.call(path, options, () => readable(entry.file));
      Object.assign(entry, { state: added ? "added" : "known", reason: added ? "" : "The draft has it already", image });
    } catch (error) {
      if (error instanceof Refused && ![403, 404].includes(error.status)) {
        Object.assign(entry, { state: "refused", reason: reasonOf(error.message, entry.path) });
      } else if (error instanceof DOMException && error.name !== "AbortError") {
        Object.assign(entry, { state: "refused", reason: UNREADABLE });
      } else {
        if (error instanceof Refused) this.line.refusal ||= error.message;
        this.line.stop();
        throw error;
      }
    }
  }
}

const CUT_OFF = "The upload was cut off several times, although the engine answers. Does a proxy in between limit uploads?";
const UNREADABLE = "Can't be read. It was moved, changed or locked after it was chosen";

/** Raises a DOMException if the file can't be read any more. @param {File} file */
async function readable(file) {
  await file.slice(0, 1).arrayBuffer();
}

/** What became of labels. Images that were not saved are in `kept`, with why; `changed` are their states now. */
export class Labelled {
  constructor() {
    this.saved = 0;
    /** @type {[string, string][]} */
    this.kept = [];
    /** @type {{number: number, eTag: string}[]} */
    this.changed = [];
  }

  get settled() {
    return this.saved + this.kept.length;
  }
}

/**
 * Save labels. What is done before an error is in `labelled`.
 * @param {Order[]} orders
 * @param {Labelled} labelled
 * @param {{replace: boolean, line: Line, limits: Limits, onSaved: () => void}} how
 */
export async function saveLabels(orders, labelled, { replace, line, limits, onSaved }) {
  const { kept, changed } = labelled;
  const waiting = batches(orders, replace, limits.batch, limits.batchBytes);
  for (let batch = waiting.shift(); batch; batch = waiting.shift()) {
    try {
      const { value } = await line.call(`${limits.path}/labels`, { method: "POST", body: batch.body, type: "application/json" });
      value.forEach((/** @type {any} */ result, /** @type {number} */ index) => {
        const order = /** @type {Order} */ (batch?.orders[index]);
        if (result.image) changed.push({ number: result.number, eTag: result.image.eTag });
        if (result.saved) labelled.saved += 1;
        else kept.push([order.path, why(result.image)]);
      });
    } catch (error) {
      if (!(error instanceof Refused) || ![400, 413].includes(error.status)) throw error;
      const [one] = batch.orders;
      if (batch.orders.length === 1 && one) kept.push([one.path, reasonOf(error.message, one.path)]);
      else waiting.unshift(...batches(batch.orders, replace, Math.ceil(batch.orders.length / 2), limits.batchBytes));
    }
    onSaved();
  }
}

/** @param {{state: string} | undefined} image */
function why(image) {
  if (!image) return "Is not in the draft any more";
  return image.state === "removed" ? "Was removed from the draft meanwhile" : "Has labels already, and keeps them";
}
