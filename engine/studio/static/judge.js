// Pages about outcomes: the threshold's slider, the point on the curve, keys, and pictures that come a little later.
// @ts-check
import { isForField } from "./studio.js";

/** @typedef {{precision: number[], recall: number[], threshold: number[]}} Curve */

const AGAIN = 2;
const AGAIN_MS = 1500;

/** @returns {HTMLFormElement | null} */
const dials = () => document.querySelector("form[data-dials]");
/** @returns {HTMLInputElement | null} */
const slider = () => document.querySelector("[data-dials] input[type=range]");
/** @returns {HTMLSelectElement | HTMLInputElement | null} */
const tag = () => document.querySelector("[data-dials] [name=tag]");

/**
 * Precision and recall if only answers of this confidence or a higher one count; null if there are none.
 * @param {Curve} curve
 * @param {number} threshold
 * @returns {[number, number] | null}
 */
export function pointAt(curve, threshold) {
  const counted = curve.threshold.filter((point) => point >= threshold).length;
  const [precision, recall] = [curve.precision[counted - 1], curve.recall[counted - 1]];
  return precision === undefined || recall === undefined ? null : [precision, recall];
}

/** Show where the slider is, before the engine has counted exactly. */
function follow() {
  const range = slider();
  if (!range) return;
  const output = document.querySelector("[data-value]");
  if (output) output.textContent = Number(range.value).toFixed(2);
  const chart = document.querySelector("svg[data-curve]");
  const marker = chart?.querySelector(".marker");
  if (!(chart instanceof SVGElement) || !marker) return;
  const { curve = "", left = "", top = "", side = "" } = chart.dataset;
  const point = pointAt(JSON.parse(curve), Number(range.value));
  marker.setAttribute("visibility", point ? "visible" : "hidden");
  if (!point) return;
  const x = Number(left) + point[1] * Number(side);
  const y = Number(top) + (1 - point[0]) * Number(side);
  marker.querySelector("circle")?.setAttribute("cx", String(x));
  marker.querySelector("circle")?.setAttribute("cy", String(y));
  marker.querySelector("path")?.setAttribute("d", `M${x} ${y}V${Number(top) + Number(side)}M${x} ${y}H${left}`);
}

/** Keep what is seen in the page's address, so that it can be shared and reloaded. */
function keepAddress() {
  const form = dials();
  if (!form) return;
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (typeof value === "string" && value) query.set(name, value);
  history.replaceState(history.state, "", `?${query}${location.hash}`);
}

/**
 * Move the slider by some steps.
 * @param {number} steps
 */
function slide(steps) {
  const range = slider();
  if (!range) return false;
  if (steps > 0) range.stepUp(steps);
  else range.stepDown(-steps);
  range.dispatchEvent(new Event("input", { bubbles: true }));
  return true;
}

/**
 * Choose the tag before or after this one. Where the page does not list all tags, the engine says which that is.
 * @param {"before" | "after"} which
 */
function turn(which) {
  const field = tag();
  const at = document.getElementById("at");
  if (field instanceof HTMLSelectElement) {
    const count = field.options.length;
    field.selectedIndex = (field.selectedIndex + (which === "after" ? 1 : count - 1)) % count;
  } else if (field && at) {
    field.value = at.dataset[which] ?? "";
  }
  field?.dispatchEvent(new Event("change", { bubbles: true }));
}

/**
 * Open a link of the page.
 * @param {string} selector
 */
function open(selector) {
  const found = document.querySelector(selector);
  if (!(found instanceof HTMLAnchorElement)) return false;
  location.assign(found.href);
  return true;
}

document.addEventListener("input", (event) => {
  if (event.target instanceof Element && event.target.closest("[data-dials]")) follow();
});

document.addEventListener("htmx:after:swap", (event) => {
  if (event.target !== dials()) return;
  keepAddress();
  follow();
});

document.addEventListener("keydown", (event) => {
  if (isForField(event) || document.querySelector("dialog[open]")) return;
  const target = event.target instanceof Element ? event.target : null;
  if (event.key === "[" || event.key === "]") return turn(event.key === "]" ? "after" : "before");
  if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
    // These move by themselves.
    if (target?.closest("input[type=range], [role=tablist], .scroll")) return;
    const on = event.key === "ArrowRight";
    if (slide((on ? 1 : -1) * (event.shiftKey ? 10 : 1)) || open(on ? "a[rel=next]" : "a[rel=prev]")) event.preventDefault();
    return;
  }
  if (/^[1-5]$/.test(event.key)) open(`a[data-key="${event.key}"]`);
});

/**
 * Ask again for a picture, since the engine makes few at a time; say so if it does not come.
 * @param {HTMLImageElement} image
 */
function again(image) {
  const tries = Number(image.dataset.tries ?? 0);
  if (tries < AGAIN) {
    image.dataset.tries = String(tries + 1);
    setTimeout(() => {
      const source = image.src;
      image.removeAttribute("src");
      image.src = source;
    }, AGAIN_MS * (tries + 1));
    return;
  }
  const note = document.createElement("span");
  note.className = "unread";
  note.textContent = "can't be shown";
  image.closest(".picture")?.replaceWith(note);
}

document.addEventListener("error", (event) => {
  if (event.target instanceof HTMLImageElement && event.target.matches("[data-again]")) again(event.target);
}, { capture: true });

for (const image of document.querySelectorAll("img[data-again]")) {
  if (image instanceof HTMLImageElement && image.complete && image.src && !image.naturalWidth) again(image);
}
