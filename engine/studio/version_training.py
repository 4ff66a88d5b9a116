"""How a stack declares what was labelled and trained here: datasets by their versions, models by the names that it gives them.

The next `pulumi up` takes over a model that has such a name, and trains nothing.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from vision_customization.contract.enums import ModelKind
from vision_customization.contract.limits import DECLARED_NAME_MAX_LENGTH
from vision_customization.contract.model_names import is_trained_name, trained_name
from vision_customization.contract.owners import PULUMI, owner_of
from vision_customization.contract.training_rules import usual_kind
from vision_customization.engine.store import DatasetRecord, ModelRecord, Store, TrainingOrder, VersionRecord
from vision_customization.engine.studio.snippets.stacks import Stack, stack_of_model

_HOURS = 1
"""The budget of a model that no stack declares yet."""


def training_fields(store: Store, version: VersionRecord) -> dict[str, str]:
    """The fields of the Train page, from the newest model that a stack has trained from the version's dataset. If there is
    none, those of a model that has the dataset's name in the stack's file. Empty if the stack's model has tiles, which that
    page does not ask for."""
    model = next((each for each in store.models.trained_from(version.dataset_name) if _declared_name(each)), None)
    if model is None:
        kind, declared = usual_kind(version.annotation_kind), version.dataset_name[:DECLARED_NAME_MAX_LENGTH]
        return _fields(version, declared, kind, _HOURS)
    if model.tiles > 1:
        return {}
    fields = _fields(version, _declared_name(model), model.model_kind, model.time_budget_in_hours)
    return {**fields, **({"test": model.test_dataset_name} if model.test_dataset_name else {})}


def _fields(version: VersionRecord, declared: str, kind: ModelKind, hours: int) -> dict[str, str]:
    name = trained_name(declared, model_kind=kind.value, training_digest=version.digest, time_budget_in_hours=hours)
    return {"name": name, "kind": kind.value, "hours": str(hours)}


def name_of_stack(store: Store, name: str, order: TrainingOrder, datasets: Sequence[DatasetRecord]) -> str | None:
    """The name that a stack would give this training, if it declares the model under `name` without its digest. None if `name`
    has no digest, or if the training dataset does not have the content of a version.

    Args:
        datasets: those of the order that are registered.
    """
    declared = name.rpartition("-")[0]
    dataset = next((each for each in datasets if each.name == order.training_dataset_name), None)
    if not declared or not is_trained_name(name, declared) or dataset is None:
        return None
    version = _version_of(store, dataset)
    if version is None:
        return None
    return trained_name(
        declared,
        model_kind=order.model_kind.value,
        training_digest=version.digest,
        time_budget_in_hours=order.time_budget_in_hours,
        tiles=order.tiles,
    )


def stack_of_training(
    store: Store, name: str, managed_by: str | None, order: TrainingOrder, datasets: Sequence[DatasetRecord]
) -> Stack:
    """How a stack declares a model: the one that manages it, else any that would take it over."""
    stack = stack_of_model(name, managed_by)
    if name not in stack.names and name_of_stack(store, name, order, datasets) == name:
        stack = replace(stack, names={name: name.rpartition("-")[0]})
    return with_versions(store, stack, datasets)


def with_versions(store: Store, stack: Stack, datasets: Sequence[DatasetRecord]) -> Stack:
    """The stack, with those datasets declared by their version that have the content of one. A dataset beside the one that the
    version is of gets that one's name."""
    versions = {each.name: _version_of(store, each) for each in datasets}
    names = {name: version.dataset_name for name, version in versions.items() if version is not None}
    taken = Counter(names.get(each.name, each.name) for each in datasets)
    return replace(
        stack,
        names={**{name: declared for name, declared in names.items() if taken[declared] == 1}, **stack.names},
        contents={name: version.digest for name, version in versions.items() if version is not None},
    )


def _version_of(store: Store, dataset: DatasetRecord) -> VersionRecord | None:
    """The version whose content a dataset has; of several datasets' versions with the same file, the dataset's own one."""
    uris = dataset.annotation_file_uris
    found = store.versions.of_file(uris[0]) if len(uris) == 1 else []
    return next((each for each in found if each.dataset_name == dataset.name), found[0] if found else None)


def _declared_name(model: ModelRecord) -> str:
    """The name of a model in its stack's file; empty if no stack declares it."""
    owner = owner_of(model.managed_by)
    declared = model.name.rpartition("-")[0]
    of_stack = owner is not None and owner.tool == PULUMI
    return declared if of_stack and declared and is_trained_name(model.name, declared) else ""
