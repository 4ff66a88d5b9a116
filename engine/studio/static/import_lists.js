// Lists of an import's result: each with what it is about, its first rows, and all of them as text.
// @ts-check

import { element } from "./elements.js";
import { asText, counted } from "./import_words.js";

/** @typedef {{title: string, rows: [string, string][]}} List */

const SHOWN = 200;

/**
 * @param {HTMLElement} place
 * @param {List[]} lists empty ones are left out
 */
export function showLists(place, lists) {
  place.replaceChildren(
    ...lists.filter(({ rows }) => rows.length).map(({ title, rows }, index) => {
      const id = `list-${index}`;
      const body = rows.slice(0, SHOWN).map(([name, reason]) => element("tr", {}, element("td", {}, name), element("td", {}, reason)));
      const head = element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "File"), element("th", { scope: "col" }, "Why")));
      const table = element("table", { aria: { labelledby: id } }, head, element("tbody", {}, ...body));
      const scroll = element("div", { class: "listed", tabIndex: 0, role: "region", aria: { labelledby: id } }, table);
      const more = rows.length > SHOWN ? element("p", { class: "hint" }, `The first ${SHOWN} of ${counted(rows.length, "row")}. The downloaded list has all of them.`) : null;
      return element("section", {}, element("h3", { id }, title), scroll, more);
    }),
  );
}

/**
 * All lists as a text file.
 * @param {List[]} lists
 * @param {string} name
 */
export function downloadLists(lists, name) {
  const text = lists.filter(({ rows }) => rows.length).map(({ title, rows }) => `# ${title}\n${asText(rows)}`).join("\n");
  const address = URL.createObjectURL(new Blob([text], { type: "text/plain;charset=utf-8" }));
  const link = element("a", { href: address, download: name, hidden: true });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
