// Code in tabs, as the template macro `code` has it, made on the page. studio.js moves between the tabs and copies.
// @ts-check

import { copyOf, element } from "./elements.js";

/**
 * @param {string} prefix of the ids; unique on the page
 * @param {[string, string][]} snippets a name and a text each
 * @returns {HTMLElement}
 */
export function codeTabs(prefix, snippets) {
  const tabs = snippets.map(([name], index) => {
    const tab = element("button", { type: "button", id: `${prefix}-tab-${index}`, tabIndex: index ? -1 : 0, aria: { controls: `${prefix}-${index}`, selected: String(!index) } }, name);
    tab.setAttribute("role", "tab");
    return tab;
  });
  const list = element("div", { aria: { label: "Language" } }, ...tabs);
  list.setAttribute("role", "tablist");
  const panels = snippets.map(([name, text], index) => {
    const copy = element("button", { type: "button", class: "copy", data: { copy: `${prefix}-text-${index}` }, aria: { label: `Copy ${name}` } }, copyOf("mark-copy"), "Copy");
    const code = element("code", { id: `${prefix}-text-${index}` }, text);
    const panel = element("div", { id: `${prefix}-${index}`, tabIndex: 0, hidden: index > 0, aria: { labelledby: `${prefix}-tab-${index}` } }, copy, element("pre", {}, code));
    panel.setAttribute("role", "tabpanel");
    return panel;
  });
  return element("div", { class: "tabs", data: { tabs: "" } }, list, ...panels);
}
