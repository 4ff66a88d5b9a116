// Changes that are not saved yet, kept in the browser: one entry an image, so that a change costs as much as its own labels.
// @ts-check

/** @typedef {import("./label_queue.js").Waiting} Waiting */
/** @typedef {{key: string, who: string, change: Waiting}} Kept `key` is where it is kept. */

const PREFIX = "vision-studio-unsaved";

export class UnsavedStore {
  /**
   * @param {string} draft The draft's id.
   * @param {string} who Who is signed in.
   */
  constructor(draft, who) {
    this.who = who;
    this.start = `${PREFIX}/${draft}/`;
    this.own = `${this.start}${crypto.randomUUID()}/`;
    // Held for as long as this page is open: what has no holder is left over from a page that was closed.
    navigator.locks?.request(this.own, () => new Promise(() => undefined));
  }

  /**
   * Keep a change. Returns whether the browser had room for it.
   * @param {Waiting} change
   */
  keep(change) {
    try {
      localStorage.setItem(this.own + change.number, JSON.stringify({ who: this.who, change }));
      return true;
    } catch {
      return false;
    }
  }

  /** @param {number} number */
  forget(number) {
    localStorage.removeItem(this.own + number);
  }

  /**
   * What pages that are closed have left over.
   * @returns {Promise<Kept[]>}
   */
  async leftOver() {
    const keys = Object.keys(localStorage).filter((key) => key.startsWith(this.start) && !key.startsWith(this.own));
    const found = [];
    for (const page of new Set(keys.map((key) => key.slice(0, key.lastIndexOf("/") + 1)))) {
      if (await this.#isOpen(page)) continue;
      for (const key of keys.filter((each) => each.startsWith(page))) {
        const kept = keptIn(key, localStorage.getItem(key));
        if (kept) found.push(kept);
        else localStorage.removeItem(key);
      }
    }
    return found;
  }

  /** Make what was left over this page's own. @param {Kept[]} left @returns {Waiting[]} */
  take(left) {
    for (const { change } of left) this.keep(change);
    this.drop(left);
    return left.map(({ change }) => change);
  }

  /** @param {Kept[]} left */
  drop(left) {
    for (const { key } of left) localStorage.removeItem(key);
  }

  /** @param {string} page */
  async #isOpen(page) {
    if (!navigator.locks) return false;
    return navigator.locks.request(page, { ifAvailable: true }, (lock) => lock === null);
  }
}

/** @param {string} key @param {string | null} text @returns {Kept | null} null if it is not a change */
function keptIn(key, text) {
  try {
    const { who, change } = JSON.parse(text ?? "");
    const isChange = typeof who === "string" && Number.isInteger(change.number) && Array.isArray(change.content.labels) && Array.isArray(change.sent);
    return isChange ? { key, who, change } : null;
  } catch {
    return null;
  }
}
