"""What lies in every user's state: changing any of it makes a difference where nothing changed."""

import base64
import pickle

import pytest
from pulumi import dynamic
from pulumi.dynamic.dynamic import serialize_provider

from components.generated_key import GeneratedKey, GeneratedKeyProvider
from components.local_container import LocalContainer, LocalContainerProvider
from components.local_service import LocalService, LocalServiceProvider
from customization.resources import Dataset, Evaluation, Model, PromotedModel, PublishedModel
from customization.resources.dataset import DatasetProvider
from customization.resources.evaluation import EvaluationProvider
from customization.resources.model import ModelProvider
from customization.resources.promoted_model import PromotedModelProvider
from customization.resources.published_model import PublishedModelProvider


@pytest.mark.parametrize(
    ("provider", "path"),
    [
        (DatasetProvider(), "customization.resources.dataset.DatasetProvider"),
        (ModelProvider(), "customization.resources.model.ModelProvider"),
        (PromotedModelProvider(), "customization.resources.promoted_model.PromotedModelProvider"),
        (EvaluationProvider(), "customization.resources.evaluation.EvaluationProvider"),
        (PublishedModelProvider(), "customization.resources.published_model.PublishedModelProvider"),
        (LocalServiceProvider(), "components.local_service.LocalServiceProvider"),
        (LocalContainerProvider(), "components.local_container.LocalContainerProvider"),
        (GeneratedKeyProvider(), "components.generated_key.GeneratedKeyProvider"),
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
