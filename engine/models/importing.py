"""Models that were trained elsewhere: checked against their sidecar, kept, and registered as if they had been trained here."""

import hashlib
import json
import logging
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import product
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from vision_customization.contract.enums import ModelKind
from vision_customization.contract.models import Artifact, EvaluationParameters, ModelPerformance, TrainingParameters
from vision_customization.contract.training_rules import tiles_fault
from vision_customization.contract.wire import Wire
from vision_customization.engine.errors import EngineError
from vision_customization.engine.learning import ArtifactError, Classifier, ClassifierSession, read_classifier
from vision_customization.engine.learning.classification.views import layout_key
from vision_customization.engine.learning.detection.artifact import DetectorSession
from vision_customization.engine.learning.onnx_files.checking import check_model_file
from vision_customization.engine.learning.onnx_files.sessions import open_checked
from vision_customization.engine.objects.keys import MODELS, artifact_key, head_key, model_key, sidecar_key
from vision_customization.engine.objects.store import ObjectNotFound, ObjectStore
from vision_customization.engine.runtime.time_limit import TimeLimitExceeded, within
from vision_customization.engine.store import ModelRecord, NotFound, Store, TrainingOrder, TrainingOutcome

_IMPORTS = "imports"
_LEFT_BEHIND_SECONDS = 3600.0
"""An import that has not ended by then was killed."""

_TRIAL_SIDES = (50, 4096)
"""Of the images that an imported model is tried with: the smallest that is analyzed, and the largest that is not reduced."""

_log = logging.getLogger(__name__)


class ImportRefused(EngineError):
    """The file or its sidecar is not what an engine hands out. `part` is the one at fault: `model` or `metadata`."""

    def __init__(self, part: str, message: str) -> None:
        super().__init__(f"{part}: {message}")
        self.part = part


class Sidecar(Wire):
    """As much of what `artifact:metadata` gives as an engine goes by; the rest is kept as it came."""

    kind: ModelKind
    labels: list[str]
    features: str
    artifact: Artifact
    performance: ModelPerformance | None = None
    training_parameters: TrainingParameters
    evaluation_parameters: EvaluationParameters | None = None
    training_cost_in_minutes: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None


def import_model(
    store: Store,
    objects: ObjectStore,
    name: str,
    onnx: bytes,
    digest: str,
    metadata: dict[str, Any],
    *,
    seconds_max: float = 30.0,
) -> ModelRecord:
    """Register an ONNX file as the model `name`, with the parameters and numbers of its sidecar.

    Whatever is killed when, there is the whole model or none: its files are there before its row, and what an import has
    left behind without a row is swept.

    Args:
        digest: SHA-256 that the file must have, in hex.
        metadata: the sidecar, which `Sidecar` has been read from without a fault.
        seconds_max: how long the model may take for one image.

    Raises:
        ImportRefused: the file is damaged, is not an exported model, is not the sidecar's, or is too slow.
        AlreadyExists: a model, or a published name, is called `name`.
    """
    sidecar = Sidecar.model_validate(metadata)
    classifier = check_model(onnx, digest, sidecar, seconds_max)
    parameters, evaluation = sidecar.training_parameters, sidecar.evaluation_parameters
    model_id = str(uuid.uuid4())
    objects.put(_mark(model_id), str(time.time()).encode())
    try:
        if classifier is not None:
            objects.put(head_key(model_id), classifier.to_npz())
        objects.put(sidecar_key(model_id), json.dumps(metadata, indent=2, ensure_ascii=False).encode())
        objects.put(artifact_key(model_id), onnx)
        record = store.models.import_trained(
            model_id,
            name,
            TrainingOrder(
                training_dataset_name=parameters.training_dataset_name,
                time_budget_in_hours=parameters.time_budget_in_hours,
                model_kind=sidecar.kind,
                test_dataset_name=evaluation.test_dataset_name if evaluation else None,
                tiles=parameters.tiles,
            ),
            TrainingOutcome(
                performance=sidecar.performance,
                cost_minutes=sidecar.training_cost_in_minutes,
                artifact=Artifact(digest=digest, size_bytes=len(onnx)),
            ),
        )
    except (EngineError, OSError):
        with _left_to_the_sweep(model_id):
            _discard(objects, model_id)
        raise
    # A database that fails while it commits may have the row all the same: the sweep finds out.
    with _left_to_the_sweep(model_id):
        objects.delete(_mark(model_id))
    return record


