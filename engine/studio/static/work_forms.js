// Forms whose work takes some seconds: the page shows how far it is, and then goes where the work leads. Screen readers announce
// the beginning, the end and what went wrong, not each step.
// @ts-check

import { callAtLength, Refused } from "./engine_calls.js";

let atWork = false;

document.addEventListener("submit", async (event) => {
  const form = event.target instanceof HTMLFormElement && event.target.matches("[data-work]") ? event.target : null;
  const [place, progress, text, said, problem] = ["work", "work-progress", "work-text", "work-said", "work-problem"].map((id) => document.getElementById(id));
  if (!form || !place || !text || !said || !problem || !(progress instanceof HTMLProgressElement)) return;
  event.preventDefault();
  if (atWork) return;
  atWork = true;
  // Not `disabled`: a button that is disabled loses the focus.
  const buttons = form.querySelectorAll("button");
  for (const button of buttons) button.setAttribute("aria-disabled", "true");
  place.hidden = false;
  progress.hidden = false;
  progress.removeAttribute("value");
  problem.textContent = "";
  text.textContent = said.textContent = "The engine is at work …";
  try {
    const body = new URLSearchParams([...new FormData(form)].map(([name, value]) => [name, String(value)]));
    const { location: place } = await callAtLength(form.action, { body }, ({ doing, done, of }) => {
      text.textContent = of ? `${doing}: ${done.toLocaleString("en")} of ${of.toLocaleString("en")}` : `${doing} …`;
      if (of) {
        progress.max = of;
        progress.value = done;
      } else {
        progress.removeAttribute("value");
      }
    });
    said.textContent = "Done.";
    location.assign(place);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    progress.hidden = true;
    text.textContent = said.textContent = "";
    problem.textContent = error.ended ? "Your session has ended. Reload the page to sign in; nothing was changed." : error.message;
    for (const button of buttons) button.removeAttribute("aria-disabled");
    atWork = false;
    if (document.activeElement === document.body) event.submitter?.focus();
  }
});
