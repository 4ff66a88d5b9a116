// Saves labels: soon after each change, again when that fails, and never less than what the browser keeps.
// @ts-check

import { EMPTY, answered, failed, keptMine, put, refused, retrySeconds, taken, waitingCounts, without } from "./label_queue.js";
import { UnsavedStore } from "./label_unsaved.js";

/** @typedef {import("./label_history.js").Content} Content */
/** @typedef {import("./label_queue.js").Waiting} Waiting */
/** @typedef {import("./label_queue.js").Theirs} Theirs */
/** @typedef {"saved" | "saving" | "failing" | "ended"} State */

const SOON_MS = 150;
const LIMIT_MS = 20_000;
const KEEPALIVE_BYTES = 60_000;

export class Saver extends EventTarget {
  #queue = EMPTY;
  #timer = 0;
  #sending = false;
  #ended = false;
  /** @type {Date | null} */
  #saved = null;

  /**
   * Events: `state` when what `state` or `counts` say has changed; `image` with `detail` a `Theirs` when an image is saved;
   * `conflict` and `refused` with `detail` a number.
   * @param {string} address Where labels are posted to.
   * @param {string} draft The draft's id.
   * @param {string} who
   */
  constructor(address, draft, who) {
    super();
    this.address = address;
    this.store = new UnsavedStore(draft, who);
    addEventListener("beforeunload", (event) => {
      if (this.#queue.waiting.length) event.preventDefault();
    });
    addEventListener("pagehide", () => this.#sendAway());
    addEventListener("online", () => this.retry());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.retry();
      else if (!this.#sending) this.flush();
    });
  }

  /** @returns {State} */
  get state() {
    if (this.#ended) return "ended";
    if (this.#queue.failures) return "failing";
    return waitingCounts(this.#queue).toSend ? "saving" : "saved";
  }

  get counts() {
    return waitingCounts(this.#queue);
  }

  /** When something was saved last; null if nothing was. */
  get savedAt() {
    return this.#saved;
  }

  get isIdle() {
    return !this.#queue.waiting.length && !this.#sending;
  }

  /** @param {number} number @returns {Waiting | undefined} */
  waitingFor(number) {
    return this.#queue.waiting.find((each) => each.number === number);
  }

  /** The number of an image that needs a decision, or null. */
  get undecided() {
    return this.#queue.waiting.find((each) => each.theirs !== undefined || each.refused !== undefined)?.number ?? null;
  }

  /**
   * Save what an image gets.
   * @param {number} number
   * @param {Content} content
   * @param {string} eTag
   */
  put(number, content, eTag) {
    this.#change(put(this.#queue, number, content, eTag));
    this.#keep(number);
    this.#schedule();
  }

  /**
   * Save changes that another page has left over.
   * @param {Waiting[]} changes
   */
  adopt(changes) {
    this.#change({ ...this.#queue, waiting: [...this.#queue.waiting, ...changes.filter(({ number }) => !this.waitingFor(number))] });
    this.flush();
  }

  /** Send now what waits. */
  flush() {
    clearTimeout(this.#timer);
    this.#timer = 0;
    this.#send();
  }

  /** Try again at once, also after the session had ended. */
  retry() {
    if (!this.#queue.waiting.length) return;
    this.#ended = false;
    this.flush();
  }

  /**
   * Decide a conflict for the content of this page, over an image that is at `eTag` now.
   * @param {number} number
   * @param {string} eTag
   */
  keepMine(number, eTag) {
    this.#change(keptMine(this.#queue, number, eTag));
    this.#keep(number);
    this.flush();
  }

  /** Give up what waits of an image. @param {number} number */
  giveUp(number) {
    this.#change(without(this.#queue, number));
    this.store.forget(number);
  }

  /** @param {import("./label_queue.js").Queue} queue */
  #change(queue) {
    this.#queue = queue;
    this.dispatchEvent(new Event("state"));
  }

  /** @param {number} number */
  #keep(number) {
    const change = this.waitingFor(number);
    if (change && !this.store.keep(change)) this.dispatchEvent(new Event("full"));
  }

  /** Without putting off what is planned already: each change is sent in time, however many follow. */
  #schedule() {
    if (this.#timer || this.#sending || this.#queue.failures || this.#ended) return;
    this.#timer = setTimeout(() => this.flush(), SOON_MS);
  }

  async #send() {
    if (this.#sending || this.#ended) return;
    const { queue, batch } = taken(this.#queue);
    if (!batch.length) return;
    this.#sending = true;
    this.#queue = queue;
    const numbers = batch.map((each) => each.number);
    const answer = await this.#post(batch);
    this.#sending = false;
    if (answer.status === 200 && answer.value) {
      const { value } = answer;
      this.#change(answered(this.#queue, value));
      for (const { number, saved, image } of value) {
        if (saved && image) {
          this.#saved = new Date();
          this.dispatchEvent(new CustomEvent("image", { detail: image }));
        }
        if (this.waitingFor(number)) this.#keep(number);
        else this.store.forget(number);
        if (!saved && this.waitingFor(number)?.theirs !== undefined) this.dispatchEvent(new CustomEvent("conflict", { detail: number }));
      }
    } else if (answer.status === 401) {
      this.#ended = true;
    } else if (answer.status >= 400 && answer.status < 500 && answer.status !== 408 && answer.status !== 429) {
      this.#change(refused(this.#queue, numbers, answer.message));
      if (batch.length === 1) this.dispatchEvent(new CustomEvent("refused", { detail: numbers[0] }));
    } else {
      this.#change(failed(this.#queue));
    }
    this.dispatchEvent(new Event("state"));
    if (this.#ended || !this.counts.toSend) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.flush(), 1000 * retrySeconds(this.#queue));
  }

  /**
   * @param {Waiting[]} batch
   * @returns {Promise<{status: number, message: string, value?: import("./label_queue.js").Result[]}>} status 0: no answer
   */
  async #post(batch) {
    try {
      const response = await fetch(this.address, { ...order(batch), signal: AbortSignal.timeout(LIMIT_MS) });
      const body = await response.json().catch(() => null);
      const message = body?.error?.message ?? `The engine answered with status ${response.status}.`;
      return { status: response.ok && !Array.isArray(body?.value) ? 0 : response.status, message, value: body?.value };
    } catch {
      return { status: 0, message: "The engine does not answer." };
    }
  }

  /** The page is going away: send what waits without waiting for the answer. It stays in the browser, and is sent again. */
  #sendAway() {
    const { batch } = taken(this.#queue);
    const options = order(batch);
    if (batch.length && !this.#ended && options.body.length < KEEPALIVE_BYTES) fetch(this.address, { ...options, keepalive: true }).catch(() => undefined);
  }
}

/** @param {Waiting[]} batch */
function order(batch) {
  const images = batch.map(({ number, content, eTag }) => ({ number, ...content, eTag }));
  return { method: "POST", headers: { Accept: "application/json", "Content-Type": "application/json" }, body: JSON.stringify({ images }) };
}
