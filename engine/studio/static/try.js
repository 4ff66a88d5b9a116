// Try it out: takes pictures however they come, has a few at once analyzed, and keeps the results until the page is left.
// @ts-check

import { codeTabs } from "./code_tabs.js";
import { byId, element } from "./elements.js";
import { callEngine } from "./engine_calls.js";
import { InTurn } from "./in_turn.js";
import { isForField, say } from "./studio.js";
import { Camera } from "./try_camera.js";
import { Planogram } from "./try_planogram.js";
import { Result } from "./try_result.js";
import * as words from "./try_words.js";

/** @typedef {import("./try_result.js").Tried} Tried */
/** @typedef {import("./try_result.js").Source} Source */

const AT_ONCE = 3;
const PICTURES_MAX = 100;
const ANNOUNCED_MAX = 10;
const STEP = 0.05;

/** Wires up the page. Without a model to try, there is only the choice of one. */
class TryOut {
  /** @param {Tried} tried @param {import("./try_result.js").Limits} limits */
  constructor(tried, limits) {
    this.tried = tried;
    this.limits = limits;
    this.turns = new InTurn(AT_ONCE);
    /** @type {Result[]} the newest first */
    this.results = [];
    this.planogram = new Planogram((chosen) => {
      for (const result of this.results) chosen ? this.compare(result) : result.setMatch(null);
    });
    this.list = byId("results", HTMLOListElement);
    this.camera = new Camera((picture, name) => this.add([{ name, file: "", picture }]));
    this.takeFiles();
    this.takeDrops();
    this.takePastes();
    this.takeAddresses();
    this.takeKeys();
    byId("model", HTMLSelectElement).addEventListener("change", (event) => this.choose(/** @type {HTMLSelectElement} */ (event.target).value));
    byId("clear", HTMLButtonElement).addEventListener("click", () => this.clear());
    this.showModel();
  }

  // The model

  /** @param {string} name */
  async choose(name) {
    try {
      const { value } = await callEngine(`/studio/try/model?model=${encodeURIComponent(name)}`);
      this.tried = value;
      history.replaceState(null, "", `/studio/try?model=${encodeURIComponent(name)}`);
      this.showModel();
      const about = byId("about", HTMLElement);
      for (const [part, text] of Object.entries({ kind: value.kind_text, model: value.model, dataset: value.trained_from, metric: value.metric ? `: ${value.metric}` : "" })) {
        const place = about.querySelector(`[data-about="${part}"]`);
        if (place) place.textContent = text;
      }
      about.querySelector("a")?.setAttribute("href", value.page);
      document.querySelector("#code .tabs")?.replaceWith(codeTabs("code", value.snippets));
      say(`${name} answers from now on`);
    } catch (error) {
      byId("model", HTMLSelectElement).value = this.tried.name;
      say(error instanceof Error ? error.message : String(error));
    }
  }

  showModel() {
    this.planogram.place.hidden = this.tried.kind !== "Product-Recognizer";
    for (const result of this.results) this.offer(result);
  }

  /** @param {Result} result */
  offer(result) {
    if (result.problem) result.offer("Try again");
    else if (result.value) result.offer(result.tried.name === this.tried.name ? "" : `Try with ${this.tried.name}`);
  }

  // Pictures

  /** @param {Source[]} sources */
  add(sources) {
    const some = sources.slice(0, PICTURES_MAX);
    if (some.length < sources.length) {
      say(`The first ${PICTURES_MAX} of ${words.counted(sources.length, "picture")} are analyzed. For more, use vision predict.`);
    }
    for (const source of some) this.analyze(source);
  }

