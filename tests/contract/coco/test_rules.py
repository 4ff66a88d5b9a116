"""Every rule of a COCO file: one row breaks one rule, and is told where, in words."""

import copy
import json
import math
from io import BytesIO
from typing import Any

import pytest

from tests.customization.samples import coco
from vision_customization.contract.coco.document import CocoFile, Severity, parse_json
from vision_customization.contract.coco.rules import check_coco, check_together
from vision_customization.contract.coco.streamed import read_document
from vision_customization.contract.enums import AnnotationKind, Purpose

BOX = [0.1, 0.2, 0.3, 0.4]
HUGE = 10**400


def checked(document: object, kind: str, purpose: str = Purpose.TRAINING, **options: bool) -> list[str]:
    file, violations = check_coco(document, "train.json", kind, purpose, **options)
    streamed, _ = read_document(BytesIO(json.dumps(document).encode()), "train.json")
    of_stream, same_violations = check_coco(streamed, "train.json", kind, purpose, **options)
    assert ((of_stream is None), same_violations) == ((file is None), violations)
    if file is not None and of_stream is not None:
        assert (list(of_stream.images), list(of_stream.annotations)) == (list(file.images), list(file.annotations))
        violations += check_together([file], kind, purpose)
    return [str(violation) for violation in violations if violation.severity is Severity.ERROR]


@pytest.mark.parametrize("kind", [AnnotationKind.IMAGE_CLASSIFICATION, AnnotationKind.IMAGE_OBJECT_DETECTION])
@pytest.mark.parametrize("purpose", list(Purpose))
def test_a_good_file_has_no_violation(kind: str, purpose: str) -> None:
    document = coco({"a": 2, "b": 2}, size=(64, 50), box=BOX)
    document["info"] = {"anything": 1}
    document["images"][0] |= {"width": 64.0, "coco_url": None}
    assert checked(document, kind, purpose) == []


# section, index, the fields to change (None: the key goes), the violation
FIELDS: list[tuple[str, int, dict[str, Any], str]] = [
    ("images", 1, {"id": ...}, "train.json: images[1]: id is missing, must be an integer from 1 to 4"),
    ("images", 1, {"id": None}, "train.json: images[1]: id is null, must be an integer from 1 to 4"),
    ("images", 1, {"id": "2"}, 'train.json: images[1]: id is "2", must be an integer from 1 to 4'),
    ("images", 1, {"id": True}, "train.json: images[1]: id is true, must be an integer from 1 to 4"),
    ("images", 1, {"id": 2.0}, "train.json: images[1]: id is 2.0, must be an integer from 1 to 4"),
    ("images", 1, {"id": 9}, "train.json: images[1] (id 9): id must be 1 to 4, the number of images: ids must have no gaps"),
    ("images", 1, {"id": 1}, "train.json: images[1] (id 1): id is already used by images[0]"),
    ("images", 1, {"width": ...}, "train.json: images[1] (id 2): width is missing, must be a number of pixels"),
    ("images", 1, {"height": None}, "train.json: images[1] (id 2): height is null, must be a number of pixels"),
    ("images", 1, {"width": "64"}, 'train.json: images[1] (id 2): width is "64", must be a number of pixels'),
    ("images", 1, {"width": 9}, "train.json: images[1] (id 2): width is 9 px, each side must be 10 to 10,240"),
    ("images", 1, {"height": 10_241}, "train.json: images[1] (id 2): height is 10241 px, each side must be 10 to 10,240"),
    ("images", 1, {"height": math.nan}, "train.json: images[1] (id 2): height is nan px, each side must be 10 to 10,240"),
    ("images", 1, {"file_name": ...}, "train.json: images[1] (id 2): file_name is missing, must be the image's path"),
    ("images", 1, {"file_name": ""}, 'train.json: images[1] (id 2): file_name is "", must be the image\'s path'),
    ("images", 1, {"file_name": 7}, "train.json: images[1] (id 2): file_name is 7, must be the image's path"),
    ("images", 1, {"file_name": "a\0"}, r'train.json: images[1] (id 2): file_name "a\u0000" has a NUL character'),
    ("categories", 1, {"name": "a\0"}, r'train.json: categories[1] (id 2): name "a\u0000" has a NUL character'),
    (
        "categories",
        1,
        {"name": "a\ud800"},
        r'train.json: categories[1] (id 2): name "a\ud800" has half of a surrogate pair, so it is not Unicode text',
    ),
    (
        "categories",
        1,
        {"id": 3},
        "train.json: categories[1] (id 3): id must be 1 to 2, the number of categories: ids must have no gaps",
    ),
    ("categories", 1, {"name": ...}, "train.json: categories[1] (id 2): name is missing, must be the tag's name"),
    ("categories", 1, {"name": None}, "train.json: categories[1] (id 2): name is null, must be the tag's name"),
    ("annotations", 1, {"id": 1}, "train.json: annotations[1] (id 1): id is already used by annotations[0]"),
    (
        "annotations",
        1,
        {"id": 0},
        "train.json: annotations[1] (id 0): id must be 1 to 4, the number of annotations: ids must have no gaps",
    ),
    ("annotations", 1, {"image_id": ...}, "train.json: annotations[1] (id 2): image_id is missing, must be an integer"),
    ("annotations", 1, {"image_id": "2"}, 'train.json: annotations[1] (id 2): image_id is "2", must be an integer'),
    ("annotations", 1, {"image_id": 5}, "train.json: annotations[1] (id 2): image_id 5: the ids of images are 1 to 4"),
    ("annotations", 1, {"category_id": None}, "train.json: annotations[1] (id 2): category_id is null, must be an integer"),
    (
        "annotations",
        1,
        {"category_id": 3},
        "train.json: annotations[1] (id 2): category_id 3: the ids of categories are 1 to 2",
    ),
]


