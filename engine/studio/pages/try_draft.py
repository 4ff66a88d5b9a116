"""Add to a draft: where a picture that was tried can go. The page's script then sends the picture as an import does."""

from starlette.responses import Response

from vision_customization.contract.enums import AnnotationKind
from vision_customization.contract.studio import Role
from vision_customization.engine.api.routes.analyze import trained_model
from vision_customization.engine.studio.dataset_facts import registered
from vision_customization.engine.studio.draft_facts import closed_because
from vision_customization.engine.studio.pages.try_out import asked
from vision_customization.engine.studio.routing import Pages
from vision_customization.engine.studio.visit import Visit

pages = Pages()

DRAFTS_MAX = 100
"""Drafts that there are to choose from: those changed last."""


@pages.get("/try/drafts", role=Role.LABELER)
def drafts(visit: Visit) -> Response:
    """JSON: the `drafts` whose images the `model` can label, each with `name`, `dataset` and `images`. `base` is the dataset
    that it was trained from, of which a new draft can begin, and `kind` is that of a new draft without images. `closed` says
    why nothing can be added; empty if it can."""
    store = visit.service.store
    model = store.models.find(trained_model(visit.service, asked(visit)).name)
    kinds, container = model.model_kind.annotation_kinds, visit.service.studio_container
    found = [] if container is None else store.drafts.newest(0, DRAFTS_MAX, kinds=kinds, container=container.url)
    dataset = registered(visit.service, model.training_dataset_name)
    base = dataset if dataset is not None and dataset.annotation_kind in kinds else None
    kind: AnnotationKind = kinds[0] if base is None else base.annotation_kind
    return visit.json(
        {
            "model": model.name,
            "drafts": [{"name": each.name, "dataset": each.dataset_name, "images": each.images} for each in found],
            "base": None if base is None else base.name,
            "kind": kind.value,
            "closed": closed_because(visit),
        }
    )
