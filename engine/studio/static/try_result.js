// One result of Try it out: the picture, what the model found in it, and the code that asks the same.
// @ts-check

import { codeTabs } from "./code_tabs.js";
import { copyOf, element } from "./elements.js";
import { callEngine } from "./engine_calls.js";
import { DrawnPicture, hueOf } from "./try_picture.js";
import * as words from "./try_words.js";

/**
 * @typedef {{name: string, model: string, kind: string, kind_text: string, trained_from: string, metric: string | null, page: string, threshold: number | null, own_threshold: boolean, snippets: [string, string][]}} Tried
 * @typedef {{name: string, file: string, picture?: Blob, url?: string}} Source `file` is its name on the visitor's disk, if it has one
 * @typedef {{bytes: number, novel: number, confidence: number}} Limits
 * @typedef {import("./try_words.js").Found} Found
 * @typedef {{again: (result: Result) => void, removed: (result: Result) => void, moved: (result: Result, threshold: number, settled: boolean) => void}} On
 */

const TAGS_SHOWN = 5;
const SIGN_IN = "/studio/sign-in";
let made = 0;

export class Result {
  /**
   * @param {Source} source
   * @param {Tried} tried the model that answers
   * @param {Limits} limits
   * @param {On} on
   */
  constructor(source, tried, limits, on) {
    this.source = source;
    this.tried = tried;
    this.limits = limits;
    this.on = on;
    this.id = `result-${(made += 1)}`;
    this.threshold = tried.threshold ?? 0;
    /** @type {any} */
    this.value = null;
    /** @type {import("./try_words.js").Match | null} */
    this.match = null;
    this.matchProblem = "";
    /** @type {string | null} */
    this.chosen = null;
    this.leaves = new AbortController();

    const copy = copyOf("result");
    this.item = /** @type {HTMLLIElement} */ (copy.firstElementChild);
    this.article = /** @type {HTMLElement} */ (this.item.querySelector("article"));
    this.part("title").textContent = source.name;
    this.part("title").id = `${this.id}-title`;
    this.article.setAttribute("aria-labelledby", `${this.id}-title`);
    this.picture = new DrawnPicture(this.part("picture"), {
      pointed: (id) => this.highlight(id ?? this.chosen),
      chosen: (id) => this.choose(id, true),
    });
    if (source.picture) this.address = this.picture.show(source.picture, source.name);
    else this.picture.unseen("The Studio loads nothing from other hosts, so it does not show pictures of URLs. The engine reads them.");
    const remove = this.part("remove");
    remove.setAttribute("aria-label", `Remove the result of ${source.name}`);
    remove.addEventListener("click", () => this.remove());
    this.part("again").addEventListener("click", () => on.again(this));
    const code = /** @type {HTMLDetailsElement} */ (this.part("code"));
    code.addEventListener("toggle", () => {
      if (code.open) this.showCode(code);
    });
    this.say("Waiting for its turn …");
  }

  /** @param {string} name @returns {HTMLElement} */
  part(name) {
    const found = this.item.querySelector(`[data-part="${name}"]`);
    if (!(found instanceof HTMLElement)) throw new Error(`the template has no part ${name}`);
    return found;
  }

  get findsProducts() {
    return this.tried.kind === "Product-Recognizer";
  }

  /** Say how far it is. @param {string} text */
  say(text) {
    this.part("facts").textContent = text;
  }

  begin() {
    this.article.classList.add("running");
    this.say(`${this.tried.name} looks at it …`);
  }

  remove() {
    this.leaves.abort();
    if (this.address) URL.revokeObjectURL(this.address);
    this.item.remove();
    this.on.removed(this);
  }

  /**
   * Show the answer.
   * @param {any} value as `imageanalysis:analyze` gives it, or the result of a product recognition run
   * @param {number} milliseconds
   */
  answered(value, milliseconds) {
    this.article.classList.remove("running");
    this.value = value;
    const { width, height } = value.metadata ?? value.imageMetadata;
    this.picture.sized(width, height);
    const file = this.source.picture ? `, ${words.size(this.source.picture.size)}` : "";
    this.say(`${this.tried.name} answered in ${words.seconds(milliseconds)}, with the transfer. ${width} × ${height} px${file}.`);
    this.part("code").hidden = false;
    if (value.customModelResult?.tagsResult) this.part("body").replaceChildren(...this.tags());
    else {
      this.part("body").replaceChildren(this.slider(), this.summaryLine(), this.matchLine(), this.list());
      this.refresh();
    }
  }

  /** Show why there is no answer. @param {unknown} error */
  refused(error) {
    this.article.classList.remove("running");
    this.say("");
    const problem = element("p", { class: "problem" }, error instanceof Error ? error.message : String(error));
    if (error && typeof error === "object" && "ended" in error && error.ended) {
      problem.append(" ", element("a", { href: SIGN_IN, target: "_blank", rel: "noopener" }, "Sign in in another tab"), ", then try again: the pictures stay here.");
    }
    this.problem = problem.textContent ?? "";
    this.part("body").replaceChildren(problem);
    this.offer("Try again");
  }

