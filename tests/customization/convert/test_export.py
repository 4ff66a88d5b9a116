"""What is exported is read back: the same images and tags, and boxes within half a pixel."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.customization.cli.ran import Vision
from tests.customization.samples import encoded
from vision_customization.contract.coco.document import Box
from vision_customization.contract.enums import AnnotationKind
from vision_customization.customization.convert import LabelledImage, LabelledImages, read_coco, write_coco
from vision_customization.customization.convert.detect_format import detect_format
from vision_customization.customization.convert.export import EXPORTS, export
from vision_customization.customization.convert.formats import read_labels
from vision_customization.customization.errors import ConversionFailed

SIZE = (120, 80)
DETECTION, CLASSIFICATION = AnnotationKind.IMAGE_OBJECT_DETECTION, AnnotationKind.IMAGE_CLASSIFICATION
NAMES = ("1.png", "1.jpg", "a/1.png", "a/images/2.png", "A/3.png", "images/4 ü.png", "images/images/5.png", "c#.png")


def dataset(folder: Path, kind: str, labels: dict[str, list[tuple[str, Box | None]]]) -> LabelledImages:
    images = []
    for number, (name, listed) in enumerate(labels.items()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = encoded(number, SIZE)
        path.write_bytes(data)
        images.append(LabelledImage(path, f"{number:064}", *SIZE, tuple(listed)))
    tags = dict.fromkeys(tag for listed in labels.values() for tag, _ in listed)
    return LabelledImages(kind, tuple(tags), tuple(images))


def by_content(images: LabelledImages) -> dict[bytes, list[tuple[str, Box | None]]]:
    return {image.path.read_bytes(): list(image.labels) for image in images.images}


def sides(length: int) -> st.SearchStrategy[tuple[float, float]]:
    """Start and length of a side, as fractions."""
    ends = st.tuples(st.floats(0, length - 2), st.floats(2, length))
    return ends.map(lambda pair: (pair[0] / length, min(pair[1], length - pair[0]) / length))


BOXES = st.tuples(sides(SIZE[0]), sides(SIZE[1])).map(lambda sides: (sides[0][0], sides[1][0], sides[0][1], sides[1][1]))
TAGS = st.sampled_from(["fork", "Löffel, groß", "a: b", "'quoted' \"tag\"", "007", "no", "<b>&amp;", "=1+1", "#x", "スプーン"])


def labelled(box: st.SearchStrategy[Box | None], most: int) -> st.SearchStrategy[dict[str, list[tuple[str, Box | None]]]]:
    lists = st.lists(st.tuples(TAGS, box), max_size=most)
    return st.dictionaries(st.sampled_from(NAMES), lists, min_size=1).filter(lambda found: any(found.values()))


@pytest.mark.parametrize("target_format", [name for name in EXPORTS if name != "folders"])
@given(labels=labelled(BOXES, 3))
@settings(max_examples=25, deadline=None)
def test_boxes_come_back(
    tmp_path_factory: pytest.TempPathFactory, target_format: str, labels: dict[str, list[tuple[str, Box | None]]]
) -> None:
    folder = tmp_path_factory.mktemp("set")
    images = dataset(folder / "in", DETECTION, labels)
    export(images, target_format, folder / "in", folder / "out")
    detected = detect_format(folder / "out")
    assert detected.format == target_format
    found = read_labels(detected.format, detected.source, detected.images)
    assert found.kind == DETECTION
    there, back = by_content(images), by_content(found)
    assert there.keys() == back.keys()
    for content, expected in there.items():
        assert [tag for tag, _ in back[content]] == [tag for tag, _ in expected]
        for (_, box), (_, wanted) in zip(back[content], expected, strict=True):
            assert box is not None
            assert wanted is not None
            for got, want in zip(edges(box), edges(wanted), strict=True):
                assert abs(got - want) <= 0.5 + 1e-4


def edges(box: Box) -> tuple[float, float, float, float]:
    left, top, width, height = box
    return left * SIZE[0], top * SIZE[1], (left + width) * SIZE[0], (top + height) * SIZE[1]


@pytest.mark.parametrize("target_format", ["csv", "coco-pixels", "folders"])
@given(tags=st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["fork", "Löffel, groß", "007", "no", "=1+1"]), min_size=1))
@settings(max_examples=25, deadline=None)
def test_tags_of_images_come_back(tmp_path_factory: pytest.TempPathFactory, target_format: str, tags: dict[str, str]) -> None:
    folder = tmp_path_factory.mktemp("set")
    images = dataset(folder / "in", CLASSIFICATION, {name: [(tag, None)] for name, tag in tags.items()})
    export(images, target_format, folder / "in", folder / "out")
    detected = detect_format(folder / "out")
    source_format = "coco-pixels" if target_format == "coco-pixels" else detected.format  # without boxes, there are no pixels
    assert source_format == target_format
    assert by_content(read_labels(source_format, detected.source, detected.images)) == by_content(images)


@pytest.mark.parametrize(
    ("target_format", "kind", "tag", "expected"),
    [
        ("yolo", CLASSIFICATION, "a", "yolo holds boxes, but these are labels for classification"),
        ("voc", CLASSIFICATION, "a", "voc holds boxes, but these are labels for classification"),
        ("folders", DETECTION, "a", "a folder per tag holds labels for classification, but these have boxes"),
        ("csv", CLASSIFICATION, " a", "the tag ' a' has control characters, or blanks at its ends"),
        ("folders", CLASSIFICATION, "a/b", "the tag 'a/b' can't be the name of a folder. Use csv or coco-pixels"),
        ("folders", CLASSIFICATION, "", "1.png: has no tag, so it has no folder. Use csv or coco-pixels"),
    ],
)
def test_what_a_format_can_not_hold(tmp_path: Path, target_format: str, kind: str, tag: str, expected: str) -> None:
    box = (0.0, 0.0, 0.5, 0.5) if kind == DETECTION else None
    images = dataset(tmp_path / "in", kind, {"1.png": [(tag, box)] if tag else []})
    with pytest.raises(ConversionFailed, match=expected):
        export(images, target_format, tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("target_format", EXPORTS)
def test_a_split_comes_back(vision: Vision, tmp_path: Path, target_format: str) -> None:
    kind = CLASSIFICATION if target_format == "folders" else DETECTION
    box = None if kind == CLASSIFICATION else (0.25, 0.25, 0.5, 0.5)
    names = [f"images/{number}.png" for number in range(8)]
    images = dataset(tmp_path / "data", kind, {name: [("fork", box)] for name in names})
    sides = {"train": images.images[:5], "test": images.images[5:]}
    for name, part in sides.items():
        write_coco(replace(images, images=part), tmp_path / "data" / f"{name}.json")
    files = ("data/train.json", "data/test.json")
    ran = vision("datasets", "export", *files, "--to", target_format, "--output", "out")
    assert ran.code == 0, ran.err
    found = detect_format(tmp_path / "out")
    back = read_labels(found.format, found.source, found.images)
    assert {image.path.read_bytes(): bool(image.testing) for image in back.images} == {
        image.path.read_bytes(): name == "test" for name, part in sides.items() for image in part
    }
    ran = vision("datasets", "export", files[0], "data/../data/train.json", "--to", target_format, "--output", "more")
    assert (ran.code, "pass one file, or one called train and one called test" in ran.err) == (2, True)


def test_the_command_exports_and_overwrites_nothing(vision: Vision, tmp_path: Path) -> None:
    box = (0.25, 0.25, 0.5, 0.5)
    images = dataset(tmp_path / "data", DETECTION, {"images/1.png": [("fork", box)], "images/2.png": []})
    entries = [
        {"id": number + 1, "width": SIZE[0], "height": SIZE[1], "file_name": f"images/{number + 1}.png"} for number in range(2)
    ]
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "bbox": box}
    document = {"images": entries, "annotations": [annotation], "categories": [{"id": 1, "name": "fork"}]}
    (tmp_path / "data" / "train.json").write_text(json.dumps(document))
    ran = vision("datasets", "export", "data/train.json", "--to", "yolo", "--output", "yolo", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["format"] == "yolo"
    assert ran.json["written"] == {"images": 2, "labels": 1}
    assert sorted(ran.json["files"]) == ["yolo/data.yaml", "yolo/labels/1.txt", "yolo/labels/2.txt"]
    assert (tmp_path / "yolo" / "labels" / "1.txt").read_text() == "0 0.500000000 0.500000000 0.500000000 0.500000000\n"
    assert 'names:\n  0: "fork"\n' in (tmp_path / "yolo" / "data.yaml").read_text()
    again = vision("datasets", "export", "data/train.json", "--to", "voc", "--output", "yolo")
    assert again.code == 1
    assert "yolo: is not an empty folder" in again.err
    assert vision("convert", "yolo").code == 0
    back = read_coco(tmp_path / "yolo" / "train.json", pixels=False)
    assert by_content(back) == by_content(images)
