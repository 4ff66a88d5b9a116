"""Which images of a draft are alike, and which to label next: from the vectors that a worker computes.

A page never embeds an image. It asks for the vectors, says how far they are, and orders what has one.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from vision_customization.contract.drafts import ImageChoice
from vision_customization.contract.enums import AnnotationKind
from vision_customization.engine.api.collaborators import Service
from vision_customization.engine.drafts.ordering import most_useful, nearest
from vision_customization.engine.drafts.vectors import IMAGES_MAX, DraftVectors, VectorsOrder, VectorsReport
from vision_customization.engine.learning import ArtifactError
from vision_customization.engine.objects.keys import vectors_key
from vision_customization.engine.objects.store import ObjectNotFound
from vision_customization.engine.store import DraftRecord, InspectionRecord, InspectionStatus
from vision_customization.engine.store.inspections import of_draft

KEPT_DRAFTS = 2
"""Drafts whose vectors a process has in memory: 51 MB each at 100,000 images."""

FAILED_FOR = timedelta(minutes=1)
"""After which vectors that failed are asked for again, unless somebody tries again before."""


@dataclass(frozen=True)
class Progress:
    """How many images of a draft have a vector, and how many cannot be read. Not `complete` if a worker computes more; `failed`
    says why it does not."""

    images: int
    unread: int = 0
    complete: bool = False
    failed: str | None = None


@dataclass(frozen=True)
class _Kept:
    """Vectors in memory: float32 [n, d] of the images with these numbers, int64 [n], rising. `made` is the inspection that made
    them."""

    made: str
    numbers: NDArray[np.int64]
    vectors: NDArray[np.float32]
    unread: int

    def rows(self, numbers: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows of those of the images that have a vector."""
        rows = np.searchsorted(self.numbers, numbers)
        found = rows < len(self.numbers)
        found[found] = self.numbers[rows[found]] == np.asarray(numbers)[found]
        return rows[found]


class DraftLikeness:
    """The vectors of the drafts that were looked at last. Threads may share it; they order one after the other, which bounds
    the memory and leaves cores for saving labels."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._one_at_a_time = threading.Lock()

    def next_numbers(self, draft: DraftRecord, count: int) -> tuple[list[int], Progress]:
        """The numbers of up to `count` unlabelled images that have vectors, the most useful first."""
        with self._one_at_a_time:
            progress, kept = self._look(draft)
            if kept is None:
                return [], progress
            numbers = self._service.store.draft_numbers
            unlabelled = kept.rows(numbers.selected(draft.sequence, choice=ImageChoice.UNLABELLED))
            pairs = np.array(numbers.labelled(draft.sequence), np.int64).reshape(-1, 2)
            pairs = pairs[np.isin(pairs[:, 0], kept.numbers)]
            single = draft.annotation_kind is AnnotationKind.IMAGE_CLASSIFICATION
            tags = pairs[:, 1] if single else None
            known = len(self._service.store.drafts.tags(draft.sequence)) if single else 0
            chosen = most_useful(kept.vectors, unlabelled, kept.rows(pairs[:, 0]), tags, count, known_tags=known)
            return kept.numbers[chosen].tolist(), progress

    def like(
        self, draft: DraftRecord, number: int, among: Sequence[int], count: int, *, again: bool = False
    ) -> tuple[list[int], Progress]:
        """The numbers of up to `count` of some images, the most like another one first; none if that has no vector yet. With
        `again`, vectors that failed are asked for at once."""
        with self._one_at_a_time:
            progress, kept = self._look(draft, again=again)
            if kept is None or not len(row := kept.rows([number])):
                return [], progress
            rows = kept.rows(among)
            return kept.numbers[rows[nearest(kept.vectors[rows], kept.vectors[row[0]], count)]].tolist(), progress

    def _look(self, draft: DraftRecord, *, again: bool = False) -> tuple[Progress, _Kept | None]:
        """The vectors there are. Asks a worker for those that are missing."""
        store, name = self._service.store, of_draft(draft.id)
        latest = store.inspections.latest(name)
        report = _report(latest)
        kept = self._vectors(draft, latest)
        stop = min(store.draft_numbers.stop(draft.sequence), IMAGES_MAX)
        complete = not stop or (report is not None and report.until >= stop and kept is not None)
        failed = None
        if latest is not None and latest.status is InspectionStatus.FAILED:
            failed = (latest.error and latest.error.message) or "See the engine's log."
        if not complete and (latest is None or _is_over(latest, store.database.now(), again=again)):
            failed = None
            order = VectorsOrder(
                id=draft.id,
                draft=draft.sequence,
                container=draft.container,
                annotation_kind=draft.annotation_kind,
                stop=stop,
                after="" if latest is None else latest.id,
            )
            record, created = store.inspections.ask(name, order.model_dump(mode="json"))
            if created:
                # If this fails, the workers find the inspection and queue it themselves.
                self._service.jobs.enqueue_inspection(record.id)
        images, unread = (0, 0) if kept is None else (len(kept.numbers), kept.unread)
        return Progress(images, unread, complete, failed), kept

    def _vectors(self, draft: DraftRecord, latest: InspectionRecord | None) -> _Kept | None:
        """The newest vectors that are stored; None if there are none."""
        made = latest.id if latest is not None and latest.status is InspectionStatus.SUCCEEDED else ""
        kept = self._kept.get(draft.id)
        if kept is None or (made and kept.made != made):
            try:
                stored = DraftVectors.from_npz(self._service.objects.get(vectors_key(draft.id)))
            except (ObjectNotFound, ArtifactError):
                return None
            vectors = stored.vectors.astype(np.float32)
            kept = self._kept[draft.id] = _Kept(made, stored.numbers.astype(np.int64), vectors, stored.unread)
        self._kept.move_to_end(draft.id)
        while len(self._kept) > KEPT_DRAFTS:
            self._kept.popitem(last=False)
        return kept


def _report(latest: InspectionRecord | None) -> VectorsReport | None:
    if latest is None or latest.report is None:
        return None
    try:
        return VectorsReport.model_validate_json(latest.report)
    except ValueError:  # a newer engine wrote it
        return None


def _is_over(latest: InspectionRecord, now: datetime, *, again: bool) -> bool:
    """Whether no worker has to make it any more, and if it failed, that this was some time ago or it is wanted `again`."""
    if latest.status is InspectionStatus.FAILED:
        return again or now - latest.updated > FAILED_FOR
    return latest.status.final
