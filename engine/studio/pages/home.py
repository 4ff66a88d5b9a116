"""Home: what runs, what failed, the drafts, and the newest models and datasets."""

from dataclasses import dataclass
from datetime import datetime

from starlette.responses import Response

from vision_customization.contract.enums import ModelStatus
from vision_customization.engine.store import ModelRecord
from vision_customization.engine.studio.dataset_facts import KINDS
from vision_customization.engine.studio.model_facts import main_metric_text
from vision_customization.engine.studio.pages.drafts import DraftCard
from vision_customization.engine.studio.routing import Pages
from vision_customization.engine.studio.snippets.overview import overview_snippets
from vision_customization.engine.studio.visit import Visit

pages = Pages()

_SHOWN = 6


@dataclass(frozen=True)
class ModelCard:
    """A model as lists show it. `told` is its main metric, `why` the reason of a failure."""

    name: str
    dataset: str
    status: str
    created: datetime
    updated: datetime
    told: str | None
    share: float
    stage: str
    why: str | None

    @classmethod
    def of(cls, record: ModelRecord) -> "ModelCard":
        progress, performance = record.progress, record.performance
        return cls(
            record.name,
            record.training_dataset_name,
            record.status.value,
            record.created,
            record.updated,
            main_metric_text(performance),
            0.0 if progress is None else progress.share,
            "waits for a worker" if progress is None else progress.message or progress.stage,
            None if record.error is None else record.error.message,
        )


@pages.get("/")
def home(visit: Visit) -> Response:
    store = visit.service.store
    datasets = [
        {"name": record.name, "kind": KINDS[record.annotation_kind], "updated": record.updated}
        for record in store.datasets.newest(_SHOWN)
    ]
    models = [ModelCard.of(record) for record in store.models.newest(_SHOWN)]
    drafts = [DraftCard.of(record) for record in store.drafts.newest(0, _SHOWN)]
    snippets = overview_snippets(visit.origin)
    return visit.render(
        "home.html",
        datasets=datasets,
        models=models,
        drafts=drafts,
        writes=visit.service.studio_container is not None,
        snippets=snippets,
        **_activity(visit),
    )


@pages.get("/activity", is_polled=True)
def activity(visit: Visit) -> Response:
    return visit.render("home_activity.html", **_activity(visit))


def _activity(visit: Visit) -> dict[str, object]:
    models = visit.service.store.models
    running = models.newest(_SHOWN * 4, (ModelStatus.NOT_STARTED, ModelStatus.TRAINING, ModelStatus.CANCELLING))
    failures = models.newest(_SHOWN * 4, (ModelStatus.FAILED,))
    dismissed = visit.service.store.dismissals.of("model", [record.id for record in failures])
    failed = [record for record in failures if record.id not in dismissed][:_SHOWN]
    return {"running": [ModelCard.of(record) for record in running], "failed": [ModelCard.of(record) for record in failed]}
