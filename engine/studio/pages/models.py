"""Models: their list, each with its training as it runs, and what can be done with it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import FileResponse, Response

from vision_customization.contract.enums import ModelKind, ModelStatus
from vision_customization.contract.estimates import outlook_text
from vision_customization.contract.evaluations import EvaluationCreate
from vision_customization.contract.gate import METRICS
from vision_customization.contract.models import EvaluationParameters
from vision_customization.contract.owners import owner_of
from vision_customization.contract.studio import Role
from vision_customization.contract.texts import sentence
from vision_customization.engine.api.errors import invalid
from vision_customization.engine.objects.keys import artifact_key, sidecar_key
from vision_customization.engine.objects.store import ObjectNotFound
from vision_customization.engine.orders import cancel_training, delete_model, start_evaluation
from vision_customization.engine.store import DatasetRecord, EvaluationRecord, ModelRecord, TrainingOrder
from vision_customization.engine.studio.dataset_facts import registered
from vision_customization.engine.studio.model_facts import (
    KINDS,
    basis_text,
    main_metric_text,
    metrics_of,
    progress_facts,
    provenance,
    stage_of,
)
from vision_customization.engine.studio.pages.home import ModelCard
from vision_customization.engine.studio.publication_form import NO_GATE, PublicationForm, bound, gate_text
from vision_customization.engine.studio.routing import Pages
from vision_customization.engine.studio.snippets import Snippet
from vision_customization.engine.studio.snippets.models import training_snippets
from vision_customization.engine.studio.snippets.overview import models_snippets
from vision_customization.engine.studio.version_training import name_of_stack, stack_of_training
from vision_customization.engine.studio.visit import Visit, link

pages = Pages()

PAGE = 50
EVALUATIONS_SHOWN = 20
CHOICES = 200
"""Datasets that a form offers."""


@dataclass(frozen=True)
class EvaluationRow:
    """An evaluation as the model's page lists it. `seen` says that the model was trained from the same images."""

    name: str
    dataset: str
    status: str
    told: str | None
    why: str | None
    seen: bool

    @classmethod
    def of(cls, record: EvaluationRecord, model: ModelRecord) -> "EvaluationRow":
        return cls(
            record.name,
            record.test_dataset_name or "",
            record.status.value,
            main_metric_text(record.performance),
            None if record.error is None else record.error.message,
            record.test_dataset_name == model.training_dataset_name,
        )


@pages.get("/models")
def models(visit: Visit) -> Response:
    store = visit.service.store
    skip, first = (visit.number(name, 0, 0, 10_000_000) for name in ("skip", "names"))
    records = store.models.newest(PAGE + 1, skip=skip)
    published = store.published.page(first, PAGE + 1)
    return visit.render(
        "models.html",
        models=[ModelCard.of(record) for record in records[:PAGE]],
        names=store.published.names_of([record.name for record in records[:PAGE]]),
        published=published[:PAGE],
        back=max(0, skip - PAGE) if skip else None,
        more=skip + PAGE if len(records) > PAGE else None,
        names_back=max(0, first - PAGE) if first else None,
        names_more=first + PAGE if len(published) > PAGE else None,
        snippets=models_snippets(visit.origin),
    )


@pages.get("/models/{name}")
def model(visit: Visit) -> Response:
    return model_page(visit)


