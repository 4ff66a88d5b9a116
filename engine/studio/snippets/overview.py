"""Code of pages that list what there is: how to list it, and how to add to it."""

from vision_customization.contract.enums import AnnotationKind, ModelKind
from vision_customization.engine.store import TrainingOrder
from vision_customization.engine.studio.snippets.languages import (
    Snippet,
    client_program,
    commands,
    request,
    requests,
    stack_file,
    vision,
)
from vision_customization.engine.studio.snippets.stacks import API, Stack, model_yaml

NAME = "leaves"
"""Stands for the name of a dataset or model that does not exist yet."""

_CONTAINER = "https://me.blob.core.windows.net/training"
_LIST_DATASETS = """\
for dataset in client.list_datasets():
    print(dataset.name, dataset.annotation_kind)"""
_LIST_MODELS = """\
for model in client.list_models():
    print(model.name, model.status)"""


def overview_snippets(origin: str) -> list[Snippet]:
    """The datasets and the models."""
    return [
        client_program(origin, f"{_LIST_DATASETS}\n{_LIST_MODELS}"),
        commands(origin, vision("datasets", "list"), vision("models", "list")),
        requests(request(origin, "datasets"), request(origin, "models")),
    ]


def datasets_snippets(origin: str, stack: Stack = API) -> list[Snippet]:
    """The datasets, and how to declare another."""
    declared = {
        f"{NAME}-train": {
            "annotationKind": AnnotationKind.IMAGE_CLASSIFICATION.value,
            "source": "my-images",
            "annotationFiles": ["train.json"],
        }
    }
    register = vision("datasets", "register", f"{NAME}-train", "my-images/train.json", "--container", _CONTAINER)
    return [
        stack_file(stack.project, {"datasets": declared}),
        client_program(origin, _LIST_DATASETS),
        commands(origin, vision("datasets", "list"), "# Another one, from COCO files and their images", register),
        requests(request(origin, "datasets")),
    ]


def models_snippets(origin: str, stack: Stack = API) -> list[Snippet]:
    """The models, and how to declare another."""
    order = TrainingOrder(
        training_dataset_name=f"{NAME}-train", time_budget_in_hours=1, model_kind=ModelKind.GENERIC_CLASSIFIER
    )
    train = vision("models", "train", f"{NAME}-1", "--dataset", f"{NAME}-train")
    return [
        model_yaml(stack, NAME, order, [], publish=True),
        client_program(origin, _LIST_MODELS),
        commands(origin, vision("models", "list"), "# Another one, from a dataset that is registered", train),
        requests(request(origin, "models")),
    ]
