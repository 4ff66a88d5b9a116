"""What a model suggests for an image of a draft."""

import pytest

from tests.support.api_world import World, image_bytes
from tests.support.studio import Browser
from vision_customization.contract.enums import AnnotationKind, ModelKind
from vision_customization.contract.models import TrainingProgress
from vision_customization.engine.store import TrainingOrder
from vision_customization.engine.store.draft_records import NewDraftImage

ONE, SEVERAL, OBJECTS = (
    AnnotationKind.IMAGE_CLASSIFICATION,
    AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION,
    AnnotationKind.IMAGE_OBJECT_DETECTION,
)


def draft(world: World, kind: AnnotationKind) -> None:
    """A draft `d` of the dataset `pets`, with a picture of 60 × 80 pixels in the container."""
    world.store.drafts.create("d", kind, "pets", world.container.url, "ada")
    world.store.drafts.add("d", [NewDraftImage(f"{1:064x}", ".png", "1.png", 60, 80)], "ada")
    world.blobs.content[f"{world.container.url}/images/{1:064x}.png"] = image_bytes()


def train(world: World, name: str, kind: ModelKind, dataset: str = "pets") -> None:
    model = world.store.models.create(
        name, TrainingOrder(training_dataset_name=dataset, time_budget_in_hours=1, model_kind=kind)
    )
    world.store.models.begin(model.id)
    world.store.models.report_progress(model.id, TrainingProgress(stage="learning", share=1, images=2, seconds=1))
    world.succeed(model.id)


@pytest.mark.parametrize(
    ("kind", "model", "labels"),
    [
        (ONE, ModelKind.GENERIC_CLASSIFIER, [{"tag": "dög", "confidence": 0.625}]),
        (SEVERAL, ModelKind.GENERIC_CLASSIFIER, [{"tag": "dög", "confidence": 0.625}]),
        (OBJECTS, ModelKind.GENERIC_DETECTOR, [{"tag": "dög", "confidence": 0.625, "bbox": [1 / 60, 2 / 80, 0.5, 0.5]}]),
    ],
)
def test_the_newest_model_of_the_dataset_suggests(
    owner: Browser, world: World, kind: AnnotationKind, model: ModelKind, labels: list[object]
) -> None:
    draft(world, kind)
    path = "drafts/d/images/0/suggestion"
    assert owner.get(path).json() == {"model": None, "labels": []}
    other = ModelKind.GENERIC_DETECTOR if model is ModelKind.GENERIC_CLASSIFIER else ModelKind.GENERIC_CLASSIFIER
    train(world, "first", model)
    train(world, "newest", model)
    train(world, "of-another-kind", other)
    train(world, "of-another-dataset", model, "cats")
    assert owner.get(path).json() == {"model": "newest", "labels": labels}
    assert owner.get(f"{path}?model=first").json()["model"] == "first"
    assert owner.get(f"{path}?model=of-another-kind").json()["model"] is None
    assert owner.get(f"{path}?model=no", accept="application/json").status_code == 404


def test_a_suggestion_is_no_call_of_the_models_users(owner: Browser, world: World) -> None:
    draft(world, ONE)
    train(world, "m", ModelKind.GENERIC_CLASSIFIER)
    world.models.novelty = 1.0
    assert owner.get("drafts/d/images/0/suggestion").json()["model"] == "m"
    assert 'vision_engine_novel_images_total{model="m"}' not in world.call("GET", "/metrics", version=None).text


def test_an_image_that_can_not_be_read(owner: Browser, world: World) -> None:
    draft(world, ONE)
    train(world, "m", ModelKind.GENERIC_CLASSIFIER)
    world.blobs.content.clear()
    assert owner.get("drafts/d/images/0/suggestion", accept="application/json").status_code == 502
