"""How fast a resource's engine trains, for the estimates of a preview."""

from collections.abc import Mapping
from typing import Any

from vision_customization.contract.training_time import ASSUMED_SPEED, Speed
from vision_customization.customization.resources.connection import client
from vision_customization.customization.resources.provider import engine_is_away, is_known

_SPEEDS: dict[str, Speed] = {}
"""By endpoint: each engine is asked once in an update."""

_TIMEOUT_SECONDS = (3.0, 10.0)
"""For the connection and the answer: a preview goes on without it."""


def engine_speed(properties: Mapping[str, Any]) -> Speed:
    """The speed that the engine has measured. `ASSUMED_SPEED` if the preview does not know the engine yet, if it does not
    answer, or if it is another service, which does not say."""
    if not is_known(properties.get("endpoint"), properties.get("key")) or engine_is_away(properties):
        return ASSUMED_SPEED
    endpoint = str(properties["endpoint"])
    if endpoint not in _SPEEDS:
        _SPEEDS[endpoint] = _asked(properties)
    return _SPEEDS[endpoint]


def _asked(properties: Mapping[str, Any]) -> Speed:
    from vision_customization.common.errors import VisionError
    from vision_customization.customization.client.client import RetryPolicy

    silent: tuple[type[Exception], ...] = (VisionError,)
    if properties.get("key") is None:
        from azure.core.exceptions import AzureError  # raised if there is no identity either

        silent = (VisionError, AzureError)
    try:
        with client(properties, timeout_seconds=_TIMEOUT_SECONDS, retry=RetryPolicy(attempts=1)) as service:
            return service.training_speed()
    except silent:
        return ASSUMED_SPEED
