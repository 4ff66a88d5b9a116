"""The table of what is pictured of the Studio: each page, and what is done on it before its picture is taken.

`route` is the page's path as the engine declares it. A test compares the routes with the engine's own, so that no page is
added without a picture.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from playwright.sync_api import Page

OBJECTS = "imageObjectDetection"
SLOW_MS = 60_000


@dataclass(frozen=True)
class Subjects:
    """What the pictures show of one stack. All but `kind`, `picture` and `planogram` stand in addresses.

    `train` and `test` are the datasets of `model`, which `published` answers with. `other` was trained from the same images.
    `draft` is a draft of `train`, and `version` the digest of a version that was saved from it.
    `picture` is an image of `test`, and `planogram` says what should stand on it; it is empty for a classifier.
    """

    train: str
    test: str
    model: str
    published: str
    other: str
    tag: str
    kind: str
    picture: Path
    planogram: str
    draft: str = "pictures-draft"
    version: str = ""

    @property
    def words(self) -> dict[str, str]:
        """What stands in the braces of addresses."""
        return {
            name: getattr(self, name) for name in ("train", "test", "model", "published", "other", "tag", "draft", "version")
        }


@dataclass(frozen=True)
class View:
    """One picture: of the page at `address`, after `act`. Both stand below `/studio`.

    `moment` is `busy` while a training runs, another has failed and a dataset can't be read; their names are `BUSY`.
    `only` restricts it to datasets of a kind.
    """

    name: str
    route: str
    address: str
    act: Callable[[Page, Subjects], None] | None = None
    moment: Literal["calm", "busy", "signed out"] = "calm"
    only: Literal["objects", "tags"] | None = None
    start: str = ""
    """What the picture begins with, as a selector; empty: it begins at the page's top."""

    leads_on: bool = False
    """Whether `act` leaves the page at `address` for the one to picture."""

    def is_of(self, kind: str) -> bool:
        return self.only is None or (self.only == "objects") == (kind == OBJECTS)


RUNNING, FAILED, UNREADABLE = "pictures-running", "pictures-failed", "pictures-unreadable"
BUSY = (RUNNING, FAILED, UNREADABLE)
IMPORTED = "pictures-imported"
"""A draft, which stays empty."""


def _refuse(page: Page, _: Subjects) -> None:
    page.get_by_label("Key of the engine").fill("not-the-key")
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("alert").wait_for()


def _open_menu(page: Page, _: Subjects) -> None:
    page.locator("details.menu > summary").click()


def _show_keys(page: Page, _: Subjects) -> None:
    page.keyboard.press("?")
    page.locator("#keys[open]").wait_for()


def _open_code(page: Page, _: Subjects) -> None:
    page.locator("details.code > summary").last.click()


def _select(page: Page, _: Subjects) -> None:
    page.locator("#grid").focus()
    for key in ("ArrowRight", "Space", "Shift+ArrowRight", "Shift+ArrowRight"):
        page.keyboard.press(key)
    page.locator("#selection:not([hidden])").wait_for()


def _refused_reading(page: Page, _: Subjects) -> None:
    page.get_by_role("heading", name="The engine cannot read this dataset").wait_for(timeout=SLOW_MS)


def _compared(page: Page, _: Subjects) -> None:
    """Wait for the worker that compares pictures."""
    page.locator("#comparing").wait_for(state="detached", timeout=2 * SLOW_MS)


def _raise_threshold(page: Page, _: Subjects) -> None:
    said = page.locator("#at .said")
    before = said.inner_text()
    page.get_by_role("slider", name="Threshold").focus()
    for key in ["Shift+ArrowRight"] * 3:
        page.keyboard.press(key)
    page.locator("#at .said", has_not_text=before).wait_for()


def _open_cell(page: Page, _: Subjects) -> None:
    page.locator("table.matrix a").first.click()
    page.locator("ul.shots").first.wait_for()


def _open_picture(page: Page, _: Subjects) -> None:
    page.locator("ul.shots a").first.click()
    page.get_by_role("navigation", name="Pictures").wait_for()


def _try(page: Page, subjects: Subjects) -> None:
    page.set_input_files("#files", subjects.picture)
    page.locator("#results [data-part=facts]", has_text="answered in").first.wait_for(timeout=SLOW_MS)


