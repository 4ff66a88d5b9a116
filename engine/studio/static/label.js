// The page that labels: keys, buttons, and the line that says what is saved.
// @ts-check

import { byId } from "./elements.js";
import { commandOf, isCharacter } from "./label_keys.js";
import { takeRemembered } from "./label_order.js";
import { Saver } from "./label_saver.js";
import { Labelling } from "./label_session.js";
import { SignIn } from "./label_sign_in.js";
import { clock, counted } from "./label_words.js";
import { isForField, say } from "./studio.js";

/** Keys that may be held down. */
const REPEATS = new Set(["nudge", "before", "after", "undo", "redo", "zoomIn", "zoomOut"]);

takeRemembered();
const place = document.getElementById("label");
if (place) begin(place);

/** @param {HTMLElement} place */
async function begin(place) {
  const { draft = "", who = "", address = "" } = place.dataset;
  const saver = new Saver(`${address}/labels`, draft, who);
  const left = await saver.store.leftOver();
  const own = left.filter((kept) => kept.who === who);
  if (own.length) {
    saver.adopt(saver.store.take(own));
    say(`${counted(own.length, "change", "changes")} from before ${own.length === 1 ? "was" : "were"} not saved yet: trying again.`);
  }
  const signIn = new SignIn(() => {
    saver.retry();
    if (!byId("picture-problem", HTMLElement).hidden) labelling.refresh();
  });
  /** @type {Labelling} */
  const labelling = new Labelling(place, JSON.parse(byId("label-data", HTMLScriptElement).textContent ?? ""), saver, () => signIn.ask());
  offer(left.filter((kept) => kept.who !== who), saver, labelling);
  showState(saver, signIn);
  listen(labelling);
  byId("stage", HTMLElement).focus({ preventScroll: true });
  place.dataset.ready = "yes";
}

/**
 * Offer what another person has left over in this browser.
 * @param {import("./label_unsaved.js").Kept[]} left
 * @param {Saver} saver
 * @param {Labelling} labelling
 */
function offer(left, saver, labelling) {
  const line = byId("left-over", HTMLElement);
  line.hidden = !left.length;
  const names = [...new Set(left.map((kept) => kept.who || "someone"))].join(", ");
  byId("left-over-text", HTMLElement).textContent = `${counted(left.length, "change", "changes")} that ${names} made in this browser ${left.length === 1 ? "is" : "are"} not saved.`;
  byId("left-over-save", HTMLButtonElement).addEventListener("click", () => {
    saver.adopt(saver.store.take(left));
    line.hidden = true;
    labelling.refresh();
  });
  byId("left-over-drop", HTMLButtonElement).addEventListener("click", () => {
    saver.store.drop(left);
    line.hidden = true;
  });
}

/**
 * Say what is saved, always in sight. Screen readers hear it once, and when it becomes another.
 * @param {Saver} saver
 * @param {SignIn} signIn
 */
function showState(saver, signIn) {
  const line = byId("save-state", HTMLElement);
  const heard = byId("save-heard", HTMLElement);
  const undecided = byId("undecided", HTMLButtonElement);
  const update = () => {
    const { state, savedAt, counts } = saver;
    const texts = {
      ended: "Not saved: your session has ended",
      failing: "Not saved yet, trying again",
      saving: "Saving …",
      saved: savedAt ? `Saved ${clock(savedAt)}` : "Nothing to save yet",
    };
    if (line.textContent !== texts[state]) line.textContent = texts[state];
    line.dataset.state = state === "saved" && !savedAt ? "none" : state;
    const isNews = state !== "saving" && (state !== "saved" || savedAt !== null) && heard.dataset.state !== state;
    if (isNews) [heard.textContent, heard.dataset.state] = [texts[state], state];
    const open = counts.conflicts + counts.refusals;
    undecided.hidden = !open;
    undecided.textContent = `${counted(open, "image", "images")} not saved: decide`;
    if (state === "ended") signIn.ask();
  };
  saver.addEventListener("state", update);
  saver.addEventListener("full", () => say("The browser has no room to keep changes. Do not close this page before it says Saved."));
  update();
}

/** @param {Labelling} labelling */
function listen(labelling) {
  const { editor, kind, stage } = labelling;

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || isTyping(event) || document.querySelector("dialog[open]")) return;
    const target = event.target instanceof Element ? event.target : null;
    const onControl = Boolean(target?.closest("button, a, summary, input, select"));
    if (event.key === " ") {
      if (onControl || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      if (event.repeat) return;
      held = true;
      if (editor) [editor.held, editor.sheet.hasPanned] = [true, false];
      return;
    }
    if (event.key === "Enter" && onControl) return;
    if (isCharacter(event) && isForField(event)) return;
    const command = commandOf(event, kind, labelling.isBoxSelected);
    if (!command || (event.repeat && !REPEATS.has(command.does))) return;
    if (command.does === "nextBox") {
      if (editor && (target === stage || target === document.body) && !leaving && editor.selectNext(Boolean(command.back))) event.preventDefault();
      return;
    }
    if (command.does === "leave") {
      leaving = !editor?.leave();
      return;
    }
    if (command.does === "copy" && String(getSelection() ?? "")) return;
    event.preventDefault();
    labelling.run(command);
  });

  let held = false;
  const release = () => {
    held = false;
    if (editor) editor.held = false;
  };
  addEventListener("blur", release);

  // After Esc without anything selected, Tab leaves the picture.
  let leaving = false;
  stage.addEventListener("blur", () => {
    leaving = false;
  });

  document.addEventListener("keyup", (event) => {
    if (event.key !== " ") return;
    const wasHeld = held;
    release();
    if (!wasHeld || editor?.sheet.hasPanned || isTyping(event) || document.querySelector("dialog[open]")) return;
    labelling.run({ does: "nothing" });
  });

  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("[data-does]") : null;
    if (button) labelling.run({ does: button.getAttribute("data-does") ?? "" });
  });
  // A press on a button must not take the focus: the next key is for the picture.
  document.addEventListener("mousedown", (event) => {
    if (event.target instanceof Element && event.target.closest("[data-does]")) event.preventDefault();
  });
}

/** Whether the key is for a field. @param {KeyboardEvent} event */
function isTyping(event) {
  const target = event.target;
  return event.isComposing || (target instanceof HTMLElement && (target.isContentEditable || target.matches("input:not([type=checkbox], [type=radio], [type=range]), textarea, select")));
}
