"""What the newest classifier of a dataset answers for images that it had not seen."""

from collections.abc import Iterable
from dataclasses import dataclass

from vision_customization.contract.enums import ModelKind
from vision_customization.engine.objects.keys import estimate_key
from vision_customization.engine.objects.store import ObjectNotFound, ObjectStore
from vision_customization.engine.outcomes.stored import StoredOutcomes
from vision_customization.engine.store import ModelRecord


@dataclass(frozen=True)
class Estimate:
    """The outcomes of a model's training images."""

    model: ModelRecord
    outcomes: StoredOutcomes


def first_estimate(objects: ObjectStore, models: Iterable[ModelRecord]) -> Estimate | None:
    """The estimate of the first of the models that has one: a detector has none for its training images."""
    for model in models:
        if model.model_kind is ModelKind.GENERIC_CLASSIFIER:
            try:
                return Estimate(model, StoredOutcomes.open(objects, estimate_key(model.id)))
            except ObjectNotFound:
                continue
    return None
