"""A project's iterations, to compare with: their metrics, and the predictions of one, in a file `baseline.json`."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from datetime import datetime
from pathlib import Path

from pydantic import Field, ValidationError

from vision_customization.common.errors import VisionError
from vision_customization.contract.coco.document import read_json
from vision_customization.contract.enums import AnnotationKind
from vision_customization.contract.wire import Wire
from vision_customization.customization.customvision.client import OVERLAP_THRESHOLD, PROBABILITY_THRESHOLD, CustomVision
from vision_customization.customization.customvision.wire import Iteration, IterationPerformance, Prediction, Project


class BaselineIteration(Wire):
    """An iteration, and the metrics that Custom Vision computed at the baseline's thresholds."""

    id: str
    name: str
    publish_name: str | None = None
    trained_at: datetime | None = None
    performance: IterationPerformance | None = None


class Baseline(Wire):
    """`predictions` are of the iteration `iteration_id`, by the `file_name` of the image, if Custom Vision had any."""

    project_id: str
    project_name: str
    annotation_kind: str
    probability_threshold: float
    overlap_threshold: float
    iteration_id: str | None = None
    iterations: tuple[BaselineIteration, ...] = ()
    predictions: dict[str, tuple[Prediction, ...]] = Field(default={})

    @property
    def iteration(self) -> BaselineIteration | None:
        """The one to compare with."""
        return next((iteration for iteration in self.iterations if iteration.id == self.iteration_id), None)


def chosen_iteration(iterations: list[Iteration], wanted: str | None) -> Iteration | None:
    """The wanted one, else the newest that is published, else the newest; None if none is trained.

    Raises:
        VisionError: there is no such iteration.
    """
    if wanted is None:
        published = [iteration for iteration in iterations if iteration.publish_name]
        return next(iter([*published, *iterations]), None)
    for iteration in iterations:
        if wanted in (iteration.id, iteration.name, iteration.publish_name):
            return iteration
    names = ", ".join(repr(iteration.name) for iteration in iterations) or "none"
    raise VisionError(f"the project has no trained iteration {wanted!r}. Its trained iterations are: {names}")


def read_from_service(
    service: CustomVision,
    project: Project,
    kind: str,
    files: Mapping[str, str],
    wanted: str | None,
    negatives: Container[str] = (),
) -> tuple[Baseline, int]:
    """The project's baseline, and the number of images with predictions that are not among `files`.

    Args:
        negatives: the names of the negative tags. Where an image without labels takes their place, predictions of them are left
            out: they say that nothing was found.
        files: the `file_name` of each image, by its id.
        wanted: name or id of the iteration to compare with.
    """
    iterations = service.trained_iterations(project)
    chosen = chosen_iteration(iterations, wanted)
    predicted = list(service.image_performances(project, chosen)) if chosen is not None else []
    baseline = Baseline(
        project_id=project.id,
        project_name=project.name,
        annotation_kind=kind,
        probability_threshold=PROBABILITY_THRESHOLD,
        overlap_threshold=OVERLAP_THRESHOLD,
        iteration_id=chosen.id if chosen is not None else None,
        iterations=tuple(
            BaselineIteration(
                id=iteration.id,
                name=iteration.name,
                publish_name=iteration.publish_name,
                trained_at=iteration.trained_at,
                performance=service.performance(project, iteration),
            )
            for iteration in iterations
        ),
        predictions={
            files[image.id]: tuple(
                prediction
                for prediction in image.predictions
                if kind == AnnotationKind.IMAGE_CLASSIFICATION or prediction.tag_name not in negatives
            )
            for image in predicted
            if image.id in files
        },
    )
    return baseline, sum(image.id not in files for image in predicted)


def write_baseline(baseline: Baseline, path: Path) -> None:
    text = json.dumps(baseline.to_wire(), ensure_ascii=False, indent=1)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text + "\n", "utf-8")
    partial.replace(path)


def read_baseline(path: Path) -> Baseline:
    """Raises VisionError if the file is not one that `write_baseline` wrote."""
    document, violation = read_json(path, str(path))
    if violation is not None:
        raise VisionError(str(violation))
    try:
        return Baseline.model_validate(document)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise VisionError(
            f"{path}: {where or 'the file'}: {fault['msg']}. Expected a baseline.json that `vision import customvision` wrote"
        ) from None
