"""Datasets: all that are registered, by name."""

from dataclasses import dataclass
from functools import partial
from urllib.parse import urlencode

from starlette.responses import Response

from vision_customization.engine.models.since_training import changed_since_training
from vision_customization.engine.store import DatasetRecord, DatasetUse, Store
from vision_customization.engine.studio.dataset_facts import KINDS, owner_text, used_by
from vision_customization.engine.studio.routing import Pages
from vision_customization.engine.studio.snippets.overview import datasets_snippets
from vision_customization.engine.studio.visit import Visit

pages = Pages()

SIZE = 50
TEXT_CHARACTERS_MAX = 255
_MODELS_SHOWN = 3
_START_MAX = 10_000_000


@dataclass(frozen=True)
class DatasetRow:
    """A dataset in the list. Numbers are None until the engine has read its annotation files."""

    name: str
    kind: str
    images: int | None
    tags: int | None
    owner: str
    used_by: list[str]
    used_by_more: int
    digest: str | None
    changed: bool


@pages.get("/datasets")
def datasets(visit: Visit) -> Response:
    store = visit.service.store
    text = visit.query("q")[:TEXT_CHARACTERS_MAX].strip()
    start = visit.number("start", 0, 0, _START_MAX)
    count, records = store.datasets.matching(text, start, SIZE)
    uses = store.dataset_uses.of([record.name for record in records])
    values = {
        "text": text,
        "rows": [_row(store, record, uses.get(record.name, [])) for record in records],
        "count": count,
        "start": start,
        "size": SIZE,
        "address": partial(_address, text),
        "writes": visit.service.studio_container is not None,
    }
    if visit.is_fragment:
        return visit.render("datasets_rows.html", **values)
    return visit.render("datasets.html", snippets=datasets_snippets(visit.origin), **values)


def _address(text: str, start: int) -> str:
    query = {"q": text} if text else {}
    return f"/studio/datasets?{urlencode({**query, 'start': max(0, start)})}"


def _row(store: Store, record: DatasetRecord, uses: list[DatasetUse]) -> DatasetRow:
    content = store.content.shown(record.name)
    since = changed_since_training(store, record.name)
    models, more = used_by(uses, _MODELS_SHOWN)
    return DatasetRow(
        record.name,
        KINDS[record.annotation_kind],
        None if content is None else content.images,
        None if content is None else content.tags,
        owner_text(record),
        models,
        more,
        None if content is None else content.digest,
        since is not None and bool(since.changed),
    )
