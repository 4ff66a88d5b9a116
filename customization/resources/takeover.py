"""A training that exists already under the name that an update would train: it is taken over, and nothing is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vision_customization.contract.enums import ModelStatus
from vision_customization.customization.resources.connection import client
from vision_customization.customization.resources.provider import engine_is_away, is_known

if TYPE_CHECKING:
    from vision_customization.contract.models import Model as TrainedModel

TAKEN_OVER = "trained already: taken over"

_TIMEOUT_SECONDS = (3.0, 10.0)
"""For the connection and the answer: a preview goes on without it."""

_FOUND: dict[tuple[str, str], bool] = {}
"""By endpoint and name: the engine is asked once in an update."""


def is_trained(properties: Mapping[str, Any], name: str) -> bool:
    """Whether the engine has trained a model of this name with success. False if a preview does not know the engine yet, or if
    it does not answer."""
    if not is_known(properties.get("endpoint"), properties.get("key")) or engine_is_away(properties):
        return False
    key = (str(properties["endpoint"]), name)
    if key not in _FOUND:
        _FOUND[key] = _asked(properties, name)
    return _FOUND[key]


def takeover_line(found: TrainedModel | None, managed_by: str | None) -> str:
    """What the row says of a model that exists already."""
    if found is not None and found.status is ModelStatus.SUCCEEDED:
        return TAKEN_OVER
    if found is not None and found.managed_by != managed_by:
        return "a training under this name runs already: taken over"
    return "resuming the training that an earlier update started"


def was_trained_here(model: TrainedModel) -> bool:
    """Whether it was trained on this service, and not promoted or imported."""
    return model.status is not ModelStatus.SUCCEEDED or model.training_progress is not None


def _asked(properties: Mapping[str, Any], name: str) -> bool:
    from vision_customization.common.errors import VisionError
    from vision_customization.customization.client.client import RetryPolicy

    silent: tuple[type[Exception], ...] = (VisionError,)
    if properties.get("key") is None:
        from azure.core.exceptions import AzureError  # raised if there is no identity either

        silent = (VisionError, AzureError)
    try:
        with client(properties, timeout_seconds=_TIMEOUT_SECONDS, retry=RetryPolicy(attempts=1)) as service:
            found = service.get_model(name)
    except silent:
        return False
    return found.status is ModelStatus.SUCCEEDED and was_trained_here(found)
