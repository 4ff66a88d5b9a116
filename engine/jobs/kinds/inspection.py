"""An inspection: compares the pictures of a dataset with each other, and with those of the datasets that judge its models. One
of a draft computes vectors of its pictures instead (`draft_vectors`).

That of a dataset reads no blob: it compares digests that the engine knows, and thumbnails that it keeps, which takes seconds.
Both are one step that may be done twice.
"""

import io
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from PIL import Image

from vision_customization.common.miniatures import miniature
from vision_customization.contract.errors import FailureCode
from vision_customization.engine.inspection.report import VERSION, Judge, inspect
from vision_customization.engine.jobs.errors import JobCancelled, JobFailed
from vision_customization.engine.jobs.kinds.draft_vectors import DraftVectorsMaking
from vision_customization.engine.store import InspectionRecord, NotFound, Store
from vision_customization.engine.store.inspections import Inputs
from vision_customization.engine.views.kept_thumbnails import KeptThumbnails

IMAGES_MAX = 200_000
"""Images of a dataset that are compared: the first ones. A worker holds the digests of all of them in memory."""

_AT_ONCE = 5000
_READERS = 8
"""Thumbnails read at a time: they may be in a container."""

_log = logging.getLogger(__name__)


def inputs_of(store: Store, dataset: str) -> Inputs | None:
    """What an inspection of a dataset is made from now: content indexes, the models that have read images since, and the
    version of the inspection itself. None until the dataset's content is known."""
    content = store.content.shown(dataset)
    if content is None:
        return None
    opposites = {}
    for name, why in sorted(store.dataset_uses.opposites(dataset).items()):
        other = store.content.shown(name)
        index, images = (None, 0) if other is None else (other.index, other.images)
        opposites[name] = {"why": why, "index": index, "images": images}
    uses = store.dataset_uses.of([dataset, *opposites])
    finished = sorted({use.model for of_name in uses.values() for use in of_name if use.status.final})
    return {"index": content.index, "images": content.images, "opposites": opposites, "models": finished, "version": VERSION}


class Inspection:
    """One inspection in this process."""

    def __init__(
        self, store: Store, thumbnails: KeptThumbnails, inspection_id: str, vectors: DraftVectorsMaking | None = None
    ) -> None:
        self._store = store
        self._thumbnails = thumbnails
        self._id = inspection_id
        self._vectors = vectors

    def check(self) -> None:
        """Raises JobCancelled if the inspection was replaced, or its dataset deleted."""
        self._record()

    def inspect(self) -> None:
        """Compare the pictures and store the report. Raises JobCancelled; JobFailed if an engine of another version asked."""
        try:
            record = self._store.inspections.begin(self._id)
            if record.status.final:
                raise JobCancelled
            if record.version != VERSION:
                message = "A worker of another version of the engine took this work. Try again when all workers are updated."
                raise JobFailed(FailureCode.INTERNAL_SERVER_ERROR, message)
            if record.is_of_draft:
                assert self._vectors is not None
                self._store.inspections.finish(self._id, self._vectors.make(record.inputs, self.check).model_dump_json())
                return
            digests, sizes = self._images(record.inputs["index"])
            report = inspect(digests, sizes, list(self._judges(record.inputs)), self._miniatures)
            beyond = list(_beyond(record))
            report = report.model_copy(update={"not_compared": [*report.not_compared, *beyond]})
            self._store.inspections.finish(self._id, report.model_dump_json())
        except NotFound:
            raise JobCancelled from None

    def fail(self, failure: JobFailed) -> None:
        with suppress(NotFound):
            self._store.inspections.fail(self._id, failure.details())

    def _record(self) -> InspectionRecord:
        try:
            return self._store.inspections.by_id(self._id)
        except NotFound:
            raise JobCancelled from None

    def _images(self, index: int) -> tuple[list[str | None], list[tuple[int, int]]]:
        """The digests of a dataset's images, by position, and the sizes of those whose sizes are known."""
        digests: list[str | None] = []
        sizes = []
        for start in range(0, IMAGES_MAX, _AT_ONCE):
            self.check()
            part = self._store.content.sizes_and_digests(index, start, _AT_ONCE)
            digests += [image.sha256 for image in part]
            sizes += [(int(image.width), int(image.height)) for image in part if image.width and image.height]
            if len(part) < _AT_ONCE:
                break
        return digests, sizes

    def _judges(self, inputs: Inputs) -> Iterator[Judge]:
        for name, opposite in inputs["opposites"].items():
            if opposite["index"] is None:
                missing = f"The engine has not read the annotation files of dataset '{name}' yet, so nothing was compared."
                yield Judge(name, opposite["why"], None, missing)
            else:
                yield Judge(name, opposite["why"], self._images(opposite["index"])[0])

    def _miniatures(self, digests: Sequence[str]) -> Mapping[str, bytes]:
        found: dict[str, bytes | None] = {}
        with ThreadPoolExecutor(_READERS, thread_name_prefix="miniatures") as readers:
            for start in range(0, len(digests), _AT_ONCE):
                self.check()
                part = digests[start : start + _AT_ONCE]
                found.update(zip(part, readers.map(self._miniature, part), strict=True))
        return {digest: small for digest, small in found.items() if small is not None}

    def _miniature(self, sha256: str) -> bytes | None:
        """Of a stored thumbnail; None if there is none."""
        thumbnail = self._thumbnails.get(sha256)
        if thumbnail is None:
            return None
        try:
            with Image.open(io.BytesIO(thumbnail.data), formats=("JPEG",)) as picture:
                return miniature(picture)
        except (OSError, SyntaxError, ValueError) as error:
            _log.warning("the thumbnail of %s cannot be read: %s", sha256, error)
            return None


def _beyond(record: InspectionRecord) -> Iterator[str]:
    """In words: which images were left out because there are too many."""
    datasets = {record.dataset: record.inputs["images"]}
    datasets |= {name: opposite["images"] for name, opposite in record.inputs["opposites"].items()}
    for name, images in datasets.items():
        if images > IMAGES_MAX:
            yield f"Of the {images:,} images of dataset '{name}', only the first {IMAGES_MAX:,} were compared."


def run_inspection(inspection: Inspection, step: Callable[..., Any]) -> None:
    """All steps of an inspection; as in `workflows`."""
    try:
        step("inspect", inspection.inspect)
    except JobFailed as failure:
        step("fail", inspection.fail, failure)
    except JobCancelled:
        return
