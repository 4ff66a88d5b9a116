"""The findings of a dataset's health that need no comparison of pictures: the checker's report, and likely wrong labels.

A finding can be accepted, by a key that depends on what was found. `dataset_likeness` has the other findings.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from vision_customization.contract.enums import ModelKind
from vision_customization.contract.texts import counted
from vision_customization.engine.outcomes.estimates import first_estimate
from vision_customization.engine.store import IndexedImage
from vision_customization.engine.store.records import IndexedProblem
from vision_customization.engine.studio.dataset_answers import named
from vision_customization.engine.studio.dataset_contents import picture_address, shown_name, shown_problem
from vision_customization.engine.studio.dataset_facts import Looked
from vision_customization.engine.studio.visit import Visit, link

OVERVIEW = 5
"""Findings of a section that the overview shows."""
PAGE = 50
"""Findings on the page of a single section."""
LISTED_MAX = 1000
"""Findings of a section that can be looked through; all are counted."""


@dataclass(frozen=True)
class Thumb:
    """A picture of a finding."""

    href: str
    thumbnail: str
    caption: str = ""


@dataclass(frozen=True)
class Finding:
    """One finding of the section `kind`. Its `key` is empty if it cannot be accepted."""

    kind: str
    title: str
    detail: str = ""
    href: str = ""
    pictures: Sequence[Thumb] = ()
    key: str = ""
    accepted: bool = False


@dataclass(frozen=True)
class Item:
    """A finding that is made only if it is shown. `make` gives None if its images are gone."""

    key: str
    make: Callable[[], Finding | None]


@dataclass(frozen=True)
class Wanted:
    """Which findings to show: `count` from `start` on, those that people accepted only if `accepted`."""

    start: int = 0
    count: int = OVERVIEW
    accepted: bool = False


@dataclass(frozen=True)
class Section:
    """Findings of one kind. `text` says what they mean, `notes` what else to know. `total` is how many can be looked through,
    `more` the text of a link to the rest of them, and `accepted` how many are hidden because people accepted them."""

    id: str
    title: str
    text: str
    href: str
    notes: Sequence[str] = ()
    findings: Sequence[Finding] = ()
    total: int = 0
    more: str = ""
    accepted: int = 0


@dataclass(frozen=True)
class Health:
    """A dataset whose health is shown, and which findings to show."""

    visit: Visit
    looked: Looked
    wanted: Wanted

    @property
    def name(self) -> str:
        return self.looked.record.name

    @property
    def index(self) -> int:
        return self.looked.content.index

    def image(self, position: int) -> IndexedImage | None:
        return self.visit.service.store.content.image(self.index, position)

    def href(self, section: str) -> str:
        return link("datasets", self.name, "health", section)

    def section(self, kind: str, title: str, text: str, items: Sequence[Item] = (), notes: Sequence[str] = ()) -> Section:
        """The section with the findings that are wanted."""
        accepted = self.visit.service.store.accepted_findings.keys(self.name, kind) if items else frozenset()
        shown = [item for item in items if self.wanted.accepted or not item.key or item.key not in accepted]
        page = shown[self.wanted.start : self.wanted.start + self.wanted.count]
        findings = [
            replace(finding, key=item.key, accepted=item.key in accepted)
            for item in page
            if (finding := item.make()) is not None
        ]
        more = f"All {len(shown):,}" if self.wanted.count < PAGE and len(shown) > len(page) else ""
        hidden = len(items) - len(shown)
        return Section(kind, title, text, self.href(kind), notes, findings, len(shown), more, hidden)


def checker(health: Health) -> Section:
    """The rules of the contract that the annotation files break."""
    problems = health.looked.content.problems
    total = sum(problem.count for problem in problems)
    errors = sum(problem.count for problem in problems if not problem.kind.is_warning)
    warned = counted(total - errors, "warning")
    if errors:
        text = f"The checker found {counted(errors, 'error')}, which a training refuses"
        text += f", and {warned}." if total > errors else "."
    elif total:
        text = f"The checker found {warned}: valid, but probably a mistake."
    else:
        text = "The checker found nothing: a training accepts the annotation files."
    rows = health.visit.service.store.content.problems(health.index, 0, LISTED_MAX)
    notes = [f"Only the first {len(rows):,} are listed."] if total > len(rows) else []
    items = [
        Item(key_of(row.kind.value, row.message) if row.kind.is_warning else "", partial(_problem, health, row)) for row in rows
    ]
    return health.section("checker", "Checker's report", text, items, notes)


def _problem(health: Health, row: IndexedProblem) -> Finding:
    href = "" if row.position is None else link("datasets", health.name, "images", str(row.position))
    return Finding("checker", shown_problem(row.message), "warning" if row.kind.is_warning else "error", href)


def labels(health: Health) -> Section:
    """Labels that are likely wrong, by the estimate of the newest classifier."""
    title = "Likely wrong labels"
    if health.looked.detection:
        text = "They are found for classification only. For detection, look at the worst mistakes of a model."
        return health.section("labels", title, text)
    service = health.visit.service
    estimate = first_estimate(service.objects, service.store.models.trained_from(health.name))
    if estimate is None:
        text = (
            f"Train a {ModelKind.GENERIC_CLASSIFIER} from this dataset to find them. A model then judges each image without "
            "having seen it."
        )
        return health.section("labels", title, text)
    model, outcomes = estimate.model.name, estimate.outcomes
    rows = outcomes.likely_wrong().tolist()
    if not rows:
        text = f"None. Model {model} agrees enough with the labels of all {outcomes.images:,} images that it was trained from."
        return health.section("labels", title, text)
    text = (
        f"{counted(len(rows), 'image')} of {outcomes.images:,}, the worst first. Model {model} is sure of another tag, without "
        "having seen the image. Look at each one before you change its label: some labels are right."
    )
    notes = [f"Only the first {LISTED_MAX:,} are listed."] if len(rows) > LISTED_MAX else []
    lines = [json.loads(line) for line in outcomes.read(rows[:LISTED_MAX])]
    items = [Item(key_of(line["digest"], *sorted(line["labels"])), partial(_likely, health, line)) for line in lines]
    return health.section("labels", title, text, items, notes)


def _likely(health: Health, line: dict[str, Any]) -> Finding:
    title = f"labelled {named(line['labels'])}, likely {named(line['likelyLabels'])}"
    positions = health.visit.service.store.content.positions(health.index, [line["image"]])
    image = health.image(positions[line["image"]]) if positions else None
    if image is None:
        name = line.get("fileName") or line["image"].rsplit("/", 1)[-1]
        return Finding("labels", title, f"{name}: not in the dataset any more")
    now = sorted({label.tag for label in image.labels})
    changed = "" if now == sorted(line["labels"]) else f". Its label has changed since: now {named(now)}"
    picture = thumb(health.name, image)
    return Finding("labels", title, f"{shown_name(image)}{changed}", picture.href, [picture])


def thumb(dataset: str, image: IndexedImage, caption: str = "") -> Thumb:
    href = link("datasets", dataset, "images", str(image.position))
    return Thumb(href, picture_address(dataset, image, "thumbnail"), caption)


def key_of(*parts: str) -> str:
    """The key by which a finding is accepted. It differs if something else is found."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
