"""The versions of a dataset: who saved what and when, two of them compared, and the ways of one into git and a training."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from starlette.responses import Response

from vision_customization.contract.owners import owner_of
from vision_customization.contract.studio import Role
from vision_customization.engine.api.routes.versions import version_file
from vision_customization.engine.drafts.version_files import version_changes
from vision_customization.engine.orders.versions import dataset_beside, is_declared
from vision_customization.engine.store import NotFound, VersionRecord
from vision_customization.engine.studio.dataset_facts import look_at, registered
from vision_customization.engine.studio.draft_contents import container_of
from vision_customization.engine.studio.routing import Pages
from vision_customization.engine.studio.snippets import Snippet
from vision_customization.engine.studio.snippets.drafts import (
    content_line,
    pull_command,
    version_snippets,
    versions_snippets,
)
from vision_customization.engine.studio.snippets.stacks import API, Stack
from vision_customization.engine.studio.version_training import training_fields
from vision_customization.engine.studio.visit import Visit, link

pages = Pages()

SIZE = 50
DIGITS = 12
"""Of a digest, as pages show it."""
_START_MAX = 10_000_000
_OTHERS_MAX = 200


@dataclass(frozen=True)
class VersionRow:
    """A version in the list. `current` is whether the dataset has this content now, and `also` are the other datasets that
    have it."""

    digest: str
    short: str
    images: int
    labels: int
    changes: tuple[str, ...]
    message: str | None
    saved_by: str
    saved: datetime
    current: bool
    also: tuple[str, ...]
    href: str


@pages.get("/datasets/{name}/versions")
def versions(visit: Visit) -> Response:
    name = visit.path("name")
    start = visit.number("start", 0, 0, _START_MAX)
    found = visit.service.store.versions.page(name, start, SIZE + 1)
    values: dict[str, object] = {
        "rows": _rows(visit, found[:SIZE]),
        "back": max(0, start - SIZE) if start else None,
        "more": start + SIZE if len(found) > SIZE else None,
    }
    return _page(visit, "versions.html", versions_snippets(visit.origin, name), found=bool(found), **values)


@pages.get("/datasets/{name}/versions/{digest}")
def version(visit: Visit) -> Response:
    """One version; with `with`, what is different in it from another one."""
    record = _version(visit)
    name, other = record.dataset_name, visit.query("with")
    changes = None
    if other:
        changes = version_changes(visit.service, record, visit.service.store.versions.find(name, other))
    others = visit.service.store.versions.page(name, 0, _OTHERS_MAX)
    declared, dataset = is_declared(visit.service, name), registered(visit.service, name)
    return _page(
        visit,
        "version.html",
        version_snippets(visit.origin, record, _stack(visit, name)),
        found=True,
        row=_rows(visit, [record])[0],
        tags=sorted(record.tags.items(), key=lambda item: (-item[1], item[0])),
        others=[(each.digest, _called(each)) for each in others if each.digest != record.digest],
        other=other,
        compared=changes,
        is_declared=declared,
        several_files=dataset is not None and len(dataset.annotation_file_uris) > 1,
        hand_over={"pull": pull_command(visit.origin, name, record.digest), "content": content_line(record.digest)},
        saved=visit.query("saved") == "yes",
        writes=visit.service.studio_container is not None,
    )


@pages.get("/datasets/{name}/versions/{digest}/annotations")
def annotations(visit: Visit) -> Response:
    """The COCO file, to be kept."""
    record = _version(visit)
    name = f"{record.dataset_name}-{record.digest[:DIGITS]}.json"
    return version_file(visit.service, record, record.annotation_file_uri, name)


@pages.post("/datasets/{name}/versions/{digest}/train", role=Role.OWNER)
def train(visit: Visit) -> Response:
    """Go on to the Train page with a dataset that has the version's content: its own if that has it, else one beside.

    If a stack trains a model from this dataset, the page proposes what makes the stack take the new model over.
    """
    record = _version(visit)
    names = _registered(visit, [record])[record.digest]
    name = next(iter(names), None)
    if name is None:
        name = dataset_beside(visit.service, container_of(visit), record).name
        visit.audit("dataset registered", dataset=name, version=record.digest)
    fields = {"dataset": name, **training_fields(visit.service.store, record)}
    return visit.redirect(f"/studio/train?{urlencode(fields)}")


def _page(visit: Visit, template: str, snippets: list[Snippet], *, found: bool, **values: object) -> Response:
    """A page below a dataset; of one that is not registered, only if it has versions."""
    name = visit.path("name")
    values |= {"name": name, "snippets": snippets}
    if registered(visit.service, name) is None:
        if not found:
            raise NotFound("dataset", name)
        return visit.render(template, frame="versions_alone.html", **values)
    return visit.render(template, frame="dataset.html", dataset=look_at(visit).facts, **values)


def _stack(visit: Visit, name: str) -> Stack:
    """The stack that declares a dataset, as far as its file is concerned."""
    dataset = registered(visit.service, name)
    owner = None if dataset is None else owner_of(dataset.managed_by)
    return Stack(owner.project) if owner is not None and owner.project else API


def _version(visit: Visit) -> VersionRecord:
    """Raises NotFound."""
    return visit.service.store.versions.find(visit.path("name"), visit.path("digest"))


def _registered(visit: Visit, records: Sequence[VersionRecord]) -> dict[str, list[str]]:
    """The datasets that have the content of versions now, by their digests; the versions' own dataset first."""
    found = visit.service.store.versions.registered([record.digest for record in records])
    name = visit.path("name")
    return {each.digest: sorted(found.get(each.digest, ()), key=lambda other: (other != name, other)) for each in records}


def _rows(visit: Visit, records: Sequence[VersionRecord]) -> list[VersionRow]:
    registered = _registered(visit, records)
    return [_row(record, registered[record.digest]) for record in records]


def _row(record: VersionRecord, registered: list[str]) -> VersionRow:
    return VersionRow(
        record.digest,
        record.digest[:DIGITS],
        record.images,
        record.labels,
        record.changes,
        record.message,
        record.saved_by,
        record.saved,
        record.dataset_name in registered,
        tuple(name for name in registered if name != record.dataset_name),
        link("datasets", record.dataset_name, "versions", record.digest),
    )


def _called(record: VersionRecord) -> str:
    text = f"{record.digest[:DIGITS]}, {record.saved:%Y-%m-%d %H:%M}"
    return f"{text}: {record.message[:60]}" if record.message else text
