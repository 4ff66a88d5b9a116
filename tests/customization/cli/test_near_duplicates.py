"""Near-duplicate photos on the command line: no split parts them, and `vision check` finds those that a split has separated."""

import io
import json
import re
from pathlib import Path

import pytest
from PIL import Image, features

from tests.customization.cli.ran import Vision
from tests.support.near_copies import drawn, near_copies

PICTURES = 10


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two tags of five pictures each, and each picture four times, cropped a little and compressed another way."""
    for seed in range(PICTURES):
        folder = tmp_path / "photos" / "ab"[seed % 2]
        folder.mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(near_copies(drawn(seed), seed)):
            (folder / f"{seed}-{number}.jpg").write_bytes(data)
    return tmp_path / "photos"


def pictures(file: Path) -> dict[str, int]:
    """How many copies of each picture a COCO file has."""
    found: dict[str, int] = {}
    for image in json.loads(file.read_bytes())["images"]:
        picture = Path(image["file_name"]).name.partition("-")[0]
        found[picture] = found.get(picture, 0) + 1
    return found


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_convert_parts_no_near_duplicates(vision: Vision, photos: Path, seed: int) -> None:
    ran = vision("convert", photos, "--test-share", 0.2, "--seed", seed)
    assert ran.code == 0
    training, testing = pictures(photos / "train.json"), pictures(photos / "test.json")
    assert set(training.values()) == set(testing.values()) == {4}
    assert (len(training), len(testing)) == (8, 2)
    assert re.search("40 images +in 10 groups of near-duplicates stay together", ran.out)
    again = vision("convert", photos, "--test-share", 0.2, "--json").json["remarks"]
    assert [(remark["effect"], remark["count"]) for remark in again] == [("note", 40)]
    assert pictures(photos / "test.json") == testing


def write_coco(folder: Path, name: str, files: dict[str, bytes]) -> Path:
    """Write files of two tags, in turn, and their COCO file."""
    images, annotations = [], []
    for number, (file_name, data) in enumerate(files.items(), start=1):
        (folder / file_name).write_bytes(data)
        with Image.open(io.BytesIO(data)) as image:
            images.append({"id": number, "width": image.width, "height": image.height, "file_name": file_name})
        annotations.append({"id": number, "image_id": number, "category_id": 1 + number % 2})
    categories = [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]
    (folder / name).write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return folder / name


def test_check_finds_pictures_on_both_sides(vision: Vision, tmp_path: Path) -> None:
    copies = [near_copies(drawn(seed), seed) for seed in range(8)]
    training = write_coco(tmp_path, "train.json", {f"{seed}.jpg": copies[seed][0] for seed in range(4)})
    testing = write_coco(
        tmp_path, "test.json", {"x.jpg": copies[2][1], "y.jpg": copies[1][0], "z.jpg": copies[4][0], "w.jpg": copies[5][0]}
    )
    ran = vision("check", training, testing)
    assert ran.code == 0
    assert ran.out.splitlines()[:2] == [
        "warning: test.json: images[0] (id 1): x.jpg is nearly the same picture as 2.jpg of train.json",
        "warning: test.json: images[1] (id 2): y.jpg is the same picture as 1.jpg of train.json",
    ]
    assert ran.out.count("warning") == 2
    found = vision("check", training, testing, "--json").json
    assert found["ok"]
    assert [(violation["severity"], violation["index"]) for violation in found["violations"]] == [
        ("warning", 0),
        ("warning", 1),
    ]
    assert vision("check", testing).out.count("warning") == 0


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
def test_photos_of_phones_stay_together_before_and_after_they_have_copies(vision: Vision, tmp_path: Path) -> None:
    for seed in range(PICTURES):
        folder = tmp_path / "phone" / "ab"[seed % 2]
        folder.mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(near_copies(drawn(seed, (160, 120)), seed)[:2]):
            with Image.open(io.BytesIO(data)) as image:
                image.save(folder / f"{seed}-{number}.avif")
    arguments = ("convert", tmp_path / "phone", "--output", tmp_path / "out", "--test-share", 0.2, "--seed", 1)
    for _ in range(2):
        assert vision(*arguments).code == 0
        training, testing = pictures(tmp_path / "out" / "train.json"), pictures(tmp_path / "out" / "test.json")
        assert (set(training.values()), set(testing.values())) == ({2}, {2})
        assert (len(training), len(testing)) == (8, 2)
