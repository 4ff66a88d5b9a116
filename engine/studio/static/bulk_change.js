// One change of all images of a filter, however many there are: the page says how many images change, and asks, before anything does.
// @ts-check

import { byId } from "./elements.js";
import { callAtLength } from "./engine_calls.js";

/**
 * @typedef {"give" | "take" | "clear" | "remove" | "restore"} Action
 *
 * @typedef {object} Result In numbers of images.
 * @property {number} changed
 * @property {number} already
 * @property {number} left Removed, or in conflict.
 * @property {number} others Changed by another person since they were read.
 * @property {string[]} names Files of the first of these.
 *
 * @typedef {object} Order
 * @property {Action} action
 * @property {string} [tag]
 * @property {string} [only]
 * @property {string} [onlyTag]
 * @property {number} seen The draft's number of changes when the images were read.
 */

/** @type {Record<Action, (tag: string) => string>} */
const DONE = {
  give: (tag) => `“${tag}”`,
  take: (tag) => `“${tag}” taken away`,
  clear: () => "No tag",
  remove: () => "Removed from the draft",
  restore: () => "Restored",
};

/** @type {Record<Action, (tag: string, images: string) => string>} */
const ASKED = {
  give: (tag, images) => `Give “${tag}” to ${images}?`,
  take: (tag, images) => `Take “${tag}” away from ${images}?`,
  clear: (_, images) => `Take all tags away from ${images}?`,
  remove: (_, images) => `Remove ${images} from the draft?`,
  restore: (_, images) => `Restore ${images}?`,
};

/** @type {Record<Action, string>} */
const ALREADY = {
  give: "had that already",
  take: "did not have it",
  clear: "had none",
  remove: "were removed already",
  restore: "were not removed",
};

/** @param {number} count */
export function counted(count) {
  return `${count.toLocaleString("en")} ${count === 1 ? "image" : "images"}`;
}

/**
 * What a change did, in words.
 * @param {Order} order
 * @param {Result} result
 */
export function told({ action, tag = "" }, result) {
  return [`${DONE[action](tag)}: ${counted(result.changed)} changed`, ...rest(action, result)].join("; ");
}

/**
 * What is left as it is, in words.
 * @param {Action} action
 * @param {Result} result
 */
export function rest(action, { already, left, others, names }) {
  const said = [];
  if (already) said.push(`${already.toLocaleString("en")} ${ALREADY[action]}`);
  if (left) said.push(`${left.toLocaleString("en")} left: removed or in conflict`);
  if (others) {
    const more = others > names.length ? " …" : "";
    said.push(`${others.toLocaleString("en")} left: changed since this page was read (${names.join(", ")}${more})`);
  }
  return said;
}

/**
 * Change all images of a filter, if the visitor wants that. `takes` says whether the tag is taken away if all images have it.
 * @param {string} path
 * @param {Order} wanted
 * @param {boolean} takes
 * @param {(progress: import("./engine_calls.js").Progress) => void} report
 * @returns {Promise<string>} what was done, in words
 */
export async function changeAll(path, wanted, takes, report) {
  /** @param {Order & {preview?: boolean}} order @returns {Promise<Result>} */
  const call = (order) => callAtLength(path, { body: JSON.stringify(order), type: "application/json" }, report);
  let order = wanted;
  let before = await call({ ...order, preview: true });
  if (takes && order.action === "give" && !before.changed && before.already && !before.others) {
    order = { ...order, action: "take" };
    before = await call({ ...order, preview: true });
  }
  if (!before.changed) return ["Nothing to change", ...rest(order.action, before)].join("; ");
  if (!(await agreed(ASKED[order.action](order.tag ?? "", counted(before.changed)), rest(order.action, before)))) return "Nothing was changed";
  return told(order, await call(order));
}

/**
 * Ask whether so many images are to change.
 * @param {string} question
 * @param {string[]} more
 * @returns {Promise<boolean>}
 */
function agreed(question, more) {
  const dialog = byId("ask", HTMLDialogElement);
  byId("ask-question", HTMLElement).textContent = question;
  byId("ask-more", HTMLElement).textContent = more.length ? `Of all images of this filter, ${more.join("; ")}.` : "";
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}
