// The findings of a dataset's health: j and k walk through them, x accepts one.
// @ts-check

import { isForField } from "./studio.js";

let at = -1;

function rows() {
  return [.../** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".findings [data-row]"))];
}

document.addEventListener("focusin", (event) => {
  const own = event.target instanceof Element ? event.target.closest(".findings > li")?.querySelector("[data-row]") : null;
  if (own instanceof HTMLElement) at = rows().indexOf(own);
});

document.addEventListener("keydown", (event) => {
  if (isForField(event) || document.querySelector("dialog[open]")) return;
  const all = rows();
  if (event.key === "j" || event.key === "k") {
    const next = event.key === "j" ? at + 1 : Math.max(0, at - 1);
    const row = all[Math.min(next, all.length - 1)];
    row?.focus();
    row?.closest("li")?.scrollIntoView({ block: "nearest" });
  } else if (event.key === "x") {
    const form = all[at]?.closest("li")?.querySelector("form");
    if (form) form.requestSubmit();
  } else {
    return;
  }
  event.preventDefault();
});

// What was accepted has left the list: the next finding has its place.
document.addEventListener("htmx:after:swap", () => {
  if (at >= 0 && (document.activeElement === document.body || !document.activeElement)) rows()[Math.min(at, rows().length - 1)]?.focus();
});
