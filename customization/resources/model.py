"""The Model resource: an image model, trained from a dataset. A change trains a new model beside the old one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import pulumi
from pulumi import dynamic

from vision_customization.common.errors import VisionError
from vision_customization.contract.enums import ModelKind, ModelStatus
from vision_customization.contract.estimates import estimate_text, outlook_text
from vision_customization.contract.gate import Performance
from vision_customization.contract.limits import DECLARED_NAME_MAX_LENGTH
from vision_customization.contract.model_names import is_trained_name, trained_name
from vision_customization.contract.training_rules import kind_mismatch, tiles_fault
from vision_customization.contract.training_time import budget_fault, budget_range_fault, duration
from vision_customization.customization.errors import AlreadyExists, NotFound, TilesIgnored
from vision_customization.customization.resources.connection import CONNECTION_PROPERTIES, Service, client
from vision_customization.customization.resources.dataset import Dataset
from vision_customization.customization.resources.engine_speed import engine_speed
from vision_customization.customization.resources.owner import other_owner, own_model, this_stack
from vision_customization.customization.resources.provider import Properties, VisionProvider, failures, is_known, name_failures
from vision_customization.customization.resources.retraining import estimate, is_estimable, tiles_of, why_retrained, workload
from vision_customization.customization.resources.row import Row, row_urn
from vision_customization.customization.resources.takeover import TAKEN_OVER, is_trained, takeover_line, was_trained_here

if TYPE_CHECKING:
    from vision_customization.contract.evaluations import Evaluation as MeasuredModel
    from vision_customization.contract.models import Model as TrainedModel
    from vision_customization.customization.client.client import VisionClient

GRACE_SECONDS = 600
"""How much longer than the budget to wait for a training: it may queue before, and is evaluated afterwards."""


class NameTaken(VisionError):
    """The service has another model under the name that is to be trained."""


_RETRAINED: set[str] = set()
"""The rows that said in this update why their model is trained again, or that it is taken over."""


class ServiceModelProvider(VisionProvider):
    """The provider of a model on the service, however the service came by it."""

    noun = "model"
    identity = ("endpoint", "model_name")

    def apply(self, olds: Properties, news: Properties) -> Properties:
        if olds.get("managed_by") != news.get("managed_by"):
            own_model(client(news), news["model_name"], news)
        return {**olds, **news}

    def remove(self, properties: Properties) -> None:
        client(properties).end_model(properties["model_name"])


class ModelProvider(ServiceModelProvider):
    inputs = (
        *CONNECTION_PROPERTIES[:2],
        "logical_name",
        "model_kind",
        "training_dataset",
        "training_digest",
        "training_tags",
        "annotation_kind",
        "time_budget_in_hours",
        "tiles",
        "timeout_seconds",
        "model_name",
        "managed_by",
    )

    def check(self, olds: Properties, news: Properties) -> dynamic.CheckResult:
        remedy = "Give this Model another name in the program"
        problems = name_failures("logical_name", news.get("logical_name"), remedy, longest=DECLARED_NAME_MAX_LENGTH)
        kind, annotation_kind = news.get("model_kind"), news.get("annotation_kind")
        if is_known(kind):
            if kind not in list(ModelKind):
                problems += failures("model_kind", [f"'{kind}' is not a model kind; choose from {', '.join(ModelKind)}"])
                return dynamic.CheckResult(news, problems)
            problems += check_kind(ModelKind(kind), annotation_kind, news)
        named_by = ("training_digest", "logical_name", "time_budget_in_hours", "tiles")
        if problems or not is_known(kind, *(news.get(name) for name in named_by)):
            return dynamic.CheckResult(news, problems)
        name = physical_name(news)
        if olds.get("model_name") != name:  # else nothing is trained
            if is_trained(news, name):
                if not olds:
                    say_once(news, TAKEN_OVER)
            elif is_estimable(news):
                problems += check_budget(news, first=not olds)
        return dynamic.CheckResult({**news, "model_name": name}, problems)

    def diff(self, _id: str, olds: Properties, news: Properties) -> dynamic.DiffResult:
        # State written before `tiles` existed has no value for it.
        changed = self.changed({"tiles": 1, **olds}, {"tiles": 1, **news})
        retrains = sorted(changed & {"model_kind", "training_digest", "time_budget_in_hours", "tiles", "model_name"})
        if retrains:
            name = news.get("model_name")
            if name is not None and name != olds.get("model_name") and is_known(name) and is_trained(news, name):
                say_once(news, TAKEN_OVER)
            else:
                _RETRAINED.add(news["row_urn"])
                Row(news["row_urn"]).say(why_retrained(olds, news, engine_speed(news)))
        return self.difference(olds, changed, retrains)

    def create(self, props: Properties) -> dynamic.CreateResult:
        """Train, or resume the training that an interrupted update started."""
        service, name, row = client(props), props["model_name"], Row(props["row_urn"])
        found: TrainedModel | None = None
        try:
            found = service.get_model(name)
            check_trained_here(found)
            if found.status in (ModelStatus.FAILED, ModelStatus.CANCELLED):
                service.delete_model(name)
            elif found.training_parameters.tiles != tiles_of(props):
                raise TilesIgnored(found, tiles_of(props))
        except NotFound:
            pass
        remove_unfinished(service, props, row)
        try:
            service.create_model(
                name,
                training_dataset_name=props["training_dataset"],
                time_budget_in_hours=int(props["time_budget_in_hours"]),
                model_kind=ModelKind(props["model_kind"]),
                tiles=tiles_of(props),
                managed_by=props.get("managed_by"),
            )
        except AlreadyExists:
            row.say(takeover_line(found, props.get("managed_by")))
            own_model(service, name, props)
        model = service.wait_for_model(
            name,
            timeout_seconds=timeout_seconds(props),
            on_progress=lambda model: row.progress(progress_line(model)),
        )
        row.say(outcome_line(model))
        self.keep(props)
        return dynamic.CreateResult(name, {**props, **trained(model)})

    def look(self, properties: Properties) -> Properties:
        model = client(properties).get_model(properties["model_name"])
        return {**trained(model), **other_owner(model.managed_by, properties)}


def check_trained_here(model: TrainedModel) -> None:
    """Raises NameTaken if the model was imported: then another resource owns and deletes it."""
    if not was_trained_here(model):
        raise NameTaken(
            f"model '{model.name}' already exists but was promoted or imported, not trained here. "
            f"Delete it with `vision models delete {model.name}`, or remove it from the stack, run `pulumi up`, add the model "
            "again, and run `pulumi up` again"
        )


def remove_unfinished(service: VisionClient, properties: Mapping[str, Any], row: Row) -> None:
    """Cancel and delete trainings of this resource that interrupted updates started and that are no longer declared. One that
    somebody else started under such a name, as in the Studio, has no owner or another one, and goes on."""
    logical_name, wanted, owner = properties["logical_name"], properties["model_name"], properties.get("managed_by")
    for model in list(service.list_models()):
        if model.name == wanted or model.status.final or not is_trained_name(model.name, logical_name):
            continue
        if model.managed_by == owner:
            row.say(
                f"cancelled the training of {model.name}, which an interrupted update started and this program no longer "
                "declares"
            )
            service.end_model(model.name)


def say_once(properties: Mapping[str, Any], line: str) -> None:
    """Pulumi checks a replacement once more, without its former state, as if it were the first."""
    if is_known(properties["row_urn"]) and properties["row_urn"] not in _RETRAINED:
        _RETRAINED.add(properties["row_urn"])
        Row(properties["row_urn"]).say(line)


def physical_name(properties: Mapping[str, Any]) -> str:
    """The logical name and a short digest of the training's inputs."""
    return trained_name(
        properties["logical_name"],
        model_kind=properties["model_kind"],
        training_digest=properties["training_digest"],
        time_budget_in_hours=properties["time_budget_in_hours"],
        tiles=tiles_of(properties),
    )


