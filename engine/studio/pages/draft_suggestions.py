"""What a trained model would label an image of a draft with: a suggestion that a person accepts, changes or leaves."""

import json

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from vision_customization.contract.enums import AnnotationKind
from vision_customization.contract.errors import ErrorCode
from vision_customization.contract.limits import IMAGE_SIDE_ANALYZE_PX
from vision_customization.engine.api.errors import JSON, ApiError
from vision_customization.engine.api.routes.analyze import WAITING_MAX, Findings
from vision_customization.engine.api.routes.draft_images import found_image
from vision_customization.engine.blobs.reader import Blob, BlobError
from vision_customization.engine.store import DraftImageRecord, DraftRecord, ModelRecord, Store
from vision_customization.engine.studio.draft_contents import draft_of, number_of, readable
from vision_customization.engine.studio.routing import Pages
from vision_customization.engine.studio.visit import Visit

pages = Pages()

READ_SECONDS_MAX = 15.0
CONFIDENCE_LEAST = 0.5
"""From which on an object, or one of several tags, is suggested. Of a classification, the most probable tag always is."""
LABELS_MAX = 200


@pages.get("/drafts/{draft}/images/{number}/suggestion")
async def suggestion(visit: Visit) -> Response:
    """JSON: `model`, and `labels`, each with `tag`, `confidence` and for an object `bbox`, the most confident first. There are
    none where the model finds nothing; `model` is null where none could answer for the image."""
    draft, model, data = await run_in_threadpool(_asked, visit)
    if model is None:
        return visit.json({"model": None, "labels": []})
    analyzer = visit.parts.analyzer
    with analyzer.waiting.seat(WAITING_MAX):
        text = await analyzer.answer(model.name, None, data, lambda findings: _text(draft, model.name, findings), at_work=False)
    return Response(text, media_type=JSON)


def suggesting_model(store: Store, draft: DraftRecord, name: str = "") -> ModelRecord | None:
    """The model of this name, else the newest one that was trained from the draft's dataset or base and can answer for its
    images. Raises NotFound for a name that no model has."""
    if name:
        model = store.models.find(name)
        return model if draft.annotation_kind in model.model_kind.annotation_kinds else None
    names = dict.fromkeys(name for name in (draft.dataset_name, draft.base_dataset) if name)
    trained = [model for name in names for model in store.models.trained_from(name) if model.progress is not None]
    fitting = (model for model in trained if draft.annotation_kind in model.model_kind.annotation_kinds)
    return max(fitting, key=lambda model: model.created, default=None)


def _asked(visit: Visit) -> tuple[DraftRecord, ModelRecord | None, bytes]:
    """The draft, the model, and the image's bytes if the model can answer for it. Refuses with 502 bytes that can't be read."""
    store, draft = visit.service.store, draft_of(visit)
    image = found_image(store, draft, number_of(visit))
    model = suggesting_model(store, draft, visit.query("model"))
    if model is None or not _fits(image):
        return draft, None, b""
    url = draft.url_of(image.sha256, image.extension)
    access = store.datasets.access(readable(visit, draft, url))
    try:
        blob = access.read(visit.service.blobs, url, limit_seconds=READ_SECONDS_MAX)
    except BlobError as error:
        raise ApiError(502, ErrorCode.FAILED_TO_PROCESS, error.message) from None
    assert isinstance(blob, Blob), "only a read with an etag is answered otherwise"
    return draft, model, blob.data


def _fits(image: DraftImageRecord) -> bool:
    """Whether models analyze images of this size; a training image may be smaller."""
    least, most = IMAGE_SIDE_ANALYZE_PX
    return all(side is None or least <= side <= most for side in (image.width, image.height))


def _text(draft: DraftRecord, model: str, findings: Findings) -> str:
    labels: list[dict[str, object]]
    if draft.annotation_kind is AnnotationKind.IMAGE_OBJECT_DETECTION:
        labels = [
            {
                "tag": found.tags[0].name,
                "confidence": found.tags[0].confidence,
                "bbox": [
                    found.bounding_box.x / findings.width,
                    found.bounding_box.y / findings.height,
                    found.bounding_box.w / findings.width,
                    found.bounding_box.h / findings.height,
                ],
            }
            for found in findings.objects
            if found.tags[0].confidence >= CONFIDENCE_LEAST
        ][:LABELS_MAX]
    else:
        tags = sorted(findings.tags, key=lambda tag: -tag.probability)
        single = draft.annotation_kind is AnnotationKind.IMAGE_CLASSIFICATION
        chosen = tags[:1] if single else [tag for tag in tags if tag.probability >= CONFIDENCE_LEAST]
        labels = [{"tag": tag.name, "confidence": tag.probability} for tag in chosen]
    return json.dumps({"model": model, "labels": labels}, ensure_ascii=False)
