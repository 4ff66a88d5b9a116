"""The findings of a dataset's health that need a comparison of its pictures: copies, near-duplicates, and pictures that a model
both learns from and is judged by."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from vision_customization.contract.texts import counted, sentence
from vision_customization.engine.content.current import content_of
from vision_customization.engine.inspection.report import Found, Group, OtherSide, Report
from vision_customization.engine.jobs.kinds.inspection import inputs_of
from vision_customization.engine.store import InspectionStatus
from vision_customization.engine.studio.dataset_answers import named
from vision_customization.engine.studio.dataset_contents import shown_name
from vision_customization.engine.studio.dataset_facts import registered
from vision_customization.engine.studio.dataset_health import Finding, Health, Item, Section, thumb
from vision_customization.engine.studio.visit import Visit, link

_NEWER = "A newer version of the engine has compared them. Reload this page when the update of the engine is done."
_PICTURES_SHOWN = 6
_NAMES_SHOWN = 3


@dataclass(frozen=True)
class Comparison:
    """The comparison of a dataset's pictures: its report, if it is there; `failed` says why it is not."""

    report: Report | None
    failed: str | None = None

    @property
    def runs(self) -> bool:
        return self.report is None and self.failed is None


def comparison_of(visit: Visit, dataset: str, *, again: bool = False) -> Comparison:
    """The comparison of the pictures as they are now. A worker makes it if there is none, or `again` if that failed. It waits
    for the datasets to compare with, whose files the engine may not have read yet."""
    service = visit.service
    others = [name for name in service.store.dataset_uses.opposites(dataset) if registered(service, name) is not None]
    if not all(content_of(service, name).status.final for name in others):
        return Comparison(None)
    inputs = inputs_of(service.store, dataset)
    if inputs is None:
        return Comparison(None)
    record, created = service.store.inspections.ask(dataset, inputs, again=again)
    if record.version != inputs["version"]:
        return Comparison(None, _NEWER)
    if created:
        # If this fails, the workers find the inspection and queue it themselves.
        service.jobs.enqueue_inspection(record.id)
    if record.status is InspectionStatus.FAILED:
        return Comparison(None, record.error.message if record.error is not None else "See the engine's log.")
    report = None if record.report is None else Report.from_json(record.report.encode())
    return Comparison(report)


def copies(health: Health, report: Report) -> Section:
    count = report.copies.count
    are = "file is" if count == 1 else "files are"
    text = f"{count:,} {are} listed more than once." if count else "No file is listed more than once."
    return _groups(health, "copies", "Copies", text, report.copies, [])


def near_duplicates(health: Health, report: Report) -> Section:
    found = report.near
    text = "No two pictures look nearly the same."
    if found.count:
        text = (
            f"{'At least ' if found.at_least else ''}{counted(found.count, 'group')} of pictures that look nearly the same, "
            "such as photos of one burst or frames of a video. A model learns little from the second of them."
        )
    return _groups(health, "near", "Near-duplicates", text, found, report.not_compared)


def sides(health: Health, report: Report) -> Section:
    """Pictures that a model learns from and is judged by."""
    title = "Pictures on both sides"
    if not report.sides:
        text = "No model that uses this dataset has another one on its other side, so there is nothing to compare with."
        return health.section("sides", title, text)
    notes = [note for side in report.sides for note in side.not_compared]
    same, near = sum(side.same.count for side in report.sides), sum(side.near.count for side in report.sides)
    others = named([side.dataset for side in report.sides])
    if same or near:
        found = [f"{counted(same, 'picture')} {'is' if same == 1 else 'are'} the same as in {others}"] if same else []
        look = "looks" if near == 1 else "look"
        found += [f"{counted(near, 'picture')} {look} nearly the same as one in {others}"] if near else []
        text = (
            f"{', and '.join(found)}. A model that has learned from the pictures it is judged by looks better than it is. Keep "
            "each picture on one side."
        )
    else:
        text = f"No picture of this dataset was found in {others}."
    items = [
        Item(group.key if nearly else "", partial(_shared, health, side, group, nearly=nearly))
        for side in report.sides
        for found, nearly in ((side.same, False), (side.near, True))
        for group in found.groups
    ]
    return health.section("sides", title, text, items, notes)


def _shared(health: Health, side: OtherSide, group: Group, *, nearly: bool) -> Finding | None:
    store = health.visit.service.store
    here, there = group.positions
    content = store.content.shown(side.dataset)
    ours = health.image(here)
    theirs = None if content is None else store.content.image(content.index, there)
    if ours is None or theirs is None:
        return None
    pictures = [thumb(health.name, ours, "here"), thumb(side.dataset, theirs, side.dataset)]
    what = "looks nearly the same as" if nearly else "is the same picture as"
    title = f"{shown_name(ours)} {what} {shown_name(theirs)} of {side.dataset}"
    return Finding("sides", title, f"{sentence(side.why)}.", pictures[0].href, pictures)


def _groups(health: Health, kind: str, title: str, text: str, found: Found, notes: Sequence[str]) -> Section:
    listed = [f"Only the first {len(found.groups):,} groups are listed."] if found.count > len(found.groups) else []
    items = [Item(group.key, partial(_group, health, kind, group)) for group in found.groups]
    return health.section(kind, title, text, items, [*notes, *listed])


def _group(health: Health, kind: str, group: Group) -> Finding | None:
    images = [image for position in group.positions if (image := health.image(position)) is not None]
    if not images:
        return None
    tags = sorted({label.tag for image in images for label in image.labels})
    differ = not health.looked.detection and len({frozenset(label.tag for label in image.labels) for image in images}) > 1
    names = ", ".join(shown_name(image) for image in images[:_NAMES_SHOWN])
    more = f" and {group.count - _NAMES_SHOWN:,} more" if group.count > _NAMES_SHOWN else ""
    detail = f"Their labels differ: {named(tags)}." if differ else named(tags)
    pictures = [thumb(health.name, image) for image in images[:_PICTURES_SHOWN]]
    return Finding(kind, f"{names}{more}", detail, link("datasets", health.name, "images", str(images[0].position)), pictures)
