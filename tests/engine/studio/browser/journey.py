"""The steps of a new user's way through the Studio of a stack: the real engine, Azurite and Chromium."""

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.engine.studio.browser.axe import axe_violations
from tests.stacks.processes import processes_in
from tests.stacks.project import VENV_BIN, Project

SLOW_MS = 60_000
"""For what a worker does first: it reads annotation files, or compares pictures."""


@contextmanager
def stack_for_a_test(folder: Path, config: dict[str, Any]) -> Iterator[Project]:
    """A stack that is not deployed yet. In the end it is destroyed, and leaves no process behind."""
    project = Project.create(folder, config)
    try:
        yield project
    finally:
        project.destroy(previewed=True).succeeded()
    assert processes_in(folder) == []


@dataclass(frozen=True)
class Journey:
    """A visitor of the Studio of a deployed stack. Each step ends on a page that axe has nothing grave to say about."""

    stack: Project
    page: Page
    endpoint: str
    key: str

    @classmethod
    def begin(cls, stack: Project, page: Page) -> "Journey":
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        outputs = stack.outputs()
        assert outputs["studio"] == f"{outputs['endpoint']}/studio/"
        return cls(stack, page, outputs["endpoint"], outputs["key"])

    def sign_in(self) -> None:
        """By the one-time code in the address that `vision studio` would open. It shows Home then."""
        asked = subprocess.run(
            [VENV_BIN / "vision", "studio", "--print", "--endpoint", self.endpoint],
            env={**self.stack.environment, "VISION_KEY": self.key},
            capture_output=True,
            text=True,
            check=True,
        )
        self.page.goto(asked.stdout.strip())
        self.page.wait_for_url(f"{self.endpoint}/studio/")
        expect(self.page.get_by_role("heading", level=1, name="Home")).to_be_visible()
        self._accessible()

    def open_images(self, dataset: str, count: int) -> None:
        """The grid of a dataset that has so many images; the pictures in sight have come."""
        self._open(f"datasets/{dataset}")
        cells = self.page.get_by_role("listbox", name="Images").get_by_role("option")
        expect(cells.first).to_be_visible(timeout=SLOW_MS)
        expect(cells.first).to_have_attribute("aria-setsize", str(count))
        expect(self.page.locator("[role=option]:not(.loaded)")).to_have_count(0, timeout=SLOW_MS)
        self._accessible()

    def open_health(self) -> None:
        """Of the dataset that is shown."""
        self.page.get_by_role("navigation").get_by_role("link", name="Health").click()
        expect(self.page.get_by_role("heading", name="Since the last training")).to_be_visible()

    def findings(self, section: str) -> Locator:
        """What health lists under this heading."""
        return self.page.locator("section", has=self.page.get_by_role("heading", name=section)).get_by_role("listitem")

    def open_finding(self, finding: Locator) -> None:
        """The image of a finding, once health has it."""
        expect(finding).to_be_visible(timeout=SLOW_MS)
        self._accessible()
        finding.get_by_role("link").last.click()
        picture = self.page.locator("#view")
        expect(picture).to_be_visible(timeout=SLOW_MS)
        expect(picture).not_to_have_js_property("naturalWidth", 0)
        self._accessible()

    def open_judge(self, model: str) -> None:
        """What the model got right and wrong, by way of its own page."""
        self._open(f"models/{model}")
        expect(self.page.get_by_role("heading", level=1, name=model)).to_be_visible()
        self._accessible()
        self.page.get_by_role("link", name="Judge").click()
        expect(self.page.get_by_role("heading", level=1, name=f"Judge {model}")).to_be_visible()
        self._accessible()

    def raise_threshold(self, steps: int) -> None:
        """By the arrow key; the page then says precision, recall and what is missed at this threshold."""
        slider, said = self.page.get_by_role("slider", name="Threshold"), self.page.locator("#at .said")
        slider.focus()
        for _ in range(steps):
            slider.press("ArrowRight")
        expect(said).to_contain_text(f"From a confidence of {float(slider.input_value()):.2f} on")
        for number in ("Precision", "Recall", "Missed"):
            expect(self.page.locator("#at dl.numbers dt", has_text=number)).to_be_visible()

    def open_matrix_cell(self, cell: Locator) -> None:
        """The pictures that a cell counts."""
        title = str(cell.get_attribute("aria-label")).partition(" × ")[2]
        cell.click()
        expect(self.page.get_by_role("heading", level=1)).to_have_text(title)
        self.see_first_shot()

    def see_first_shot(self) -> None:
        """The first of the pictures with outcomes has come."""
        picture = self.page.locator("ul.shots img").first
        expect(picture).to_be_visible(timeout=SLOW_MS)
        expect(picture).not_to_have_js_property("naturalWidth", 0)
        self._accessible()

    def try_picture(self, published: str, picture: Path) -> Locator:
        """What the model says about a picture of one's own."""
        self._open(f"try?model={published}")
        self.page.locator("#files").set_input_files(picture)
        result = self.page.get_by_role("article", name=picture.name)
        expect(result).to_contain_text(f"{published} answered in", timeout=SLOW_MS)
        self._accessible()
        return result

    def run_copied_curl(self, result: Locator, folder: Path) -> dict[str, Any]:
        """The answer to the command of a result, as pasted in the picture's folder. Neither page nor command has a key."""
        result.get_by_text("JSON and code").click()
        result.get_by_role("tab", name="curl").click()
        result.get_by_role("button", name="Copy curl").click()
        expect(self.page.locator("#said")).to_have_text("Copied")
        self._accessible()
        command = self.page.evaluate("() => navigator.clipboard.readText()")
        assert self.key not in self.page.content() + command
        assert "$VISION_KEY" in command
        called = subprocess.run(
            ["bash", "-c", command],
            cwd=folder,
            env={**self.stack.environment, "VISION_KEY": self.key, "no_proxy": "127.0.0.1"},
            capture_output=True,
            text=True,
            check=True,
        )
        answer: dict[str, Any] = json.loads(called.stdout)["customModelResult"]
        return answer

    def _open(self, path: str) -> None:
        self.page.goto(f"{self.endpoint}/studio/{path}")

    def _accessible(self) -> None:
        assert axe_violations(self.page) == []


def one_of(names: list[str]) -> re.Pattern[str]:
    """Text that has one of these names."""
    return re.compile("|".join(map(re.escape, names)))
