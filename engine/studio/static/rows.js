// Lists that are walked through by the arrow keys; Enter opens, since each row is a link.
// @ts-check

import { isForField } from "./studio.js";

document.addEventListener("keydown", (event) => {
  if (!["ArrowDown", "ArrowUp", "Home", "End"].includes(event.key) || event.shiftKey || event.ctrlKey || event.metaKey || event.altKey) return;
  const target = event.target;
  const filters = target instanceof HTMLElement && target.hasAttribute("data-filter");
  // From the filter, an arrow leads into the list; in other fields, arrows are the field's.
  if (filters ? event.key !== "ArrowDown" : isForField(event)) return;
  const rows = [.../** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-rows] [data-row]"))];
  if (!rows.length) return;
  const at = rows.findIndex((row) => row === document.activeElement);
  const moves = { ArrowDown: at + 1, ArrowUp: at < 0 ? 0 : at - 1, Home: 0, End: rows.length - 1 };
  const next = moves[/** @type {keyof typeof moves} */ (event.key)];
  event.preventDefault();
  if (next < 0) {
    const filter = document.querySelector("[data-filter]");
    if (filter instanceof HTMLElement) filter.focus();
  } else {
    rows[Math.min(next, rows.length - 1)]?.focus();
  }
});
