"""What lies in every user's state: changing any of it makes a difference where nothing changed."""

import base64
import pickle

import pytest
from pulumi import dynamic
from pulumi.dynamic.dynamic import serialize_provider

from vision_customization.components.generated_key import GeneratedKey, GeneratedKeyProvider
from vision_customization.components.local.container import LocalContainer, LocalContainerProvider
from vision_customization.components.local.service import LocalService, LocalServiceProvider
from vision_customization.customization.resources import Dataset, Evaluation, Model, PromotedModel, PublishedModel
from vision_customization.customization.resources.dataset import DatasetProvider
from vision_customization.customization.resources.evaluation import EvaluationProvider
from vision_customization.customization.resources.model import ModelProvider
from vision_customization.customization.resources.promoted_model import PromotedModelProvider
from vision_customization.customization.resources.published_model import PublishedModelProvider


@pytest.mark.parametrize(
    ("provider", "path"),
    [
        (DatasetProvider(), "vision_customization.customization.resources.dataset.DatasetProvider"),
        (ModelProvider(), "vision_customization.customization.resources.model.ModelProvider"),
        (PromotedModelProvider(), "vision_customization.customization.resources.promoted_model.PromotedModelProvider"),
        (EvaluationProvider(), "vision_customization.customization.resources.evaluation.EvaluationProvider"),
        (PublishedModelProvider(), "vision_customization.customization.resources.published_model.PublishedModelProvider"),
        (LocalServiceProvider(), "vision_customization.components.local.service.LocalServiceProvider"),
        (LocalContainerProvider(), "vision_customization.components.local.container.LocalContainerProvider"),
        (GeneratedKeyProvider(), "vision_customization.components.generated_key.GeneratedKeyProvider"),
    ],
)
def test_a_provider_is_pickled_by_reference(provider: dynamic.ResourceProvider, path: str) -> None:
    serialized = base64.b64decode(serialize_provider(provider))
    assert len(serialized) < 150
    restored = type(pickle.loads(serialized))
    assert f"{restored.__module__}.{restored.__qualname__}" == path
    assert provider.serialize_as_secret_always is False


@pytest.mark.parametrize(
    ("resource", "name"),
    [
        (Dataset, "Dataset"),
        (Model, "Model"),
        (PromotedModel, "PromotedModel"),
        (Evaluation, "Evaluation"),
        (PublishedModel, "PublishedModel"),
        (LocalService, "LocalService"),
        (LocalContainer, "LocalContainer"),
        (GeneratedKey, "GeneratedKey"),
    ],
)
def test_types(resource: type[dynamic.Resource], name: str) -> None:
    assert resource._resource_type_name == f"dynamic/vision:{name}"