  /** @param {Source} source */
  async analyze(source) {
    const tried = this.tried;
    const result = new Result(source, tried, this.limits, {
      again: (before) => this.again(before),
      removed: (removed) => this.forget(removed),
      moved: (moved, threshold, settled) => this.move(moved, threshold, settled),
    });
    const before = this.results.find((other) => other.tried.name === tried.name && other.tried.threshold !== null);
    if (before) result.threshold = before.threshold;
    this.results.unshift(result);
    this.list.prepend(result.item);
    this.count();
    try {
      if (source.picture && source.picture.size > this.limits.bytes) {
        throw new Error(`The file has ${words.size(source.picture.size)}, but at most ${words.size(this.limits.bytes)} can be analyzed. Make it smaller first.`);
      }
      const { value, milliseconds } = await this.turns.run(async () => {
        result.leaves.signal.throwIfAborted();
        result.begin();
        const path = result.findsProducts ? "/studio/try/products" : "/studio/try";
        return callEngine(`${path}?model=${encodeURIComponent(tried.name)}`, {
          method: "POST",
          body: source.picture ?? JSON.stringify({ url: source.url }),
          type: source.picture ? "application/octet-stream" : "application/json",
          signal: result.leaves.signal,
        });
      });
      result.answered(value, milliseconds);
      this.list.dispatchEvent(new CustomEvent("tried", { detail: result })); // who may add pictures to drafts has a script for it
    } catch (error) {
      if (result.leaves.signal.aborted) return;
      result.refused(error);
    }
    this.offer(result);
    this.announce(result.summary);
    await this.compare(result);
  }

  /** Analyze a picture once more, with the model that is chosen now. What failed makes room. @param {Result} before */
  again(before) {
    if (before.problem) before.remove();
    this.analyze(before.source);
    this.results[0]?.article.focus();
  }

  /** @param {Result} result */
  forget(result) {
    this.results = this.results.filter((other) => other !== result);
    this.count();
    const next = this.results[0];
    if (next) next.article.focus();
    else byId("drop", HTMLButtonElement).focus();
  }

  clear() {
    for (const result of [...this.results]) result.remove();
  }

  count() {
    byId("results-section", HTMLElement).hidden = !this.results.length;
    byId("results-count", HTMLElement).textContent = words.counted(this.results.length, "picture");
  }

  /** @param {string} text */
  announce(text) {
    const log = byId("announced", HTMLElement);
    log.append(element("p", {}, text));
    while (log.childElementCount > ANNOUNCED_MAX) log.firstElementChild?.remove();
  }

  /**
   * The threshold of one result is that of all results of its model.
   * @param {Result} moved
   * @param {number} threshold
   * @param {boolean} settled whether the slider was let go
   */
  move(moved, threshold, settled) {
    for (const result of this.results.filter((other) => other.tried.name === moved.tried.name)) {
      result.setThreshold(threshold);
      if (settled) this.compare(result);
    }
  }

  // Where pictures come from

  takeFiles() {
    for (const [field, opener] of [["files", "drop"], ["photo", ""]]) {
      const input = byId(field ?? "", HTMLInputElement);
      input.addEventListener("change", () => {
        this.addFiles([...(input.files ?? [])], true);
        input.value = "";
      });
      if (opener) byId(opener, HTMLButtonElement).addEventListener("click", () => input.click());
    }
    byId("open-camera", HTMLButtonElement).addEventListener("click", () => this.camera.open("photo"));
  }

  /** @param {File[]} files @param {boolean} named whether their names are those of files of the visitor's */
  addFiles(files, named) {
    const plan = files.find((file) => file.name.toLowerCase().endsWith(".json"));
    if (plan && !this.planogram.place.hidden) this.planogram.read(plan);
    else if (plan) say("Choose a product recognizer to compare with a planogram");
    const pictures = files.filter((file) => file !== plan);
    this.add(pictures.map((file, index) => ({
      name: named ? file.name : `Pasted picture${pictures.length > 1 ? ` ${index + 1}` : ""}`,
      file: named ? file.name : "",
      picture: file,
    })));
  }

  takeDrops() {
    const zone = byId("drop", HTMLButtonElement);
    let depth = 0;
    // Everywhere, because a browser leaves the page, and its results, for a file that is dropped beside the zone.
    addEventListener("dragenter", () => zone.classList.toggle("over", (depth += 1) > 0));
    addEventListener("dragleave", () => zone.classList.toggle("over", (depth -= 1) > 0));
    addEventListener("dragover", (event) => event.preventDefault());
    addEventListener("drop", (event) => {
      depth = 0;
      zone.classList.remove("over");
      if (event.target instanceof HTMLTextAreaElement || event.target instanceof HTMLInputElement) {
        if (!event.dataTransfer?.files.length) return;
      }
      event.preventDefault();
      if (event.dataTransfer) this.drop(event.dataTransfer);
    });
  }