def model_page(visit: Visit, *, fault: str | None = None, publication_fault: str | None = None) -> Response:
    """The page of the model that the path names.

    Args:
        fault: why the engine refused what the visitor asked for.
        publication_fault: why it refused to publish the model, as the form of the visit asked for.

    Raises NotFound.
    """
    store = visit.service.store
    record = store.models.find(visit.path("name"))
    performance = {} if record.performance is None else record.performance.to_wire()
    evaluations = store.evaluations.newest(record.name, EVALUATIONS_SHOWN)
    return visit.render(
        "model.html",
        record=record,
        kind=KINDS[record.model_kind],
        owner=owner_of(record.managed_by),
        metrics=metrics_of(record.performance),
        basis=basis_text(record.performance, record.test_dataset_name),
        outlook=outlook_text(performance),
        provenance=_provenance(visit, record),
        evaluations=[EvaluationRow.of(each, record) for each in evaluations],
        running=any(not each.status.final for each in evaluations),
        datasets=[each.name for each in store.datasets.newest(CHOICES) if _unfit(record, each) is None],
        published=store.published.names_of([record.name]).get(record.name, []),
        names=[(each.name, gate_text(each.require)) for each in store.published.page(0, CHOICES) if each.managed_by is None],
        gate_metrics=[(metric, bound(metric)) for metric in _gate_metrics(record, evaluations)],
        declared_name=_declared_name(visit, record),
        no_gate=NO_GATE,
        form=PublicationForm.of(visit.form) if publication_fault is not None else PublicationForm(),
        fault=fault,
        publication_fault=publication_fault,
        snippets=_snippets(visit, record),
        **_progress(visit, record),
    )


def refused(visit: Visit, fault: str) -> Response:
    """The model's page again, after it refused to do something with the model."""
    return model_page(visit, fault=fault)


def _gate_metrics(record: ModelRecord, evaluations: Sequence[EvaluationRecord]) -> list[str]:
    """The metrics that a gate can require: those that the model has by itself or in an evaluation."""
    found = [record.performance, *(each.performance for each in evaluations)]
    known = {metric for performance in found if performance is not None for metric in performance.to_wire()}
    return [metric for metric in METRICS if metric in known]


def _unfit(record: ModelRecord, dataset: DatasetRecord) -> str | None:
    """Why the model is not evaluated on a dataset; None if it can be."""
    if dataset.name == record.training_dataset_name:
        return "Choose another dataset: how a model does on images that it was trained from says nothing about new ones."
    if not fits(record.model_kind, dataset.annotation_kind):
        return f"The dataset '{dataset.name}' is of kind {dataset.annotation_kind}, which does not fit a {record.model_kind}."
    return None


def fits(kind: ModelKind, annotation_kind: str) -> bool:
    """Whether a model of this kind can be trained from, and judged on, a dataset of that kind."""
    return annotation_kind in kind.annotation_kinds


@pages.get("/models/{name}/progress", is_polled=True)
def progress(visit: Visit) -> Response:
    """The part of the page about a training that runs. `shown` is the status at the page's head."""
    record = visit.service.store.models.find(visit.path("name"))
    if record.status.final or visit.query("shown") not in ("", record.status.value):
        return Response(status_code=204, headers={"HX-Refresh": "true"})  # the rest of the page has changed, too
    return visit.render("model_progress.html", record=record, **_progress(visit, record))


@pages.get("/models/{name}/evaluations", is_polled=True)
def evaluations(visit: Visit) -> Response:
    name, store = visit.path("name"), visit.service.store
    found = store.evaluations.newest(name, EVALUATIONS_SHOWN)
    rows = [EvaluationRow.of(each, store.models.find(name)) for each in found]
    return visit.render(
        "model_evaluations.html", name=name, evaluations=rows, running=any(not each.status.final for each in found)
    )


@pages.get("/models/{name}/model.onnx")
def file(visit: Visit) -> Response:
    record = visit.service.store.models.find(visit.path("name"))
    if record.artifact is None:
        raise invalid(f"The model '{record.name}' is '{record.status.value}': only one that succeeded has a file.")
    path = visit.service.objects.path(artifact_key(record.id))
    return FileResponse(path, media_type="application/octet-stream", filename=f"{record.name}.onnx")


@pages.post("/models/{name}/cancel", role=Role.OWNER, refused=refused)
def cancel(visit: Visit) -> Response:
    name = visit.path("name")
    _refuse_declared(visit, name, "cancelled")
    cancel_training(visit.service, name)
    visit.audit("training cancelled", model=name)
    return visit.redirect(link("models", name))


