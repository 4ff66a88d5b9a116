"""Try it out: what a model finds in a picture of the visitor's. The engine keeps neither the picture nor the answer, unless the
visitor adds the picture to a draft (`try_draft`)."""

import json
from dataclasses import asdict, dataclass

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from vision_customization.contract.analysis import DetectedObject
from vision_customization.contract.enums import ModelKind, ModelStatus
from vision_customization.contract.limits import API_VERSION, IMAGE_BYTES_MAX, NOVEL
from vision_customization.contract.products import MatchedPosition, PlanogramMatch, PlanogramMatchResult
from vision_customization.contract.studio import Role
from vision_customization.engine.api.bodies.image import WaitingRoom, read_image
from vision_customization.engine.api.bodies.json import JSON_BYTES_MAX, parse, read_body
from vision_customization.engine.api.collaborators import Service
from vision_customization.engine.api.errors import JSON, ApiError, invalid
from vision_customization.engine.api.routes.analyze import WAITING_MAX, Findings, trained_model
from vision_customization.engine.api.routes.outcomes import kept_of_model
from vision_customization.engine.models.answers import CONFIDENCE_LEAST
from vision_customization.engine.products.planogram import (
    PlanogramError,
    ShelfComparison,
    ShelfPosition,
    compare_with_planogram,
)
from vision_customization.engine.products.recognition import recognized
from vision_customization.engine.studio.model_facts import KINDS, main_metric_text
from vision_customization.engine.studio.routing import Pages
from vision_customization.engine.studio.snippets import Snippet
from vision_customization.engine.studio.snippets.analyze import Picture, analyze_snippets
from vision_customization.engine.studio.visit import Visit, link

pages = Pages()

LISTED_MAX = 200
"""How many published names, and how many models, there are to choose from. A link to this page may name any."""

THRESHOLD = 0.5
"""From which confidence on objects are shown, if the model has no threshold of its own."""

URL_LENGTH_MAX = 4096

_matching = WaitingRoom()
"""A planogram may take seconds: one at a time."""


@dataclass(frozen=True)
class Tried:
    """The model that answers. It is asked for by `name`, which may be a published one.

    `threshold` is the confidence from which on a detector's objects are shown; `own_threshold` says that the model's own
    outcomes gave it.
    """

    name: str
    model: str
    kind: str
    kind_text: str
    trained_from: str
    metric: str | None
    page: str
    threshold: float | None
    own_threshold: bool
    snippets: list[Snippet]


@pages.get("/try")
def try_out(visit: Visit) -> Response:
    store = visit.service.store
    published = [record.name for record in store.published.page(0, LISTED_MAX)]
    models = [record.name for record in store.models.newest(LISTED_MAX, (ModelStatus.SUCCEEDED,))]
    name = visit.query("model") or next(iter([*published, *models]), "")
    tried, problem, status = None, None, 200
    if name:
        try:
            tried = _tried(visit, name)
        except ApiError as error:
            problem, status = str(error), error.status
    if tried is not None and name not in (*published, *models):
        models.append(name)
    return visit.render(
        "try.html",
        status,
        published=published,
        models=models,
        tried=None if tried is None else asdict(tried),
        problem=problem,
        limits={"bytes": IMAGE_BYTES_MAX, "novel": NOVEL, "confidence": CONFIDENCE_LEAST},
    )


@pages.get("/try/model")
def model(visit: Visit) -> Response:
    """Another model, for a page that keeps its results."""
    return visit.json(asdict(_tried(visit, asked(visit))))


@pages.post("/try", role=Role.READER, takes_uploads=True)
async def analyze(visit: Visit) -> Response:
    """What `imageanalysis:analyze` answers, for a body that it takes."""
    name, analyzer = asked(visit), visit.parts.analyzer
    with analyzer.waiting.seat(WAITING_MAX):
        url, image = await read_image(visit.request)
        return Response(await analyzer.custom(name, url, image, API_VERSION, at_work=False), media_type=JSON)


@pages.post("/try/products", role=Role.READER, takes_uploads=True)
async def recognize(visit: Visit) -> Response:
    """The result of a product recognition run, at once and without a run."""
    name, analyzer = asked(visit), visit.parts.analyzer
    await run_in_threadpool(_check_recognizing, visit.service, name)
    with analyzer.waiting.seat(WAITING_MAX):
        url, image = await read_image(visit.request)
        return Response(await analyzer.answer(name, url, image, _products_text, at_work=False), media_type=JSON)


