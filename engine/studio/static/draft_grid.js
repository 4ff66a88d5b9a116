// The grid of a draft's images, in which many are labelled at once.
// @ts-check

import { changeAll, counted } from "./bulk_change.js";
import { isLeft, orderBack, ordersFor, takesAway } from "./bulk_labels.js";
import { byId, element } from "./elements.js";
import { callEngine, Refused, unanswered } from "./engine_calls.js";
import { Grid } from "./grid.js";
import { control, filterAtOnce } from "./grid_controls.js";
import { OtherCount } from "./grid_pages.js";
import { toneOf } from "./label_tones.js";
import { isForField, say } from "./studio.js";

/**
 * @typedef {import("./bulk_labels.js").DraftImage & {thumbnail: string}} DraftImage
 * @typedef {import("./grid_pages.js").Cell & {image: DraftImage}} DraftCell
 */

const BOXES_MAX = 100;
const TAGS_MAX = 5;
const KEYS = 9;

/** @type {{labels: string, remove: string, restore: string, change: string, counts: string, label: string, like: string, query: Record<string, string>, alike: boolean, kind: string, tags: string[], batch: number}} */
const page = JSON.parse(document.getElementById("bulk")?.textContent ?? "null");

/**
 * @param {DraftImage} image
 * @returns {DraftCell}
 */
function cellOf(image) {
  const tags = [...new Set(image.labels.map((label) => label.tag))];
  const state = image.theirs ? "conflict" : image.state === "same" ? "" : image.state;
  return {
    image,
    position: image.number,
    name: image.fileName,
    page: `${page.label}?${new URLSearchParams({ ...page.query, number: String(image.number) })}`,
    picture: image.thumbnail,
    tags: tags.length || !image.empty ? tags.slice(0, TAGS_MAX) : ["nothing here"],
    more: Math.max(0, tags.length - TAGS_MAX),
    problems: 0,
    state,
    boxes: image.labels.slice(0, BOXES_MAX).flatMap(({ tag, bbox }) =>
      bbox ? [[bbox[0] ?? 0, bbox[1] ?? 0, bbox[2] ?? 0, bbox[3] ?? 0, toneOf(tag)]] : []),
  };
}

class Desk {
  /** @type {(() => Promise<void>) | null} */
  #undo = null;
  #busy = false;
  #stopped = false;
  #counting = 0;
  /** @type {number | null} The draft's changes that the grid's images include, since it was read last. */
  #seen = null;
  #again = false;

  /** @param {HTMLElement} list */
  constructor(list) {
    this.grid = new Grid(list, {
      read: (body) => this.#read(body),
      changed: () => this.#countChanged(),
    });
    this.work = byId("work", HTMLElement);
    this.text = byId("work-text", HTMLElement);
    this.progress = byId("work-progress", HTMLProgressElement);
  }