def _try_with_code(page: Page, subjects: Subjects) -> None:
    _try(page, subjects)
    page.locator("#results details.code > summary").first.click()


def _compare_with_planogram(page: Page, subjects: Subjects) -> None:
    _try(page, subjects)
    page.locator("#planogram summary").click()
    page.fill("#planogram-text", subjects.planogram)
    page.locator("#planogram-form button.primary").click()
    page.get_by_text("as planned").first.wait_for()
    page.locator("#planogram summary").click()


def _import(page: Page, subjects: Subjects) -> None:
    """Go on to a draft of the name IMPORTED, which is begun if there is none, and choose pictures for it."""
    new = page.url
    answer = page.goto(new.replace("/new", f"/drafts/{IMPORTED}/import"))
    if answer is None or not answer.ok:
        page.goto(new)
        page.get_by_label("Name", exact=True).fill(IMPORTED)
        page.get_by_role("button", name="Create, and add pictures").click()
        page.wait_for_url(f"**/drafts/{IMPORTED}/import")
    page.set_input_files("#files", subjects.picture)
    page.locator("#review:not([hidden])").wait_for()


# A classifier is trained before its training can be pictured.
VIEWS = (
    View("sign-in", "/sign-in", "/sign-in", moment="signed out"),
    View("sign-in-refused", "/sign-in", "/sign-in", _refuse, moment="signed out"),
    View("home", "/", "/"),
    View("home-busy", "/", "/", moment="busy"),
    View("account", "/", "/", _open_menu),
    View("datasets", "/datasets", "/datasets"),
    View("datasets-none", "/datasets", "/datasets?q=no-such-name"),
    View("dataset-images", "/datasets/{name}", "/datasets/{train}"),
    View("keys", "/datasets/{name}", "/datasets/{train}", _show_keys),
    View("dataset-selected", "/datasets/{name}", "/datasets/{train}", _select),
    View("dataset-of-a-tag", "/datasets/{name}", "/datasets/{train}?tag={tag}"),
    View("dataset-objects", "/datasets/{name}", "/datasets/{train}?tag={tag}&crops=yes", only="objects"),
    View("dataset-none", "/datasets/{name}", "/datasets/{train}?tag=no-such-tag"),
    View("dataset-unreadable", "/datasets/{name}", f"/datasets/{UNREADABLE}", _refused_reading, moment="busy"),
    View("dataset-image", "/datasets/{name}/images/{position}", "/datasets/{train}/images/1"),
    View("dataset-tags", "/datasets/{name}/tags", "/datasets/{train}/tags"),
    View("dataset-health", "/datasets/{name}/health", "/datasets/{train}/health", _compared),
    View("dataset-health-section", "/datasets/{name}/health/{section}", "/datasets/{train}/health/checker"),
    View("dataset-health-labels", "/datasets/{name}/health/{section}", "/datasets/{train}/health/labels", only="tags"),
    View("drafts", "/drafts", "/drafts"),
    View("draft", "/drafts/{draft}", "/drafts/{draft}"),
    View("draft-changed", "/drafts/{draft}", "/drafts/{draft}?only=changed"),
    View("draft-tags", "/drafts/{draft}/tags", "/drafts/{draft}/tags"),
    View("draft-tag-change", "/drafts/{draft}/tags/change", "/drafts/{draft}/tags/change?tag={tag}"),
    View("draft-label", "/drafts/{draft}/label", "/drafts/{draft}/label?number=1"),
    View("draft-conflicts", "/drafts/{draft}/conflicts", "/drafts/{draft}/conflicts"),
    View("draft-save", "/drafts/{draft}/save", "/drafts/{draft}/save"),
    View("draft-merged", "/drafts/{draft}/merged", "/drafts/{draft}/merged?taken=3&added=2"),
    View("draft-delete", "/drafts/{draft}/delete", "/drafts/{draft}/delete"),
    View("versions", "/datasets/{name}/versions", "/datasets/{train}/versions"),
    View("version", "/datasets/{name}/versions/{digest}", "/datasets/{train}/versions/{version}"),
    View("new", "/new", "/new"),
    View("import", "/drafts/{draft}/import", "/new", _import, leads_on=True),
    View("train", "/train", "/train?dataset={train}&name=second&test={test}"),
    View("models", "/models", "/models"),
    View("model", "/models/{name}", "/models/{model}"),
    View("model-origin", "/models/{name}", "/models/{model}", start="h2:text-is('Where it comes from')"),
    View("model-code", "/models/{name}", "/models/{model}", _open_code, start="details.code"),
    View("model-running", "/models/{name}", f"/models/{RUNNING}", moment="busy", only="objects"),
    View("model-failed", "/models/{name}", f"/models/{FAILED}", moment="busy"),
    View("model-unknown", "/models/{name}", "/models/no-such-model"),
    View("published", "/published/{name}", "/published/{published}"),
    View("novel", "/novel", "/novel"),
    View("judge", "/models/{name}/judge", "/models/{model}/judge"),
    View("judge-threshold", "/models/{name}/judge", "/models/{model}/judge?tag={tag}", _raise_threshold),
    View("judge-matrix", "/models/{name}/judge", "/models/{model}/judge", start="#matrix"),
    View("judge-tags", "/models/{name}/judge", "/models/{model}/judge", start="#tags"),
    View("judge-worst", "/models/{name}/judge", "/models/{model}/judge", start="#worst"),
    View("judge-calibration", "/models/{name}/judge", "/models/{model}/judge", start="#calibration"),
    View("outcomes", "/models/{name}/outcomes/{source}", "/models/{model}/outcomes/-"),
    View("outcomes-of-a-cell", "/models/{name}/outcomes/{source}", "/models/{model}/judge", _open_cell, leads_on=True),
    View(
        "outcome",
        "/models/{name}/outcomes/{source}/{row:int}",
        "/models/{model}/outcomes/-",
        _open_picture,
        leads_on=True,
    ),
    View("compare", "/models/{name}/compare", "/models/{model}/compare?with={other}"),
    View("compare-choose", "/models/{name}/compare", "/models/{model}/compare"),
    View("try", "/try", "/try?model={published}"),
    View("try-result", "/try", "/try?model={published}", _try),
    View("try-code", "/try", "/try?model={published}", _try_with_code, start="#results-section"),
    View("try-planogram", "/try", "/try?model={other}", _compare_with_planogram, only="objects", start="#planogram"),
)

