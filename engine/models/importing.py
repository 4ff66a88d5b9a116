"""Imports models that were trained elsewhere: checks them against their sidecar, and stores and registers them as if trained
here."""

import hashlib
import json
import logging
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from vision_customization.contract.enums import ModelKind
from vision_customization.contract.models import Artifact, EvaluationParameters, ModelPerformance, TrainingParameters
from vision_customization.contract.training_rules import tiles_fault
from vision_customization.contract.wire import Wire
from vision_customization.engine.errors import EngineError
from vision_customization.engine.learning import (
    ArtifactError,
    Classifier,
    ClassifierSession,
    WeightsError,
    export_classifier,
    read_classifier,
)
from vision_customization.engine.learning.classification.views import LAYOUTS, views_of
from vision_customization.engine.learning.detection.artifact import DetectorSession
from vision_customization.engine.learning.onnx_files.checking import check_model_file
from vision_customization.engine.learning.onnx_files.sessions import open_checked
from vision_customization.engine.objects.keys import MODELS, artifact_key, head_key, model_key, own_networks_key, sidecar_key
from vision_customization.engine.objects.store import ObjectNotFound, ObjectStore
from vision_customization.engine.runtime.time_limit import TimeLimitExceeded, within
from vision_customization.engine.store import ModelRecord, NotFound, Store, TrainingOrder, TrainingOutcome

_IMPORTS = "imports"
_LEFT_BEHIND_SECONDS = 3600.0
"""An import that has not ended after this time was killed."""

_TRIAL_SIDES = (50, 4096)
"""Side lengths of the images that try an imported model: the smallest image allowed, and the largest that is not reduced."""

_log = logging.getLogger(__name__)


class ImportRefused(EngineError):
    """The file or its sidecar is not an export of an engine. `part` is the one at fault: `model` or `metadata`."""

    def __init__(self, part: str, message: str) -> None:
        super().__init__(f"{part}: {message}")
        self.part = part


class Sidecar(Wire):
    """The fields of `artifact:metadata` that an engine uses; the other fields are stored unchanged."""

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
    weights_dir: Path,
    seconds_max: float = 30.0,
) -> ModelRecord:
    """Register an ONNX file as the model `name`, with the parameters and numbers of its sidecar.

    Even if the process is killed, the model exists completely or not at all: its files are written before its row, and a sweep
    deletes the files of an import without a row.

    Args:
        digest: expected SHA-256 of the file, in hex.
        metadata: the sidecar, which `Sidecar` has already validated.
        weights_dir: the networks of this engine. A classifier shares them only if an export with them gives the same file,
            byte for byte.
        seconds_max: how long the model may take for one image.

    Raises:
        ImportRefused: the file is damaged, is not an exported model, does not match the sidecar, or is too slow.
        AlreadyExists: a model or a published model has the name `name`.
    """
    sidecar = Sidecar.model_validate(metadata)
    classifier = check_model(onnx, digest, sidecar, seconds_max)
    parameters, evaluation = sidecar.training_parameters, sidecar.evaluation_parameters
    model_id = str(uuid.uuid4())
    objects.put(_mark(model_id), str(time.time()).encode())
    try:
        if classifier is not None:
            if not _shares_networks(classifier, digest, weights_dir):
                objects.put(own_networks_key(model_id), b"")
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
    # If the database fails during the commit, the row may exist nevertheless: the sweep checks that.
    with _left_to_the_sweep(model_id):
        objects.delete(_mark(model_id))
    return record


