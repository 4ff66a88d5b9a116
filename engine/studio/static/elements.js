// Makes elements: markup never comes from text, which Trusted Types forbid.
// @ts-check

/**
 * An element with properties, data and children. `data` are `data-*` attributes, `aria` are `aria-*` ones.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} name
 * @param {{class?: string, id?: string, data?: Record<string, string>, aria?: Record<string, string>, [property: string]: unknown}} [properties]
 * @param {...(Node | string | null)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function element(name, { class: classes, data = {}, aria = {}, ...properties } = {}, ...children) {
  const made = document.createElement(name);
  if (classes) made.className = classes;
  for (const [key, value] of Object.entries(data)) made.dataset[key] = value;
  for (const [key, value] of Object.entries(aria)) made.setAttribute(`aria-${key}`, value);
  Object.assign(made, properties);
  made.append(...children.filter((child) => child !== null));
  return made;
}

/**
 * A copy of what a `<template>` of the page holds.
 * @param {string} id
 * @returns {DocumentFragment}
 */
export function copyOf(id) {
  const template = document.getElementById(id);
  if (!(template instanceof HTMLTemplateElement)) throw new Error(`the page has no template ${id}`);
  return /** @type {DocumentFragment} */ (template.content.cloneNode(true));
}

/**
 * An element of the page, of a class.
 * @template {Element} E
 * @param {string} id
 * @param {new () => E} kind
 * @returns {E}
 */
export function byId(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`the page has no ${kind.name} ${id}`);
  return found;
}

/**
 * Scroll a container so that something in it is in sight. The page itself stays: under a finger it must not move.
 * @param {Element} container
 * @param {Element | undefined} inner
 */
export function scrollWithin(container, inner) {
  if (!inner || container.scrollHeight <= container.clientHeight) return;
  const [outside, inside] = [container.getBoundingClientRect(), inner.getBoundingClientRect()];
  if (inside.top < outside.top) container.scrollTop -= outside.top - inside.top;
  else if (inside.bottom > outside.bottom) container.scrollTop += inside.bottom - outside.bottom;
}