  /** Offer to analyze the picture again, with the model that is chosen now; empty to not offer it. @param {string} text */
  offer(text) {
    const again = this.part("again");
    again.textContent = text;
    again.hidden = !text;
  }

  /** What a screen reader hears. */
  get summary() {
    if (this.problem) return `${this.source.name}: ${this.problem}`;
    const result = this.value?.customModelResult;
    if (result?.tagsResult) {
      const tags = words.firstTags(result.tagsResult.values, 1).map((tag) => `${tag.name} ${words.percent(tag.confidence)}`);
      const novelty = result.novelty === undefined ? "" : ` ${words.noveltyWords(result.novelty, this.limits.novel).text}`;
      return `${this.source.name}: ${tags.join(", ")}.${novelty}`;
    }
    return `${this.source.name}: ${this.counts()}.`;
  }

  // A classifier's tags

  tags() {
    const { tagsResult, novelty } = this.value.customModelResult;
    /** @type {import("./try_words.js").Tag[]} */
    const tags = tagsResult.values;
    const list = element("ul", { class: "scores" });
    /** @param {import("./try_words.js").Tag[]} some */
    const fill = (some) => list.replaceChildren(...some.map((tag, index) => this.score(tag, index)));
    const first = words.firstTags(tags, TAGS_SHOWN);
    fill(first);
    /** @type {HTMLElement[]} */
    const parts = [list];
    if (tags.some((tag) => tag.threshold !== undefined) && !tags.some(words.isPresent)) {
      parts.unshift(element("p", {}, "No tag reaches its threshold: the picture shows none of them."));
    }
    if (tags.length > first.length) {
      const more = element("button", { type: "button" }, `All ${words.counted(tags.length, "tag")}`);
      more.addEventListener("click", () => {
        fill(tags);
        more.remove();
        this.article.focus();
      });
      parts.push(more);
    }
    if (novelty !== undefined) {
      const { novel, text } = words.noveltyWords(novelty, this.limits.novel);
      parts.push(novel ? element("p", { class: "note" }, copyOf("mark-note"), ` ${text}`) : element("p", { class: "quiet" }, text));
    }
    return parts;
  }

  /** @param {import("./try_words.js").Tag} tag @param {number} index */
  score(tag, index) {
    const several = tag.threshold !== undefined;
    const present = several ? words.isPresent(tag) : index === 0;
    const fill = element("span", { class: "fill" });
    fill.style.width = `${100 * tag.confidence}%`;
    const track = element("span", { class: "track", aria: { hidden: "true" } }, fill);
    let told = words.percent(tag.confidence);
    if (tag.threshold !== undefined) {
      const limit = element("span", { class: "limit" });
      limit.style.left = `${100 * tag.threshold}%`;
      track.append(limit);
      told += present ? `, shown from ${words.percent(tag.threshold)} on` : `, below ${words.percent(tag.threshold)}`;
    }
    const name = element("span", { class: "name" }, several && present ? copyOf("mark-found") : null, tag.name);
    return element("li", { class: present ? "present" : "" }, name, element("span", { class: "number" }, told), track);
  }

  // Objects and products

  /** @returns {{objects: Found[], gaps: Found[]}} those of the threshold and above */
  counted() {
    const enough = (/** @type {Found} */ found) => words.confidence(found) >= this.threshold;
    if (this.findsProducts) return { objects: this.value.products.filter(enough), gaps: this.value.gaps.filter(enough) };
    return { objects: this.value.customModelResult.objectsResult.values.filter(enough), gaps: [] };
  }

  counts() {
    const { objects, gaps } = this.counted();
    const found = words.countedByTag(objects, this.findsProducts ? "product" : "object");
    return gaps.length ? `${found}; ${words.counted(gaps.length, "gap")}` : found;
  }

  slider() {
    const input = element("input", { type: "range", id: `${this.id}-threshold`, min: String(this.limits.confidence), max: "1", step: "0.01", value: String(this.threshold) });
    this.sliderInput = input;
    this.sliderOutput = element("output", { class: "figure", htmlFor: input.id });
    this.sliderNote = element("small", { class: "quiet" });
    input.addEventListener("input", () => this.on.moved(this, Number(input.value), false));
    input.addEventListener("change", () => this.on.moved(this, Number(input.value), true));
    const label = element("label", { htmlFor: input.id }, "Show boxes of a confidence from ");
    label.append(this.sliderOutput);
    return element("div", { class: "threshold" }, label, input, this.sliderNote);
  }

  summaryLine() {
    this.line = element("p", { class: "figure" });
    return this.line;
  }

  matchLine() {
    this.matched = element("p", { hidden: true });
    return this.matched;
  }

  list() {
    this.found = element("div", { class: "found" });
    this.found.addEventListener("pointerover", (event) => this.highlight(markOf(event) ?? this.chosen));
    this.found.addEventListener("pointerleave", () => this.highlight(this.chosen));
    this.found.addEventListener("focusin", (event) => this.highlight(markOf(event)));
    this.found.addEventListener("focusout", () => this.highlight(this.chosen));
    this.found.addEventListener("click", (event) => {
      const id = markOf(event);
      if (id !== null) this.choose(id, false);
    });
    return this.found;
  }

