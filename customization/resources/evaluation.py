"""The Evaluation resource: a model evaluated on a dataset, and the gate that its metrics must pass."""

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi import dynamic

from vision_customization.common.errors import VisionError
from vision_customization.contract.enums import EvaluationStatus, ModelKind
from vision_customization.contract.gate import METRICS, Performance, faults, misses
from vision_customization.contract.limits import DECLARED_NAME_MAX_LENGTH, NAME_DIGEST_LENGTH
from vision_customization.contract.training_rules import kind_mismatch
from vision_customization.customization.errors import AlreadyExists, NotFound
from vision_customization.customization.resources.connection import CONNECTION_PROPERTIES, client
from vision_customization.customization.resources.dataset import Dataset
from vision_customization.customization.resources.kept_manifests import STATE_FOLDER
from vision_customization.customization.resources.model import Model, ModelResource, named, performance_of
from vision_customization.customization.resources.provider import Properties, VisionProvider, failures, is_known, name_failures
from vision_customization.customization.resources.row import Row, row_urn
from vision_customization.customization.resources.training_overlap import overlap

TIMEOUT_SECONDS = 4 * 3600.0
"""A detector with 4 × 4 tiles takes about a second per image on two cores."""


_WARNED: set[tuple[str, str]] = set()
"""The rows that this update has warned of test images that are trained on: Pulumi checks a replacement twice."""


class GateNotPassed(VisionError):
    """A model's metrics do not reach what `require` asks for."""


class EvaluationProvider(VisionProvider):
    noun = "evaluation"
    inputs = (*CONNECTION_PROPERTIES[:2], "model_name", "dataset_name", "dataset_digest", "require", "evaluation_name")
    identity = ("endpoint", "model_name", "evaluation_name")

    def check(self, _olds: Properties, news: Properties) -> dynamic.CheckResult:
        require = news.get("require") or {}
        model_kind, annotation_kind = news.get("model_kind"), news.get("annotation_kind")
        kind = ModelKind(model_kind) if is_known(model_kind) and model_kind in list(ModelKind) else None
        annotated = str(annotation_kind) if annotation_kind is not None and is_known(annotation_kind) else None
        problems = failures("require", faults(require, kind, annotated)) if is_known(require) else []
        if kind is not None and annotated is not None:
            called, trained_from = named(news, "model_name", "dataset_name"), news.get("trained_from")
            problem = kind_mismatch(kind, annotated, trained_from=trained_from if is_known(trained_from) else None, **called)
            problems += failures("dataset", [problem] if problem else [])
        remedy = "Its evaluation is named after the dataset: give the Dataset a shorter `dataset_name`"
        problems += name_failures("dataset_name", news.get("dataset_name"), remedy, longest=DECLARED_NAME_MAX_LENGTH)
        if is_known(news.get("dataset_name"), news.get("dataset_digest")):
            news = {**news, "evaluation_name": f"{news['dataset_name']}-{news['dataset_digest'][:NAME_DIGEST_LENGTH]}"}
            warn_of_overlap(news)
        return dynamic.CheckResult(news, problems)

    def diff(self, _id: str, olds: Properties, news: Properties) -> dynamic.DiffResult:
        """A changed gate is checked against the existing metrics, so the preview already shows the outcome."""
        changed = self.changed(olds, news)
        replaces = sorted(changed & {"model_name", "dataset_name", "dataset_digest"})
        if not replaces and "require" in changed and is_known(news.get("require")):
            for miss in misses(olds["performance"], news.get("require") or {}):
                Row(news["row_urn"]).warn(f"the update will stop at this gate: {miss}")
        return self.difference(olds, changed, replaces)

    def create(self, props: Properties) -> dynamic.CreateResult:
        """Evaluate, or resume an existing evaluation, and check the gate."""
        service, model, name, row = client(props), props["model_name"], props["evaluation_name"], Row(props["row_urn"])
        try:
            if service.get_evaluation(model, name).status is EvaluationStatus.FAILED:
                service.delete_evaluation(model, name)
        except NotFound:
            pass
        try:
            service.create_evaluation(model, name, test_dataset_name=props["dataset_name"])
        except AlreadyExists:
            row.progress("resuming the evaluation that an earlier update started")
        evaluation = service.wait_for_evaluation(
            model,
            name,
            timeout_seconds=TIMEOUT_SECONDS,
            on_progress=lambda evaluation: row.progress(f"evaluating on '{props['dataset_name']}': {evaluation.status}"),
        )
        performance = performance_of(evaluation)
        judge(performance, props)
        row.say(f"on '{props['dataset_name']}': {metrics_line(performance)}")
        self.keep(props)
        return dynamic.CreateResult(f"{model}/{name}", {**props, "performance": performance})

    def apply(self, olds: Properties, news: Properties) -> Properties:
        judge(olds["performance"], news)
        return {**news, "performance": olds["performance"]}

    def look(self, properties: Properties) -> Properties:
        evaluation = client(properties).get_evaluation(properties["model_name"], properties["evaluation_name"])
        return {"performance": performance_of(evaluation)}

    def remove(self, properties: Properties) -> None:
        client(properties).delete_evaluation(properties["model_name"], properties["evaluation_name"])


