// What every page has: keys, tabs, copying, and the line at the bottom that says what happened.
// @ts-check

const KEYS_OFF = "vision-studio-keys-off";
const PLACES = { h: "/studio/", d: "/studio/datasets", l: "/studio/drafts", m: "/studio/models", t: "/studio/try" };

/**
 * Say something at the bottom of the page, for some seconds; screen readers read it.
 * @param {string} text
 */
export function say(text) {
  const place = document.getElementById("said");
  if (!place) return;
  place.textContent = text;
  setTimeout(() => {
    if (place.textContent === text) place.textContent = "";
  }, 5000);
}

/**
 * Whether a key that was pressed is meant for a field, or single-letter keys are off.
 * @param {KeyboardEvent} event
 */
export function isForField(event) {
  // Many keyboards write [ and ] with AltGr, which some systems report as Ctrl and Alt.
  const modified = (event.ctrlKey || event.altKey) && !event.getModifierState("AltGraph");
  if (modified || event.metaKey || event.isComposing) return true;
  if (localStorage.getItem(KEYS_OFF)) return true;
  const target = event.target;
  return target instanceof HTMLElement && (target.isContentEditable || target.matches("input:not([type=checkbox], [type=radio], [type=range]), textarea, select"));
}

function showKeys() {
  const dialog = document.getElementById("keys");
  if (!(dialog instanceof HTMLDialogElement)) return;
  const filterKey = dialog.querySelector("[data-keys-filter]");
  const filters = [...document.querySelectorAll("[data-filter]")].some((field) => field.getClientRects().length > 0);
  filterKey?.toggleAttribute("hidden", !filters);
  dialog.showModal();
}

let goes = 0;
document.addEventListener("keydown", (event) => {
  if (isForField(event)) return;
  if (event.key === "?") {
    event.preventDefault();
    showKeys();
  } else if (event.key === "/") {
    const filter = document.querySelector("[data-filter]");
    if (filter instanceof HTMLElement) {
      event.preventDefault();
      filter.focus();
    }
  } else if (event.key === "g") {
    goes = Date.now();
  } else if (Date.now() - goes < 1500 && Object.hasOwn(PLACES, event.key)) {
    goes = 0;
    event.preventDefault();
    event.stopImmediatePropagation();
    location.assign(PLACES[/** @type {keyof typeof PLACES} */ (event.key)]);
  }
}, { capture: true });

/**
 * Choose a tab, and show its panel.
 * @param {Element} tab
 */
function choose(tab) {
  for (const other of tab.closest("[role=tablist]")?.querySelectorAll("[role=tab]") ?? []) {
    const chosen = other === tab;
    other.setAttribute("aria-selected", String(chosen));
    other.toggleAttribute("tabindex", !chosen);
    if (!chosen) other.setAttribute("tabindex", "-1");
    document.getElementById(other.getAttribute("aria-controls") ?? "")?.toggleAttribute("hidden", !chosen);
  }
}

/**
 * Open the part of the page that an address names: browsers only scroll to a closed one. Then the page is as long as it has to
 * be to scroll there.
 * @param {string} hash with its #
 */
function openNamed(hash) {
  const part = hash.length > 1 ? document.getElementById(hash.slice(1))?.closest("details") : null;
  if (!part || part.open) return;
  part.open = true;
  part.scrollIntoView();
}

openNamed(location.hash);
window.addEventListener("hashchange", () => openNamed(location.hash));

document.addEventListener("click", async (event) => {
  const target = event.target instanceof Element ? event.target : null;
  const inner = target?.closest("a[href^='#']");
  if (inner instanceof HTMLAnchorElement) openNamed(inner.hash);
  if (target?.closest("[data-keys]")) showKeys();
  const tab = target?.closest("[data-tabs] [role=tab]");
  if (tab) choose(tab);
  const copy = target?.closest("[data-copy]");
  if (copy) {
    const text = document.getElementById(copy.getAttribute("data-copy") ?? "")?.textContent ?? "";
    try {
      await navigator.clipboard.writeText(text);
      say("Copied");
    } catch {
      say("The browser does not allow copying here: select the text instead");
    }
  }
  const menu = document.querySelector("details.menu[open]");
  if (menu && !menu.contains(target)) menu.removeAttribute("open");
});

document.addEventListener("keydown", (event) => {
  const tab = event.target instanceof Element ? event.target.closest("[data-tabs] [role=tab]") : null;
  if (tab && (event.key === "ArrowRight" || event.key === "ArrowLeft")) {
    const tabs = [...(tab.parentElement?.querySelectorAll("[role=tab]") ?? [])];
    const next = tabs[(tabs.indexOf(tab) + (event.key === "ArrowRight" ? 1 : tabs.length - 1)) % tabs.length];
    if (next instanceof HTMLElement) {
      choose(next);
      next.focus();
    }
  }
  if (event.key === "Escape") document.querySelector("details.menu[open]")?.removeAttribute("open");
});

document.addEventListener("submit", (event) => {
  const form = event.target instanceof HTMLFormElement ? event.target : null;
  const question = form?.dataset.confirm;
  if (question && !confirm(question)) event.preventDefault();
});

const keysOn = document.querySelector("[data-keys-on]");
if (keysOn instanceof HTMLInputElement) {
  keysOn.checked = !localStorage.getItem(KEYS_OFF);
  keysOn.addEventListener("change", () => {
    if (keysOn.checked) localStorage.removeItem(KEYS_OFF);
    else localStorage.setItem(KEYS_OFF, "1");
  });
}
