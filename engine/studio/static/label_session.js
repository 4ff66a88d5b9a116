// Labelling one image after the other: what is shown, what changes, and what comes next.
// @ts-check

import { BoxEditor } from "./label_boxes.js";
import { BoxList } from "./label_box_list.js";
import { byId } from "./elements.js";
import { Refused, callEngine } from "./engine_calls.js";
import { NO_HISTORY, recorded, redone, sameContent, undone } from "./label_history.js";
import { DraftImages } from "./label_images.js";
import { NoticeLine, noticeOf } from "./label_notice.js";
import { LabelOrder } from "./label_order.js";
import { LabelPicture } from "./label_picture.js";
import { contentOf } from "./label_queue.js";
import { Suggestions, suggestionInWords } from "./label_suggestions.js";
import { TagList, withTag } from "./label_tags.js";
import { boxInWords, changeInWords, counted } from "./label_words.js";
import { say } from "./studio.js";

/** @typedef {import("./label_history.js").Content} Content */
/** @typedef {import("./label_images.js").DraftImage} DraftImage */
/** @typedef {import("./label_keys.js").Command} Command */
/** @typedef {import("./label_keys.js").Kind} Kind */
/** @typedef {import("./label_saver.js").Saver} Saver */
/** @typedef {{images: number, unlabelled: number, tags: import("./label_tags.js").Tag[]}} Counts */

const CHANGES = new Set(["accept", "take", "tag", "setTag", "clear", "nothing", "nudge", "boxByKeyboard", "delete", "repeat", "paste", "takeTheirs", "keepMine", "discard", "restore", "takeBase", "keepOwn"]);
const STALE_MS = 5000;
const COUNT_MS = 3000;

export class Labelling {
  #history = NO_HISTORY;
  /** @type {DraftImage} */
  #image;
  #chain = Promise.resolve();
  /** @type {string | null} */
  #tag;
  /** @type {import("./label_history.js").Label[]} */
  #last = [];
  /** @type {import("./label_history.js").Label[]} */
  #copied = [];
  /** @type {import("./label_suggestions.js").Suggestion | null} */
  #suggestion = null;
  #changes = 0;
  #counted = -Infinity;

