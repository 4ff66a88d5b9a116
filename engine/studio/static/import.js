// Import: takes pictures, folders and COCO files however they come, says what will happen, and shows what became of each.
// @ts-check

import { byId, element } from "./elements.js";
import { readCoco } from "./import_coco.js";
import { filesOfDrop, filesOfList } from "./import_files.js";
import { planLabels } from "./import_labels.js";
import { downloadLists, showLists } from "./import_lists.js";
import { Labelled, Line, Pictures, saveLabels } from "./import_run.js";
import * as words from "./import_words.js";
import { isForField, say } from "./studio.js";

/** @typedef {import("./import_files.js").Found} Found */
/** @typedef {import("./import_run.js").Entry} Entry */
/** @typedef {import("./import_coco.js").Coco} Coco */
/** @typedef {import("./import_lists.js").List} List */
/**
 * @typedef {import("./import_run.js").Limits & import("./import_labels.js").Rules & {bytes: number}} Importing
 */
/** A file that is not sent. @typedef {{path: string, reason: string}} Refusal */
/** @typedef {{name: string, coco: Coco}} LabelFile */

const LABELS_BYTES_MAX = 256 * 1024 * 1024;
const DRAWN_EVERY_MS = 200;
const TAGS_SHOWN = 8;

class Import {
  /** @param {Importing} importing */
  constructor(importing) {
    this.importing = importing;
    /** @type {Entry[]} */
    this.entries = [];
    /** @type {Refusal[]} */
    this.others = [];
    /** @type {LabelFile[]} */
    this.labelFiles = [];
    /** @type {Entry[]} settled before, so that a COCO file that comes later finds its pictures */
    this.past = [];
    /** @type {Line | null} */
    this.line = null;
    /** @type {List[]} */
    this.lists = [];
    this.foldersChosen = false;
    this.taking = Promise.resolve();
    this.takeFiles();
    this.takeKeys();
    byId("start", HTMLButtonElement).addEventListener("click", () => this.start());
    byId("clear", HTMLButtonElement).addEventListener("click", () => this.clear());
    byId("stop", HTMLButtonElement).addEventListener("click", () => this.line?.stop());
    byId("again", HTMLButtonElement).addEventListener("click", () => this.review());
    byId("download", HTMLButtonElement).addEventListener("click", () => downloadLists(this.lists, "not-imported.txt"));
    byId("folders", HTMLInputElement).addEventListener("change", () => {
      this.foldersChosen = true;
      this.review();
    });
    addEventListener("beforeunload", (event) => {
      if (this.line) event.preventDefault();
    });
  }

  // How files come

