"""How a version is trained so that its stack takes the model over: under the name that the stack would give it."""

from vision_customization.contract.model_names import is_trained_name, trained_name
from vision_customization.contract.owners import PULUMI, owner_of
from vision_customization.engine.store import ModelRecord, Store, VersionRecord


def training_fields(store: Store, version: VersionRecord) -> dict[str, str]:
    """The fields of the Train page, from the newest model that a stack has trained from the version's dataset. Empty if there
    is none, or if it has tiles, which that page does not ask for."""
    model = next((each for each in store.models.trained_from(version.dataset_name) if _declared_name(each)), None)
    if model is None or model.tiles > 1:
        return {}
    name = trained_name(
        _declared_name(model),
        model_kind=model.model_kind.value,
        training_digest=version.digest,
        time_budget_in_hours=model.time_budget_in_hours,
    )
    fields = {"name": name, "kind": model.model_kind.value, "hours": str(model.time_budget_in_hours)}
    return {**fields, **({"test": model.test_dataset_name} if model.test_dataset_name else {})}


def _declared_name(model: ModelRecord) -> str:
    """The name of a model in its stack's file; empty if no stack declares it."""
    owner = owner_of(model.managed_by)
    declared = model.name.rpartition("-")[0]
    of_stack = owner is not None and owner.tool == PULUMI
    return declared if of_stack and declared and is_trained_name(model.name, declared) else ""