def check_model(onnx: bytes, digest: str, sidecar: Sidecar, seconds_max: float) -> Classifier | None:
    """The file's classifier, or None where it holds a detector. Raises ImportRefused."""
    found = hashlib.sha256(onnx).hexdigest()
    if found != digest:
        raise ImportRefused("model", f"damaged on the way: its SHA-256 is {found}, and must be {digest}. Send it again.")
    if sidecar.artifact.digest != digest:
        message = f"it is of the file {sidecar.artifact.digest}, and not of the one that was sent, {digest}."
        raise ImportRefused("metadata", message)
    if fault := tiles_fault(sidecar.kind, sidecar.training_parameters.tiles):
        raise ImportRefused("metadata", f"trainingParameters.tiles: {fault}.")
    classifies = sidecar.kind is ModelKind.GENERIC_CLASSIFIER
    if classifies and sidecar.features != layout_key():
        message = f"the model was trained on features {sidecar.features}, and this engine computes {layout_key()}: bring both "
        raise ImportRefused("metadata", f"{message}engines to the same version.")
    try:
        model = check_model_file(onnx)
        classifier = read_classifier(model) if classifies else None
        opened = within(seconds_max, partial(open_checked, onnx, 1))
        session = ClassifierSession(opened) if classifies else DetectorSession(opened)
    except TimeLimitExceeded:
        raise ImportRefused("model", f"it takes longer than {seconds_max:g} s to be opened.") from None
    except ArtifactError as error:
        raise ImportRefused("model", f"{error}.") from None
    if list(session.tags) != sidecar.labels:
        raise ImportRefused("metadata", "its labels are not those in the file.")
    if isinstance(session, DetectorSession) and session.detail != sidecar.training_parameters.tiles:
        message = (
            f"its trainingParameters.tiles are {sidecar.training_parameters.tiles}, and those of the file {session.detail}."
        )
        raise ImportRefused("metadata", message)
    _try(session, seconds_max)
    return classifier


def _try(session: ClassifierSession | DetectorSession, seconds_max: float) -> None:
    """Let the model answer for images of each size. Raises ImportRefused where it fails or is slower than `seconds_max`."""
    answer = session.detect if isinstance(session, DetectorSession) else session.probabilities
    noise = np.random.default_rng(0)
    for side, black in product(_TRIAL_SIDES, (True, False)):
        # With noise a detector finds as much as it may.
        pixels = np.zeros((side, side, 3), np.uint8) if black else noise.integers(0, 256, (side, side, 3), np.uint8)
        try:
            within(seconds_max, partial(answer, pixels), stop=session.stop)
        except TimeLimitExceeded:
            message = f"it takes longer than {seconds_max:g} s for an image of {side} × {side} pixels."
            raise ImportRefused("model", message) from None
        except Exception as error:
            raise ImportRefused(
                "model", f"it fails for an image of {side} × {side} pixels ({type(error).__name__})."
            ) from error


def sweep_imports(store: Store, objects: ObjectStore) -> None:
    """Delete the files of imports that were killed before their model was registered."""
    for model_id in objects.names(_IMPORTS):
        try:
            begun = float(objects.get(_mark(model_id)))
        except ObjectNotFound:
            continue  # it has just ended
        if time.time() - begun < _LEFT_BEHIND_SECONDS:
            continue
        try:
            store.models.by_id(model_id)
            objects.delete(_mark(model_id))
        except NotFound:
            _discard(objects, model_id)


def sweep_models(store: Store, objects: ObjectStore) -> None:
    """Delete the files of models that have no row: whoever deleted the row could not delete them.

    No model that is being made is taken for one of those, because of the order in which the three lists are read. A training
    has its row before its first file, so a model whose files are listed and that then has no row was deleted, and an id never
    comes back. An import has its mark before its first file, and takes the mark away only after its row is written: at any
    time between, the mark is seen, or else the row.
    """
    kept = set(objects.names(MODELS))
    importing = objects.names(_IMPORTS)
    known = store.models.ids()
    without_row = kept.difference(importing, known)
    if without_row and known.isdisjoint(kept):
        # A new database, or that of another engine, is more probable than so many failed deletions.
        _log.warning("None of the %d models whose files are kept is in the database. The files stay.", len(kept))
        return
    for model_id in without_row:
        objects.delete(model_key(model_id))


@contextmanager
def _left_to_the_sweep(model_id: str) -> Iterator[None]:
    """The outcome of an import does not depend on what is done here: `sweep_imports` does it where the objects refuse."""
    try:
        yield
    except OSError:
        _log.exception("import not tidied up", extra={"id": model_id})


def _discard(objects: ObjectStore, model_id: str) -> None:
    objects.delete(model_key(model_id))
    objects.delete(_mark(model_id))


def _mark(model_id: str) -> str:
    return f"{_IMPORTS}/{model_id}"
