"""The REST client of the service: Azure AI Vision's model customization, as this project's engine serves it.

Each kind of resource has a file of its own beside this one, with the calls for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Self

from vision_customization.contract.storage_check import StorageAccess, StorageCheck
from vision_customization.contract.studio import Role, SignInCode, SignInCodeCreate
from vision_customization.contract.training_speed import TrainingSpeed
from vision_customization.contract.training_time import Speed
from vision_customization.customization.client.analysis import AnalysisCalls
from vision_customization.customization.client.batch_predictions import BatchPredictionCalls
from vision_customization.customization.client.datasets import DatasetCalls
from vision_customization.customization.client.drafts import DraftCalls
from vision_customization.customization.client.evaluations import EvaluationCalls
from vision_customization.customization.client.models import ModelCalls
from vision_customization.customization.client.outcomes import OutcomeCalls
from vision_customization.customization.client.published_models import PublishedModelCalls
from vision_customization.customization.client.transport import RetryPolicy, TokenCredential, Transport
from vision_customization.customization.client.typed_calls import parse

__all__ = ["RetryPolicy", "TokenCredential", "VisionClient"]


class VisionClient(
    DatasetCalls,
    DraftCalls,
    ModelCalls,
    EvaluationCalls,
    OutcomeCalls,
    PublishedModelCalls,
    AnalysisCalls,
    BatchPredictionCalls,
):
    """Datasets, their drafts and versions, models, evaluations, their outcomes, analysis, batch prediction and product
    recognition.

    Args:
        endpoint: `https://{name}.cognitiveservices.azure.com`, `http://127.0.0.1:8080`, …
        credential: the key, or an Entra credential of azure-identity.
        timeout_seconds: for the connection, and for each answer. [default: 10 and 60; 5 and 20 for a service on this machine]
        retry: how to retry after 429, 5xx and connection errors.
        on_silence: called with a line to show if an answer takes more than 5 seconds.
        sleep: takes seconds; for tests.
        clock: gives seconds; for tests.

    Every method raises `RequestError` (a subclass by status) if the service refuses, `Unreachable` if it does not answer.
    """

    def __init__(
        self,
        endpoint: str,
        credential: str | TokenCredential,
        *,
        timeout_seconds: tuple[float, float] | None = None,
        retry: RetryPolicy | None = None,
        on_silence: Callable[[str], None] | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        transport = Transport(
            endpoint,
            credential,
            timeout_seconds=timeout_seconds,
            retry=retry or RetryPolicy(),
            sleep=sleep,
            on_silence=on_silence,
        )
        super().__init__(transport, sleep=sleep, clock=clock)

    @property
    def endpoint(self) -> str:
        return self._transport.endpoint

    def __repr__(self) -> str:
        return f"VisionClient({self.endpoint!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._transport.close()

    # The service itself: extensions of the contract

    def check_storage(self, url: str) -> StorageAccess:
        """Whether the service's identity can read the blob or container at `url` now: a new role takes effect after minutes."""
        body = StorageCheck(url=url).to_wire()
        return parse(StorageAccess, self._transport.send("POST", "/storage:check", json=body).json())

    def training_speed(self) -> Speed:
        """How fast the service trains, as it has measured so far."""
        return self._calls.get(TrainingSpeed, "/training:speed").to_speed()

    def studio_code(self, role: Role = Role.OWNER) -> SignInCode:
        """A one-time code that signs a browser in to the Studio, at `{endpoint}/studio/sign-in#code=…`, within a minute."""
        body = SignInCodeCreate(role=role).to_wire()
        return parse(SignInCode, self._transport.send("POST", "/studio/codes", json=body).json())