def check_kind(kind: ModelKind, annotation_kind: object, properties: Mapping[str, Any]) -> list[dynamic.CheckFailure]:
    """The errors that can be found before anything is uploaded or trained."""
    problems = []
    if is_known(annotation_kind):
        problem = kind_mismatch(kind, str(annotation_kind), **named(properties, "logical_name", "training_dataset"))
        problems += failures("training_dataset", [problem] if problem else [])
    budget = properties.get("time_budget_in_hours")
    if is_known(budget) and (fault := budget_range_fault(kind, float(budget or 0))):
        problems += failures("time_budget_in_hours", [fault])
    tiles = properties.get("tiles", 1)
    if is_known(tiles) and (fault := tiles_fault(kind, tiles)):
        problems += failures("tiles", [fault])
    return problems


def check_budget(properties: Mapping[str, Any], *, first: bool) -> list[dynamic.CheckFailure]:
    """The error if the engine can't train in the budget; it would refuse in the same words. The row of a `first` training says
    how long it takes; that of a retraining does so beside its cause. Pulumi checks a replacement without its former state, as
    if it were the first."""
    speed = engine_speed(properties)
    fault = budget_fault(workload({}, properties), float(properties["time_budget_in_hours"]), speed)
    if first and fault is None and is_known(properties["row_urn"]) and properties["row_urn"] not in _RETRAINED:
        Row(properties["row_urn"]).say(f"trains: {estimate({}, properties, speed)}")
    return failures("time_budget_in_hours", [fault] if fault else [])


