// Signing in over the page, when a session has ended: nothing on the page is lost.
// @ts-check

import { byId } from "./elements.js";

export class SignIn {
  /** @param {() => void} done Called when it is worth trying again. */
  constructor(done) {
    this.done = done;
    this.dialog = byId("sign-in-again", HTMLDialogElement);
    this.key = byId("sign-in-key", HTMLInputElement);
    this.problem = byId("sign-in-problem", HTMLElement);
    byId("sign-in-form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    byId("sign-in-retry", HTMLButtonElement).addEventListener("click", () => this.#close());
    // Who has signed in in another tab comes back to this one.
    addEventListener("focus", () => {
      if (this.dialog.open) this.#again();
    });
  }

  ask() {
    if (!this.dialog.open) this.dialog.showModal();
  }

  async #send() {
    const body = new URLSearchParams({ key: this.key.value });
    try {
      const response = await fetch("/studio/sign-in", { method: "POST", body, redirect: "manual" });
      if (response.type === "opaqueredirect") this.#close();
      else this.problem.textContent = "This is not a key of this engine. Its keys are in the stack's output key.";
    } catch {
      this.problem.textContent = "The engine does not answer. Try again in a moment.";
    }
  }

  #close() {
    this.key.value = "";
    this.problem.textContent = "";
    if (this.dialog.open) this.dialog.close();
    this.done();
  }

  /** Ask whether there is a session again, without closing the dialog for nothing. */
  async #again() {
    const response = await fetch(byId("label", HTMLElement).dataset.counts ?? "", { headers: { Accept: "application/json" } }).catch(() => null);
    if (response?.ok) this.#close();
  }
}