  /** @param {{count: number, edit: number, images: DraftImage[]}} body */
  #read({ count, edit, images }) {
    this.#seen = this.#again ? edit : Math.min(this.#seen ?? edit, edit);
    this.#again = false;
    return { count, cells: images.map(cellOf) };
  }

  /** @param {string} tag empty for no tag */
  give(tag) {
    if (page.kind === "boxes") {
      say("Boxes are drawn image by image: Enter opens one.");
      return;
    }
    if (this.#all(tag ? "give" : "clear", tag)) return;
    this.#change(async (chosen) => {
      const images = await this.#images(chosen, "Looking at");
      const away = takesAway(images.map(({ image }) => image).filter((image) => !isLeft(image)), tag, page.kind);
      const orders = ordersFor(images.map(({ image }) => image), tag, page.kind, away);
      const left = images.filter(({ image }) => isLeft(image)).length;
      const before = new Map(images.map(({ image, index }) => [image.number, { image, index }]));
      const what = !tag ? "No tag" : away ? `“${tag}” taken away` : `“${tag}”`;
      const done = await this.#label(orders, before, what);
      this.#undo = () => this.#labelBack(done, before);
      const told = [`${what}: ${counted(done.size)} changed`];
      const equal = images.length - left - orders.length;
      if (equal > 0) told.push(`${equal.toLocaleString("en")} had that already`);
      if (left) told.push(`${left.toLocaleString("en")} left: removed or in conflict`);
      if (orders.length > done.size && !this.#stopped) told.push(`${(orders.length - done.size).toLocaleString("en")} left: another person changed them`);
      if (this.#stopped) told.push("stopped");
      return told.join("; ");
    });
  }

  remove() {
    if (!this.#all("remove")) this.#move(page.remove, page.restore, "removed from the draft");
  }

  restore() {
    if (!this.#all("restore")) this.#move(page.restore, page.remove, "restored");
  }

  async undo() {
    const undo = this.#undo;
    if (this.#busy) return;
    if (!undo) {
      say("There is nothing to undo on this page.");
      return;
    }
    this.#undo = null;
    await this.#run(async () => {
      await undo();
      return "Undone";
    });
  }

  stop() {
    this.#stopped = true;
  }

  /**
   * @param {string} there
   * @param {string} back
   * @param {string} words
   */
  #move(there, back, words) {
    this.#change(async (chosen) => {
      const images = await this.#images(chosen, "Looking at");
      const removed = there === page.restore;
      const numbers = images.filter(({ image }) => (image.state === "removed") === removed).map(({ image }) => image.number);
      const done = await this.#send(there, numbers);
      this.#undo = done.length ? async () => void (await this.#send(back, done)) : null;
      return numbers.length ? `${counted(done.length)} ${words}` : removed ? "None of these was removed" : "These were removed already";
    });
  }

  /**
   * If all of many images are selected, change them by one request.
   * @param {import("./bulk_change.js").Action} action
   * @param {string} [tag]
   * @returns {boolean} whether they are
   */
  #all(action, tag) {
    if (this.grid.count <= page.batch || this.grid.selected < this.grid.count || this.#seen === null) return false;
    const { tag: onlyTag, only } = page.query;
    if (page.alike) return false; // the filter selects more images than the grid has
    if (action === "restore" && !only) return false; // removed images are only there with a filter
    const filter = { ...(only ? { only } : {}), ...(onlyTag ? { onlyTag } : {}) };
    const order = { action, ...(tag ? { tag } : {}), ...filter, seen: this.#seen };
    this.#change(() => changeAll(page.change, order, page.kind === "several", ({ doing, done, of }) => this.#show(`${doing}:`, done, of, false)));
    return true;
  }

  /**
   * Change what is selected, else the active image; say what that did.
   * @param {(chosen: number[]) => Promise<string>} change
   */
  async #change(change) {
    if (this.#busy) {
      say("Wait until the last change is done, or stop it.");
      return;
    }
    const chosen = this.grid.selection;
    if (!chosen.length) {
      say("Select images first: Space selects one, Ctrl+A all.");
      return;
    }
    this.#undo = null;
    await this.#run(() => change(chosen));
  }

  /** @param {() => Promise<string>} task */
  async #run(task) {
    this.#busy = true;
    this.#stopped = false;
    this.work.hidden = false;
    this.#show("Saving", 0, 1);
    let told;
    try {
      told = await task();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      told = error.ended ? "Your session has ended. Reload the page to sign in; what was saved stays." : `Not everything was saved. ${error.message}`;
    } finally {
      this.#busy = false;
      byId("work-stop", HTMLButtonElement).hidden = true;
      this.progress.hidden = true;
      byId("undo", HTMLButtonElement).hidden = !this.#undo;
    }
    this.text.textContent = told;
    this.refresh();
    await this.count();
  }

  /** Read the images again. */
  refresh() {
    this.#again = true;
    this.grid.refresh();
  }

  /**
   * @param {string} what
   * @param {number} done
   * @param {number} all
   * @param {boolean} [stoppable]
   */
  #show(what, done, all, stoppable = true) {
    this.progress.hidden = false;
    byId("work-stop", HTMLButtonElement).hidden = !stoppable;
    byId("undo", HTMLButtonElement).hidden = true;
    this.progress.max = Math.max(1, all);
    this.progress.value = done;
    this.text.textContent = all > page.batch ? `${what} ${done.toLocaleString("en")} of ${all.toLocaleString("en")}` : `${what} …`;
  }

  /**
   * The images at places of the grid: as they were seen, else as they are now.
   * @param {number[]} chosen
   * @param {string} what
   * @returns {Promise<{image: DraftImage, index: number}[]>}
   */
  async #images(chosen, what) {
    const found = [];
    for (let start = 0; start < chosen.length && !this.#stopped; start += page.batch) {
      this.#show(what, start, chosen.length);
      const part = chosen.slice(start, start + page.batch);
      let cells;
      try {
        cells = /** @type {DraftCell[]} */ (await this.grid.pages.all(part, this.grid.count));
      } catch (error) {
        if (error instanceof OtherCount) throw new Refused("The draft has changed meanwhile. Select the images again.", 409);
        throw unanswered();
      }
      found.push(...cells.map(({ image }, at) => ({ image, index: part[at] ?? 0 })));
    }
    return found;
  }

  /**
   * Save labels in batches.
   * @param {import("./bulk_labels.js").Order[]} orders
   * @param {Map<number, {image: DraftImage, index: number}>} before
   * @param {string} what
   * @returns {Promise<Map<number, string>>} the eTags of what was saved, by number
   */
  async #label(orders, before, what) {
    /** @type {Map<number, string>} */
    const done = new Map();
    // If a batch fails, what was saved before can still be undone.
    this.#undo = () => this.#labelBack(done, before);
    for (let start = 0; start < orders.length && !this.#stopped; start += page.batch) {
      this.#show(`${what}:`, start, orders.length);
      const body = JSON.stringify({ images: orders.slice(start, start + page.batch) });
      const { value } = await callEngine(page.labels, { method: "POST", body, type: "application/json" });
      for (const result of value.value) {
        if (result.saved && result.image) done.set(result.number, result.image.eTag);
        this.#put(result.image, before);
      }
      this.grid.redraw();
    }
    if (!done.size) this.#undo = null;
    return done;
  }

  /**
   * @param {Map<number, string>} done
   * @param {Map<number, {image: DraftImage, index: number}>} before
   */
  async #labelBack(done, before) {
    const orders = [...done].flatMap(([number, eTag]) => {
      const was = before.get(number);
      return was ? [orderBack(was.image, eTag)] : [];
    });
    await this.#label(orders, before, "Undoing");
    this.#undo = null;
  }

  /**
   * Show an image as the engine has it now.
   * @param {DraftImage | undefined} image
   * @param {Map<number, {image: DraftImage, index: number}>} before
   */
  #put(image, before) {
    const was = image && before.get(image.number);
    if (!image || !was) return;
    const shown = /** @type {DraftCell | undefined} */ (this.grid.pages.at(was.index));
    if (shown?.image.number === image.number) this.grid.pages.put(was.index, cellOf({ ...image, thumbnail: was.image.thumbnail }));
  }

  /**
   * Remove or restore images in batches; returns the numbers that were sent.
   * @param {string} path
   * @param {number[]} numbers
   */
  async #send(path, numbers) {
    const done = [];
    for (let start = 0; start < numbers.length && !this.#stopped; start += page.batch) {
      this.#show("Saving", start, numbers.length);
      const part = numbers.slice(start, start + page.batch);
      await callEngine(path, { method: "POST", body: JSON.stringify({ numbers: part }), type: "application/json" });
      done.push(...part);
    }
    return done;
  }

  #countChanged() {
    this.#again = true; // the grid reads everything again
    const shown = document.getElementById("shown");
    if (shown) shown.textContent = this.grid.count.toLocaleString("en");
    byId("jump-to", HTMLInputElement).max = String(this.grid.count);
  }

  /** Show the draft's counts as they are now. */
  async count() {
    const asked = ++this.#counting;
    let counts;
    try {
      counts = (await callEngine(page.counts)).value;
    } catch {
      return; // the next change asks again
    }
    if (asked !== this.#counting) return;
    for (const place of document.querySelectorAll("[data-count]")) {
      const count = counts[place.getAttribute("data-count") ?? ""];
      if (typeof count === "number") place.textContent = count.toLocaleString("en");
    }
    const places = new Map([...document.querySelectorAll("#tally [data-tag]")].map((place) => [place.getAttribute("data-tag"), place]));
    for (const tag of counts.tags) {
      const place = places.get(tag.name)?.querySelector(".figure");
      if (place) {
        place.textContent = tag.images.toLocaleString("en");
        place.setAttribute("aria-label", `${tag.name}: ${counted(tag.images)}`);
      } else if (places.size < 200 && !places.has(tag.name)) {
        addTag(tag.name, tag.images);
      }
    }
  }
}