  /** Show the boxes of another threshold. @param {number} threshold */
  setThreshold(threshold) {
    this.threshold = threshold;
    this.refresh();
  }

  /** Compare with a planogram; null if there is none, or it is being asked for. @param {import("./try_words.js").Match | null} match @param {string} [problem] */
  setMatch(match, problem = "") {
    this.match = match;
    this.matchProblem = problem;
    this.refresh();
  }

  refresh() {
    if (!this.value || !this.found || !this.line || !this.sliderInput || !this.sliderOutput || !this.sliderNote || !this.matched) return;
    const { objects, gaps } = this.counted();
    this.sliderInput.value = String(this.threshold);
    this.sliderOutput.textContent = this.threshold.toFixed(2);
    const own = this.tried.own_threshold && Math.abs(this.threshold - (this.tried.threshold ?? 0)) < 0.005;
    this.sliderNote.textContent = own ? "The model's own: with it, its F1 was highest on the images that it was judged on." : "";
    this.line.textContent = this.counts();
    this.matched.hidden = !this.match && !this.matchProblem;
    this.matched.className = this.matchProblem ? "problem" : "";
    this.matched.textContent = this.matchProblem || (this.match ? words.matchWords(this.match) : "");
    const groups = this.findsProducts
      ? words.productGroups(objects, gaps, this.match, this.value.imageMetadata)
      : words.objectGroups(objects);
    const marks = groups.flatMap((group) => group.marks);
    if (!marks.some((mark) => mark.id === this.chosen)) this.chosen = null;
    this.picture.draw(marks);
    const focused = this.found.contains(document.activeElement) ? markOf({ target: document.activeElement }) : null;
    this.found.replaceChildren(...groups.flatMap((group) => this.group(group)));
    if (focused !== null) this.row(focused)?.focus();
    this.highlight(this.chosen);
  }

  /** @param {import("./try_words.js").Group} group */
  group({ title, marks }) {
    const rows = marks.map((mark) => {
      const dot = element("span", { class: `dot ${mark.look === "found" ? `look-found hue-${hueOf(mark.label)}` : `look-${mark.look}`}` });
      const press = element("button", { type: "button", data: { id: mark.id }, aria: { pressed: String(mark.id === this.chosen) } }, dot, element("span", { class: "name" }, mark.label), element("span", { class: "number" }, mark.note));
      return element("li", {}, press);
    });
    const list = element("ul", title ? { aria: { label: title } } : { aria: { label: "Boxes" } }, ...rows);
    return [title ? element("h4", {}, title) : null, list].filter((part) => part !== null);
  }

  /** @param {string} id @returns {HTMLElement | null} */
  row(id) {
    return [...(this.found?.querySelectorAll("button") ?? [])].find((button) => button.dataset.id === id) ?? null;
  }

  /** @param {string | null} id */
  highlight(id) {
    this.picture.highlight(id);
    for (const button of this.found?.querySelectorAll("button") ?? []) button.classList.toggle("lit", button.dataset.id === id);
  }

  /** Keep one box lit, or no longer. @param {string} id @param {boolean} show whether to scroll its row into the list */
  choose(id, show) {
    this.chosen = this.chosen === id ? null : id;
    for (const button of this.found?.querySelectorAll("button") ?? []) button.setAttribute("aria-pressed", String(button.dataset.id === this.chosen));
    this.highlight(this.chosen);
    const row = show && this.chosen !== null ? this.row(this.chosen) : null;
    if (row && this.found) this.found.scrollTop = row.offsetTop - this.found.clientHeight / 2;
  }

  // Code

  /** @param {HTMLDetailsElement} place */
  async showCode(place) {
    /** @type {[string, string][]} */
    const tabs = [["JSON", JSON.stringify(this.value, null, 2)]];
    if (this.match) tabs.push(["Planogram", JSON.stringify({ matchingResultPerPosition: this.match.matchingResultPerPosition }, null, 2)]);
    const form = new URLSearchParams({ model: this.tried.name, file: this.source.file, url: this.source.url ?? "", threshold: this.tried.threshold === null ? "" : String(this.threshold) });
    try {
      const { value } = await callEngine("/studio/try/code", { method: "POST", body: form, signal: this.leaves.signal });
      tabs.push(...value.snippets);
    } catch (error) {
      if (this.leaves.signal.aborted) return;
      tabs.push(["Code", `# ${error instanceof Error ? error.message : error}`]);
    }
    place.querySelector(".tabs")?.remove();
    place.append(codeTabs(`${this.id}-code`, tabs));
  }
}

/** @param {{target: EventTarget | null}} event */
function markOf(event) {
  const button = event.target instanceof Element ? event.target.closest("button[data-id]") : null;
  return button?.getAttribute("data-id") ?? null;
}
