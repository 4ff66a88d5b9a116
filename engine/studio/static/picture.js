// One image: its boxes, drawn over the view, and the ways to the images before and after.
// @ts-check

import { isForField } from "./studio.js";
import { svgElement } from "./svg.js";

/** @typedef {[left: number, top: number, width: number, height: number, tone: number]} Box Shares of the sides. */

const BOXES_OFF = "vision-studio-boxes-off";

const view = /** @type {HTMLImageElement | null} */ (document.getElementById("view"));
const drawing = document.getElementById("boxes");

/**
 * The boxes that an element carries.
 * @param {string} id
 * @returns {Box[]}
 */
function boxesOf(id) {
  return JSON.parse(document.getElementById(id)?.dataset.boxes ?? "[]");
}

function draw() {
  if (!view?.naturalWidth || !drawing) return;
  const { naturalWidth: width, naturalHeight: height } = view;
  drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const rectangles = [["picture", "label"], ["answer", "found"]].flatMap(([id = "", kind]) =>
    boxesOf(id).map(([left, top, wide, high, tone], index) =>
      svgElement("rect", { x: left * width, y: top * height, width: wide * width, height: high * height, class: `${kind} tone-${tone}`, "data-index": index })));
  drawing.replaceChildren(...rectangles);
}

/**
 * Make the box of a label stand out, or none.
 * @param {EventTarget | null} target
 */
function choose(target) {
  const index = target instanceof Element ? target.closest("[data-box]")?.getAttribute("data-box") : null;
  for (const rectangle of drawing?.querySelectorAll("rect.label") ?? []) {
    rectangle.classList.toggle("chosen", rectangle.getAttribute("data-index") === index);
  }
}

async function tellWhy() {
  const place = document.getElementById("failed");
  if (!view || !place) return;
  view.hidden = true;
  place.hidden = false;
  place.textContent = "This picture cannot be shown.";
  const response = await fetch(view.src, { headers: { Accept: "application/json" } });
  if (response.ok) {
    location.reload();
    return;
  }
  const body = await response.json().catch(() => null);
  if (body?.error?.message) place.textContent = body.error.message;
}

if (view) {
  view.addEventListener("load", draw);
  view.addEventListener("error", tellWhy);
  if (view.complete) view.naturalWidth ? draw() : tellWhy();
}
document.addEventListener("htmx:after:swap", draw);
for (const happens of ["pointerover", "focusin"]) document.addEventListener(happens, (event) => choose(event.target));

const shown = /** @type {HTMLInputElement | null} */ (document.getElementById("show-boxes"));
function toggle() {
  document.getElementById("picture")?.classList.toggle("without-boxes", shown ? !shown.checked : false);
}
if (shown) {
  shown.checked = !localStorage.getItem(BOXES_OFF);
  shown.addEventListener("change", () => {
    if (shown.checked) localStorage.removeItem(BOXES_OFF);
    else localStorage.setItem(BOXES_OFF, "1");
    toggle();
  });
}
toggle();

document.addEventListener("keydown", (event) => {
  if (isForField(event) || event.shiftKey || document.querySelector("dialog[open]")) return;
  const ways = { ArrowLeft: "before", ArrowRight: "after", Escape: "back" };
  if (Object.hasOwn(ways, event.key)) {
    const way = document.getElementById(ways[/** @type {keyof typeof ways} */ (event.key)]);
    if (way instanceof HTMLAnchorElement) {
      event.preventDefault();
      // Escape must bring back the same place of the grid; the history would also go through every image looked at.
      location.replace(way.href);
    }
  } else if (event.key === "b") {
    shown?.click();
  }
});
