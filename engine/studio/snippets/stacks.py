"""What a stack's file says of datasets and models, to declare what the engine has."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vision_customization.common.redaction import redacted
from vision_customization.contract.content_reference import content_reference
from vision_customization.contract.enums import AnnotationKind
from vision_customization.contract.limits import DECLARED_NAME_MAX_LENGTH, NAME_DIGEST_LENGTH
from vision_customization.contract.owners import MANAGED_BY, owner_of
from vision_customization.engine.store import DatasetRecord, TrainingOrder
from vision_customization.engine.studio.snippets.languages import Snippet, stack_file


@dataclass(frozen=True)
class Stack:
    """How a stack declares what it owns: its project's name, and the names in its file, by those on the engine, where the two
    differ. `contents` has the digest of each dataset on the engine that has the content of a version."""

    project: str = "vision-customization"
    names: Mapping[str, str] = field(default_factory=dict)
    contents: Mapping[str, str] = field(default_factory=dict)

    def name(self, name: str) -> str:
        """The name in the stack's file, which is a little shorter at most: a digest is added to it."""
        return self.names.get(name, name)[:DECLARED_NAME_MAX_LENGTH]


API = Stack()
"""Nobody's: what was registered or trained by the API or the Studio, as the project's own program would declare it."""

_DIGEST = re.compile(f"-[0-9a-f]{{{NAME_DIGEST_LENGTH}}}$")


def stack_of_model(name: str, managed_by: str | None) -> Stack:
    """How the stack that manages a model declares it: under its name without the digest."""
    owner = owner_of(managed_by)
    if owner is None or not owner.stack:
        return API
    return Stack(owner.project, {name: _DIGEST.sub("", name)})


def datasets_yaml(stack: Stack, datasets: Sequence[DatasetRecord]) -> Snippet:
    return stack_file(
        stack.project, {"datasets": {stack.name(each.name): _dataset(each, stack.contents.get(each.name)) for each in datasets}}
    )


def model_yaml(
    stack: Stack,
    name: str,
    order: TrainingOrder,
    datasets: Sequence[DatasetRecord],
    *,
    publish: bool = False,
    require: Mapping[str, float] | None = None,
) -> Snippet:
    """A model with its datasets.

    Args:
        datasets: those that are registered. The others are declared as files in a folder `images`.
        require: the gate, metric by metric; only with a dataset to evaluate on.
    """
    registered = {dataset.name: dataset for dataset in datasets}
    kinds = [dataset.annotation_kind for dataset in datasets] or order.model_kind.annotation_kinds
    wanted = {"train.json": order.training_dataset_name}
    if order.test_dataset_name and order.test_dataset_name != order.training_dataset_name:
        wanted["test.json"] = order.test_dataset_name
    declared = {
        stack.name(name): _dataset(registered[name], stack.contents.get(name)) if name in registered else _files(kinds[0], file)
        for file, name in wanted.items()
    }
    model: dict[str, object] = {
        "modelKind": order.model_kind.value,
        "trainingDataset": stack.name(order.training_dataset_name),
        "timeBudgetInHours": order.time_budget_in_hours,
    }
    if order.tiles > 1:
        model["tiles"] = order.tiles
    if order.test_dataset_name:
        model["evaluationDataset"] = stack.name(order.test_dataset_name)
        if require:
            model["require"] = dict(require)
    if publish:
        model["publish"] = True
    return stack_file(stack.project, {"datasets": declared, "models": {stack.name(name): model}})


def _dataset(dataset: DatasetRecord, digest: str | None) -> dict[str, object]:
    """By its version's digest, else by its annotation files, whose content the stack does not know."""
    declared: dict[str, object] = {"annotationKind": dataset.annotation_kind.value}
    if digest is None:
        declared["annotationFileUris"] = [redacted(uri) for uri in dataset.annotation_file_uris]
    else:
        declared["content"] = content_reference(digest)
    if properties := own_properties(dataset):
        declared["customProperties"] = properties
    return declared


def own_properties(dataset: DatasetRecord) -> dict[str, str]:
    """The custom properties that a declaration has."""
    return {key: value for key, value in (dataset.custom_properties or {}).items() if key != MANAGED_BY}


def _files(kind: AnnotationKind, file: str) -> dict[str, object]:
    return {"annotationKind": kind.value, "source": "images", "annotationFiles": [file]}
