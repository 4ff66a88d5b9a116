// Conflicts by keys: a digit takes a side, an arrow goes to the conflict before or after.
// @ts-check

import { isForField } from "./studio.js";

document.addEventListener("keydown", (event) => {
  if (isForField(event) || event.shiftKey || event.repeat || document.querySelector("dialog[open]")) return;
  const ways = { ArrowLeft: "a[rel=prev]", ArrowRight: "a[rel=next]" };
  const found = Object.hasOwn(ways, event.key)
    ? document.querySelector(`#main ${ways[/** @type {keyof typeof ways} */ (event.key)]}`)
    : [...document.querySelectorAll("[data-key]")].find((button) => button.getAttribute("data-key") === event.key);
  if (found instanceof HTMLElement) {
    event.preventDefault();
    found.click();
  }
});