/**
 * List a tag that is new.
 * @param {string} name
 * @param {number} images
 */
function addTag(name, images) {
  const tally = byId("tally", HTMLElement);
  for (const row of tally.querySelectorAll("li:not([data-tag])")) row.remove();
  page.tags.push(name);
  const key = page.tags.length <= KEYS ? element("kbd", {}, String(page.tags.length)) : element("span", { class: "no-key" });
  const button = element("button", { type: "button", data: { give: name } }, key, element("span", { class: "name" }, name));
  const href = `?${new URLSearchParams({ tag: name })}`;
  const figure = element("a", { class: "figure", href, aria: { label: `${name}: ${counted(images)}` } }, images.toLocaleString("en"));
  tally.append(element("li", { data: { tag: name } }, button, figure));
  document.getElementById("tags")?.append(element("option", { value: name }));
}

filterAtOnce(false);

const list = document.getElementById("grid");
if (list && page) {
  const desk = new Desk(list);
  control(desk.grid);
  const labels = document.getElementById("remove-selected") !== null; // else the visitor may only look

  document.getElementById("give")?.addEventListener("submit", (event) => {
    event.preventDefault();
    const field = byId("give-tag", HTMLInputElement);
    const tag = field.value.trim();
    if (tag) desk.give(tag);
    field.value = "";
    list.focus();
  });
  document.getElementById("no-tag")?.addEventListener("click", () => desk.give(""));
  document.getElementById("remove-selected")?.addEventListener("click", () => desk.remove());
  document.getElementById("restore-selected")?.addEventListener("click", () => desk.restore());
  const moreLike = () => desk.grid.leave(({ position }) => `${page.like}/${position}`);
  document.getElementById("more-like")?.addEventListener("click", moreLike);
  document.getElementById("work-stop")?.addEventListener("click", () => desk.stop());
  document.getElementById("undo")?.addEventListener("click", () => desk.undo());
  document.getElementById("tally")?.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("[data-give]") : null;
    if (button) desk.give(button.getAttribute("data-give") ?? "");
  });

  document.addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]")) return;
    if (labels && event.key.toLowerCase() === "z" && (event.ctrlKey || event.metaKey) && !event.shiftKey && !isTyped(event.target)) {
      event.preventDefault();
      desk.undo();
      return;
    }
    if (isForField(event)) return;
    if (event.key === "m" && !event.repeat) moreLike();
    else if (event.key === "b") document.getElementById("show-boxes")?.click();
    if (!labels || event.repeat) return;
    const tag = /^[1-9]$/.test(event.key) ? page.tags[Number(event.key) - 1] : undefined;
    if (tag !== undefined) desk.give(tag);
    else if (/^[1-9]$/.test(event.key) && page.kind !== "boxes") say(`There is no tag ${event.key}. The page Tags adds tags.`);
    else if (/^[1-9]$/.test(event.key)) desk.give("");
    else if (event.key === "Delete" || event.key === "Backspace") desk.remove();
  });
  // The browser may show this page as it was before an image was labelled on another.
  addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    desk.refresh();
    desk.count();
  });
}

/** @param {EventTarget | null} target */
function isTyped(target) {
  return target instanceof HTMLElement && target.matches("input:not([type=checkbox], [type=range]), textarea");
}
