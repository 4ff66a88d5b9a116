"""What is pictured of a stack, where the pictures go, and how small they are."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from toolchain.browser.studio_pictures import HEIGHT_MAX, chosen_views, folder_of, main, planogram_of, shrink, subjects_of
from toolchain.browser.studio_views import VIEWS
from toolchain.errors import ToolchainError
from toolchain.places import Places

COCO = {
    "images": [{"id": 7, "width": 200, "height": 100, "file_name": "images/a.jpg"}],
    "categories": [{"id": 1, "name": "tea"}, {"id": 2, "name": "milk"}],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 1, "bbox": [0.1, 0.2, 0.1, 0.5]},
        {"id": 2, "image_id": 7, "category_id": 1, "bbox": [0.3, 0.2, 0.1, 0.5]},
        {"id": 3, "image_id": 7, "category_id": 2, "bbox": [0.5, 0.2, 0.2, 0.6]},
        {"id": 4, "image_id": 8, "category_id": 2, "bbox": [0, 0, 1, 1]},
    ],
}
OUTPUTS: dict[str, Any] = {
    "datasets": {"a-train": {"name": "a-train"}, "a-test": {"name": "a-test"}},
    "models": {"a": {"name": "a-1", "publishedName": "a"}},
}


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """A checkout with one stack, of objects, and its images' annotations."""
    datasets = {
        f"a-{part}": {"annotationKind": "imageObjectDetection", "annotationFiles": [f"{part}.json"], "source": "a"}
        for part in ("train", "test")
    }
    models = {"a": {"trainingDataset": "a-train", "evaluationDataset": "a-test"}}
    config = {f"vision-customization:{name}": value for name, value in {"datasets": datasets, "models": models}.items()}
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks" / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": config}))
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "test.json").write_text(json.dumps(COCO))
    return Places(checkout=tmp_path, cache=tmp_path / "cache")


def test_the_subjects_of_a_stack(places: Places) -> None:
    found = subjects_of(places, "dev", OUTPUTS)
    assert (found.train, found.test, found.model, found.published, found.tag) == ("a-train", "a-test", "a-1", "a", "tea")
    assert found.picture == places.checkout / "a" / "images" / "a.jpg"
    assert json.loads(found.planogram)["width"] == 200


@pytest.mark.parametrize("models", [{}, {"a": {"name": "a-1"}}])
def test_a_stack_without_a_published_model_is_refused(places: Places, models: dict[str, Any]) -> None:
    with pytest.raises(ToolchainError, match="no model that is evaluated"):
        subjects_of(places, "dev", {**OUTPUTS, "models": models})


def test_the_planogram_differs_from_the_labels_in_three_places() -> None:
    plan = json.loads(planogram_of(COCO, "a/images/a.jpg"))
    assert [(each["name"], each["w"], each["h"]) for each in plan["products"]] == [("tea", 20, 50), ("milk", 40, 60)]
    placed = [(each["productId"], each["x"], each["y"]) for each in plan["positions"]]
    # The first tea is not planned, tea and milk have changed places, and a tea is planned in the upper left.
    assert placed == [("milk", 60, 20), ("tea", 100, 20), ("tea", 0, 0)]


@pytest.mark.parametrize(("stack", "folder"), [("detection", "docs/studio"), ("local", ".vision/screenshots/local")])
def test_only_drawn_images_are_committed(places: Places, stack: str, folder: str) -> None:
    assert folder_of(places, stack) == places.checkout / folder


def test_pictures_are_cut_and_have_a_palette(tmp_path: Path) -> None:
    file = tmp_path / "home-light-narrow.png"
    Image.new("RGB", (390, 5000), "teal").save(file)
    shrink(file)
    with Image.open(file) as shrunk:
        assert (shrunk.size, shrunk.mode) == ((390, HEIGHT_MAX["narrow"]), "P")


def test_views_are_chosen_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert chosen_views([]) == list(VIEWS)
    assert [view.name for view in chosen_views(["judge", "home"])] == ["home", "judge"]
    assert main(["--stack", "detection", "no-such-view"]) == 2
    assert "No view is called no-such-view. Choose from sign-in" in capsys.readouterr().err


def test_a_stack_that_is_not_local_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--stack", "prod"]) == 2
    assert "prod is not a local stack" in capsys.readouterr().err
