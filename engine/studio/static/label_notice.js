// What needs a decision about the image that is shown: another person changed it, it was removed, or the engine refuses it.
// @ts-check

import { byId, element } from "./elements.js";
import { changeInWords, labelsInWords } from "./label_words.js";

/** @typedef {import("./label_images.js").DraftImage} DraftImage */
/** @typedef {import("./label_queue.js").Waiting} Waiting */
/** @typedef {"takeTheirs" | "keepMine" | "discard" | "restore" | "takeBase" | "keepOwn"} Choice */
/** @typedef {{text: string, choices: [Choice, string][]}} Notice */

/**
 * What to say about an image; null if nothing needs a decision.
 * @param {DraftImage} image
 * @param {Waiting | undefined} waiting
 * @param {string} me
 * @returns {Notice | null}
 */
export function noticeOf(image, waiting, me) {
  if (waiting?.refused !== undefined) {
    return { text: `The engine did not save these labels: ${waiting.refused} They are kept in this browser.`, choices: [["discard", "Give them up"]] };
  }
  if (waiting?.theirs === null) {
    return { text: "The draft does not have this image any more, so your labels cannot be saved.", choices: [["discard", "Give them up"]] };
  }
  if (waiting?.theirs) {
    const { theirs } = waiting;
    if (theirs.state === "removed") {
      return {
        text: `${changeInWords(theirs.changedBy, theirs.changedDateTime, me)} It was removed from the draft. Your labels are not saved.`,
        choices: [["keepMine", "Restore it with mine"], ["discard", "Leave it removed"]],
      };
    }
    const has = theirs.empty ? "nothing to label" : labelsInWords(theirs.labels);
    return {
      text: `${changeInWords(theirs.changedBy, theirs.changedDateTime, me)} It has: ${has}. Yours are not saved: ${labelsInWords(waiting.content.labels)}.`,
      choices: [["takeTheirs", "Take theirs"], ["keepMine", "Keep mine"]],
    };
  }
  if (image.state === "removed") return { text: "This image was removed from the draft.", choices: [["restore", "Restore it"]] };
  if (image.theirs) {
    return {
      text: `The dataset has other labels for this image by now: ${labelsInWords(image.theirs)}. This draft has: ${labelsInWords(image.labels)}.`,
      choices: [["takeBase", "Take the dataset's"], ["keepOwn", "Keep the draft's"]],
    };
  }
  return null;
}

export class NoticeLine {
  #said = "";

  /** @param {(choice: Choice) => void} chosen */
  constructor(chosen) {
    this.place = byId("notice", HTMLElement);
    this.text = byId("notice-text", HTMLElement);
    this.actions = byId("notice-actions", HTMLElement);
    this.chosen = chosen;
  }

  /** @param {Notice | null} notice */
  show(notice) {
    const said = JSON.stringify(notice);
    if (said === this.#said) return;
    this.#said = said;
    this.place.hidden = !notice;
    this.text.textContent = notice?.text ?? "";
    this.actions.replaceChildren(...(notice?.choices ?? []).map(([choice, words]) => {
      const button = element("button", { type: "button" }, words);
      button.addEventListener("click", () => this.chosen(choice));
      return button;
    }));
  }
}
