"""Datasets on disk: what they hold, and what is wrong with them."""

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.customization.samples import DatasetFolder, MakeFolder, encoded
from tests.support.places import LABELLED_DATA
from vision_customization.common.dataset_content.manifest import Manifest
from vision_customization.contract.enums import AnnotationKind, Purpose
from vision_customization.customization.datasets.content import Content, check_dataset, describe
from vision_customization.customization.datasets.digest_cache import DigestCache
from vision_customization.customization.datasets.source import DatasetSource, read_dataset
from vision_customization.customization.errors import DatasetInvalid


def content_of(
    folder: Path, files: Sequence[str], kind: str, cache: DigestCache | None = None, purpose: str = Purpose.TRAINING
) -> Content:
    return check_dataset(read_dataset(DatasetSource(folder, tuple(files), kind, purpose, cache))).valid()


def read(folder: DatasetFolder, kind: str = AnnotationKind.IMAGE_CLASSIFICATION, cache: DigestCache | None = None) -> Content:
    return content_of(folder.path, ["train.json"], kind, cache)


def violations(
    folder: DatasetFolder, kind: str = AnnotationKind.IMAGE_CLASSIFICATION, purpose: Purpose = Purpose.TRAINING
) -> list[str]:
    with pytest.raises(DatasetInvalid) as caught:
        content_of(folder.path, ["train.json"], kind, purpose=purpose)
    return [str(violation).replace(str(folder.path), "DATA") for violation in caught.value.violations]


def test_a_dataset_is_what_it_holds(dataset_folder: MakeFolder) -> None:
    content = read(dataset_folder({"b": 3, "a": 2}))
    assert content.images == 5
    assert list(content.tags.items()) == [("a", 2), ("b", 3)]
    assert len(content.digest) == 64
    first = content.entries[0]
    assert (first.file_name, first.width, first.height, first.format) == ("images/b_0.png", 64, 48, "PNG")
    assert first.blob_name == f"images/{first.sha256}.png"
    assert first.size == len(encoded(0))
    assert content.warnings == ()
    assert describe(content) == {"images": 5, "tags": {"a": 2, "b": 3}, "digest": content.digest}


def renamed_files(folder: DatasetFolder) -> None:
    for index, image in enumerate(folder.document["images"]):
        old = folder.image(index)
        image["file_name"] = f"elsewhere/{index}.bin"
        folder.image(index).parent.mkdir(exist_ok=True)
        old.rename(folder.image(index))


def reversed_order(folder: DatasetFolder) -> None:
    for section in ("images", "annotations", "categories"):
        folder.document[section].reverse()


def other_ids(folder: DatasetFolder) -> None:
    for entry in folder.document["categories"]:
        entry["id"] = 3 - entry["id"]
    for entry in folder.document["annotations"]:
        entry["category_id"] = 3 - entry["category_id"]


def touched(folder: DatasetFolder) -> None:
    for index, _ in enumerate(folder.document["images"]):
        os.utime(folder.image(index), (1, 1))


def unused_category(folder: DatasetFolder) -> None:
    folder.document["categories"].append({"id": 3, "name": "unused"})


def extra_keys(folder: DatasetFolder) -> None:
    folder.document["info"] = {"year": 2026}
    folder.document["annotations"][0]["area"] = 0.0


@pytest.mark.parametrize("change", [renamed_files, reversed_order, other_ids, touched, unused_category, extra_keys])
def test_ids_names_order_and_times_are_not_content(dataset_folder: MakeFolder, change: Callable[[DatasetFolder], None]) -> None:
    folder = dataset_folder()
    before = read(folder).digest
    change(folder)
    folder.write()
    assert read(folder).digest == before


def other_pixels(folder: DatasetFolder) -> None:
    folder.image(0).write_bytes(encoded(77))


def other_tag(folder: DatasetFolder) -> None:
    folder.document["annotations"][0]["category_id"] = 2


def other_name(folder: DatasetFolder) -> None:
    folder.document["categories"][0]["name"] = "A"


def fewer(folder: DatasetFolder) -> None:
    folder.document["images"].pop()
    folder.document["annotations"].pop()


def a_copy(folder: DatasetFolder) -> None:
    folder.document["images"].append({**folder.document["images"][0], "id": 7})
    folder.document["annotations"].append({**folder.document["annotations"][0], "id": 7, "image_id": 7})


def another_box(folder: DatasetFolder) -> None:
    folder.document["annotations"][0]["bbox"] = [0, 0, 1, 0.5]


@pytest.mark.parametrize("change", [other_pixels, other_tag, other_name, fewer, a_copy, another_box])
def test_pixels_tags_and_boxes_are_content(dataset_folder: MakeFolder, change: Callable[[DatasetFolder], None]) -> None:
    folder = dataset_folder(box=[0, 0, 1, 1])
    before = read(folder, AnnotationKind.IMAGE_OBJECT_DETECTION).digest
    change(folder)
    folder.write()
    assert read(folder, AnnotationKind.IMAGE_OBJECT_DETECTION).digest != before


