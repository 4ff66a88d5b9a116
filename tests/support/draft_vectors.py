"""Vectors of a draft's images, as a worker would have computed them."""

from collections.abc import Mapping, Sequence

import numpy as np

from tests.support.api_world import World
from vision_customization.engine.drafts.vectors import DraftVectors, Projection, VectorsReport
from vision_customization.engine.inspection.report import VERSION
from vision_customization.engine.objects.keys import vectors_key
from vision_customization.engine.store.inspections import of_draft


def stored_vectors(world: World, draft: str, vectors: Mapping[int, Sequence[float]], *, unread: int = 0) -> None:
    """Store the vectors of images by their numbers, and end the inspection that was asked for, or a new one."""
    record = world.store.drafts.find(draft)
    numbers = sorted(vectors)
    rows = np.array([vectors[number] for number in numbers], np.float16)
    width = rows.shape[1]
    projection = Projection((), np.zeros(width, np.float32), np.eye(width, dtype=np.float32), len(rows))
    until = world.store.draft_numbers.stop(record.sequence)
    made = DraftVectors("key", projection, np.array(numbers, np.int32), rows, until, unread)
    world.objects.put(vectors_key(record.id), made.to_npz())
    inspections = world.store.inspections
    asked = (
        inspections.latest(of_draft(record.id)) or inspections.ask(of_draft(record.id), {"after": "", "version": VERSION})[0]
    )
    inspections.begin(asked.id)
    inspections.finish(asked.id, VectorsReport(until=until, images=len(rows), unread=unread).model_dump_json())
