"""What a stack's file says of a dataset and the model to train from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from vision_customization.contract.training_rules import usual_kind
from vision_customization.contract.training_time import ASSUMED_SPEED, Workload, hours_for

PROJECT = "vision-customization"


class StackEntry(TypedDict):
    """The keys `datasets` and `models` of a stack: the settings of each, by its name."""

    datasets: dict[str, dict[str, Any]]
    models: dict[str, dict[str, Any]]


def stack_entry(
    name: str,
    kind: str,
    images: int,
    tags: int,
    training: Mapping[str, Any],
    evaluation: Mapping[str, Any] | None = None,
    require: Mapping[str, float] | None = None,
) -> StackEntry:
    """One model, published under `name`, with its datasets.

    Args:
        kind: the annotation kind of the datasets.
        images: how many there are to train from; with the number of their `tags`, they decide the time budget.
        training: where the dataset is: `source` and `annotationFiles`, `annotationFileUris`, or `content`.
        evaluation: the same of the images to evaluate on.
        require: the gate, which needs `evaluation`.
    """
    model_kind = usual_kind(kind)
    datasets = {f"{name}-train": {"annotationKind": str(kind), **training}}
    model: dict[str, Any] = {"modelKind": model_kind.value, "trainingDataset": f"{name}-train"}
    if evaluation is not None:
        datasets[f"{name}-test"] = {"annotationKind": str(kind), **evaluation}
        model["evaluationDataset"] = f"{name}-test"
    model["timeBudgetInHours"] = hours_for(Workload(model_kind, images, tags), ASSUMED_SPEED)
    if require and evaluation is not None:
        model["require"] = dict(require)
    model["publish"] = True
    return {"datasets": datasets, "models": {name: model}}


def stack_yaml(entry: StackEntry, project: str = PROJECT) -> str:
    """A stack's file with this entry, as YAML. `project` is the name in the program's Pulumi.yaml."""
    import yaml  # type: ignore[import-untyped]

    config = {f"{project}:{key}": value for key, value in entry.items()}
    return str(yaml.safe_dump({"config": config}, sort_keys=False, allow_unicode=True, width=1000))