def check_model(onnx: bytes, digest: str, sidecar: Sidecar, seconds_max: float) -> Classifier | None:
    """The file's classifier, or None for a detector. Raises ImportRefused."""
    found = hashlib.sha256(onnx).hexdigest()
    if found != digest:
        raise ImportRefused("model", f"it was damaged in transit: its SHA-256 is {found}, expected {digest}. Send it again.")
    if sidecar.artifact.digest != digest:
        message = f"it belongs to the file {sidecar.artifact.digest}, not to the uploaded one, {digest}."
        raise ImportRefused("metadata", message)
    if fault := tiles_fault(sidecar.kind, sidecar.training_parameters.tiles):
        raise ImportRefused("metadata", f"trainingParameters.tiles: {fault}.")
    classifies = sidecar.kind is ModelKind.GENERIC_CLASSIFIER
    if classifies and sidecar.features not in LAYOUTS:
        computed = " or ".join(LAYOUTS)
        message = f"the model was trained on features {sidecar.features}, but this engine computes {computed}. Update both "
        raise ImportRefused("metadata", f"{message}engines to the same version.")
    try:
        model = check_model_file(onnx)
        classifier = read_classifier(model) if classifies else None
        opened = within(seconds_max, partial(open_checked, onnx, 1))
        session = ClassifierSession(opened) if classifies else DetectorSession(opened)
    except TimeLimitExceeded:
        raise ImportRefused("model", f"it takes longer than {seconds_max:g} s to load.") from None
    except ArtifactError as error:
        raise ImportRefused("model", f"{error}.") from None
    if classifier is not None and not set(classifier.views) <= set(views_of(LAYOUTS[sidecar.features])):
        raise ImportRefused("metadata", f"features {sidecar.features} lack some that the model file uses.")
    if list(session.tags) != sidecar.labels:
        raise ImportRefused("metadata", "its labels are not those of the model file.")
    if isinstance(session, DetectorSession) and session.detail != sidecar.training_parameters.tiles:
        message = (
            f"its trainingParameters.tiles is {sidecar.training_parameters.tiles}, but the model file has {session.detail}."
        )
        raise ImportRefused("metadata", message)
    _try(session, seconds_max)
    return classifier


def _shares_networks(classifier: Classifier, digest: str, weights_dir: Path) -> bool:
    try:
        return hashlib.sha256(export_classifier(classifier, weights_dir)).hexdigest() == digest
    except WeightsError:
        return False  # this engine lacks one of them


def _try(session: ClassifierSession | DetectorSession, seconds_max: float) -> None:
    """Run the model on images of each size. Raises ImportRefused if it fails or is slower than `seconds_max`."""
    answer = session.detect if isinstance(session, DetectorSession) else session.classify
    noise = np.random.default_rng(0)
    for side, black in product(_TRIAL_SIDES, (True, False)):
        # In noise, a detector finds as many objects as it may.
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
            continue  # the import has just ended
        if time.time() - begun < _LEFT_BEHIND_SECONDS:
            continue
        try:
            store.models.by_id(model_id)
            objects.delete(_mark(model_id))
        except NotFound:
            _discard(objects, model_id)


def sweep_models(store: Store, objects: ObjectStore) -> None:
    """Delete the files of models that have no row: the process that deleted the row could not delete them.

    The order in which the three lists are read protects models in progress. A training has its row before its first file, so
    if a model's files are listed first and it then has no row, it was deleted, and ids are never reused. An import writes its
    mark before its first file and removes the mark only after its row is written, so this function sees the mark or the row.
    """
    kept = set(objects.names(MODELS))
    importing = objects.names(_IMPORTS)
    known = store.models.ids()
    without_row = kept.difference(importing, known)
    if without_row and known.isdisjoint(kept):
        # A new database, or another engine's, is more likely than so many failed deletions.
        _log.warning("None of the %d models with stored files is in the database. The files are kept.", len(kept))
        return
    for model_id in without_row:
        objects.delete(model_key(model_id))


@contextmanager
def _left_to_the_sweep(model_id: str) -> Iterator[None]:
    """For cleanup that an import does not depend on: if the objects refuse it, `sweep_imports` does it later."""
    try:
        yield
    except OSError:
        _log.exception("import not tidied up", extra={"id": model_id})


def _discard(objects: ObjectStore, model_id: str) -> None:
    objects.delete(model_key(model_id))
    objects.delete(_mark(model_id))


def _mark(model_id: str) -> str:
    return f"{_IMPORTS}/{model_id}"