  /**
   * @param {HTMLElement} place With the draft's data.
   * @param {Counts & {first: DraftImage[]}} data
   * @param {Saver} saver
   * @param {() => void} signIn Called when the session has ended.
   */
  constructor(place, data, saver, signIn) {
    const { address = "", kind = "", query = "", who = "", model = "" } = place.dataset;
    this.address = address;
    this.kind = /** @type {Kind} */ (kind);
    this.filter = query;
    this.who = who;
    this.saver = saver;
    this.signIn = signIn;
    this.counts = { images: data.images, unlabelled: data.unlabelled };
    this.images = new DraftImages(address, query, data.first, (image) => this.#withUnsaved(image));
    this.tags = new TagList(data.tags, { boxes: this.hasBoxes, chosen: (tag) => this.run({ does: "setTag", tag }) });
    this.order = new LabelOrder(address, this.images);
    this.suggestions = new Suggestions(address, model);
    this.notice = new NoticeLine((choice) => this.run({ does: choice }));
    this.stage = byId("stage", HTMLElement);
    this.picture = new LabelPicture(this.stage, this.images, { loaded: (image) => this.#pictureLoaded(image), signIn });
    this.#tag = this.tags.at(0) ?? null;
    const first = data.first[0];
    if (!first) throw new Error("there is no image to label");
    this.#image = first;
    if (this.hasBoxes) this.#makeEditor();
    saver.addEventListener("image", (event) => this.#saved(/** @type {CustomEvent} */ (event).detail));
    for (const type of ["conflict", "refused"]) saver.addEventListener(type, (event) => this.#undecided(/** @type {CustomEvent} */ (event).detail));
    saver.addEventListener("state", () => this.#recount());
    this.#display(this.images.known(first.number) ?? first);
  }

  get hasBoxes() {
    return this.kind === "imageObjectDetection";
  }

  get isBoxSelected() {
    return (this.editor?.selected ?? -1) >= 0;
  }

  /**
   * Do something after what was asked for before. A change is only for the image that was in sight when it was asked for: a key that
   * was pressed while the next image was on its way changes nothing.
   * @param {Command} command
   */
  run(command) {
    const { number } = this.#image;
    const does = async () => {
      if (CHANGES.has(command.does) && number !== this.#image.number) say("The next image was not there yet: nothing was changed.");
      else await this.#does(command);
    };
    this.#chain = this.#chain.then(does).catch((error) => this.#failed(error));
    return this.#chain;
  }

  /** Show what is known of the present image again, such as after changes were taken over from another page. */
  refresh() {
    const known = this.images.known(this.#image.number);
    if (known) this.#display(this.#withUnsaved(known));
  }

  /** @param {Command} command */
  async #does(command) {
    const { editor } = this;
    switch (command.does) {
      case "tag": {
        const tag = this.tags.at(Number(command.index));
        if (tag !== undefined) await this.#setTag(tag);
        return;
      }
      case "setTag": return this.#setTag(String(command.tag));
      case "newTag": return this.tags.ask();
      case "clear": return this.#apply({ labels: [], empty: false });
      case "nothing": return this.#nothing();
      case "on": return this.#suggestion ? this.#accept(true) : this.#goOn();
      case "skip": return this.#goOn();
      case "accept": return this.#accept(true);
      case "take": return this.#accept(false);
      case "before": case "after": return this.#step(command.does);
      case "undo": return this.#travel(undone, "There is nothing to undo.");
      case "redo": return this.#travel(redone, "There is nothing to redo.");
      case "undecided": {
        const number = this.saver.undecided;
        return number === null ? undefined : this.#show(number);
      }
      case "takeTheirs": return this.#takeTheirs();
      case "keepMine": return this.#keepMine();
      case "discard": this.saver.giveUp(this.#image.number); return this.#renew();
      case "restore": await this.#restore(); return this.#renew();
      case "takeBase": return this.#apply({ labels: this.#image.theirs ?? [], empty: false });
      case "keepOwn": this.saver.put(this.#image.number, contentOf(this.#image), this.#image.eTag); return;
      case "nudge": return editor?.nudge(String(command.key), Number(command.pixels), Boolean(command.resize));
      case "draw": case "select": return editor?.use(command.does);
      case "boxByKeyboard": return editor?.addInMiddle();
      case "delete": return editor?.delete();
      case "hide": return this.#hide();
      case "repeat": return this.#repeat();
      case "copy": return this.#copy();
      case "paste": editor?.addAll(this.#copied, true); return;
      case "zoomIn": case "zoomOut": return editor?.zoom(command.does === "zoomIn");
      case "zoomAll": return editor?.sheet.zoomAll();
      case "moreLike": return byId("more-like", HTMLAnchorElement).click();
      case "leave": editor?.leave(); return;
    }
  }

  #makeEditor() {
    this.list = new BoxList(byId("box-list", HTMLElement), byId("box-count", HTMLElement), (index) => this.editor?.select(index, true));
    this.editor = new BoxEditor(this.stage, byId("sheet", HTMLElement), {
      changed: (labels, burst) => this.#apply({ labels, empty: false }, { burst }),
      selected: (index, byKeyboard) => this.#boxSelected(index, byKeyboard),
      tag: () => this.#tag,
      askTag: () => {
        say("Name the first tag: the box gets it.");
        this.tags.ask();
      },
      mode: (mode) => {
        for (const button of document.querySelectorAll("[data-does=draw], [data-does=select]")) {
          button.setAttribute("aria-pressed", String(button.getAttribute("data-does") === mode));
        }
      },
      say,
    });
    this.editor.use("draw");
  }

  /** @param {string} tag */
  async #setTag(tag) {
    this.tags.ensure(tag);
    if (this.editor) {
      this.#tag = tag;
      this.tags.mark([tag]);
      this.editor.tag(tag);
      return;
    }
    if (!this.picture.isSeen) {
      say("The picture is still loading: nothing was set.");
      return;
    }
    const several = this.kind === "imageMultiLabelClassification";
    const left = this.counts.unlabelled;
    if (!this.#apply(withTag(contentOf(this.#image), tag, several)) || several) return;
    if (left > 0 && this.counts.unlabelled === 0 && !this.#isFiltered) say("All images are labelled.");
    else await this.#goOn();
  }

  /** Take the labels that the model suggests. @param {boolean} goOn */
  async #accept(goOn) {
    const labels = this.#suggestion?.labels.map(({ tag, bbox }) => ({ tag, ...(bbox ? { bbox } : {}) }));
    if (!labels) return;
    for (const { tag } of labels) this.tags.ensure(tag);
    if (!this.#apply({ labels, empty: false })) return;
    this.editor?.show(this.#image.labels);
    if (goOn) await this.#goOn();
  }

  /** Show what the model suggests for an image without labels, once it has answered. @param {DraftImage} image */
  async #suggest(image) {
    this.#suggestion = null;
    if (!isOpen(image)) return;
    const suggestion = await this.suggestions.of(image.number);
    if (this.#image.number !== image.number || !isOpen(this.#image)) return;
    this.#suggestion = suggestion;
    this.#render();
  }

  async #nothing() {
    if (this.kind === "imageClassification") return;
    if (this.#image.labels.length) {
      say(this.hasBoxes ? "There are boxes here: delete them first." : "There are tags here: remove them first.");
      return;
    }
    if (this.#apply({ labels: [], empty: true }) || this.#image.empty) await this.#goOn();
  }

  /** Whether a filter says what comes next; else it is the next image without labels. */
  get #isFiltered() {
    return this.filter !== "" && this.filter !== "only=unlabelled";
  }

  async #goOn() {
    const { number } = this.#image;
    const unlabelled = !this.#isFiltered && this.counts.unlabelled > 0 ? await this.order.after(number) : null;
    const next = unlabelled ?? (await this.images.beside(number, "after"));
    if (next !== null) await this.#show(next);
    else say(this.counts.unlabelled ? "This is the last image." : "This is the last image. All images are labelled.");
  }

  /** @param {"before" | "after"} way */
  async #step(way) {
    const { number } = this.#image;
    const next = (await this.order.step(number, way)) ?? (await this.images.beside(number, way));
    if (next !== null) await this.#show(next);
    else say(way === "after" ? "This is the last image." : "This is the first image.");
  }

  /** @param {typeof undone} way @param {string} nothing */
  async #travel(way, nothing) {
    const step = way(this.#history);
    if (!step) {
      say(nothing);
      return;
    }
    if (step.number !== this.#image.number) await this.#show(step.number);
    if (this.#apply(step.content, { record: false })) this.#history = step.history;
  }

  /** @param {number} number */
  async #show(number) {
    if (this.editor?.isUntagged) {
      say("The box has no tag yet: name one, or press Esc twice to give the box up.");
      this.tags.ask();
      return;
    }
    this.stage.setAttribute("aria-busy", "true");
    try {
      const image = await this.images.get(number);
      if (this.#image.labels.length) this.#last = this.#image.labels;
      this.#display(image);
    } finally {
      this.stage.removeAttribute("aria-busy");
    }
  }

  /** @param {DraftImage} image */
  #display(image) {
    this.#image = image;
    this.picture.show(image);
    this.editor?.open(this.picture.sizeOf(image), image.labels);
    this.#suggest(image);
    this.#render();
    byId("image-name", HTMLElement).textContent = image.fileName;
    const query = new URLSearchParams(this.filter);
    query.set("number", String(image.number));
    if (this.order.isUseful) query.set("order", "useful");
    byId("more-like", HTMLAnchorElement).href = `${this.address}/like/${image.number}`;
    history.replaceState(history.state, "", `${location.pathname}?${query}`);
    this.order.shown(image.number);
    this.images.prepare(image.number, !this.#isFiltered && this.counts.unlabelled > 0);
    if (this.images.age(image.number) > STALE_MS) this.#check(image);
  }

  /** Give the boxes the size of the picture, if it has another one than the image was said to have. @param {DraftImage} image */
  #pictureLoaded(image) {
    const size = this.picture.sizeOf(image);
    if (this.editor && (size.width !== this.editor.size.width || size.height !== this.editor.size.height)) {
      this.editor.resize(size);
      this.list?.show([], size);
      this.list?.show(this.#image.labels, size);
    }
  }

  /** Whether another person has changed the image since the engine told of it. @param {DraftImage} image */
  async #check(image) {
    const now = await this.images.fetch(image.number).catch(() => null);
    if (!now || now.eTag === image.eTag || this.images.known(image.number)?.eTag !== image.eTag || this.saver.waitingFor(image.number)) return;
    this.images.arrived(now);
    this.#counted = -Infinity;
    if (this.#image.number !== now.number) return;
    say(changeInWords(now.changedBy, now.changedDateTime, this.who));
    this.#image = now;
    this.editor?.show(now.labels);
    this.#render();
  }

  /**
   * Give the image this content, and save it. Returns whether it may have it.
   * @param {Content} content
   * @param {{burst?: string | undefined, record?: boolean}} [options]
   */
  #apply(content, { burst, record = true } = {}) {
    const image = this.#image;
    const before = contentOf(image);
    if (image.state === "removed") {
      say("This image was removed from the draft: restore it first.");
      this.editor?.show(image.labels);
      return false;
    }
    if (sameContent(before, content)) return true;
    if (record) this.#history = recorded(this.#history, { number: image.number, before, after: content, ...(burst === undefined ? {} : { burst }) });
    this.#count(before, content);
    this.images.update(image.number, content);
    this.#image = this.images.known(image.number) ?? image;
    this.saver.put(image.number, content, image.eTag);
    if (this.editor && this.editor.labels !== content.labels) this.editor.show(content.labels);
    this.#suggest(this.#image);
    this.#render();
    return true;
  }

  /** @param {Content} before @param {Content} after */
  #count(before, after) {
    const isLabelled = (/** @type {Content} */ { labels, empty }) => labels.length > 0 || empty;
    this.#changes += 1;
    this.counts.unlabelled += Number(isLabelled(before)) - Number(isLabelled(after));
    this.tags.changed(before, after);
  }

  #render() {
    const image = this.#image;
    const waiting = this.saver.waitingFor(image.number);
    this.notice.show(noticeOf(image, waiting, this.who));
    if (this.editor) {
      this.list?.show(image.labels, this.editor.size);
      this.editor.drawing.compare(waiting?.theirs?.labels ?? image.theirs ?? this.#suggestion?.labels ?? []);
      this.tags.mark(this.#tag === null ? [] : [this.#tag]);
    } else {
      this.tags.mark(image.labels.map((label) => label.tag));
    }
    byId("nothing-here", HTMLElement).hidden = !image.empty;
    if (!isOpen(image)) this.#suggestion = null;
    byId("suggestion", HTMLElement).hidden = !this.#suggestion;
    if (this.#suggestion) byId("suggestion-text", HTMLElement).textContent = suggestionInWords(this.#suggestion);
    this.#showCounts();
  }

  #showCounts() {
    const { images, unlabelled } = this.counts;
    const labelled = Math.max(0, images - unlabelled);
    const bar = byId("progress", HTMLProgressElement);
    [bar.max, bar.value] = [Math.max(1, images), labelled];
    byId("progress-text", HTMLElement).textContent = `${labelled.toLocaleString("en")} of ${images.toLocaleString("en")} labelled`;
  }

  /** Ask for the counts once nothing waits: others may have labelled, too. */
  async #recount() {
    if (!this.saver.isIdle || performance.now() < this.#counted + COUNT_MS) return;
    this.#counted = performance.now();
    const changes = this.#changes;
    const { value } = await callEngine(`${this.address}/counts`).catch(() => ({ value: null }));
    if (!value || changes !== this.#changes || !this.saver.isIdle) return;
    this.counts = { images: value.images, unlabelled: value.unlabelled };
    this.tags.count(value.tags);
    this.#showCounts();
  }

  /** @param {import("./label_queue.js").Theirs} now */
  #saved(now) {
    const { eTag, state, changedBy, changedDateTime } = now;
    this.order.saved();
    this.images.update(now.number, { eTag, state, changedBy, changedDateTime, theirs: undefined });
    if (now.number !== this.#image.number) return;
    this.#image = this.images.known(now.number) ?? this.#image;
    this.#render();
  }

  /** @param {number} number */
  #undecided(number) {
    if (number === this.#image.number) this.#render();
    else say("An image that you labelled needs a decision.");
  }

  #takeTheirs() {
    const { number } = this.#image;
    const theirs = this.saver.waitingFor(number)?.theirs;
    if (!theirs) return;
    const [before, after] = [contentOf(this.#image), contentOf(theirs)];
    this.saver.giveUp(number);
    this.#history = recorded(this.#history, { number, before, after });
    this.#count(before, after);
    const { labels, empty, eTag, state, changedBy, changedDateTime } = theirs;
    this.images.update(number, { labels, empty, eTag, state, changedBy, changedDateTime });
    this.refresh();
  }

  async #keepMine() {
    const { number } = this.#image;
    const theirs = this.saver.waitingFor(number)?.theirs;
    if (!theirs) return;
    let { eTag } = theirs;
    if (theirs.state === "removed") {
      await this.#restore();
      ({ eTag } = await this.images.fetch(number));
    }
    this.saver.keepMine(number, eTag);
    this.#render();
  }

  async #restore() {
    await callEngine(`${this.address}/restore`, { method: "POST", type: "application/json", body: JSON.stringify({ numbers: [this.#image.number] }) });
  }

  /** Show the image as the engine has it. */
  async #renew() {
    this.#display(this.images.arrived(await this.images.fetch(this.#image.number)));
    this.#counted = -Infinity;
    await this.#recount();
  }

  #repeat() {
    const added = this.editor?.addAll(this.#last, false) ?? 0;
    say(added ? `${counted(added, "box", "boxes")} of the last image added.` : "The last image had no boxes that are not here already.");
  }

  #copy() {
    const { editor } = this;
    if (!editor) return;
    const one = editor.labels[editor.selected];
    this.#copied = one ? [one] : editor.labels;
    say(`${counted(this.#copied.length, "box", "boxes")} copied: Ctrl+V pastes, also on another image.`);
  }

  #hide() {
    const hidden = this.stage.classList.toggle("without-boxes");
    document.querySelector("[data-does=hide]")?.setAttribute("aria-pressed", String(hidden));
    say(hidden ? "Boxes are hidden." : "Boxes are shown.");
  }

  /** @param {number} index @param {boolean} byKeyboard */
  #boxSelected(index, byKeyboard) {
    this.list?.select(index);
    const label = this.editor?.labels[index];
    byId("delete-box", HTMLButtonElement).disabled = !label;
    if (label) {
      this.#tag = label.tag;
      this.tags.mark([label.tag]);
    }
    if (!byKeyboard || !this.editor) return;
    const place = label?.bbox ? `: ${boxInWords(label.bbox, this.editor.size)}` : "";
    byId("box-said", HTMLElement).textContent = label ? `Box ${index + 1} of ${this.editor.labels.length}, ${label.tag}${place}` : "No box is selected";
  }

  /** @param {DraftImage} image @returns {DraftImage} */
  #withUnsaved(image) {
    const waiting = this.saver.waitingFor(image.number);
    return waiting ? { ...image, ...waiting.content } : image;
  }

  /** @param {unknown} error */
  #failed(error) {
    if (!(error instanceof Refused)) throw error;
    if (error.ended) this.signIn();
    else say(error.message);
  }
}

/** Whether nobody has labelled an image yet. @param {DraftImage} image */
function isOpen(image) {
  return !image.labels.length && !image.empty && image.state !== "removed" && !image.theirs;
}