def test_the_kind_is_content(dataset_folder: MakeFolder) -> None:
    folder = dataset_folder(box=[0, 0, 1, 1])
    assert (
        read(folder, AnnotationKind.IMAGE_CLASSIFICATION).digest != read(folder, AnnotationKind.IMAGE_OBJECT_DETECTION).digest
    )


def missing(folder: DatasetFolder) -> None:
    folder.image(1).unlink()


def a_folder(folder: DatasetFolder) -> None:
    missing(folder)
    folder.image(1).mkdir()


def no_image(folder: DatasetFolder) -> None:
    folder.image(1).write_text("Hello")


def no_bytes(folder: DatasetFolder) -> None:
    folder.image(1).write_bytes(b"")


def cut_off(folder: DatasetFolder) -> None:
    data = encoded(1, (640, 480), "JPEG")
    folder.image(1).write_bytes(data[: len(data) * 2 // 3])


def other_size(folder: DatasetFolder) -> None:
    folder.image(1).write_bytes(encoded(1, (65, 48)))


def too_small(folder: DatasetFolder) -> None:
    folder.image(1).write_bytes(encoded(1, (9, 48)))
    folder.document["images"][1]["width"] = 9


def too_heavy(folder: DatasetFolder) -> None:
    with folder.image(1).open("ab") as file:
        file.truncate(20 * 1024 * 1024 + 1)


def leads_outside(folder: DatasetFolder) -> None:
    folder.document["images"][1]["file_name"] = "images/../../secret.png"


def absolute(folder: DatasetFolder) -> None:
    folder.document["images"][1]["file_name"] = "/etc/hostname"


def other_case(folder: DatasetFolder) -> None:
    folder.document["images"][1]["file_name"] = "Images\\a_1.PNG"


def too_many_pixels(folder: DatasetFolder) -> None:
    """A header alone: nothing of such a file is decoded."""
    width, height = 9000, 8000
    stream = io.BytesIO()
    Image.new("RGB", (1, 1)).save(stream, "WEBP", lossless=True)
    data = bytearray(stream.getvalue())
    data[21:25] = (width - 1 | height - 1 << 14).to_bytes(4, "little")
    folder.image(1).write_bytes(data)
    folder.document["images"][1] |= {"width": width, "height": height}


def null_byte(folder: DatasetFolder) -> None:
    folder.document["images"][1]["file_name"] = "a\0b"


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (missing, "no such image file: DATA/images/a_1.png"),
        (a_folder, "DATA/images/a_1.png is not a file"),
        (
            no_image,
            "images/a_1.png is not an image of a supported type (JPEG, MPO, PNG, BMP, GIF, TIFF, WEBP, ICO)",
        ),
        (no_bytes, "images/a_1.png is empty"),
        (cut_off, "images/a_1.png is damaged: image file is truncated"),
        (other_size, "images/a_1.png is 65 × 48 px, but width and height say 64 × 48"),
        (too_small, "images/a_1.png is 9 × 48 px, each side must be 10 to 10,240"),
        (too_heavy, "images/a_1.png has 20,971,521 bytes; at most 20,971,520 are allowed"),
        (leads_outside, "file_name 'images/../../secret.png' must be a relative path inside the dataset's folder"),
        (absolute, "file_name '/etc/hostname' must be a relative path inside the dataset's folder"),
        (other_case, "no such image file: DATA/Images\\a_1.PNG. Is 'images/a_1.png' meant?"),
        (too_many_pixels, "images/a_1.png is 9000 × 8000 px, but a WEBP file may have at most 67,108,864 pixels"),
        (null_byte, r'file_name "a\u0000b" has a NUL character'),
    ],
)
def test_a_spoiled_image_is_named(dataset_folder: MakeFolder, spoil: Callable[[DatasetFolder], None], expected: str) -> None:
    folder = dataset_folder()
    spoil(folder)
    folder.write()
    assert [text for text in violations(folder) if text.startswith(f"train.json: images[1] (id 2): {expected}")]


def test_what_is_wrong_with_file_and_images_is_told_at_once(dataset_folder: MakeFolder) -> None:
    folder = dataset_folder()
    folder.image(0).unlink()
    folder.image(5).write_bytes(b"x")
    folder.document["annotations"][2]["image_id"] = 44
    folder.write()
    assert len(violations(folder)) == 3


def test_an_annotation_file_that_is_not_there(dataset_folder: MakeFolder) -> None:
    folder = dataset_folder()
    with pytest.raises(DatasetInvalid, match=r"no\.json: no such annotation file: "):
        content_of(folder.path, ["train.json", "no.json"], AnnotationKind.IMAGE_CLASSIFICATION)


