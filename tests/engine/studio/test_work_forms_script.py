"""Forms whose work takes some seconds: what a screen reader announces, and what happens to the button."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.places import CHECKOUT
from tests.support.scripts import run_script

_PAGE = """
const log = [];
class HTMLElement {
  attributes = new Map(); hidden = true; #text = "";
  constructor(id) { this.id = id; }
  set textContent(text) { this.#text = text; log.push([this.id, text]); }
  get textContent() { return this.#text; }
  setAttribute(name, value) { this.attributes.set(name, value); }
  removeAttribute(name) { this.attributes.delete(name); }
  focus() { document.activeElement = this; }
}
const button = new HTMLElement("button");
globalThis.HTMLFormElement = class extends HTMLElement {
  action = "/studio/save";
  matches() { return true; }
  querySelectorAll() { return [button]; }
};
globalThis.HTMLProgressElement = class extends HTMLElement {};
globalThis.FormData = class { *[Symbol.iterator]() { yield ["name", "value"]; } };
const elements = Object.fromEntries(["work", "work-text", "work-said", "work-problem"].map((id) => [id, new HTMLElement(id)]));
elements["work-progress"] = new HTMLProgressElement("work-progress");
let submit;
globalThis.document = {
  body: {}, getElementById: (id) => elements[id], addEventListener: (_, listener) => { submit = listener; },
};
document.activeElement = document.body;
globalThis.location = { assign: (place) => log.push(["location", place]) };
let calls = 0;
const answer = ANSWER.map((line) => JSON.stringify(line) + "\\n").join("");
globalThis.fetch = async () => { calls += 1; return new Response(answer); };
await import("./work_forms.js");
const event = { target: new HTMLFormElement("form"), submitter: button, preventDefault() {} };
const first = submit(event);
const during = [button.disabled ?? false, button.attributes.get("aria-disabled")];
await submit(event);
await first;
const after = button.attributes.get("aria-disabled") ?? null;
const found = { log, during, after, calls, focused: document.activeElement === button };
process.stdout.write(JSON.stringify(found));
"""
_STEPS = [{"doing": "Saving", "done": done, "of": 20} for done in range(20)]


def submitted(folder: Path, last: dict[str, Any]) -> dict[str, Any]:
    """What happens if a form is submitted twice at once, and the work ends with this line."""
    found: dict[str, Any] = run_script(folder, f"const ANSWER = {json.dumps([*_STEPS, last])};" + _PAGE)
    return found


def said(found: dict[str, Any], *ids: str) -> list[str]:
    return [text for id_, text in found["log"] if id_ in ids and text]


def test_only_the_beginning_and_the_end_are_announced(tmp_path: Path) -> None:
    found = submitted(tmp_path, {"result": {"location": "/studio/there"}})
    assert len(said(found, "work-text")) == 1 + len(_STEPS)
    assert said(found, "work-said", "work-problem") == ["The engine is at work …", "Done."]
    assert found["log"][-1] == ["location", "/studio/there"]
    assert found["calls"] == 1, "not twice at once"


def test_an_error_is_announced_and_the_button_has_the_focus_again(tmp_path: Path) -> None:
    found = submitted(tmp_path, {"error": {"message": "The container refuses."}})
    assert said(found, "work-said", "work-problem") == ["The engine is at work …", "The container refuses."]
    assert found["during"] == [False, "true"]
    assert found["after"] is None
    assert found["focused"]


@pytest.mark.parametrize(
    ("id_", "role"), [("work-text", ""), ("work-said", ' role="status"'), ("work-problem", ' role="alert"')]
)
def test_the_places_of_what_is_announced(id_: str, role: str) -> None:
    macros = (CHECKOUT / "engine" / "studio" / "templates" / "macros.html").read_text()
    assert f'id="{id_}"{role}></span>' in macros