@pytest.mark.parametrize(("section", "index", "change", "expected"), FIELDS)
@pytest.mark.parametrize("kind", [AnnotationKind.IMAGE_CLASSIFICATION, AnnotationKind.IMAGE_OBJECT_DETECTION])
def test_a_wrong_field_is_named_with_its_place(
    kind: str, section: str, index: int, change: dict[str, Any], expected: str
) -> None:
    document = coco({"a": 2, "b": 2}, box=BOX)
    for key, value in change.items():
        if value is ...:
            del document[section][index][key]
        else:
            document[section][index][key] = value
    assert expected in checked(document, kind)


PLACE = "train.json: annotations[1] (id 2): "


@pytest.mark.parametrize(
    ("bbox", "expected"),
    [
        (None, "bbox is missing: an annotation for object detection needs [left, top, width, height]"),
        ([0.1, 0.2, 0.3], "bbox [0.1, 0.2, 0.3]: must be four numbers [left, top, width, height]"),
        ("0 0 1 1", 'bbox "0 0 1 1": must be four numbers [left, top, width, height]'),
        ([0, 0, True, 1], "bbox [0, 0, true, 1]: must be four numbers [left, top, width, height]"),
        ([-0.1, 0, 0.5, 0.5], "bbox [-0.1, 0, 0.5, 0.5]: left is -0.1, must be at least 0 and less than 1"),
        ([0, 1, 0.5, 0.5], "bbox [0, 1, 0.5, 0.5]: top is 1, must be at least 0 and less than 1"),
        ([0, 0, 0, 0.5], "bbox [0, 0, 0, 0.5]: width is 0, must be more than 0 and at most 1"),
        ([0, 0, 0.5, 1.5], "bbox [0, 0, 0.5, 1.5]: height is 1.5, must be more than 0 and at most 1"),
        ([0.9, 0.1, 0.2, 0.3], "bbox [0.9, 0.1, 0.2, 0.3]: left + width is 1.1, must be at most 1"),
        ([0.1, 0.9, 0.2, 0.2], "bbox [0.1, 0.9, 0.2, 0.2]: top + height is 1.1, must be at most 1"),
        (
            [-1, 2, 0, 0.5],
            "left is -1, must be at least 0 and less than 1; top is 2, must be at least 0 and less than 1; width is 0",
        ),
        ([math.nan, 0, 0.5, 0.5], "left is nan, must be at least 0 and less than 1"),
        (
            [12, 20, 30, 40],
            (
                "these look like pixels, but must be fractions 0 to 1 of the image's size (`vision convert --from coco-pixels` "
                "converts them)"
            ),
        ),
        ([-3, 20, 30, 40], "these look like pixels"),
        ([1, 1, 2, 2], "these look like pixels"),
        ([HUGE, 0, 0.5, 0.5], "these look like pixels"),
        ([-HUGE, 0, 0.5, 0.5], "left is -1000000"),
        ([0.5, 0, 0.50005, 1], "must be at most 1 (`vision convert --from coco` clips such rounding errors)"),
    ],
)
def test_a_box_outside_of_its_image(bbox: object, expected: str) -> None:
    document = coco({"a": 2, "b": 2}, box=BOX)
    document["annotations"][1]["bbox"] = bbox
    violations = checked(document, AnnotationKind.IMAGE_OBJECT_DETECTION)
    assert len(violations) == 1
    assert violations[0].startswith(PLACE)
    assert expected in violations[0]
    assert checked(document, AnnotationKind.IMAGE_CLASSIFICATION) == [], "a classification's boxes have no meaning"


