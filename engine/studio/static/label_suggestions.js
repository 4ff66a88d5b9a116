// What a trained model would label an image with. It is asked once per image, and never changes anything by itself.
// @ts-check

import { callEngine } from "./engine_calls.js";
import { counted } from "./label_words.js";

/** @typedef {import("./label_history.js").Label} Label */
/** @typedef {{model: string, labels: (Label & {confidence: number})[]}} Suggestion */

const KEPT = 50;

export class Suggestions {
  /** @type {Map<number, Promise<Suggestion | null>>} */
  #asked = new Map();

  /**
   * @param {string} address Of the draft: `/studio/drafts/NAME`.
   * @param {string} model Empty if there is none that could answer.
   */
  constructor(address, model) {
    this.address = address;
    this.model = model;
  }

  /**
   * The suggestion for an image; null if the model finds nothing, or does not answer.
   * @param {number} number
   * @returns {Promise<Suggestion | null>}
   */
  async of(number) {
    if (!this.model) return null;
    let asked = this.#asked.get(number);
    if (!asked) {
      asked = this.#ask(number);
      this.#asked.set(number, asked);
      for (const old of this.#asked.keys()) {
        if (this.#asked.size <= KEPT) break;
        this.#asked.delete(old);
      }
    }
    return asked;
  }

  /** @param {number} number @returns {Promise<Suggestion | null>} */
  async #ask(number) {
    try {
      const query = new URLSearchParams({ model: this.model });
      const { value } = await callEngine(`${this.address}/images/${number}/suggestion?${query}`);
      return value.labels.length ? value : null;
    } catch {
      this.#asked.delete(number); // asked again when the image is shown again
      return null;
    }
  }
}

/**
 * `leaves-1a2b suggests cat (93 %)`, or how many boxes of which tags.
 * @param {Suggestion} suggestion
 */
export function suggestionInWords({ model, labels }) {
  if (!labels.some((label) => label.bbox)) {
    return `${model} suggests ${labels.map((label) => `${label.tag} (${percent(label.confidence)})`).join(", ")}`;
  }
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const { tag } of labels) counts.set(tag, (counts.get(tag) ?? 0) + 1);
  const tags = [...counts].map(([tag, count]) => (count > 1 ? `${count} × ${tag}` : tag)).join(", ");
  return `${model} suggests ${counted(labels.length, "box", "boxes")}: ${tags}`;
}

/** @param {number} share Never 100 % for less than all. */
function percent(share) {
  return `${Math.min(99, Math.floor(share * 100))} %`;
}
