"""The sample dataset for detection: tight boxes, the same everywhere, valid COCO. The objects are shapes, drawn here."""

import json
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
from PIL import Image, ImageDraw

from examples import detection
from examples.backdrops import cloth, concrete, grass, lying, marble, noise, plaster, shelves, tiles, wood
from examples.detection import HEIGHT, PARTS, PICTURES, TAGS, WIDTH, SamplesError, document, fractions, scene, write_dataset
from examples.scenes import VISIBLE_SHARE, Canvas, Placed, posed
from toolchain.places import find_places
from toolchain.programs.npm_package import unpack
from toolchain.samples import FLUENT_EMOJI
from vision_customization.contract.coco.rules import check_coco
from vision_customization.contract.enums import AnnotationKind

FEW = {"train.json": replace(PARTS["train.json"], images=15), "test.json": replace(PARTS["test.json"], images=6)}


def shape(colour: str, size: tuple[int, int] = (40, 60)) -> Image.Image:
    """An ellipse with a transparent margin."""
    image = Image.new("RGBA", (100, 100))
    ImageDraw.Draw(image).ellipse((20, 10, 20 + size[0] - 1, 10 + size[1] - 1), fill=colour)
    return image


@pytest.fixture(scope="module")
def pictures() -> dict[str, Image.Image]:
    return {code: shape(f"hsl({number * 13}, 80%, 50%)") for number, code in enumerate(PICTURES)}


@pytest.fixture
def canvas() -> Canvas:
    return Canvas(np.full((100, 100, 3), 200, np.float32))


def opaque(width: int, height: int) -> Image.Image:
    return Image.new("RGBA", (width, height), "red")


@pytest.mark.parametrize(
    ("left", "top", "box"),
    [
        (10, 20, (10, 20, 30, 40)),
        (-10, -5, (0, 0, 20, 35)),  # partly out of the picture
        (80, 20, (80, 20, 20, 40)),
    ],
)
def test_a_box_is_what_is_seen(canvas: Canvas, left: int, top: int, box: tuple[int, int, int, int]) -> None:
    assert canvas.place("a", opaque(30, 40), left, top, standing=False)
    assert canvas.placed() == [Placed("a", box)]


@pytest.mark.parametrize(("left", "top"), [(-15, 0), (0, -20), (200, 0), (-40, -40), (0, 90)])
def test_what_is_mostly_out_of_the_picture_is_not_placed(canvas: Canvas, left: int, top: int) -> None:
    before = canvas.picture.copy()
    assert not canvas.place("a", opaque(30, 40), left, top, standing=True)
    assert canvas.placed() == []
    assert (canvas.picture == before).all()


def test_an_object_hides_a_part_of_another_and_no_more(canvas: Canvas) -> None:
    assert canvas.place("below", opaque(40, 40), 10, 10, standing=False)
    assert not canvas.place("above", opaque(40, 40), 20, 10, standing=False)
    assert canvas.place("above", opaque(40, 40), 35, 10, standing=False)
    # The second time it is what is already hidden that counts.
    assert not canvas.place("third", opaque(40, 40), -5, 10, standing=False)
    assert canvas.placed() == [Placed("below", (10, 10, 25, 40)), Placed("above", (35, 10, 40, 40))]


def test_a_pose_has_no_margin() -> None:
    for number in range(10):
        posed_image = posed(Random(number), shape("red"), 50, 40, 0.3)
        assert max(posed_image.size) == 50
        alpha = np.asarray(posed_image.getchannel("A")) > 40
        assert alpha.any(axis=0)[[0, -1]].all()
        assert alpha.any(axis=1)[[0, -1]].all()


@pytest.mark.parametrize("surface", [plaster, wood, grass, marble, cloth, concrete, tiles])
def test_a_surface_fills_the_picture(surface: detection.DrawBackdrop) -> None:
    for backdrop in (
        lying(Random("a"), 320, 240, surface),  # type: ignore[arg-type]
        shelves(Random("a"), 320, 240, surface, None),  # type: ignore[arg-type]
    ):
        assert backdrop.picture.shape == (240, 320, 3)
        assert backdrop.picture.dtype == np.float32
        assert np.isfinite(backdrop.picture).all()
        assert all(0 < board < 240 for board in backdrop.boards)


def test_noise_is_the_same_for_the_same_random_numbers() -> None:
    first, second = (noise(Random("a"), 50, 40, (20, 20)) for _ in range(2))
    assert (first == second).all()
    assert -1 <= first.min() < 0 < first.max() <= 1


def test_a_box_never_leaves_the_image() -> None:
    for whole in (640, 480, 333):
        for start in range(whole):
            left, _, width, _ = fractions((start, 0, whole - start, 1), whole, 1)
            assert left + width <= 1
            assert width == pytest.approx((whole - start) / whole)