def warn_of_overlap(properties: Mapping[str, Any]) -> None:
    """Warns on the evaluation's row of test images that the model is trained on."""
    trained_on = properties.get("training_digest")
    if trained_on is None or not is_known(trained_on, properties.get("row_urn")):
        return
    row, warning = (
        properties["row_urn"],
        overlap(trained_on, properties["dataset_digest"], properties["dataset_name"], STATE_FOLDER),
    )
    if warning is not None and (row, warning) not in _WARNED:
        _WARNED.add((row, warning))
        Row(row).warn(warning)


def judge(performance: Mapping[str, Any], properties: Mapping[str, Any]) -> None:
    """Raises GateNotPassed, which stops the update before the model is published."""
    found = misses(performance, properties.get("require") or {})
    if found:
        raise GateNotPassed(
            f"model '{properties['model_name']}' does not pass its gate on dataset '{properties['dataset_name']}': "
            f"{'; '.join(found)}. "
            "The published model stays as it is. Improve the training data, or lower `require`, which needs no training."
        )


def metrics_line(performance: Mapping[str, object]) -> str:
    return ", ".join(f"{metric} {performance[metric]:.3f}" for metric in METRICS if metric in performance)


class EvaluationOutputs:
    """The outputs of an `Evaluation`; in a class of their own for the reason that `ModelResource` explains."""

    performance: pulumi.Output[Performance]
    model_name: pulumi.Output[str]
    dataset_name: pulumi.Output[str]


class Evaluation(EvaluationOutputs, dynamic.Resource, module="vision", name="Evaluation"):
    """A model's metrics on a dataset of the same workspace. A preview warns of images that are in the model's training dataset,
    too, also if they were cropped a little or compressed again: the files of both datasets are compared.

    `require` maps metrics to minimum values (`calibrationECE`: a maximum). If one is missed, the update stops here, and
    resources that depend on the evaluation (a `PublishedModel`) stay as they were.
    """

    def __init__(
        self,
        name: str,
        *,
        model: ModelResource,
        dataset: Dataset,
        require: pulumi.Input[Mapping[str, float]] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(
            EvaluationProvider(),
            name,
            {
                **model.service.properties(),
                "model_name": model.model_name,
                "dataset_name": dataset.dataset_name,
                "dataset_digest": dataset.digest,
                "model_kind": model.model_kind,
                "annotation_kind": dataset.annotation_kind,
                # Only the stack that trained a promoted model knows it: there, the service checks it.
                "trained_from": model.annotation_kind if isinstance(model, Model) else None,
                "training_digest": model.training_digest if isinstance(model, Model) else None,
                "require": require,
                "row_urn": row_urn(name, f"pulumi-python:{self._resource_type_name}", opts),
                "evaluation_name": None,
                "performance": None,
            },
            opts,
        )