@pages.post("/try/planogram", role=Role.READER, takes_uploads=True)
async def match(visit: Visit) -> Response:
    """What `planogramcompliance:match` answers, for a body that it takes, and all positions beside it."""
    body = await read_body(visit.request, JSON_BYTES_MAX)
    with _matching.seat(1):
        return Response(await run_in_threadpool(_matched_text, body), media_type=JSON)


@pages.post("/try/code", role=Role.READER)
def code(visit: Visit) -> Response:
    """The Code of one result. The picture's address comes in the body, so that no log has it."""
    name, url = visit.form.get("model", ""), visit.form.get("url", "")
    if url and (not url.lower().startswith(("http://", "https://")) or len(url) > URL_LENGTH_MAX):
        message = f"url: expected an address of http:// or https://, of at most {URL_LENGTH_MAX:,} characters."
        raise invalid(message, target="url")
    kind = trained_model(visit.service, name).model_kind
    picture, threshold = Picture.of(visit.form.get("file", ""), url), _share(visit.form.get("threshold", ""))
    return visit.json({"snippets": analyze_snippets(visit.origin, name, kind, picture, threshold)})


def asked(visit: Visit) -> str:
    """The query's `model`. Refuses with 400 if there is none."""
    name = visit.query("model")
    if not name:
        raise invalid("`model` is missing: name a model that has succeeded, or a published name.", target="model")
    return name


def _check_recognizing(service: Service, name: str) -> None:
    trained_model(service, name)  # first: a name may have any characters here, also those that a database refuses
    service.store.runs.check_recognizing(name)


def _tried(visit: Visit, name: str) -> Tried:
    """Refuses an unknown model with 404, and one that has not succeeded with 400."""
    answering = trained_model(visit.service, name)
    record, kind = visit.service.store.models.find(answering.name), answering.model_kind
    own = None if kind is ModelKind.GENERIC_CLASSIFIER else _own_threshold(visit, answering.name)
    threshold = None if kind is ModelKind.GENERIC_CLASSIFIER else own or THRESHOLD
    return Tried(
        name,
        answering.name,
        kind.value,
        KINDS[kind],
        record.training_dataset_name,
        main_metric_text(record.performance),
        link("models", answering.name),
        threshold,
        own is not None,
        analyze_snippets(visit.origin, name, kind, threshold=threshold),
    )


def _own_threshold(visit: Visit, model_name: str) -> float | None:
    try:
        with kept_of_model(visit.service, model_name).asked() as (judge, key):
            return judge.open(key).threshold
    except ApiError:  # it has no outcomes
        return None


def _share(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value <= 1 else None


def _products_text(findings: Findings) -> str:
    result = recognized(findings.objects, findings.width, findings.height)
    return json.dumps(result.to_wire(), ensure_ascii=False, separators=(",", ":"))


def _matched_text(body: bytes | None) -> str:
    asked = parse(PlanogramMatch, body)
    try:
        compared = compare_with_planogram(asked.planogram, asked.detected_products)
    except PlanogramError as error:
        raise invalid(str(error), target=error.target) from None
    return json.dumps(_matched(compared), ensure_ascii=False, separators=(",", ":"))


def _matched(compared: ShelfComparison) -> dict[str, object]:
    """The contract's reply; each position with its place on the photo, and the ids of the products there; the others' ids."""
    found = [
        MatchedPosition(position_id=position.id, detected_object=position.found)
        for position in compared.positions
        if position.found is not None
    ]
    return {
        **PlanogramMatchResult(matching_result_per_position=found).to_wire(),
        "positions": [_position(position) for position in compared.positions],
        "extra": [product.id for product in compared.extra],
    }


def _position(position: ShelfPosition) -> dict[str, object]:
    place = position.place_xywh
    return {
        "id": position.id,
        "name": position.name,
        "place": None if place is None else dict(zip("xywh", (round(value, 1) for value in place), strict=True)),
        "found": _id(position.found),
        "instead": _id(position.instead),
    }


def _id(product: DetectedObject | None) -> str | None:
    return None if product is None else product.id
