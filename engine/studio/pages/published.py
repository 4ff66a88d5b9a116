"""Published names: which model answers under each, its gate, what it answered with before, and the way back."""

from dataclasses import dataclass, replace
from datetime import datetime

from starlette.responses import Response

from vision_customization.contract.owners import owner_of
from vision_customization.contract.published_models import PublishedModelPut
from vision_customization.contract.studio import Role
from vision_customization.contract.texts import sentence
from vision_customization.engine.api.errors import invalid
from vision_customization.engine.api.routes.sign_in_codes import KEY_HOLDER
from vision_customization.engine.orders import publish
from vision_customization.engine.store import EvaluationRecord, NotFound, PublicationRecord, PublishedModelRecord
from vision_customization.engine.studio.pages.models import datasets_of, model_page, order_of
from vision_customization.engine.studio.publication_form import PublicationForm
from vision_customization.engine.studio.routing import Pages
from vision_customization.engine.studio.snippets import Snippet
from vision_customization.engine.studio.snippets.languages import commands, request, requests, segments, vision
from vision_customization.engine.studio.snippets.models import published_snippets
from vision_customization.engine.studio.snippets.stacks import stack_of_model
from vision_customization.engine.studio.version_training import with_versions
from vision_customization.engine.studio.visit import Visit, link

pages = Pages()


@dataclass(frozen=True)
class Publication:
    """A model that a name answered with. `by` says who published it, in words: ``by the Pulumi stack `photos/dev` ``; and
    `evaluation` what its gate judged, if not the model's own metrics."""

    model_name: str
    available: bool
    published: datetime
    by: str | None
    evaluation: str | None

    @classmethod
    def of(cls, record: PublicationRecord) -> "Publication":
        return cls(record.model_name, record.available, record.published, _by(record.published_by), record.evaluation)


def _by(who: str | None) -> str | None:
    if who is None:
        return None
    return f"with {who}" if who == KEY_HOLDER else f"by {owner_of(who)}"


@pages.get("/published/{name}")
def published(visit: Visit) -> Response:
    return _page(visit)


def _page(visit: Visit, fault: str | None = None) -> Response:
    """The page of the name in the path. `fault` is why the engine refused what the visitor asked for. Raises NotFound."""
    store = visit.service.store
    record = store.published.find(visit.path("name"))
    history = store.published.history(record.name)
    return visit.render(
        "published.html",
        record=record,
        owner=owner_of(record.managed_by),
        fault=fault,
        history=[Publication.of(each) for each in history],
        previous=store.published.previous(record.name),
        snippets=_snippets(visit, record, history[0]),
    )


def _form_again(visit: Visit, fault: str) -> Response:
    return model_page(visit, publication_fault=fault)


@pages.post("/models/{name}/publish", role=Role.OWNER, refused=_form_again)
def publish_model(visit: Visit) -> Response:
    model, form = visit.path("name"), PublicationForm.of(visit.form)
    visit.service.store.models.find(model)
    if fault := form.name_fault():
        raise invalid(fault, target="name")
    name = form.name
    _refuse_declared(visit, name)
    if fault := form.gate_fault(is_new=_find(visit, name) is None):
        raise invalid(fault, target="require")
    order = PublishedModelPut(model_name=model, require=form.gate(), evaluation=form.evaluation or None)
    publish(visit.service, name, order, by=visit.who)
    visit.audit("model published", published=name, model=model)
    return visit.redirect(link("published", name))


@pages.post("/published/{name}/roll-back", role=Role.OWNER, refused=_page)
def roll_back(visit: Visit) -> Response:
    """Back to the model before. The gate judges it as any other, by what it judged when that model was published."""
    name = visit.path("name")
    _refuse_declared(visit, name)
    previous = visit.service.store.published.previous(name)
    if previous is None:
        raise invalid(f"No other model that '{name}' answered with exists any more.")
    judged = _judged(visit, previous)
    evaluation = None if judged is None else judged.name
    order = PublishedModelPut(model_name=previous.model_name, evaluation=evaluation)
    publish(visit.service, name, order, by=visit.who)
    visit.audit("rolled back", published=name, model=previous.model_name)
    return visit.redirect(link("published", name))


@pages.post("/published/{name}/unpublish", role=Role.OWNER, refused=_page)
def unpublish(visit: Visit) -> Response:
    name = visit.path("name")
    _refuse_declared(visit, name)
    visit.service.store.published.unpublish(name)
    visit.audit("unpublished", published=name)
    return visit.redirect("/studio/models")


def _judged(visit: Visit, publication: PublicationRecord) -> EvaluationRecord | None:
    """The evaluation that the gate judged; None if that was the model's own metrics, or the evaluation was deleted."""
    if publication.evaluation is None or not publication.available:
        return None
    try:
        return visit.service.store.evaluations.find(publication.model_name, publication.evaluation)
    except NotFound:
        return None


def _find(visit: Visit, name: str) -> PublishedModelRecord | None:
    try:
        return visit.service.store.published.find(name)
    except NotFound:
        return None


def _refuse_declared(visit: Visit, name: str) -> None:
    found = _find(visit, name)
    owner = None if found is None else owner_of(found.managed_by)
    if owner is not None:
        raise invalid(
            f"{sentence(str(owner))} declares the name '{name}', so it is not changed here. Change the stack's file instead."
        )


def _snippets(visit: Visit, record: PublishedModelRecord, publication: PublicationRecord) -> list[Snippet]:
    try:
        model = visit.service.store.models.find(record.model_name)
    except NotFound:
        return [
            commands(visit.origin, vision("models", "list")),
            requests(request(visit.origin, segments("publishedmodels", record.name))),
        ]
    order, judged = order_of(model), _judged(visit, publication)
    if judged is not None:
        order = replace(order, test_dataset_name=judged.test_dataset_name)
    datasets = datasets_of(visit, order)
    return published_snippets(
        visit.origin,
        record.name,
        record.model_name,
        order,
        datasets,
        record.require,
        with_versions(visit.service.store, stack_of_model(record.name, record.managed_by), datasets),
        None if judged is None else judged.name,
    )
