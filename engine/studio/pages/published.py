"""Published names: which model answers under each, its gate, what it answered with before, and the way back."""

from dataclasses import dataclass
from datetime import datetime

from starlette.responses import Response

from vision_customization.contract.gate import METRICS
from vision_customization.contract.owners import owner_of
from vision_customization.contract.published_models import PublishedModelPut
from vision_customization.contract.studio import Role
from vision_customization.contract.texts import name_fault, sentence
from vision_customization.engine.api.errors import invalid
from vision_customization.engine.api.routes.sign_in_codes import KEY_HOLDER
from vision_customization.engine.orders import publish
from vision_customization.engine.store import NotFound, PublicationRecord, PublishedModelRecord
from vision_customization.engine.studio.pages.models import datasets_of, order_of
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
    """A model that a name answered with. `by` says who published it, in words: ``by the Pulumi stack `photos/dev` ``."""

    model_name: str
    available: bool
    published: datetime
    by: str | None

    @classmethod
    def of(cls, record: PublicationRecord) -> "Publication":
        return cls(record.model_name, record.available, record.published, _by(record.published_by))


def _by(who: str | None) -> str | None:
    if who is None:
        return None
    return f"with {who}" if who == KEY_HOLDER else f"by {owner_of(who)}"


@pages.get("/published/{name}")
def published(visit: Visit) -> Response:
    store = visit.service.store
    record = store.published.find(visit.path("name"))
    return visit.render(
        "published.html",
        record=record,
        owner=owner_of(record.managed_by),
        history=[Publication.of(each) for each in store.published.history(record.name)],
        previous=store.published.previous(record.name),
        snippets=_snippets(visit, record),
    )


@pages.post("/models/{name}/publish", role=Role.OWNER)
def publish_model(visit: Visit) -> Response:
    model, name = visit.path("name"), (visit.form.get("new") or visit.form.get("published") or "").strip()
    if fault := name_fault(name):
        raise invalid(f"{sentence(fault)}.", target="name")
    _refuse_declared(visit, name)
    order = PublishedModelPut(model_name=model, require=_gate(visit), evaluation=visit.form.get("evaluation") or None)
    publish(visit.service, name, order, by=visit.who)
    visit.audit("model published", published=name, model=model)
    return visit.redirect(link("published", name))


@pages.post("/published/{name}/roll-back", role=Role.OWNER)
def roll_back(visit: Visit) -> Response:
    """Back to the model before. The gate judges it as any other."""
    name = visit.path("name")
    _refuse_declared(visit, name)
    previous = visit.service.store.published.previous(name)
    if previous is None:
        raise invalid(f"No other model that '{name}' answered with exists any more.")
    publish(visit.service, name, PublishedModelPut(model_name=previous.model_name), by=visit.who)
    visit.audit("rolled back", published=name, model=previous.model_name)
    return visit.redirect(link("published", name))


@pages.post("/published/{name}/unpublish", role=Role.OWNER)
def unpublish(visit: Visit) -> Response:
    name = visit.path("name")
    _refuse_declared(visit, name)
    visit.service.store.published.unpublish(name)
    visit.audit("unpublished", published=name)
    return visit.redirect("/studio/models")


def _gate(visit: Visit) -> dict[str, float] | None:
    """The gate of the form: None to keep the one there is."""
    metric, least = visit.form.get("metric", ""), visit.form.get("least", "").strip().replace(",", ".")
    if not metric or metric not in METRICS:
        return None
    try:
        return {metric: float(least)} if least else {}
    except ValueError:
        raise invalid(f"The gate is a number between 0 and 1, not '{least[:20]}'.", target="require") from None


def _refuse_declared(visit: Visit, name: str) -> None:
    try:
        owner = owner_of(visit.service.store.published.find(name).managed_by)
    except NotFound:
        return
    if owner is not None:
        raise invalid(f"{owner} declares the name '{name}', so it is not changed here. Change the stack's file instead.")


def _snippets(visit: Visit, record: PublishedModelRecord) -> list[Snippet]:
    try:
        model = visit.service.store.models.find(record.model_name)
    except NotFound:
        return [
            commands(visit.origin, vision("models", "list")),
            requests(request(visit.origin, segments("publishedmodels", record.name))),
        ]
    order = order_of(model)
    datasets = datasets_of(visit, order)
    stack = with_versions(visit.service.store, stack_of_model(record.name, record.managed_by), datasets)
    return published_snippets(visit.origin, record.name, record.model_name, order, datasets, record.require, stack)