@pytest.mark.parametrize(
    ("orientation", "claimed", "fits"),
    [
        (None, (64, 48), True),
        (None, (48, 64), False),
        (6, (64, 48), True),
        (6, (48, 64), True),
        (3, (64, 48), True),
        (3, (48, 64), False),
    ],
)
def test_a_turned_image_may_claim_either_size(
    dataset_folder: MakeFolder, orientation: int | None, claimed: tuple[int, int], fits: bool
) -> None:
    folder = dataset_folder()
    folder.image(0).write_bytes(encoded(0, (64, 48), "JPEG", orientation))
    folder.document["images"][0] |= {"width": claimed[0], "height": claimed[1]}
    folder.write()
    if fits:
        entry = read(folder).entries[0]
        assert (entry.width, entry.height) == ((48, 64) if orientation == 6 else (64, 48))
    else:
        assert len(violations(folder)) == 1


@pytest.mark.parametrize(
    ("orientation", "claimed", "kind", "warned"),
    [
        (6, (48, 64), AnnotationKind.IMAGE_OBJECT_DETECTION, False),
        (6, (64, 48), AnnotationKind.IMAGE_OBJECT_DETECTION, True),
        (6, (64, 48), AnnotationKind.IMAGE_CLASSIFICATION, False),
        (3, (64, 48), AnnotationKind.IMAGE_OBJECT_DETECTION, False),
    ],
)
def test_boxes_of_an_image_that_states_its_unturned_size_are_warned_of(
    dataset_folder: MakeFolder, orientation: int, claimed: tuple[int, int], kind: str, warned: bool
) -> None:
    folder = dataset_folder(box=[0, 0, 0.5, 0.5])
    folder.image(0).write_bytes(encoded(0, (64, 48), "JPEG", orientation))
    folder.document["images"][0] |= {"width": claimed[0], "height": claimed[1]}
    folder.write()
    warnings = [str(warning) for warning in read(folder, kind).warnings]
    assert len(warnings) == int(warned)
    if warned:
        assert warnings[0].startswith("train.json: images[0] (id 1): images/a_0.png is stored rotated (EXIF orientation), but")
        assert warnings[0].endswith("its boxes are read as fractions of the upright image, which is 48 × 64 px")


def test_copies_of_an_image_have_their_boxes_together(dataset_folder: MakeFolder) -> None:
    folder = dataset_folder({"a": 2}, box=[0, 0, 0.5, 0.5])
    shutil.copy(folder.image(0), folder.image(1))
    folder.document["annotations"] = [
        {"id": index + 1, "image_id": 1 + index % 2, "category_id": 1, "bbox": [0, 0, 0.5, (index + 1) / 2000]}
        for index in range(1001)
    ]
    folder.write()
    assert violations(folder, AnnotationKind.IMAGE_OBJECT_DETECTION) == [
        "train.json: images[0] (id 1): images/a_0.png and its copies have more than 1,000 boxes together"
    ]
    folder.document["annotations"].pop()
    folder.write()
    assert read(folder, AnnotationKind.IMAGE_OBJECT_DETECTION).tags == {"a": 1000}


def test_images_without_objects_and_crowds(dataset_folder: MakeFolder) -> None:
    folder = dataset_folder({"a": 4}, box=[0, 0, 0.5, 0.5])
    folder.document["annotations"][1]["iscrowd"] = 1
    folder.document["annotations"].pop()
    folder.write()
    content = read(folder, AnnotationKind.IMAGE_OBJECT_DETECTION)
    assert (content.images, content.tags) == (4, {"a": 2})
    uploaded = json.loads("".join(content.files[0].coco_text("https://x/1")))
    assert len(uploaded["images"]) == 4
    assert [(entry["id"], entry["image_id"]) for entry in uploaded["annotations"]] == [(1, 1), (2, 3)]


def test_images_may_lie_beside_their_annotation_file(dataset_folder: MakeFolder) -> None:
    folder = dataset_folder()
    content = content_of(folder.path.parent, ["data/train.json"], AnnotationKind.IMAGE_CLASSIFICATION)
    assert content.digest == read(folder).digest


def test_several_files_are_one_dataset(dataset_folder: MakeFolder) -> None:
    folder = dataset_folder({"a": 4, "b": 4})
    whole = read(folder).digest
    document = folder.document
    for name, half in (("1.json", slice(0, 8, 2)), ("2.json", slice(1, 8, 2))):
        images = document["images"][half]
        part: dict[str, Any] = {
            "images": [{**image, "id": index} for index, image in enumerate(images, start=1)],
            "annotations": [
                {"id": index, "image_id": index, "category_id": document["annotations"][image["id"] - 1]["category_id"]}
                for index, image in enumerate(images, start=1)
            ],
            "categories": document["categories"],
        }
        DatasetFolder(folder.path, part).write(name)
    content = content_of(folder.path, ["1.json", "2.json"], AnnotationKind.IMAGE_CLASSIFICATION)
    assert content.images == 8
    assert content.digest == whole