def named(properties: Mapping[str, Any], model: str, dataset: str) -> dict[str, str]:
    """The names of model and dataset for a message, taken from these properties as far as a preview knows them."""
    names = {"model": properties.get(model), "dataset": properties.get(dataset)}
    return {noun: f"{noun} '{name}'" for noun, name in names.items() if name is not None and is_known(name)}


def timeout_seconds(properties: Mapping[str, Any]) -> float:
    return float(properties.get("timeout_seconds") or properties["time_budget_in_hours"] * 3600 + GRACE_SECONDS)


def progress_line(model: TrainedModel) -> str:
    progress = model.training_progress
    if progress is None:
        return str(model.status)
    text = f"{progress.stage}: {progress.share:.0%}"
    return f"{text}, {progress.message}" if progress.message else text


def outcome_line(model: TrainedModel) -> str:
    progress, performance = model.training_progress, model.model_performance
    parts = []
    if progress is not None:
        # A detector is trained in steps; it embeds no images.
        work = f"{progress.images_embedded} embedded" if progress.steps is None else f"{progress.steps} steps"
        parts.append(
            f"trained in {duration(progress.seconds)} on {progress.images} images ({progress.images_read} read, {work})"
        )
    wire = performance.to_wire() if performance is not None else {}
    if estimate_said := estimate_text(wire):
        parts.append(f"estimated {estimate_said}")
    if outlook_said := outlook_text(wire):
        parts.append(f"with {outlook_said}")
    return "; ".join(parts) or "trained"


def performance_of(measured: TrainedModel | MeasuredModel) -> Performance:
    """The metrics of a model or of an evaluation; empty if it has not ended."""
    performance = measured.model_performance
    return cast("Performance", performance.to_wire()) if performance is not None else {}


def trained(model: TrainedModel) -> Properties:
    return {
        "status": str(model.status),
        "training_minutes": model.training_cost_in_minutes,
        "performance": performance_of(model) or None,
        "artifact_digest": model.artifact.digest if model.artifact else None,
    }


class ModelResource:
    """A model that can be evaluated and published: a `Model`, or a `PromotedModel`.

    The outputs are declared here and not in those two classes: Pulumi reads a class's own annotations as types to convert to,
    and it can't convert to a TypedDict.
    """

    service: Service
    model_name: pulumi.Output[str]
    model_kind: pulumi.Output[str]
    status: pulumi.Output[str]
    performance: pulumi.Output[Performance]
    """The metrics from the service that trained the model; an `Evaluation` measures them on this one."""
    training_minutes: pulumi.Output[float]
    """The cost of the training, on whichever service it ran."""
    artifact_digest: pulumi.Output[str]
    """SHA-256 of the ONNX file."""


class Model(ModelResource, dynamic.Resource, module="vision", name="Model"):
    """A trained model, on the service that its training dataset is registered with.

    `model_name` is its name on the service: this resource's name and a short digest of the training's inputs. `performance`
    is the service's own estimate on images held out of the training dataset; an `Evaluation` measures it on others. A detector
    with `tiles` of 2 to 4 enlarges each image this many times in both directions.
    """

    annotation_kind: pulumi.Output[str]
    """The kind of its training dataset."""
    training_digest: pulumi.Output[str]
    """The digest of its training dataset."""

    def __init__(
        self,
        name: str,
        *,
        training_dataset: Dataset,
        model_kind: pulumi.Input[str] = ModelKind.GENERIC_CLASSIFIER,
        time_budget_in_hours: pulumi.Input[int] = 1,
        tiles: pulumi.Input[int] = 1,
        timeout_seconds: pulumi.Input[float] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        self.service = training_dataset.service
        super().__init__(
            ModelProvider(),
            name,
            {
                **self.service.properties(),
                "logical_name": name,
                "model_kind": model_kind,
                "training_dataset": training_dataset.dataset_name,
                "training_digest": training_dataset.digest,
                "training_tags": training_dataset.tags,
                "training_images": training_dataset.images,
                "annotation_kind": training_dataset.annotation_kind,
                "time_budget_in_hours": time_budget_in_hours,
                "tiles": tiles,
                "timeout_seconds": timeout_seconds,
                "managed_by": this_stack(),
                "row_urn": row_urn(name, f"pulumi-python:{self._resource_type_name}", opts),
                "model_name": None,
                "status": None,
                "performance": None,
                "training_minutes": None,
                "artifact_digest": None,
            },
            opts,
        )
