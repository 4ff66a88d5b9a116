"""The Pulumi program: read the stack's settings, create the workspace, declare its datasets and models, export outputs."""

from typing import Any

import pulumi

from stacks.azure_settings import AzureSettings
from stacks.configuration import keep_secret, read_configuration
from stacks.promotion import promote
from stacks.settings import ModelSettings, SettingsError, StackSettings, read_settings
from vision_customization.components import LocalArgs, LocalWorkspace, Workspace
from vision_customization.components.azure.names import NameNotAllowed
from vision_customization.customization.resources import Dataset, Evaluation, Model, PromotedModel, PublishedModel


def make_workspace(settings: StackSettings, stack: str) -> Workspace:
    if settings.azure is not None and settings.platform == "azure":
        return make_azure_workspace(settings.azure, stack)
    local = settings.local
    args = LocalArgs(
        local.data_dir or f".vision/{stack}",
        engine_port=local.engine_port,
        storage_port=local.storage_port,
        custom_vision=local.custom_vision,
        novel_samples=local.novel_samples,
        novel_sample_days=local.novel_sample_days,
    )
    return LocalWorkspace("workspace", args)


def make_azure_workspace(settings: AzureSettings, stack: str) -> Workspace:
    try:
        from vision_customization.components.azure.args import AzureArgs
        from vision_customization.components.azure.workspace import AzureWorkspace
        from vision_customization.components.given import args_of
    except ModuleNotFoundError as error:
        raise pulumi.RunError(f"{error.name} is not installed. Run `make setup STACK={stack}`") from None
    given = settings.model_dump(exclude={"name", "names"})
    names = settings.names.model_dump(exclude_none=True)
    try:
        workspace = AzureWorkspace(
            "vision", args_of(AzureArgs, {**given, "base": settings.name or f"vision-{stack}", "names": names})
        )
    except NameNotAllowed as error:
        raise pulumi.RunError(f"stacks/Pulumi.{stack}.yaml: azure: {error}") from None
    pulumi.export("azure", workspace.exports)
    return workspace


def declare_datasets(settings: StackSettings, workspace: Workspace) -> dict[str, Dataset]:
    return {
        name: Dataset(
            name,
            workspace=workspace,
            annotation_kind=dataset.annotation_kind,
            annotation_files=dataset.annotation_files,
            source=dataset.source,
            uris=dataset.annotation_file_uris,
            content=dataset.content,
            purpose="training" if settings.is_trained_on(name) else "evaluation",
            custom_properties=dataset.custom_properties or None,
            delete_images=dataset.delete_images,
        )
        for name, dataset in settings.datasets.items()
    }


def trained_or_promoted(
    name: str, declared: ModelSettings, workspace: Workspace, datasets: dict[str, Dataset]
) -> Model | PromotedModel:
    if declared.training_dataset is None:
        return promote(name, declared, workspace)
    return Model(
        name,
        training_dataset=datasets[declared.training_dataset],
        model_kind=declared.model_kind,
        time_budget_in_hours=declared.time_budget_in_hours,
        tiles=declared.tiles,
    )


def declare_model(name: str, settings: StackSettings, workspace: Workspace, datasets: dict[str, Dataset]) -> dict[str, Any]:
    """Declare a model, its gate and its published name; returns the stack's outputs for it."""
    declared = settings.models[name]
    model = trained_or_promoted(name, declared, workspace, datasets)
    evaluations = []
    if declared.evaluation_dataset is not None:
        evaluations.append(
            Evaluation(
                name,
                model=model,
                dataset=datasets[declared.evaluation_dataset],
                require=declared.require or None,
            )
        )
    output: dict[str, Any] = {
        "name": model.model_name,
        "kind": model.model_kind,
        "status": model.status,
        "performance": evaluations[0].performance if evaluations else model.performance,
        "trainingMinutes": model.training_minutes,
        "artifactDigest": model.artifact_digest,
    }
    if declared.publish:
        published = PublishedModel(name, model=model, evaluations=evaluations)
        output["publishedName"] = published.published_name
    return output


def main() -> None:
    stack = pulumi.get_stack()
    configuration = read_configuration(stack)
    try:
        settings = read_settings(configuration.values, stack, configuration.written)
    except SettingsError as error:
        raise pulumi.RunError(str(error)) from None
    keep_secret(configuration.secrets())
    workspace = make_workspace(settings, stack)
    datasets = declare_datasets(settings, workspace)
    models = {name: declare_model(name, settings, workspace, datasets) for name in settings.models}
    pulumi.export("endpoint", workspace.service.endpoint)
    pulumi.export("key", workspace.service.key)
    if settings.has_studio:
        pulumi.export("studio", pulumi.Output.concat(workspace.service.endpoint, "/studio/"))
    pulumi.export(
        "datasets",
        {
            name: {"name": dataset.dataset_name, "images": dataset.images, "tags": dataset.tags, "digest": dataset.digest}
            for name, dataset in datasets.items()
        },
    )
    pulumi.export("models", models)


main()
