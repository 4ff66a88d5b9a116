"""One image of a dataset: its labels, its neighbours, its file, and what models say."""

import re
from html import unescape

import numpy as np
import pytest

from tests.support.api_world import World
from tests.support.coco_content import coco, digest_of, index, read, register, url_of
from tests.support.studio import Browser
from vision_customization.contract.enums import AnnotationKind, ModelKind
from vision_customization.engine.learning.boxes import Detections, LabelledBoxes
from vision_customization.engine.objects.keys import estimate_key, outcomes_key
from vision_customization.engine.outcomes.classified import classified
from vision_customization.engine.outcomes.detected import detected
from vision_customization.engine.outcomes.outcomes import ImageName
from vision_customization.engine.outcomes.stored import put_outcomes
from vision_customization.engine.store import TrainingOrder

NAMES = [f"{number}.jpg" for number in range(6)]
TAGS = ("cat", "dog")


@pytest.fixture
def pets(world: World) -> World:
    register(world.store, "pets", coco({name: [TAGS[number % 2]] for number, name in enumerate(NAMES)}))
    read(world.store, *NAMES)
    return world


def links(text: str) -> dict[str, str]:
    """The ways to other images, by their ids."""
    return {name: unescape(href) for name, href in re.findall(r'id="(before|after|back)"[^>]*href="([^"]+)"', text)}


def name_of(number: int) -> ImageName:
    return ImageName(url_of(NAMES[number]), NAMES[number], digest_of(NAMES[number]))


def estimate(world: World, model: str = "m") -> None:
    """A model that was trained from `pets`; it is sure that image 0, labelled cat, is a dog."""
    order = TrainingOrder(training_dataset_name="pets", time_budget_in_hours=1, model_kind=ModelKind.GENERIC_CLASSIFIER)
    model_id = world.succeed(world.store.models.create(model, order).id)
    labels = np.array([0, 1, 0, 1, 0, 1])
    probabilities = np.array([[0.05, 0.95], [0.1, 0.9], [0.9, 0.1], [0.2, 0.8], [0.8, 0.2], [0.1, 0.9]], np.float32)
    likely = np.array([1, 1, 0, 1, 0, 1])
    names = [name_of(number) for number in range(6)]
    put_outcomes(world.objects, estimate_key(model_id), classified(names, labels, probabilities, TAGS, likely))


@pytest.mark.parametrize(
    ("path", "place", "found"),
    [
        ("0", "1 of 6", {"after": "/studio/datasets/pets/images/1", "back": "/studio/datasets/pets?at=0"}),
        ("5", "6 of 6", {"before": "/studio/datasets/pets/images/4", "back": "/studio/datasets/pets?at=5"}),
        (
            "3?tag=dog&at=1",
            "2 of 3 with the tag “dog”",
            {
                "before": "/studio/datasets/pets/images/1?tag=dog&at=0",
                "after": "/studio/datasets/pets/images/5?tag=dog&at=2",
                "back": "/studio/datasets/pets?tag=dog&at=1",
            },
        ),
        # a filter that does not lead here counts as none
        (
            "2?tag=dog&at=1",
            "3 of 6",
            {
                "before": "/studio/datasets/pets/images/1",
                "after": "/studio/datasets/pets/images/3",
                "back": "/studio/datasets/pets?at=2",
            },
        ),
    ],
)
def test_the_ways_to_other_images(owner: Browser, pets: World, path: str, place: str, found: dict[str, str]) -> None:
    text = owner.get(f"datasets/pets/images/{path}").text
    assert place in text
    assert links(text) == found


def test_what_is_known_of_the_file(owner: Browser, pets: World) -> None:
    text = owner.get("datasets/pets/images/2").text
    for part in ("2.jpg", "640 × 480 px", url_of("2.jpg"), digest_of("2.jpg"), f"/images/2/view?v={digest_of('2.jpg')}"):
        assert part in text
    assert 'href="/studio/datasets/pets?tag=cat"' in text


def test_an_image_that_was_not_read_says_so(owner: Browser, world: World) -> None:
    register(world.store, "pets", coco({"a.jpg": []}))
    text = owner.get("datasets/pets/images/0").text
    assert "the engine has not read this file yet" in text
    assert "This image has no tag" in text
    assert "has no tag, so trainings leave it out" in text, "its problem"
    answer = owner.get("datasets/pets/images/0/answer").text
    assert "The engine has not read this image yet" in answer


def test_boxes_are_for_scripts_and_their_list_for_everybody(owner: Browser, world: World) -> None:
    boxes = [("cup", [0.1, 0.2, 0.3, 0.4])] + [("fork", [0.001 * number, 0.5, 0.1, 0.1]) for number in range(400)]
    register(world.store, "shelf", coco({"a.jpg": boxes}), AnnotationKind.IMAGE_OBJECT_DETECTION)
    text = owner.get("datasets/shelf/images/0").text
    assert "[0.1, 0.2, 0.3, 0.4, " in text
    assert text.count("data-box=") == 300
    assert "and 101 more, which are not drawn" in text
    assert len(text) < 200_000


def test_the_newest_answer_and_a_likely_wrong_label(owner: Browser, pets: World) -> None:
    assert "No model has answered for this dataset&#39;s images yet" in owner.get("datasets/pets/images/0/answer").text
    estimate(pets)
    wrong = unescape(owner.get("datasets/pets/images/0/answer").text)
    assert "judged without having learned from this image" in wrong
    assert ": wrong" in wrong
    assert wrong.index("dog") < wrong.index("cat")
    assert "95 %" in wrong
    assert ": right" in owner.get("datasets/pets/images/1/answer").text
    text = unescape(owner.get("datasets/pets/images/0").text)
    assert "The labels say “cat”" in text
    assert "says “dog”" in text
    assert "Likely wrong label" not in owner.get("datasets/pets/images/1").text


def test_an_evaluation_of_another_model_answers_too(owner: Browser, world: World) -> None:
    register(world.store, "shelf", coco({"a.jpg": [("cup", [0.1, 0.1, 0.2, 0.2])]}), AnnotationKind.IMAGE_OBJECT_DETECTION)
    read(world.store, "a.jpg")
    model_id = world.train_detector("d", ModelKind.GENERIC_DETECTOR)
    evaluation = world.store.evaluations.create("d", "e", test_dataset_name="shelf")
    name = ImageName(url_of("a.jpg"), "a.jpg", digest_of("a.jpg"))
    corners = np.array([[0.1, 0.1, 0.3, 0.3], [0.6, 0.6, 0.8, 0.8]], np.float64)
    truth = LabelledBoxes(corners[:1], np.array([0]))
    found = Detections(corners, np.array([0, 0]), np.array([0.9, 0.8], np.float32))
    put_outcomes(
        world.objects, outcomes_key(model_id, evaluation.id), detected([name], [(1.0, 1.0)], [truth], [found], ["cup"])
    )
    text = unescape(owner.get("datasets/shelf/images/0/answer").text)
    assert "evaluated on this dataset" in text
    assert re.search(r"data-boxes='\[\[0\.1, 0\.1, 0\.2, 0\.2, \d\]", text)


def test_an_image_that_no_model_has_answered_for(owner: Browser, pets: World) -> None:
    estimate(pets)
    pets.store.datasets.update("pets", annotation_file_uris=["https://acct.blob.core.windows.net/c/new.json"])
    index(pets.store, "pets", coco({"new.jpg": ["cat"]}))
    read(pets.store, "new.jpg")
    assert "it was added or changed since" in owner.get("datasets/pets/images/0/answer").text