@pages.post("/models/{name}/delete", role=Role.OWNER, refused=refused)
def delete(visit: Visit) -> Response:
    name = visit.path("name")
    _refuse_declared(visit, name, "deleted")
    delete_model(visit.service, name, spare_published=True)
    visit.audit("model deleted", model=name)
    return visit.redirect("/studio/models")


@pages.post("/models/{name}/dismiss", role=Role.OWNER)
def dismiss(visit: Visit) -> Response:
    record = visit.service.store.models.find(visit.path("name"))
    visit.service.store.dismissals.add("model", record.id, visit.who)
    visit.audit("failure dismissed", model=record.name)
    return visit.redirect("/studio/")


@pages.post("/models/{name}/evaluate", role=Role.OWNER, refused=refused)
def evaluate(visit: Visit) -> Response:
    name, dataset = visit.path("name"), visit.form.get("dataset", "")
    if fault := _unfit(visit.service.store.models.find(name), visit.service.store.datasets.find(dataset)):
        raise invalid(fault, target="dataset")
    taken = {each.name for each in visit.service.store.evaluations.page(name, 0, 1000)}
    chosen = next(f"{dataset}-{number}" for number in range(1, 1002) if f"{dataset}-{number}" not in taken)
    order = EvaluationCreate(evaluation_parameters=EvaluationParameters(test_dataset_name=dataset))
    start_evaluation(visit.service, name, chosen, order)
    visit.audit("evaluation started", model=name, evaluation=chosen, dataset=dataset)
    return visit.redirect(link("models", name) + "#evaluations")


def _refuse_declared(visit: Visit, name: str, verb: str) -> None:
    owner = owner_of(visit.service.store.models.find(name).managed_by)
    if owner is not None:
        raise invalid(
            f"{sentence(str(owner))} declares the model '{name}', so it is not {verb} here. Change the stack's file instead."
        )


def _progress(visit: Visit, record: ModelRecord) -> dict[str, object]:
    """What the page says of a training that has not ended."""
    told = record.progress
    return {
        "share": 0.0 if told is None else told.share,
        "stage": stage_of(told),
        "facts": [] if told is None else progress_facts(told),
        "waiting": visit.service.store.models.waiting_before(record) if record.status is ModelStatus.NOT_STARTED else 0,
    }


def _provenance(visit: Visit, record: ModelRecord) -> list[tuple[str, str]]:
    if record.status is not ModelStatus.SUCCEEDED:
        return []
    try:
        sidecar: dict[str, Any] = json.loads(visit.service.objects.get(sidecar_key(record.id)))
    except ObjectNotFound:
        return []
    return provenance(sidecar)


def _snippets(visit: Visit, record: ModelRecord) -> list[Snippet]:
    order = order_of(record)
    datasets = datasets_of(visit, order)
    stack = stack_of_training(visit.service.store, record.name, record.managed_by, order, datasets)
    return training_snippets(visit.origin, record.name, order, datasets, stack)


def _declared_name(visit: Visit, record: ModelRecord) -> str | None:
    """The name under which a stack that declares this model takes it over; None if none does, or if one has it already."""
    order = order_of(record)
    name = name_of_stack(visit.service.store, record.name, order, datasets_of(visit, order))
    return record.name.rpartition("-")[0] if name == record.name and record.managed_by is None else None


def order_of(record: ModelRecord) -> TrainingOrder:
    """What the model was trained by."""
    return TrainingOrder(
        training_dataset_name=record.training_dataset_name,
        time_budget_in_hours=record.time_budget_in_hours,
        model_kind=record.model_kind,
        test_dataset_name=record.test_dataset_name,
        tiles=record.tiles,
    )


def datasets_of(visit: Visit, order: TrainingOrder) -> list[DatasetRecord]:
    """Those of its datasets that are registered."""
    names = {order.training_dataset_name, order.test_dataset_name or order.training_dataset_name}
    return [found for name in names if (found := registered(visit.service, name)) is not None]