PARTS = frozenset(
    {
        # They lead to Microsoft, and back.
        "/sign-in/microsoft",
        "/sign-in/microsoft/done",
        # What pages fetch into themselves.
        "/activity",
        "/datasets/{name}/state",
        "/datasets/{name}/cells",
        "/datasets/{name}/images/{position}/answer",
        "/datasets/{name}/health/pictures",
        "/models/{name}/progress",
        "/models/{name}/evaluations",
        "/train/estimate",
        "/models/{name}/judge/threshold",
        "/models/{name}/judge/matrix",
        "/models/{name}/judge/tags",
        "/models/{name}/outcomes/{source}/tags",
        "/try/model",
        "/try/drafts",
        "/drafts/{draft}/images",
        "/drafts/{draft}/images/{number}",
        "/drafts/{draft}/counts",
        "/drafts/{draft}/label/images",
        "/drafts/{draft}/label/next",
        "/drafts/{draft}/like/{number}",  # until a worker has looked at the image
        "/drafts/{draft}/images/{number}/suggestion",
        # Images and files.
        "/datasets/{name}/images/{position}/thumbnail",
        "/datasets/{name}/images/{position}/view",
        "/datasets/{name}/images/{position}/crop",
        "/models/{name}/outcomes/{source}/{row:int}/thumbnail",
        "/models/{name}/outcomes/{source}/{row:int}/view",
        "/drafts/{draft}/images/{number}/thumbnail",
        "/drafts/{draft}/images/{number}/view",
        "/novel/{sha256}/thumbnail",
        "/datasets/{name}/versions/{digest}/annotations",
        "/models/{name}/model.onnx",
    }
)
"""Routes that are not pages of their own."""


def matches(route: str, path: str) -> bool:
    """Whether a path, without its query, is one of a route."""
    pattern = re.sub(r"\\\{\w+(:int)?\\\}", lambda found: r"\d+" if found[1] else "[^/]+", re.escape(route))
    return re.fullmatch(pattern, path) is not None