def test_document_is_coco() -> None:
    placed = [Placed("milk", (64, 48, 320, 240)), Placed("", (0, 0, 9, 9)), Placed("apple", (0, 0, 640, 480))]
    made = document([("images/a.jpg", []), ("images/b.jpg", placed)])
    assert made["images"][1] == {"id": 2, "width": WIDTH, "height": HEIGHT, "file_name": "images/b.jpg"}
    assert made["annotations"] == [
        {"id": 1, "image_id": 2, "category_id": list(TAGS).index("milk") + 1, "bbox": [0.1, 0.1, 0.5, 0.5]},
        {"id": 2, "image_id": 2, "category_id": 1, "bbox": [0.0, 0.0, 1.0, 1.0]},
    ]


def test_write_dataset(pictures: dict[str, Image.Image], tmp_path: Path) -> None:
    assert [file.name for file in write_dataset(pictures, tmp_path, FEW)] == ["train.json", "test.json"]
    for name, part in FEW.items():
        made = json.loads((tmp_path / name).read_text())
        _, violations = check_coco(made, name, AnnotationKind.IMAGE_OBJECT_DETECTION)
        assert violations == []
        assert len(made["images"]) == part.images
        labelled = {annotation["image_id"] for annotation in made["annotations"]}
        assert {image["id"] for image in made["images"]} - labelled == ({15} if name == "train.json" else set())
        for image in made["images"]:
            with Image.open(tmp_path / image["file_name"]) as file:
                assert file.size == (WIDTH, HEIGHT)


def test_a_scene_does_not_depend_on_the_others(pictures: dict[str, Image.Image]) -> None:
    part = PARTS["test.json"]
    assert scene("test.json", part, 3, pictures) == scene("test.json", replace(part, images=3), 3, pictures)
    assert scene("test.json", part, 3, pictures) != scene("train.json", part, 3, pictures)


def test_a_scene_without_tags_has_none(pictures: dict[str, Image.Image]) -> None:
    for number, kinds in ((15, {""}), (30, set())):
        _, placed = scene("train.json", PARTS["train.json"], number, pictures)
        assert {found.tag for found in placed} == kinds


def test_test_scenes_have_backdrops_of_their_own() -> None:
    def surfaces(name: str) -> set[object]:
        return {(part.keywords.get("surface"), part.keywords.get("board", ...)) for part in PARTS[name].backdrops}  # type: ignore[attr-defined]

    assert len(surfaces("test.json") - surfaces("train.json")) > len(surfaces("test.json") & surfaces("train.json"))


def test_what_was_changed_is_left_alone(pictures: dict[str, Image.Image], tmp_path: Path) -> None:
    one = {"train.json": replace(PARTS["train.json"], images=1)}
    write_dataset(pictures, tmp_path, one)
    (tmp_path / "train.json").write_text("{}")
    assert write_dataset(pictures, tmp_path, one) == []
    assert (tmp_path / "train.json").read_text() == "{}"
    assert len(write_dataset(pictures, tmp_path, one, overwrite=True)) == 1


def test_main(
    pictures: dict[str, Image.Image], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(detection.write_dataset, "__defaults__", (FEW,))
    (tmp_path / "objects").mkdir()
    for code, picture in pictures.items():
        picture.save(tmp_path / "objects" / f"{code}.webp", lossless=True)
    assert detection.main(["--to", str(tmp_path)]) == 0
    assert "15 images with" in capsys.readouterr().out


@pytest.mark.parametrize(("data", "said"), [(None, "is missing. Run `make setup"), (b"no image", "can't be read as an image")])
def test_a_picture_that_can_not_be_read_is_a_clear_error(
    data: bytes | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if data is not None:
        (tmp_path / f"{PICTURES[0]}.webp").write_bytes(data)
    with pytest.raises(SamplesError, match=said):
        detection.read_pictures(tmp_path)
    assert detection.main(["--to", str(tmp_path / "nowhere"), "--from", str(tmp_path)]) == 1
    assert f"{PICTURES[0]}.webp" in capsys.readouterr().err


def test_set_up_gets_the_pictures_that_are_drawn() -> None:
    assert {Path(file).stem for file in FLUENT_EMOJI.files if file.endswith(".webp")} == set(PICTURES)


@pytest.mark.ci
def test_they_can_be_read() -> None:
    folder = unpack(FLUENT_EMOJI, find_places()) / "assets"
    assert set(detection.read_pictures(folder)) == set(PICTURES)


def test_the_visible_share_is_more_than_half() -> None:
    assert VISIBLE_SHARE > 0.5