@pytest.mark.parametrize("bbox", [[0, 0, 1, 1], [0.5, 0.5, 0.5, 0.5], [0.999, 0.0, 0.001, 1.0]])
def test_a_box_may_touch_the_edges(bbox: list[float]) -> None:
    assert checked(coco({"a": 2}, box=bbox), AnnotationKind.IMAGE_OBJECT_DETECTION) == []


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ([], ["train.json: is a list, must be an object with images, annotations and categories"]),
        (None, ["train.json: is null, must be an object with images, annotations and categories"]),
        (
            {},
            ["train.json: images: is missing", "train.json: categories: is missing", "train.json: annotations: is missing"],
        ),
        (
            {"images": None, "annotations": "no", "categories": {}},
            [
                "train.json: images: is null, must be a list",
                "train.json: categories: is an object, must be a list",
                "train.json: annotations: is text, must be a list",
            ],
        ),
        (
            {"images": [1], "annotations": [], "categories": [None]},
            ["train.json: images[0]: is a number, must be an object", "train.json: categories[0]: is null, must be an object"],
        ),
    ],
)
def test_something_else_than_an_annotation_file(document: object, expected: list[str]) -> None:
    assert checked(document, AnnotationKind.IMAGE_CLASSIFICATION) == expected


# kind, purpose, tags, the violation (None: there is none)
COUNTS: list[tuple[str, Purpose, dict[str, int], str | None]] = [
    (AnnotationKind.IMAGE_CLASSIFICATION, Purpose.TRAINING, {"a": 2, "b": 2}, None),
    (
        AnnotationKind.IMAGE_CLASSIFICATION,
        Purpose.TRAINING,
        {"a": 2, "b": 1},
        "train.json: categories: tag 'b' has 1 annotation, must have at least 2 for training",
    ),
    (AnnotationKind.IMAGE_CLASSIFICATION, Purpose.TRAINING, {"a": 2}, "train.json: categories: 1 tag: a, must be 2 to 2,500"),
    (AnnotationKind.IMAGE_CLASSIFICATION, Purpose.EVALUATION, {"a": 1, "b": 1}, None),
    (AnnotationKind.IMAGE_CLASSIFICATION, Purpose.EVALUATION, {"a": 1}, "train.json: categories: 1 tag: a, must be 2 to 2,500"),
    (
        AnnotationKind.IMAGE_CLASSIFICATION,
        Purpose.TRAINING,
        {},
        "train.json: images: 0 images, must be 2 to 1,000,000 for training",
    ),
    (AnnotationKind.IMAGE_OBJECT_DETECTION, Purpose.TRAINING, {"a": 1}, None),
    (AnnotationKind.IMAGE_OBJECT_DETECTION, Purpose.EVALUATION, {"a": 1}, None),
    (
        AnnotationKind.IMAGE_OBJECT_DETECTION,
        Purpose.EVALUATION,
        {},
        "train.json: images: 0 images, must be 1 to 100,000 for evaluation",
    ),
    (
        AnnotationKind.IMAGE_OBJECT_DETECTION,
        Purpose.TRAINING,
        {f"t{i}": 1 for i in range(1001)},
        "train.json: categories: 1,001 tags, must be 1 to 1,000",
    ),
]


