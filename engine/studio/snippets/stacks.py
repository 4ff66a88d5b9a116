"""What a stack's file says of datasets and models, to declare what the engine has."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vision_customization.common.redaction import redacted
from vision_customization.contract.content_reference import content_reference
from vision_customization.contract.enums import AnnotationKind
from vision_customization.contract.limits import DECLARED_NAME_MAX_LENGTH, NAME_DIGEST_LENGTH
from vision_customization.contract.owners import MANAGED_BY, Owner, owner_of
from vision_customization.contract.texts import sentence
from vision_customization.engine.store import DatasetRecord, TrainingOrder
from vision_customization.engine.studio.snippets.languages import Snippet, stack_file


@dataclass(frozen=True)
class Stack:
    """How a stack declares what it owns: its project's name, and the names in its file, by those on the engine, where the two
    differ. `owner` names a stack that declares it already, in a text that the engine does not know; None if none does.
    `contents` has the digest of each dataset on the engine that has the content of a version."""

    project: str = "vision-customization"
    names: Mapping[str, str] = field(default_factory=dict)
    owner: Owner | None = None
    contents: Mapping[str, str] = field(default_factory=dict)

    def name(self, name: str) -> str:
        """The name in the stack's file, which is a little shorter at most: a digest is added to it."""
        return self.names.get(name, name)[:DECLARED_NAME_MAX_LENGTH]


API = Stack()
"""No stack's: what was registered or trained by the API or the Studio, as the project's own program would declare it."""

OTHER_DATASET = "TEST-DATASET"
"""Stands for a dataset to evaluate on, of a model that has none."""

_UNKNOWN_OF_DATASETS = "where its images come from (source, annotationFiles)"
_UNKNOWN_OF_MODELS = "its gate (evaluationDataset, require)"

_DIGEST = re.compile(f"-[0-9a-f]{{{NAME_DIGEST_LENGTH}}}$")


def stack_of_model(name: str, managed_by: str | None) -> Stack:
    """How the stack that manages a model declares it: under its name without the digest."""
    owner = _stack_owner(managed_by)
    return API if owner is None else Stack(owner.project, {name: _DIGEST.sub("", name)}, owner)


def stack_of_dataset(dataset: DatasetRecord) -> Stack:
    """How the stack that manages a dataset declares it."""
    owner = _stack_owner((dataset.custom_properties or {}).get(MANAGED_BY))
    return API if owner is None else Stack(owner.project, owner=owner)


def _stack_owner(managed_by: str | None) -> Owner | None:
    owner = owner_of(managed_by)
    return owner if owner is not None and owner.stack else None


def dataset_yaml(stack: Stack, dataset: DatasetRecord) -> Snippet:
    remarks = () if stack.owner is None else _not_its_text(stack.owner, _UNKNOWN_OF_DATASETS)
    return stack_file(stack.project, {"datasets": {stack.name(dataset.name): _dataset(stack, dataset)}}, above=remarks)


def _named(owner: Owner) -> str:
    return sentence(str(owner)).replace("`", "")


def _not_its_text(owner: Owner, unknown: str) -> list[str]:
    """Remarks of something that a stack declares."""
    return [
        f"{_named(owner)} declares this in a text of its own. Change that text.",
        f"Do not replace it with this one, which lacks {unknown}.",
    ]


def model_yaml(
    stack: Stack,
    name: str,
    order: TrainingOrder,
    datasets: Sequence[DatasetRecord],
    *,
    publish: bool = False,
    require: Mapping[str, float] | None = None,
) -> Snippet:
    """A model with its datasets, except those that a stack declares already.

    Args:
        datasets: those that are registered. The others are declared as files in a folder `images`.
        require: the gate, metric by metric. A stack's gate needs a dataset to evaluate on: without one, it is a comment.
    """
    wanted = {"train.json": order.training_dataset_name}
    if order.test_dataset_name and order.test_dataset_name != order.training_dataset_name:
        wanted["test.json"] = order.test_dataset_name
    registered = {dataset.name: dataset for dataset in datasets if dataset.name in wanted.values()}
    owners = {name: owner for name, dataset in registered.items() if (owner := stack_of_dataset(dataset).owner) is not None}
    kinds = [dataset.annotation_kind for dataset in datasets] or order.model_kind.annotation_kinds
    declared = {
        stack.name(dataset): _dataset(stack, registered[dataset]) if dataset in registered else _files(kinds[0], file)
        for file, dataset in wanted.items()
        if dataset not in owners
    }
    model = _model(stack, order, require or {}, publish=publish)
    project, gate = stack.project, ""
    if stack.owner is not None:
        remarks = _not_its_text(stack.owner, _UNKNOWN_OF_MODELS)
    else:
        remarks = [f"{_named(owner)} declares the dataset {name}." for name, owner in owners.items()]
        project = next((owner.project for owner in owners.values()), project)
        gate = "" if order.test_dataset_name or not require else _gate_to_complete(require)
    return stack_file(project, {"datasets": declared, "models": {stack.name(name): model}}, above=remarks, below=gate)


def _model(stack: Stack, order: TrainingOrder, require: Mapping[str, float], *, publish: bool) -> dict[str, object]:
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
    return model


def _gate_to_complete(require: Mapping[str, float]) -> str:
    """A gate without a dataset to evaluate on, for a comment."""
    lines = [f"  {metric}: {threshold}" for metric, threshold in require.items()]
    told = "The gate of a stack needs a dataset that the model has not seen. Declare one, and name it here:"
    return "\n".join([told, f"evaluationDataset: {OTHER_DATASET}", "require:", *lines, ""])


def _dataset(stack: Stack, dataset: DatasetRecord) -> dict[str, object]:
    """By its version's digest, else by its annotation files, whose content the stack does not know."""
    declared: dict[str, object] = {"annotationKind": dataset.annotation_kind.value}
    digest = stack.contents.get(dataset.name)
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
