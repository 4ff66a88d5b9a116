"""Calls for evaluations."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from vision_customization.contract.enums import EvaluationStatus
from vision_customization.contract.evaluations import Evaluation, EvaluationCreate
from vision_customization.contract.models import EvaluationParameters
from vision_customization.customization.client.client_calls import ClientCalls, segment
from vision_customization.customization.errors import EvaluationFailed


class EvaluationCalls(ClientCalls):
    """The part of `VisionClient` about the evaluations of a model."""

    def create_evaluation(self, model_name: str, name: str, *, test_dataset_name: str) -> Evaluation:
        """Start an evaluation of a model on a dataset.

        Raises:
            AlreadyExists: the model has an evaluation of this name.
        """
        body = EvaluationCreate(evaluation_parameters=EvaluationParameters(test_dataset_name=test_dataset_name))

        def is_ours(found: Evaluation) -> bool:
            return found.evaluation_parameters.test_dataset_name == test_dataset_name

        return self._calls.create(Evaluation, _path(model_name, name), body.to_wire(), is_ours)

    def get_evaluation(self, model_name: str, name: str) -> Evaluation:
        return self._calls.get(Evaluation, _path(model_name, name))

    def list_evaluations(self, model_name: str) -> Iterator[Evaluation]:
        return self._calls.list(Evaluation, _paths(model_name))

    def delete_evaluation(self, model_name: str, name: str) -> None:
        self._calls.delete(_path(model_name, name))

    def wait_for_evaluation(
        self,
        model_name: str,
        name: str,
        timeout_seconds: float | None = None,
        on_progress: Callable[[Evaluation], None] | None = None,
    ) -> Evaluation:
        """Wait until an evaluation has its metrics; like `wait_for_model`.

        Raises:
            EvaluationFailed: the evaluation ended without a result.
            WaitTimedOut: the timeout passed, but the evaluation continues.
        """
        what = f"evaluation {name!r} of model {model_name!r}"
        evaluation = self._wait(lambda: self.get_evaluation(model_name, name), what, timeout_seconds, on_progress)
        if evaluation.status is EvaluationStatus.FAILED:
            raise EvaluationFailed(evaluation)
        return evaluation


def _paths(model_name: str) -> str:
    return f"/models/{segment(model_name)}/evaluations"


def _path(model_name: str, name: str) -> str:
    return f"{_paths(model_name)}/{segment(name)}"