@pytest.mark.parametrize(("kind", "purpose", "tags", "expected"), COUNTS)
def test_how_much_a_dataset_may_hold(kind: str, purpose: Purpose, tags: dict[str, int], expected: str | None) -> None:
    violations = checked(coco(tags, size=(64, 64), box=BOX), kind, purpose)
    assert violations == [] if expected is None else expected in violations


def test_the_sides_of_an_image_to_evaluate_on_are_others() -> None:
    document = coco({"a": 2, "b": 2}, size=(49, 16_000))
    assert checked(document, AnnotationKind.IMAGE_CLASSIFICATION, Purpose.EVALUATION)[0].endswith(
        "width is 49 px, each side must be 50 to 16,000"
    )


def test_a_second_tag_on_a_classification_image() -> None:
    document = coco({"a": 2, "b": 3})
    document["annotations"][3]["image_id"] = 1
    expected = (
        "train.json: annotations[3] (id 4): image 1 already has the tag 'a', from annotations[0]: "
        "only one tag per image is allowed, except in a dataset of kind imageMultiLabelClassification"
    )
    assert checked(document, AnnotationKind.IMAGE_CLASSIFICATION) == [expected]


def test_a_detection_image_may_have_many_boxes_but_not_any_number() -> None:
    document = coco({"a": 1}, box=BOX)
    box = document["annotations"][0]
    document["annotations"] = [{**box, "id": index + 1} for index in range(1000)]
    assert checked(document, AnnotationKind.IMAGE_OBJECT_DETECTION) == []
    document["annotations"].append({**box, "id": 1001})
    assert checked(document, AnnotationKind.IMAGE_OBJECT_DETECTION) == [
        "train.json: images[0] (id 1): images/a_0.png has 1,001 boxes; at most 1,000 are allowed"
    ]


def test_what_is_allowed_and_hardly_meant_is_a_warning() -> None:
    document = coco({"a": 2, "b": 2})
    document["categories"] += [{"id": 3, "name": "a"}, {"id": 4, "name": "unused"}]
    file, violations = check_coco(document, "train.json", AnnotationKind.IMAGE_CLASSIFICATION)
    assert file is not None
    violations += check_together([file], AnnotationKind.IMAGE_CLASSIFICATION)
    assert {str(violation) for violation in violations} == {
        "train.json: categories[2] (id 3): name 'a' is also the name of category 1: both count as one tag",
        "train.json: categories: tag 'unused' has no annotation, so a model can't learn it",
    }
    assert all(violation.severity is Severity.WARNING for violation in violations)


def warned(document: object) -> tuple[CocoFile, list[str]]:
    file, violations = check_coco(document, "train.json", AnnotationKind.IMAGE_OBJECT_DETECTION)
    assert file is not None
    assert all(violation.severity is Severity.WARNING for violation in violations)
    return file, [str(violation) for violation in violations]


def test_boxes_that_are_hardly_meant_are_warnings() -> None:
    document = coco({"a": 4}, size=(1000, 100), box=BOX)
    document["annotations"][0]["bbox"] = [0, 0, 0.001, 0.01]
    document["annotations"][1]["bbox"] = [0.5, 0.5, 0.0004, 0.5]
    document["annotations"][3]["image_id"] = 3
    assert warned(document)[1] == [
        "train.json: annotations[1] (id 2): bbox is 0.4 × 50 px of images/a_1.png: a box smaller than a pixel shows nothing",
        "train.json: annotations[3] (id 4): repeats annotations[2] (same image, tag and bbox): both count as one object",
    ]


def test_a_crowd_is_left_out() -> None:
    document = coco({"a": 3}, box=BOX)
    document["annotations"][1] |= {"iscrowd": 1, "bbox": [3, 4, 50, 60]}
    file, warnings = warned(document)
    assert warnings == [
        "train.json: annotations[1] (id 2): is a crowd (iscrowd) and not a single object, so it is skipped",
    ]
    assert [annotation.id for annotation in file.annotations] == [1, 3]