  /** @param {DataTransfer} dropped */
  drop(dropped) {
    const entries = [...dropped.items].map((item) => ({ file: item.getAsFile(), folder: item.webkitGetAsEntry()?.isDirectory }));
    const files = entries.flatMap(({ file, folder }) => (file && !folder ? [file] : []));
    if (entries.some(({ folder }) => folder)) say("Folders are not opened here: drop the pictures in them. For a whole folder, use vision predict.");
    if (files.length) this.addFiles(files, true);
    else this.offerAddress(dropped.getData("text/uri-list") || dropped.getData("text/plain"));
  }

  takePastes() {
    document.addEventListener("paste", (event) => {
      const files = [...(event.clipboardData?.files ?? [])];
      if (files.length) {
        event.preventDefault();
        // A picture that was copied from a page is called image.png, whatever it is.
        this.addFiles(files, files.some((file) => file.name && file.name !== "image.png"));
        return;
      }
      const inField = event.target instanceof HTMLElement && event.target.matches("input, textarea");
      if (!inField) this.offerAddress(event.clipboardData?.getData("text/plain") ?? "");
    });
  }

  /** Put an address into its field; a press of Enter has it analyzed. @param {string} text */
  offerAddress(text) {
    const address = words.onlyAddress(text);
    if (!address) return;
    const field = byId("url", HTMLInputElement);
    field.value = address;
    field.focus();
    say("Press Enter to analyze the picture at this address");
  }

  takeAddresses() {
    const field = byId("url", HTMLInputElement);
    byId("url-form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      const address = words.onlyAddress(field.value);
      field.setCustomValidity(address ? "" : "Type an address that starts with https:// or http://");
      if (!address) {
        field.reportValidity();
        return;
      }
      field.value = "";
      this.add([{ name: words.nameOfAddress(address), file: "", url: address }]);
    });
    field.addEventListener("input", () => field.setCustomValidity(""));
  }

  /** Compare a result's products, as far as they are shown, with the planogram. @param {Result} result */
  async compare(result) {
    if (!this.planogram.chosen || !result.value || !result.findsProducts) return;
    const { chosen } = this.planogram;
    const { objects, gaps } = result.counted();
    const { threshold } = result;
    try {
      const match = await this.planogram.match({ imageMetadata: result.value.imageMetadata, products: objects, gaps });
      if (chosen !== this.planogram.chosen || threshold !== result.threshold) return;
      result.setMatch(match);
      this.announce(`${result.source.name}: ${words.matchWords(match)}`);
    } catch (error) {
      result.setMatch(null, error instanceof Error ? error.message : String(error));
    }
  }

  // Keys

  takeKeys() {
    document.addEventListener("keydown", (event) => {
      if (isForField(event) || document.querySelector("dialog[open]")) return;
      /** @type {Record<string, () => void>} */
      const keys = {
        o: () => byId("files", HTMLInputElement).click(),
        c: () => this.camera.open("photo"),
        u: () => byId("url", HTMLInputElement).focus(),
        j: () => this.step(1),
        k: () => this.step(-1),
        "[": () => this.nudge(-STEP),
        "]": () => this.nudge(STEP),
      };
      const act = keys[event.key];
      if (!act) return;
      event.preventDefault();
      act();
    });
  }

  /** Go to another result. @param {number} by */
  step(by) {
    const current = this.results.findIndex((result) => result.article.contains(document.activeElement));
    const next = this.results[Math.min(this.results.length - 1, Math.max(0, current + by))];
    next?.article.focus();
    next?.article.scrollIntoView({ block: "nearest" });
  }

  /** Move the threshold of the result with the focus, else of the newest. @param {number} by */
  nudge(by) {
    const result = this.results.find((other) => other.article.contains(document.activeElement)) ?? this.results.find((other) => other.sliderInput);
    if (!result?.sliderInput) return;
    const moved = Math.min(1, Math.max(this.limits.confidence, result.threshold + by));
    this.move(result, Math.round(moved * 100) / 100, true);
    say(`From ${result.threshold.toFixed(2)} on: ${result.counts()}`);
  }
}

const data = ["tried", "limits"].map((id) => JSON.parse(document.getElementById(id)?.textContent || "null"));
if (data[0]) new TryOut(data[0], data[1]);
else {
  document.getElementById("model")?.addEventListener("change", ({ target }) => {
    if (target instanceof HTMLSelectElement) target.form?.requestSubmit();
  });
}
