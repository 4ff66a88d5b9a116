"""Train: a form that says, while it is filled in, what the training will probably take."""

from dataclasses import dataclass

from pydantic import ValidationError
from starlette.responses import Response

from vision_customization.contract.enums import ContentStatus, ModelKind
from vision_customization.contract.models import EvaluationParameters, ModelCreate, TrainingParameters
from vision_customization.contract.studio import Role
from vision_customization.contract.texts import name_fault, sentence
from vision_customization.contract.training_rules import usual_kind
from vision_customization.contract.training_time import Workload, budget_fault, budget_range_fault, of_budget
from vision_customization.engine.content.current import content_of
from vision_customization.engine.orders import OrderRefused, start_training
from vision_customization.engine.store import DatasetRecord, StoreError, TrainingOrder
from vision_customization.engine.studio.dataset_facts import registered
from vision_customization.engine.studio.model_facts import KINDS
from vision_customization.engine.studio.pages.models import CHOICES, datasets_of, fits
from vision_customization.engine.studio.refusals import in_words
from vision_customization.engine.studio.routing import Pages
from vision_customization.engine.studio.snippets import Snippet
from vision_customization.engine.studio.snippets.models import training_snippets
from vision_customization.engine.studio.version_training import name_of_stack, stack_of_training
from vision_customization.engine.studio.visit import Visit, link

pages = Pages()


@dataclass(frozen=True)
class Order:
    """What a form asks for. `name` is empty until one is given; `kind` is None for one that fits the dataset."""

    name: str
    dataset: str
    kind: ModelKind | None
    hours: int
    test: str

    @classmethod
    def of(cls, fields: dict[str, str]) -> "Order":
        kinds = {kind.value: kind for kind in ModelKind}
        hours = fields.get("hours", "1")
        return cls(
            fields.get("name", "").strip(),
            fields.get("dataset", ""),
            kinds.get(fields.get("kind", "")),
            int(hours) if hours.isdecimal() and len(hours) < 6 else 0,
            fields.get("test", ""),
        )


@pages.get("/train", role=Role.OWNER)
def form(visit: Visit) -> Response:
    return _form(visit, Order.of(dict(visit.request.query_params)))


@pages.get("/train/estimate", role=Role.OWNER, is_polled=True)
def estimate(visit: Visit) -> Response:
    order = Order.of(dict(visit.request.query_params))
    return visit.render("train_estimate.html", **_estimate(visit, order, registered(visit.service, order.dataset)))


@pages.post("/train", role=Role.OWNER)
def train(visit: Visit) -> Response:
    order = Order.of(dict(visit.form))
    if fault := _fault(visit, order):
        return _form(visit, order, fault, status=400)
    parameters = {"training_dataset_name": order.dataset, "time_budget_in_hours": order.hours, "model_kind": order.kind}
    evaluation = EvaluationParameters(test_dataset_name=order.test) if order.test else None
    try:
        body = ModelCreate(training_parameters=TrainingParameters.model_validate(parameters), evaluation_parameters=evaluation)
        start_training(visit.service, order.name, body)
    except ValidationError as error:
        fault = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
        return _form(visit, order, f"{sentence(fault)}.", status=400)
    except (OrderRefused, StoreError) as error:
        return _form(visit, order, in_words(error), status=400)
    visit.audit("training started", model=order.name, dataset=order.dataset)
    return visit.redirect(link("models", order.name))


def _form(visit: Visit, order: Order, message: str | None = None, status: int = 200) -> Response:
    datasets, chosen = visit.service.store.datasets.newest(CHOICES), registered(visit.service, order.dataset)
    kinds = list(ModelKind) if chosen is None else [kind for kind in ModelKind if fits(kind, chosen.annotation_kind)]
    return visit.render(
        "train.html",
        status,
        message=message,
        datasets=[each.name for each in datasets],
        tests=[each.name for each in datasets if each.name != order.dataset and _same_kind(chosen, each)],
        kinds=[(kind.value, KINDS[kind]) for kind in kinds],
        snippets=_snippets(visit, order, chosen),
        **_estimate(visit, order, chosen),
    )


def _same_kind(chosen: DatasetRecord | None, other: DatasetRecord) -> bool:
    return chosen is None or chosen.annotation_kind is other.annotation_kind


def _fault(visit: Visit, order: Order) -> str | None:
    """What the form lacks."""
    if not order.dataset:
        return "Choose a dataset to train from."
    if not order.name:
        return "Give the model a name."
    if fault := name_fault(order.name):
        return f"{sentence(fault)}."
    if order.hours < 1:
        return "The budget is a whole number of hours, at least 1."
    if order.test == order.dataset:
        return "Choose another dataset to judge it on: images that it was trained from say nothing."
    dataset = visit.service.store.datasets.find(order.dataset)
    if fault := budget_range_fault(order.kind or usual_kind(dataset.annotation_kind), order.hours):
        return f"The budget {fault}."
    return None


def _estimate(visit: Visit, order: Order, chosen: DatasetRecord | None) -> dict[str, object]:
    """What the training will probably take, once a worker has counted the dataset's images and tags; and the name that a stack
    would give it."""
    named = {"order": order, "stack_name": _stack_name(visit, order, chosen)}
    index = None if chosen is None else content_of(visit.service, chosen.name)
    counting = index is not None and index.status is not ContentStatus.READY
    if chosen is None or index is None or counting or order.hours < 1:
        return {"told": None, "refused": None, "counting": counting, **named}
    work = Workload(order.kind or usual_kind(chosen.annotation_kind), index.images, index.tags)
    speed = visit.service.store.speeds.get()
    refused = budget_fault(work, order.hours, speed)
    return {"told": of_budget(work, order.hours, speed), "refused": refused, "counting": False, **named}


def _training(order: Order, chosen: DatasetRecord | None) -> TrainingOrder:
    """What is asked for, with what the form still lacks."""
    return TrainingOrder(
        training_dataset_name=order.dataset or "DATASET",
        time_budget_in_hours=max(1, order.hours),
        model_kind=order.kind or (ModelKind.GENERIC_CLASSIFIER if chosen is None else usual_kind(chosen.annotation_kind)),
        test_dataset_name=order.test or None,
    )


def _stack_name(visit: Visit, order: Order, chosen: DatasetRecord | None) -> str | None:
    """The name that a stack would give this training. None if the form's name is one that no stack gives."""
    datasets = [] if chosen is None else [chosen]
    return name_of_stack(visit.service.store, order.name, _training(order, chosen), datasets)


def _snippets(visit: Visit, order: Order, chosen: DatasetRecord | None) -> list[Snippet]:
    training = _training(order, chosen)
    datasets = datasets_of(visit, training)
    stack = stack_of_training(visit.service.store, order.name, None, training, datasets)
    return training_snippets(visit.origin, order.name or "NAME", training, datasets, stack)