def test_one_image_under_two_tags_is_warned_of(dataset_folder: MakeFolder) -> None:
    folder = dataset_folder()
    shutil.copy(folder.image(0), folder.image(5))
    assert [str(warning) for warning in read(folder).warnings] == [
        "train.json: images[5] (id 6): images/b_2.png ('b') is the same image as images/a_0.png ('a')"
    ]


def test_the_uploaded_annotation_file_keeps_the_rules(dataset_folder: MakeFolder) -> None:
    folder = dataset_folder({"a": 1, "b": 1}, box=[0.25, 0, 0.5, 1])
    content = read(folder, AnnotationKind.IMAGE_OBJECT_DETECTION)
    document = json.loads("".join(content.files[0].coco_text("https://x")))
    urls = [f"https://x/{entry.blob_name}" for entry in content.entries]
    assert document == {
        "images": [
            {"id": 1, "width": 64, "height": 48, "file_name": "images/a_0.png", "absolute_url": urls[0]},
            {"id": 2, "width": 64, "height": 48, "file_name": "images/b_0.png", "absolute_url": urls[1]},
        ],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0.25, 0.0, 0.5, 1.0], "area": 0.5},
            {"id": 2, "image_id": 2, "category_id": 2, "bbox": [0.25, 0.0, 0.5, 1.0], "area": 0.5},
        ],
        "categories": [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}],
    }


def test_progress_counts_only_what_is_read(dataset_folder: MakeFolder, tmp_path: Path) -> None:
    folder, cache = dataset_folder(), DigestCache(tmp_path / "cache")
    for index in range(6):
        # Older than the cache is careful about; the change time is today's, so it is the mtime that is tried here.
        os.utime(folder.image(index), (1, 1))
    seen: list[tuple[int, int]] = []
    source = DatasetSource(folder.path, ("train.json",), AnnotationKind.IMAGE_CLASSIFICATION, cache=cache)
    read_dataset(source, on_progress=lambda *progress: seen.append(progress))
    assert seen == [(done, 6) for done in range(1, 7)]


def test_reading_imports_nothing_heavy(dataset_folder: MakeFolder, tmp_path: Path) -> None:
    folder = dataset_folder()
    code = (
        "import sys; from pathlib import Path; from vision_customization.customization.datasets.content import check_dataset; "
        "print(sorted({'PIL', 'pydantic', 'requests', 'azure', 'pulumi'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, folder.path], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_declaring_resources_imports_nothing_that_sends() -> None:
    """A preview that finds nothing changed starts a process for these, and does without the rest."""
    code = (
        "import sys; import vision_customization.components, vision_customization.customization.resources; "
        "print(sorted({'PIL', 'pydantic', 'requests', 'azure'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.data
@pytest.mark.skipif(not LABELLED_DATA.is_dir(), reason="../shared/data is not here")
@pytest.mark.parametrize(
    ("name", "files", "kind", "images", "tags"),
    [
        ("hemlock-cherry", ["train.json"], AnnotationKind.IMAGE_CLASSIFICATION, 12, {"Hemlock": 6, "Japanese_Cherry": 6}),
        ("clothing", ["train.json", "test.json"], AnnotationKind.IMAGE_CLASSIFICATION, 379, None),
        ("fork-scissors", ["train.json", "test.json"], AnnotationKind.IMAGE_OBJECT_DETECTION, 40, {"fork": 20, "scissors": 20}),
        ("bccd", ["train.json"], AnnotationKind.IMAGE_OBJECT_DETECTION, 205, {"Platelets": 209, "RBC": 2381, "WBC": 214}),
    ],
)
def test_real_datasets_keep_the_rules(name: str, files: list[str], kind: str, images: int, tags: dict[str, int] | None) -> None:
    content = content_of(LABELLED_DATA / name, files, kind)
    assert content.images == images
    assert tags is None or content.tags == tags
    assert Manifest.from_bytes(content.manifest.to_bytes()) == content.manifest


def test_copies_with_different_sets_of_tags_are_warned_of(dataset_folder: MakeFolder) -> None:
    folder = dataset_folder({"a": 3, "b": 3})
    shutil.copy(folder.image(0), folder.image(3))
    folder.document["annotations"].append({"id": 7, "image_id": 2, "category_id": 2})
    folder.write()
    content = read(folder, AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION)
    assert [str(warning) for warning in content.warnings] == [
        "train.json: images[3] (id 4): images/b_0.png ('b') is the same image as images/a_0.png ('a'): it gets the tags of both"
    ]
    assert content.tags == {"a": 3, "b": 4}
