"""Models that another stack trained, found by that stack's outputs."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import pulumi

from stacks.settings import ModelSettings
from vision_customization.customization.resources import PromotedModel, Service, Workspace


class PromotionError(Exception):
    """A stack's outputs lack the model to promote. The message says which stack, what is missing, and what to do."""


def promote(name: str, declared: ModelSettings, workspace: Workspace) -> PromotedModel:
    """The model `name` of this stack, promoted from the current outputs of the stack `declared.promote_from`."""
    source, theirs = str(declared.promote_from), declared.promote_model or name
    if source == pulumi.get_stack():
        raise pulumi.RunError(
            f"models.{name}.promoteFrom is '{source}', which is this stack itself. Name the stack that trains the model"
        )
    outputs = _outputs_of(source)

    def found(models: object) -> dict[str, str]:
        try:
            return promotable(models, source, theirs)
        except PromotionError as error:
            raise pulumi.RunError(f"models.{name}.promoteFrom: {error}") from None

    model = outputs.get_output("models").apply(found)
    return PromotedModel(
        name,
        workspace=workspace,
        source=source,
        source_service=Service(outputs.get_output("endpoint"), outputs.get_output("key")),
        model_name=model["name"],
        artifact_digest=model["artifactDigest"],
    )


def promotable(models: object, stack: str, name: str) -> dict[str, str]:
    """A model's name on its service, and its file's digest, from the output `models` of a stack. Raises PromotionError."""
    if not isinstance(models, Mapping):
        raise PromotionError(f"stack '{stack}' exports no models. Run `pulumi up --stack {stack}` first")
    if name not in models:
        there = ", ".join(models) or "none"
        raise PromotionError(f"stack '{stack}' has no model '{name}'; its models are: {there}. Choose one with promoteModel")
    model: Mapping[str, Any] = models[name]
    if model.get("status") != "succeeded":
        status = model.get("status", "not trained")
        raise PromotionError(f"model '{name}' of stack '{stack}' is {status}, and only a succeeded model can be promoted")
    if not model.get("artifactDigest"):
        message = f"stack '{stack}' does not export the artifactDigest of its model '{name}'"
        raise PromotionError(f"{message}. Run `pulumi up --stack {stack}` with this version of the program")
    return {"name": model["name"], "artifactDigest": model["artifactDigest"]}


@cache
def _outputs_of(stack: str) -> pulumi.StackReference:
    """Another stack of this project. One reference for each stack, however many models are promoted from it."""
    return pulumi.StackReference(stack, f"{pulumi.get_organization()}/{pulumi.get_project()}/{stack}")
