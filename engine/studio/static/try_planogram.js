// The planogram of Try it out: pasted or from a file, checked by the engine, and matched with the products of photos.
// @ts-check

import { byId } from "./elements.js";
import { callEngine } from "./engine_calls.js";
import { InTurn } from "./in_turn.js";
import { counted, readPlanogram } from "./try_words.js";

/** No products: the engine checks a planogram even if there is no photo yet. */
const NOTHING = { imageMetadata: { width: 1, height: 1 }, products: [], gaps: [] };

export class Planogram {
  /** @param {(chosen: object | null) => void} changed another planogram was chosen, or it was removed */
  constructor(changed) {
    this.changed = changed;
    /** @type {object | null} */
    this.chosen = null;
    this.turns = new InTurn(1);
    this.place = byId("planogram", HTMLElement);
    this.text = byId("planogram-text", HTMLTextAreaElement);
    this.problem = byId("planogram-problem", HTMLElement);
    const input = byId("planogram-file", HTMLInputElement);
    byId("planogram-choose", HTMLButtonElement).addEventListener("click", () => input.click());
    input.addEventListener("change", () => {
      const file = input.files?.[0];
      if (file) this.read(file);
      input.value = "";
    });
    byId("planogram-form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      this.choose(this.text.value);
    });
    byId("planogram-remove", HTMLButtonElement).addEventListener("click", () => {
      this.text.value = "";
      this.set(null, "");
      this.text.focus();
    });
  }

  /** @param {File} file */
  async read(file) {
    this.text.value = await file.text();
    const details = this.place.querySelector("details");
    if (details) details.open = true;
    await this.choose(this.text.value);
  }

  /** @param {string} text */
  async choose(text) {
    const read = readPlanogram(text);
    if ("problem" in read) {
      this.set(null, read.problem);
      return;
    }
    try {
      const { positions } = await this.match(NOTHING, read.planogram);
      this.set(read.planogram, "", counted(positions.length, "position"));
    } catch (error) {
      this.set(null, error instanceof Error ? error.message : String(error));
    }
  }

  /** @param {object | null} chosen @param {string} problem @param {string} [told] */
  set(chosen, problem, told = "") {
    this.chosen = chosen;
    this.problem.textContent = problem;
    this.problem.hidden = !problem;
    byId("planogram-state", HTMLElement).textContent = told;
    byId("planogram-remove", HTMLButtonElement).hidden = !chosen;
    this.changed(chosen);
  }

  /**
   * What stands where. One at a time: the engine refuses more.
   * @param {object} detectedProducts
   * @returns {Promise<import("./try_words.js").Match>}
   */
  async match(detectedProducts, planogram = this.chosen) {
    const body = JSON.stringify({ detectedProducts, planogram });
    const call = () => callEngine("/studio/try/planogram", { method: "POST", body, type: "application/json" });
    return (await this.turns.run(call)).value;
  }
}