@pytest.mark.parametrize("flag", [0, "0", False, None, "false"])
def test_what_is_not_a_crowd(flag: object) -> None:
    document = coco({"a": 2}, box=BOX)
    document["annotations"][1]["iscrowd"] = flag
    file, warnings = warned(document)
    assert (len(file.annotations), warnings) == (2, [])


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ((1, "1"), "train.json: annotations: all 2 are crowds (iscrowd), so no object remains"),
        ((0, "no"), 'train.json: annotations[1] (id 2): iscrowd is "no", must be 0 or 1'),
    ],
)
def test_crowds_that_can_not_be_left_out(flags: tuple[object, object], expected: str) -> None:
    document = coco({"a": 2}, box=BOX)
    for annotation, flag in zip(document["annotations"], flags, strict=True):
        annotation["iscrowd"] = flag
    assert expected in checked(document, AnnotationKind.IMAGE_OBJECT_DETECTION)


def test_names_that_are_hardly_meant_are_warnings() -> None:
    document = coco({"Fork": 1, "fork ": 1}, box=BOX)
    document["categories"][1]["name"] += "\x1b[31m"
    document["images"][0]["file_name"] = "a\u202e.png"
    file, warnings = warned(document)
    assert warnings == [
        r"train.json: images[0] (id 1): file_name 'a\u202e.png' has control characters",
        r"train.json: categories[1] (id 2): name 'fork \x1b[31m' has control characters",
    ]
    document["categories"][1]["name"] = "fork "
    other, _ = check_coco(document, "b.json", AnnotationKind.IMAGE_OBJECT_DETECTION)
    assert other is not None
    [twins] = check_together([other], AnnotationKind.IMAGE_OBJECT_DETECTION)
    expected = "b.json: categories: 'Fork' and 'fork ' are two tags, but differ only by letter case, blanks or Unicode form"
    assert (str(twins), twins.severity) == (expected, Severity.WARNING)
    assert file.categories[1] == "Fork"


def test_an_image_may_have_no_object() -> None:
    document = coco({"a": 3}, box=BOX)
    document["annotations"].pop()
    file, warnings = warned(document)
    assert (len(file.images), len(file.annotations), warnings) == (3, 2, [])


def test_labels_for_classification_are_one_fault_in_a_dataset_for_detection() -> None:
    [violation] = checked(coco({"a": 2, "b": 2}), AnnotationKind.IMAGE_OBJECT_DETECTION)
    assert violation.startswith("train.json: annotations: none of the 4 annotations has a bbox, so these are labels for class")


def test_an_image_in_blob_storage_needs_its_url() -> None:
    document = coco({"a": 2, "b": 2})
    for image, url in zip(document["images"], ({"absolute_url": "https://x/1"}, {"coco_url": None}, {}, {}), strict=True):
        image |= url
    assert checked(document, AnnotationKind.IMAGE_CLASSIFICATION, urls_required=True) == [
        f"train.json: images[{index}] (id {index + 1}): absolute_url is missing (coco_url is also accepted)" for index in (2, 3)
    ]


def test_absolute_url_wins_over_coco_url() -> None:
    document = coco({"a": 2, "b": 2})
    document["images"][0] |= {"coco_url": "AmlDatastore://x", "absolute_url": "https://real"}
    file, _ = check_coco(document, "train.json", AnnotationKind.IMAGE_CLASSIFICATION)
    assert file is not None
    assert [image.url for image in file.images] == ["https://real", None, None, None]


def test_all_violations_are_told_at_once() -> None:
    document = coco({"a": 2, "b": 2}, box=BOX)
    document["images"][0]["width"] = 3
    document["images"][2]["id"] = 1
    document["annotations"][1]["bbox"] = [2, 2, 2, 2]
    document["annotations"][3]["category_id"] = 99
    document["categories"][1]["name"] = ""
    assert len(checked(document, AnnotationKind.IMAGE_OBJECT_DETECTION)) == 5


