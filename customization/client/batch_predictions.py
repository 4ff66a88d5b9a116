"""Calls for batch prediction runs: a model's answers for every image of a container or a dataset. All are extensions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import requests

from vision_customization.contract.batch_prediction import (
    ROWS_MEDIA_TYPE,
    AzureBlobResult,
    AzureBlobSource,
    BatchPredictionCreate,
    BatchPredictionRow,
    BatchPredictionRun,
)
from vision_customization.contract.enums import BatchPredictionStatus
from vision_customization.customization.client.client_calls import ClientCalls, segment
from vision_customization.customization.client.transport import is_transient
from vision_customization.customization.client.typed_calls import parse
from vision_customization.customization.errors import BatchPredictionFailed, Unreachable

_ATTEMPTS = 5
"""How often a download goes on after a broken connection without a single row in between."""


class BatchPredictionCalls(ClientCalls):
    """The part of `VisionClient` about batch prediction runs. A service that knows none answers 404."""

    def predict_batch(
        self,
        model_name: str,
        run_name: str,
        *,
        source: AzureBlobSource | None = None,
        dataset_name: str | None = None,
        result: AzureBlobResult | None = None,
    ) -> BatchPredictionRun:
        """Start to answer every image of a container (`source`) or of a registered dataset; `wait_for_batch_prediction` waits
        until it ends.

        `model_name` may be a published name. The run's own `model_name` is the model behind it, and does not change later.

        Args:
            result: a blob that also gets the rows, when all are there.

        Raises:
            AlreadyExists: the model has a run of this name.
        """
        body = BatchPredictionCreate(azure_blob_source=source, dataset_name=dataset_name, azure_blob_result=result)

        def is_ours(found: BatchPredictionRun) -> bool:
            return (_place(found.azure_blob_source), found.dataset_name) == (_place(source), dataset_name)

        return self._calls.create(BatchPredictionRun, _run_path(model_name, run_name), _with_tokens(body), is_ours)

    def get_batch_prediction(self, model_name: str, run_name: str) -> BatchPredictionRun:
        return self._calls.get(BatchPredictionRun, _run_path(model_name, run_name))

    def list_batch_predictions(self, model_name: str) -> Iterator[BatchPredictionRun]:
        return self._calls.list(BatchPredictionRun, f"/batchprediction/{segment(model_name)}/runs")

    def cancel_batch_prediction(self, model_name: str, run_name: str) -> BatchPredictionRun:
        """Ask a run to stop; the rows that it has stay."""
        reply = self._transport.send("POST", f"{_run_path(model_name, run_name)}:cancel")
        return parse(BatchPredictionRun, reply.json())

    def delete_batch_prediction(self, model_name: str, run_name: str) -> None:
        """Delete a run that has ended, with its rows."""
        self._calls.delete(_run_path(model_name, run_name))

    def wait_for_batch_prediction(
        self,
        model_name: str,
        run_name: str,
        timeout_seconds: float | None = None,
        on_progress: Callable[[BatchPredictionRun], None] | None = None,
    ) -> BatchPredictionRun:
        """Wait until a run has a row for each image; like `wait_for_model`.

        Raises:
            BatchPredictionFailed: the run failed, or was cancelled.
            WaitTimedOut: the timeout passed, but the run continues.
        """
        what = f"batch prediction run {run_name!r} of model {model_name!r}"
        run = self._wait(lambda: self.get_batch_prediction(model_name, run_name), what, timeout_seconds, on_progress)
        if run.status is not BatchPredictionStatus.SUCCEEDED:
            raise BatchPredictionFailed(run)
        return run

    def batch_prediction_rows(self, model_name: str, run_name: str, skip: int = 0) -> Iterator[BatchPredictionRow]:
        """The rows of a run after the first `skip`, in the order of the images; of a run that has not ended, those so far."""
        for line in self.batch_prediction_lines(model_name, run_name, skip):
            yield BatchPredictionRow.model_validate_json(line)

    def batch_prediction_lines(self, model_name: str, run_name: str, skip: int = 0) -> Iterator[bytes]:
        """The same rows as JSON lines, without their ends. After a broken connection the download goes on where it stopped.

        Raises:
            Unreachable: the connection breaks again and again.
        """
        path = f"{_run_path(model_name, run_name)}/results"
        attempts = _ATTEMPTS
        while True:
            reply = self._transport.send(
                "GET", path, params={"skip": str(skip)}, headers={"Accept": ROWS_MEDIA_TYPE}, stream=True
            )
            try:
                for line in reply.response.iter_lines(chunk_size=65_536):
                    yield line
                    skip, attempts = skip + 1, _ATTEMPTS
            except requests.RequestException as error:
                attempts -= 1
                if not attempts or not is_transient(error):
                    raise Unreachable(f"GET {path}: the connection broke ({type(error).__name__})") from None
            else:
                return
            finally:
                reply.response.close()


def _run_path(model_name: str, run_name: str) -> str:
    return f"/batchprediction/{segment(model_name)}/runs/{segment(run_name)}"


def _place(source: AzureBlobSource | None) -> tuple[str, str] | None:
    return None if source is None else (source.container_url, source.prefix)


def _with_tokens(body: BatchPredictionCreate) -> dict[str, Any]:
    """The request body, including the SAS tokens, which the wire types never write."""
    wire = body.to_wire()
    for key, place in (("azureBlobSource", body.azure_blob_source), ("azureBlobResult", body.azure_blob_result)):
        authentication = place.authentication if place is not None else None
        if authentication is not None and authentication.sas_token is not None:
            wire[key]["authentication"]["sasToken"] = authentication.sas_token.get_secret_value()
    return wire