  takeFiles() {
    const drop = byId("drop", HTMLButtonElement);
    const give = byId("give", HTMLElement);
    for (const [button, input] of [["drop", "files"], ["choose-folder", "folder"]]) {
      const chooser = byId(/** @type {string} */ (input), HTMLInputElement);
      byId(/** @type {string} */ (button), HTMLButtonElement).addEventListener("click", () => chooser.click());
      chooser.addEventListener("change", () => {
        this.take(Promise.resolve(filesOfList(chooser.files)));
        chooser.value = "";
      });
    }
    document.addEventListener("dragover", (event) => {
      event.preventDefault();
      give.classList.add("over");
    });
    document.addEventListener("dragleave", (event) => {
      if (event.relatedTarget === null) give.classList.remove("over");
    });
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      give.classList.remove("over");
      if (event.dataTransfer) this.take(filesOfDrop(event.dataTransfer));
    });
    document.addEventListener("paste", (event) => {
      const files = filesOfList(event.clipboardData?.files ?? null);
      if (files.length) this.take(Promise.resolve(files.map(({ file }) => ({ path: pastedName(file.name), file }))));
    });
    drop.focus({ preventScroll: true });
  }

  takeKeys() {
    document.addEventListener("keydown", (event) => {
      if (isForField(event) || document.querySelector("dialog[open]")) return;
      if (event.key === "o") byId("files", HTMLInputElement).click();
      else if (event.key === "f") byId("folder", HTMLInputElement).click();
    });
  }

  /** @param {Promise<Found[]>} coming */
  take(coming) {
    this.taking = this.taking.then(async () => {
      try {
        const found = await coming;
        if (!found.length) say("There is no file in it");
        for (const each of found) await this.sort(each);
      } catch (error) {
        say(`The files can't be read: ${error instanceof Error ? error.message : error}`);
      }
      if (this.line) say("These files are shown for adding as soon as the others are done");
      else this.review();
    });
  }

  /** @param {Found} found */
  async sort({ path, file }) {
    const { sort, reason } = words.sortOf(path, file.type, file.size, this.importing.bytes);
    if (sort === "picture") this.entries.push({ path, file, folderTag: null, state: "waiting", reason: "", image: null });
    else if (sort === "other") this.others.push({ path, reason });
    else if (file.size > LABELS_BYTES_MAX) {
      this.others.push({ path, reason: `Too large for a page: ${words.size(file.size)}, at most ${words.size(LABELS_BYTES_MAX)}` });
    } else {
      try {
        const coco = readCoco(await file.text());
        if ("problem" in coco) this.others.push({ path, reason: words.reasonOf(coco.problem, path) });
        else this.labelFiles.push({ name: path, coco });
      } catch {
        this.others.push({ path, reason: "Can't be read" });
      }
    }
  }

  // Before

  /** Show what would be added. */
  review() {
    if (this.line) return;
    const { entries, others, labelFiles } = this;
    const review = byId("review", HTMLElement);
    review.hidden = !(entries.length + others.length + labelFiles.length);
    if (review.hidden) return;
    const bytes = entries.reduce((sum, { file }) => sum + file.size, 0);
    const skipped = others.length ? ` ${words.counted(others.length, "other file")} will be listed and not added.` : "";
    const pictures = entries.length ? `${words.counted(entries.length, "picture")}, ${words.size(bytes)}.` : "No picture.";
    byId("found", HTMLElement).textContent = pictures + skipped;
    const byFolder = this.reviewFolders();
    this.reviewLabels();
    const labels = labelFiles.length > 0 || byFolder;
    byId("replace-choice", HTMLElement).hidden = !labels;
    const start = byId("start", HTMLButtonElement);
    start.disabled = !entries.length && !(labelFiles.length && this.past.length) && !others.length;
    byId("start-text", HTMLElement).textContent = entries.length ? `Add ${words.counted(entries.length, "picture")}` : labelFiles.length ? "Add labels" : "Show why";
    (start.disabled ? review : start).focus({ preventScroll: true });
    review.scrollIntoView({ block: "nearest" });
  }

  /** Offer folders as tags, if there are some. Returns whether they are. */
  reviewFolders() {
    const offered = this.importing.kind !== "boxes";
    const tags = offered ? words.folderTags(this.entries.map(({ path }) => path)) : [];
    const found = words.counts(tags);
    byId("folders-choice", HTMLElement).hidden = !found.length;
    byId("folder-tags", HTMLElement).textContent = words.countsShown(found, TAGS_SHOWN);
    const box = byId("folders", HTMLInputElement);
    if (!this.foldersChosen) box.checked = found.length > 1;
    this.entries.forEach((entry, index) => {
      entry.folderTag = box.checked ? (tags[index] ?? null) : null;
    });
    return found.length > 0 && box.checked;
  }

  reviewLabels() {
    const { entries, others, labelFiles } = this;
    const bare = labelFiles.some(({ coco }) => coco.images.some((image) => !image.labels.length));
    byId("empties-choice", HTMLElement).hidden = !bare || this.importing.kind === "single";
    const notes = labelFiles.map(({ name, coco }) => {
      const labels = coco.images.reduce((sum, image) => sum + image.labels.length, 0);
      const boxes = coco.boxed ? (coco.pixels ? ", with boxes in pixels" : ", with boxes in fractions") : "";
      return element("li", {}, `${name}: ${words.counted(labels, "label")} on ${words.counted(coco.images.length, "image")}${boxes}.`);
    });
    if (labelFiles.length && !entries.length && !this.past.length) {
      notes.push(element("li", {}, "Choose their pictures, too. What the draft has already is not sent again."));
    }
    if (words.labelsOfTools(others.map(({ path }) => path), entries.length) && !labelFiles.length) {
      const folder = this.entries[0]?.path.split("/")[0];
      const source = folder && this.entries[0]?.path.includes("/") ? folder : "FOLDER";
      notes.push(
        element("li", {}, "Some files may be labels of another tool. This command converts them; then choose the folder again:",
          element("code", { class: "commands" }, `vision convert ${words.shellWord(source)}`)),
      );
    }
    byId("label-files", HTMLElement).replaceChildren(...notes);
  }

  clear() {
    Object.assign(this, { entries: [], others: [], labelFiles: [], foldersChosen: false });
    for (const id of ["replace", "empties"]) byId(id, HTMLInputElement).checked = false;
    this.review();
    byId("drop", HTMLButtonElement).focus();
  }

  // Meanwhile

  async start() {
    if (this.line) return;
    const { entries, others, labelFiles } = this;
    const replace = byId("replace", HTMLInputElement).checked;
    const empties = byId("empties", HTMLInputElement).checked;
    const line = new Line(`${this.importing.path}/counts`, (problem) => this.showWaiting(problem));
    Object.assign(this, { line, entries: [], others: [], labelFiles: [], foldersChosen: false });
    for (const id of ["review", "done"]) byId(id, HTMLElement).hidden = true;
    byId("running", HTMLElement).hidden = false;
    byId("stop", HTMLButtonElement).focus();
    const began = performance.now();
    const show = () => this.showProgress(entries, (performance.now() - began) / 1000 - line.waitedSeconds);
    const timer = setInterval(show, DRAWN_EVERY_MS);
    let problem = "";
    try {
      await new Pictures(entries, line, this.importing).send();
    } catch (error) {
      problem = describe(error, line);
      line.stop();
    }
    clearInterval(timer);
    const paths = new Set(entries.map(({ path }) => path));
    const past = this.past.filter(({ path }) => !paths.has(path));
    const plan = planLabels([...past.map((entry) => ({ ...entry, earlier: true })), ...entries], labelFiles, { ...this.importing, empties });
    const labelled = new Labelled();
    if (!problem) {
      try {
        const onSaved = () => showLabels(labelled.settled, plan.orders.length);
        await saveLabels(plan.orders, labelled, { replace, line, limits: this.importing, onSaved });
      } catch (error) {
        problem = describe(error, line);
      }
    }
    this.line = null;
    this.showWaiting(null);
    this.past = [...past, ...entries.filter((entry) => entry.image)];
    this.remember(labelled.changed, !problem);
    this.finish({ entries, others, labelFiles, plan, labelled, empties, problem });
  }

  /**
   * Keep what later labels need. A folder's tag is given once.
   * @param {{number: number, eTag: string}[]} changed
   * @param {boolean} complete
   */
  remember(changed, complete) {
    const eTags = new Map(changed.map(({ number, eTag }) => [number, eTag]));
    for (const entry of this.past) {
      const eTag = entry.image && eTags.get(entry.image.number);
      if (entry.image && eTag) Object.assign(entry.image, { eTag, labelled: true });
      if (complete) entry.folderTag = null;
    }
  }

  /** @param {Entry[]} entries @param {number} seconds */
  showProgress(entries, seconds) {
    let [done, bytes, sent, all] = [0, 0, 0, 0];
    for (const { state, file } of entries) {
      all += file.size;
      if (state === "waiting") continue;
      done += 1;
      bytes += file.size;
      if (state !== "known") sent += file.size;
    }
    byId("progress", HTMLProgressElement).value = all ? bytes / all : 0;
    const left = words.timeLeft(sent, sent + all - bytes, seconds);
    const counts = `${done.toLocaleString("en-US")} of ${words.counted(entries.length, "picture")}, ${words.size(bytes)} of ${words.size(all)}`;
    byId("figures", HTMLElement).textContent = left ? `${counts}, ${left}` : counts;
  }

  /** @param {{message: string, ended: boolean} | null} problem */
  showWaiting(problem) {
    const place = byId("waiting", HTMLElement);
    place.hidden = !problem;
    if (!problem) return;
    if (!problem.ended) place.textContent = `${problem.message} The page tries again by itself.`;
    else {
      const link = element("a", { href: `/studio/sign-in?next=${encodeURIComponent(location.pathname)}`, target: "_blank" }, "Sign in in another tab");
      place.replaceChildren("Your session has ended. ", link, ", and this page goes on.");
    }
  }

  // Afterwards

  /** @param {{entries: Entry[], others: Refusal[], labelFiles: LabelFile[], plan: import("./import_labels.js").Plan, labelled: Labelled, empties: boolean, problem: string}} result */
  finish({ entries, others, labelFiles, plan, labelled, empties, problem }) {
    /** @param {string} state */
    const of = (state) => entries.filter((entry) => entry.state === state);
    const refused = [...of("refused"), ...others];
    const left = of("waiting");
    /** @param {Refusal[]} files @returns {[string, string][]} */
    const rows = (files) => files.map(({ path, reason }) => [path, reason]);
    this.lists = [
      { title: "Refused", rows: rows(refused) },
      { title: "Not sent", rows: left.map(({ path }) => [path, problem]) },
      { title: "Labels that could not be read or given", rows: plan.problems },
      { title: "Labels that were not saved", rows: labelled.kept },
      { title: "In a COCO file, without a picture here", rows: plan.unmatched },
      { title: "Known", rows: rows(of("known")) },
    ];
    const counts = { added: of("added").length, known: of("known").length, refused: refused.length, left: left.length, labels: labelFiles.length };
    byId("running", HTMLElement).hidden = true;
    byId("done", HTMLElement).hidden = false;
    byId("summary", HTMLElement).textContent = words.summary(counts);
    const told = [
      problem,
      labelled.settled < plan.orders.length ? `Labels of ${words.counted(plan.orders.length - labelled.settled, "image")} were not saved. Choose the same files again to go on.` : "",
      labelled.saved ? `${words.counted(labelled.saved, "image")} labelled.` : "",
      labelled.kept.length ? `${words.counted(labelled.kept.length, "image")} not labelled, listed below.` : "",
      plan.unmatched.length ? `${words.counted(plan.unmatched.length, "image")} of a COCO file without a picture here.` : "",
      plan.bare && !empties ? `${words.counted(plan.bare, "image")} without a label in the COCO file: nothing was changed there.` : "",
      plan.crowds ? `${words.counted(plan.crowds, "crowd")} (iscrowd) left out: a box is around a single object.` : "",
    ];
    byId("told", HTMLElement).replaceChildren(...told.filter((text) => text).map((text) => element("li", {}, text)));
    byId("again", HTMLElement).hidden = !left.length;
    byId("download", HTMLElement).hidden = !this.lists.some((list) => list.rows.length);
    showLists(byId("lists", HTMLElement), this.lists);
    byId("done", HTMLElement).focus();
    this.count();
    const more = this.entries.length + this.others.length + this.labelFiles.length > 0;
    if (left.length) {
      this.entries.unshift(...left);
      this.labelFiles.unshift(...labelFiles);
    } else if (more) this.review();
  }

  /** What the draft has now. */
  async count() {
    try {
      const response = await fetch(`${this.importing.path}/counts`, { headers: { Accept: "application/json" } });
      const { images, unlabelled, tags } = await response.json();
      byId("has", HTMLElement).textContent = `The draft has ${words.counted(images, "image")} and ${words.counted(tags.length, "tag")}.`;
      byId("label-link", HTMLAnchorElement).hidden = !unlabelled;
      byId("label-text", HTMLElement).textContent = `Label ${words.counted(unlabelled, "image")}`;
      byId("images-link", HTMLAnchorElement).classList.toggle("primary", !unlabelled);
    } catch {
      // The figures of before stay.
    }
  }
}

/** @param {number} count @param {number} all */
function showLabels(count, all) {
  byId("progress", HTMLProgressElement).value = count / Math.max(1, all);
  byId("figures", HTMLElement).textContent = `Labels of ${count.toLocaleString("en-US")} of ${words.counted(all, "image")}`;
}

/** @param {unknown} error @param {Line} line */
function describe(error, line) {
  if (line.refusal) return line.refusal;
  if (line.leaves.signal.aborted) return "Stopped before it was sent.";
  return error instanceof Error ? error.message : String(error);
}

/** A name for a pasted picture, which browsers all call image.png. @param {string} name */
function pastedName(name) {
  const moment = new Date().toISOString().slice(0, 19).replaceAll(":", "-");
  const dot = name.lastIndexOf(".");
  return `pasted-${moment}${dot > 0 ? name.slice(dot) : ".png"}`;
}

const given = document.getElementById("importing");
if (given) new Import(JSON.parse(given.textContent ?? ""));