def test_several_files_are_one_dataset_with_categories_by_name() -> None:
    files: list[CocoFile] = []
    for name, tags in (("1.json", {"a": 1, "b": 1}), ("2.json", {"b": 1, "a": 1})):
        file, violations = check_coco(coco(tags), name, AnnotationKind.IMAGE_CLASSIFICATION)
        assert file is not None
        assert violations == []
        files.append(file)
    assert check_together(files, AnnotationKind.IMAGE_CLASSIFICATION) == []
    too_many = str(check_together(files[:1] * 11, AnnotationKind.IMAGE_CLASSIFICATION)[0])
    assert too_many.endswith("11 annotation files; at most 10 are allowed")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b'{"images": [}', "train.json: is not JSON: line 1, column 13: Expecting value"),
        (
            b'{\n "images": 1,\n x}',
            "train.json: is not JSON: line 3, column 2: Expecting property name enclosed in double quotes",
        ),
        (b"", "train.json: is not JSON: line 1, column 1: Expecting value"),
        (b'{"a": "\xff"}', "train.json: is not UTF-8 text: byte 7 is 0xff"),
        (b"9" * 5_000, "train.json: is not an annotation file: it has a number with thousands of digits"),
        (b"[" * 100_000, "train.json: is not an annotation file: it is nested too deeply"),
    ],
)
def test_unreadable_json_is_told_with_line_and_column(data: bytes, expected: str) -> None:
    document, violation = parse_json(data, "train.json")
    assert document is None
    assert str(violation) == expected


def test_a_byte_order_mark_is_no_violation() -> None:
    assert parse_json(b"\xef\xbb\xbf{}", "train.json") == ({}, None)


def test_the_document_is_left_as_it_is() -> None:
    document = coco({"a": 2, "b": 2}, box=BOX)
    before = copy.deepcopy(document)
    checked(document, AnnotationKind.IMAGE_OBJECT_DETECTION)
    assert document == before


def several(tags_of: list[list[int]], **annotation: object) -> dict[str, Any]:
    """A file of images with these categories; `annotation` are further keys of each annotation."""
    document = coco({"a": len(tags_of), "b": 0})
    pairs = [(image, category) for image, categories in enumerate(tags_of, 1) for category in categories]
    document["categories"] = [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]
    document["annotations"] = [
        {"id": id_, "image_id": image, "category_id": category, **annotation} for id_, (image, category) in enumerate(pairs, 1)
    ]
    return document


SEVERAL = AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION


@pytest.mark.parametrize(
    ("tags_of", "said"),
    [
        ([[1, 2], [1], [2], []], []),
        ([[1], [1], [], []], ["train.json: categories: tag 'b' has no annotation, so a model can't learn it"]),
        (
            [[1, 2], [1], [1], [2]],
            [
                (
                    "train.json: categories: tag 'a' is on 3 of 4 images, must have at least 2 images without it for training: "
                    "a model can't tell when it is absent"
                )
            ],
        ),
        (
            [[1, 1, 2], [1], [2], []],
            [
                "train.json: annotations[1] (id 2): repeats the tag of annotations[0] for the same image: both count once",
            ],
        ),
        (
            [[1, 1, 2], [2], [], []],  # counted once, the repeated tag is on one image
            [
                "train.json: annotations[1] (id 2): repeats the tag of annotations[0] for the same image: both count once",
                "train.json: categories: tag 'a' has 1 annotation, must have at least 2 for training",
            ],
        ),
    ],
)
def test_images_with_several_tags(tags_of: list[list[int]], said: list[str]) -> None:
    file, violations = check_coco(several(tags_of), "train.json", SEVERAL)
    assert file is not None
    assert [str(violation) for violation in violations + check_together([file], SEVERAL)] == said


def test_objects_of_one_tag_are_one_tag_of_their_image() -> None:
    file, violations = check_coco(several([[1, 1, 1, 2], [1], [2], []], bbox=[0, 0, 9, 9]), "train.json", SEVERAL)
    assert violations == []
    assert file is not None
    found = [(annotation.image_id, annotation.category_id, annotation.box) for annotation in file.annotations]
    assert found == [(1, 1, None), (1, 2, None), (2, 1, None), (3, 2, None)]


def test_a_test_dataset_may_show_a_tag_everywhere() -> None:
    document = several([[1, 2], [1]])
    document["images"] = [{**image, "width": 60, "height": 60} for image in document["images"]]
    assert checked(document, SEVERAL, Purpose.EVALUATION) == []
