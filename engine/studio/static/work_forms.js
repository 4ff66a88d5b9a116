// Forms whose work takes some seconds: the page shows how far it is, and then goes where the work leads.
// @ts-check

import { callAtLength, Refused } from "./engine_calls.js";

document.addEventListener("submit", async (event) => {
  const form = event.target instanceof HTMLFormElement && event.target.matches("[data-work]") ? event.target : null;
  const place = document.getElementById("work");
  const progress = document.getElementById("work-progress");
  const text = document.getElementById("work-text");
  if (!form || !place || !text || !(progress instanceof HTMLProgressElement)) return;
  event.preventDefault();
  const buttons = form.querySelectorAll("button");
  for (const button of buttons) button.disabled = true;
  place.hidden = false;
  progress.hidden = false;
  progress.removeAttribute("value");
  text.className = "";
  text.textContent = "The engine is at work …";
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
    location.assign(place);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    progress.hidden = true;
    text.className = "problem";
    text.textContent = error.ended ? "Your session has ended. Reload the page to sign in; nothing was changed." : error.message;
    for (const button of buttons) button.disabled = false;
  }
});
