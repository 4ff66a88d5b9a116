"""Calls with an image: analysis by a model, and product recognition."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from vision_customization.contract.analysis import ImageAnalysisResult
from vision_customization.contract.enums import RunStatus
from vision_customization.contract.products import (
    Planogram,
    PlanogramMatch,
    PlanogramMatchResult,
    ProductRecognitionResult,
    ProductRecognitionRun,
)
from vision_customization.customization.client.client_calls import ClientCalls, segment
from vision_customization.customization.client.transport import Reply
from vision_customization.customization.client.typed_calls import parse
from vision_customization.customization.errors import RecognitionFailed

IMAGE_SECONDS = 90.0
"""Time limit for an answer: an analysis may wait behind others."""


class AnalysisCalls(ClientCalls):
    """The part of `VisionClient` about analysis, product recognition and planograms."""

    def analyze(self, model_name: str, image: bytes | str) -> ImageAnalysisResult:
        """Analyze an image (encoded bytes, or a URL that the service can read) with a model or a published name."""
        reply = self._send_image("POST", "/imageanalysis:analyze", image, {"model-name": model_name})
        return parse(ImageAnalysisResult, reply.json())

    # Product recognition

    def recognize_products(self, model_name: str, run_name: str, image: bytes | str) -> ProductRecognitionRun:
        """Start a search for products and gaps in an image, given as for `analyze`; `wait_for_run` waits for the result.

        `model_name` may be a published name. The run's own `model_name` is the model behind it, and does not change later.

        Raises:
            AlreadyExists: the model has a run of this name. With `retried`, this call may have created it and lost the answer:
                a run does not say which image it is for.
        """
        return parse(ProductRecognitionRun, self._send_image("PUT", _path(model_name, run_name), image).json())

    def get_run(self, model_name: str, run_name: str) -> ProductRecognitionRun:
        return self._calls.get(ProductRecognitionRun, _path(model_name, run_name))

    def list_runs(self, model_name: str) -> Iterator[ProductRecognitionRun]:
        return self._calls.list(ProductRecognitionRun, _paths(model_name))

    def delete_run(self, model_name: str, run_name: str) -> None:
        """Delete a run that has ended."""
        self._calls.delete(_path(model_name, run_name))

    def wait_for_run(
        self,
        model_name: str,
        run_name: str,
        timeout_seconds: float | None = None,
        on_progress: Callable[[ProductRecognitionRun], None] | None = None,
    ) -> ProductRecognitionRun:
        """Wait until a run has its result; like `wait_for_model`.

        Raises:
            RecognitionFailed: the run ended without a result.
            WaitTimedOut: the timeout passed, but the run continues.
        """
        what = f"run {run_name!r} of model {model_name!r}"
        run = self._wait(lambda: self.get_run(model_name, run_name), what, timeout_seconds, on_progress)
        if run.status is RunStatus.FAILED:
            raise RecognitionFailed(run)
        return run

    def match_planogram(self, detected: ProductRecognitionResult, planogram: Planogram) -> PlanogramMatchResult:
        """The planogram positions at which a run found the expected product."""
        body = PlanogramMatch(detected_products=detected, planogram=planogram).to_wire()
        return parse(PlanogramMatchResult, self._transport.send("POST", "/planogramcompliance:match", json=body).json())

    def _send_image(self, method: str, path: str, image: bytes | str, params: Mapping[str, str] | None = None) -> Reply:
        if isinstance(image, str):
            return self._transport.send(method, path, params=params, json={"url": image}, answer_seconds=IMAGE_SECONDS)
        headers = {"Content-Type": "application/octet-stream"}
        return self._transport.send(method, path, params=params, data=image, headers=headers, answer_seconds=IMAGE_SECONDS)


def _paths(model_name: str) -> str:
    return f"/productrecognition/{segment(model_name)}/runs"


def _path(model_name: str, run_name: str) -> str:
    return f"{_paths(model_name)}/{segment(run_name)}"
