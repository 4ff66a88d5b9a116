// Adds a picture that was tried to a draft, where people label it. The model's answer stays a suggestion there.
// @ts-check

import { copyOf, element } from "./elements.js";
import { callEngine } from "./engine_calls.js";
import { counted } from "./try_words.js";

/** @typedef {import("./try_result.js").Result} Result */
/** @typedef {{model: string, drafts: {name: string, dataset: string, images: number}[], base: string | null, kind: string, closed: string}} Choice */

const NEW = "new";
const OF_BASE = "base";
const DRAFT = "draft:";

/** The value of the draft that got the last picture: the next one probably goes there, too. */
let last = "";
let made = 0;

class ToDraft {
  /** @param {Result} result */
  constructor(result) {
    this.result = result;
    this.place = result.part("adding");
    this.button = /** @type {HTMLButtonElement} */ (result.part("draft"));
    this.button.addEventListener("click", () => this.toggle());
    this.status = element("p", { class: "quiet" });
    this.status.setAttribute("role", "status");
    this.button.hidden = false;
  }

  /** Only a picture that the browser has can be sent: the engine keeps none. */
  get picture() {
    return this.result.source.picture;
  }

  async toggle() {
    const open = this.place.hidden;
    this.place.hidden = !open;
    this.button.setAttribute("aria-expanded", String(open));
    if (!open) return;
    if (!this.picture) {
      this.place.replaceChildren(element("p", { class: "note" }, "The engine read this picture from its address and kept none of it. Save it to a file and try that: then it can be added."));
      return;
    }
    await this.ask();
    this.select?.focus();
  }

  /** Ask which drafts there are, and offer them. */
  async ask() {
    this.place.replaceChildren(this.status);
    this.say("Looking for drafts …");
    try {
      const { value } = await callEngine(`/studio/try/drafts?model=${encodeURIComponent(this.result.tried.name)}`, { signal: this.result.leaves.signal });
      this.offer(value);
    } catch (error) {
      this.refuse(error);
    }
  }

  /** @param {Choice} choice */
  offer(choice) {
    this.choice = choice;
    this.say("");
    if (choice.closed) {
      this.place.replaceChildren(element("p", { class: "problem" }, choice.closed));
      return;
    }
    const id = `adding-${(made += 1)}`;
    const select = element("select", { id, name: "draft" });
    const options = [
      ...choice.drafts.map(({ name, dataset, images }) => ({ value: `${DRAFT}${name}`, text: `${name} (${dataset === name ? "" : `of ${dataset}, `}${counted(images, "image")})` })),
      ...(choice.base === null ? [] : [{ value: OF_BASE, text: `A new draft of ${choice.base}` }]),
      { value: NEW, text: "A new dataset" },
    ];
    select.append(...options.map(({ value, text }) => element("option", { value }, text)));
    if (options.some(({ value }) => value === last)) select.value = last;
    const name = element("input", { id: `${id}-name`, name: "name", autocomplete: "off", spellcheck: false, maxLength: 255 });
    const named = element("span", { class: "named" }, element("label", { htmlFor: name.id }, "Its name"), name);
    const show = () => {
      named.hidden = select.value !== NEW;
      name.required = !named.hidden;
    };
    select.addEventListener("change", show);
    show();
    const form = element("form", { class: "adding" }, element("label", { htmlFor: id }, "Add it to"), select, named, element("button", { class: "primary" }, copyOf("mark-add"), "Add"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.add(select.value, name.value.trim());
    });
    this.select = select;
    this.place.replaceChildren(form, this.status);
  }

  /**
   * Add the picture, to a new draft if that was chosen.
   * @param {string} chosen
   * @param {string} newName
   */
  async add(chosen, newName) {
    const { picture, choice } = this;
    if (!picture || !choice) return;
    const fields = /** @type {NodeListOf<HTMLButtonElement>} */ (this.place.querySelectorAll("button"));
    for (const field of fields) field.disabled = true;
    this.say("Adding it …");
    try {
      const draft = chosen.startsWith(DRAFT) ? chosen.slice(DRAFT.length) : await this.begin(chosen, newName);
      if (last !== `${DRAFT}${draft}`) {
        last = `${DRAFT}${draft}`;
        if (!chosen.startsWith(DRAFT)) await this.ask(); // a second try does not begin a second draft
      }
      const { source } = this.result;
      const path = `/studio/drafts/${encodeURIComponent(draft)}`;
      const fileName = encodeURIComponent(source.file || source.name);
      const { value } = await callEngine(`${path}/pictures?fileName=${fileName}`, { method: "POST", body: picture, type: "application/octet-stream", signal: this.result.leaves.signal });
      this.added(draft, path, value);
    } catch (error) {
      this.refuse(error);
    }
    for (const field of fields) field.disabled = false;
  }

  /** @param {string} chosen @param {string} name @returns {Promise<string>} the name of the new draft */
  async begin(chosen, name) {
    const base = this.choice?.base ?? "";
    const form = new URLSearchParams(chosen === OF_BASE ? { base } : { name, kind: this.choice?.kind ?? "" });
    const { value } = await callEngine("/studio/drafts", { method: "POST", body: form, signal: this.result.leaves.signal });
    return value.name;
  }

  /** @param {string} draft @param {string} path @param {{added: boolean, image: {number: number, labelled: boolean}}} answer */
  added(draft, path, { added, image }) {
    const query = new URLSearchParams({ number: String(image.number), model: this.choice?.model ?? "" });
    const link = element("a", { href: `${path}/label?${query}` }, image.labelled ? "Look at its labels" : "Label it there");
    const told = added ? `Added to the draft ${draft}, without a label: the answer is a suggestion there. ` : `The draft ${draft} has this picture already. `;
    this.status.className = added ? "good" : "note";
    this.status.replaceChildren(told, link);
  }

  /** @param {string} text */
  say(text) {
    this.status.className = "quiet";
    this.status.textContent = text;
  }

  /** @param {unknown} error */
  refuse(error) {
    if (this.result.leaves.signal.aborted) return;
    this.status.className = "problem";
    this.status.textContent = error instanceof Error ? error.message : String(error);
  }
}

document.getElementById("results")?.addEventListener("tried", (event) => {
  if (event instanceof CustomEvent) new ToDraft(event.detail);
});
