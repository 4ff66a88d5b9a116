"""The content of annotation files, compared with what the readers of trainings make of the same files."""

import io
import json
import random
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vision_customization.contract.coco.boxes import cut_to_image
from vision_customization.contract.enums import AnnotationKind, ProblemKind, Purpose
from vision_customization.engine.annotations import AnnotationError, read_classification, read_detection, read_multi_label
from vision_customization.engine.annotations.content import LABELS_PER_IMAGE_MAX, DatasetContent, FoundImage
from vision_customization.engine.annotations.problems import PROBLEMS_MAX

SINGLE = AnnotationKind.IMAGE_CLASSIFICATION
SEVERAL = AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION
BOXES = AnnotationKind.IMAGE_OBJECT_DETECTION
SECTIONS = ("images", "annotations", "categories")

Files = Sequence[tuple[str, bytes]]
Labels = list[tuple[str, tuple[float, ...] | None]]


class Content:
    """What was found in some files: all that the reader gives."""

    def __init__(self, files: Files, kind: AnnotationKind, folder: Path, purpose: Purpose = Purpose.TRAINING) -> None:
        with DatasetContent(folder, kind, purpose) as content:
            for name, data in files:
                content.add(io.BytesIO(data), name)
            self.images: list[FoundImage] = list(content.images())
            content.conclude()
            self.tags = list(content.tags())
            self.problems = content.problems.kept()
            self.counts = content.problems.counts
            self.numbers = (content.image_count, content.unlabelled_count, content.label_count)

    def labels(self) -> dict[str, Labels]:
        """By URL, in the order of the positions."""
        return {image.url: [(self.tags[tag].name, box) for tag, box in image.labels] for image in self.images}

    @property
    def used_tags(self) -> tuple[str, ...]:
        return tuple(tag.name for tag in self.tags if tag.labels)

    @property
    def refused(self) -> bool:
        """Whether a training refuses the files."""
        return any(not kind.is_warning for kind in self.counts)


def encoded(*documents: object) -> list[tuple[str, bytes]]:
    return [(f"{index}.json", json.dumps(document).encode()) for index, document in enumerate(documents)]


def coco(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Four images, two of each tag."""
    document = {
        "images": [
            {"id": number, "file_name": f"{number}.png", "absolute_url": f"https://h/c/{number}.png", "width": 60, "height": 80}
            for number in range(1, 5)
        ],
        "annotations": [{"id": number, "image_id": number, "category_id": 1 + number % 2} for number in range(1, 5)],
        "categories": [{"id": 1, "name": "red"}, {"id": 2, "name": "green"}],
    }
    return {**document, **changes}


def boxed(*boxes: tuple[int, int, object], **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """The same images, with these boxes: image, category and bbox."""
    annotations = [
        {"id": number, "image_id": image, "category_id": category, "bbox": bbox}
        for number, (image, category, bbox) in enumerate(boxes, start=1)
    ]
    return coco(annotations=annotations, **changes)


def as_trainings_read(files: Files, kind: AnnotationKind) -> tuple[tuple[str, ...], dict[str, Labels]]:
    """Tags, and labels by URL. Raises AnnotationError."""
    opened = [(name, BytesIO(data)) for name, data in files]
    if kind is SINGLE:
        tagged = read_classification(opened, Purpose.TRAINING)
        return tagged.tags, {image.url: [(tagged.tags[image.tag], None)] for image in tagged.images}
    if kind is SEVERAL:
        several = read_multi_label(opened, Purpose.TRAINING)
        return several.tags, {image.url: [(several.tags[tag], None) for tag in image.tags] for image in several.images}
    found = read_detection(opened, Purpose.TRAINING)
    return found.tags, {
        image.url: [(found.tags[box.label], (box.left, box.top, box.width, box.height)) for box in image.boxes]
        for image in found.images
    }


ids = st.integers(-3, 12) | st.sampled_from([2**63, -(2**63)])
URLS = [f"https://h/c/{number}.png" for number in range(8)]
NAMES = ["z\x7f", "Ä b"]
sides = st.sampled_from([10, 640, 10_240, 480.5])
bboxes = st.sampled_from([[0.1, 0.2, 0.3, 0.4], [0, 0, 1, 1], [0.75, 0.5, 0.25005, 0.5], [0.5, 0.5, 1e-6, 1e-6]])
STRANGE: dict[str, list[Any]] = {
    "images": [
        7,
        {},
        {"id": 9},
        {"id": "x"},
        {"id": 10**30},
        {"id": 5, "width": 3},
        {"id": 7.5, "absolute_url": "https://h/7"},
    ],
    "categories": [None, {"id": 6}, {"id": 7, "name": ""}, {"id": 8, "name": "nul\0"}, {"id": 9, "name": "unused"}],
    "annotations": [
        [],
        {"id": 1.5},
        *({"image_id": reference, "category_id": reference} for reference in (77, "1", None, [1], {}, 1.0, True, 2**63)),
        *(
            {"image_id": 1, "category_id": 1, "bbox": bbox}
            for bbox in (None, [1, 2, 3], [20, 20, 30, 40], "0 0 1 1", {"a": [1]})
        ),
        *({"image_id": 1, "category_id": 1, "bbox": [-0.5, 0, 1, 1], "iscrowd": crowd} for crowd in (0, 1, "1", "0", 9, None)),
    ],
}


@st.composite
def sound(draw: st.DrawFn, first_url: int) -> dict[str, list[Any]]:
    """A file that is fit for a training of any kind, or nearly: of each tag several images, some without."""
    image_ids = draw(st.lists(ids, min_size=5, max_size=9, unique=True))
    category_ids = draw(st.lists(ids, min_size=2, max_size=2, unique=True))
    url_of = {id_: URLS[(first_url + number) % len(URLS)] for number, id_ in enumerate(image_ids)}
    labelled = image_ids[: draw(st.integers(4, len(image_ids)))] + draw(st.lists(st.sampled_from(image_ids), max_size=3))
    return {
        "images": [{"id": id_, "absolute_url": url, "width": draw(sides), "height": 50} for id_, url in url_of.items()],
        "annotations": [
            # The tag is that of the URL, or else there are several tags.
            {"image_id": id_, "category_id": category_ids[URLS.index(url_of[id_]) % 2], "bbox": draw(bboxes)}
            for id_ in draw(st.permutations(labelled))
        ],
        "categories": [{"id": id_, "name": name} for id_, name in zip(category_ids, NAMES, strict=True)],
    }


@st.composite
def files(draw: st.DrawFn) -> Files:
    """One or two files, into which entries of any kind may have come."""
    documents = []
    for _ in range(draw(st.integers(1, 2))):
        document = draw(sound(draw(st.integers(0, 7))))
        for section in draw(st.lists(st.sampled_from(SECTIONS), max_size=2)):
            place = draw(st.integers(0, len(document[section])))
            entry = draw(st.sampled_from(STRANGE[section]) | st.sampled_from(document[section]))
            document[section].insert(
                place, {**entry, **draw(st.sampled_from([{}, {"id": 3}]))} if isinstance(entry, dict) else entry
            )
        shuffled: dict[str, Any] = {**document, "info": {"images": [{"id": 1}]}}
        documents.append({section: shuffled[section] for section in draw(st.permutations(list(shuffled)))})
    return encoded(*documents)


HOW = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=100
)


@HOW
@given(files=files(), kind=st.sampled_from(AnnotationKind))
def test_it_finds_what_a_training_reads_and_a_problem_wherever_a_training_refuses(
    files: Files, kind: AnnotationKind, tmp_path: Path
) -> None:
    content = Content(files, kind, tmp_path)
    try:
        tags, labels = as_trainings_read(files, kind)
    except AnnotationError:
        tags, labels = (), {}
    assert content.refused == (not labels), content.problems
    if content.refused:
        return
    assert content.used_tags == tags
    found = content.labels()
    if kind is SINGLE:  # whose readers leave out what has no tag
        found = {url: own for url, own in found.items() if own}
        assert labels == found
    else:
        assert list(labels.items()) == list(found.items())
    assert list(tmp_path.iterdir()) == []


@HOW
@given(order=st.permutations(SECTIONS), kind=st.sampled_from(AnnotationKind))
def test_the_order_of_the_sections_does_not_matter(order: list[str], kind: AnnotationKind, tmp_path: Path) -> None:
    document = boxed((1, 1, [0, 0, 1, 1]), (2, 2, [0, 0, 1, 1]), (2, 2, [0, 0, 0.5, 1]), (3, 9, None))
    straight, other = (Content(encoded(one), kind, tmp_path) for one in (document, {key: document[key] for key in order}))
    assert straight.images == other.images
    assert straight.tags == other.tags
    assert sorted(straight.problems, key=str) == sorted(other.problems, key=str)


def test_positions_counts_and_claimed_sizes(tmp_path: Path) -> None:
    second = coco(
        images=[
            {"id": 1, "absolute_url": "https://h/c/4.png"},
            {"id": 2, "coco_url": "https://h/c/new.png?sig=1", "width": float("inf"), "height": True, "file_name": "x\0"},
        ],
        annotations=[],
    )
    content = Content(encoded(coco(), second), SINGLE, tmp_path)
    assert [image.position for image in content.images] == [0, 1, 2, 3, 4]
    assert content.numbers == (5, 1, 4)
    assert content.images[0][1:5] == ("https://h/c/1.png", "1.png", 60.0, 80.0)
    assert content.images[4][1:5] == ("https://h/c/new.png?sig=1", "", None, None)
    assert content.tags == [("green", 2, 2), ("red", 2, 2)]


def test_the_boxes_of_a_detector_are_cut_and_counted_by_tag_and_image(tmp_path: Path) -> None:
    beyond = [0.75, 0.5, 0.25005, 0.5]
    content = Content(
        encoded(boxed((1, 1, beyond), (1, 1, beyond), (1, 1, [0, 0, 1, 1]), (3, 1, [0, 0, 1, 1]))), BOXES, tmp_path
    )
    cut = cut_to_image(beyond)
    assert isinstance(cut, list)
    assert content.labels()["https://h/c/1.png"] == [("red", (0, 0, 1, 1)), ("red", tuple(cut))]
    assert content.tags == [("green", 0, 0), ("red", 2, 3)]
    assert content.numbers == (4, 2, 3)


def changed(number: int, **changes: object) -> list[dict[str, Any]]:
    """The images, of which one is changed."""
    images: list[dict[str, Any]] = coco()["images"]
    return [{**image, **changes} if image["id"] == number else image for image in images]


ANNOTATIONS: list[dict[str, Any]] = coco()["annotations"]
CATEGORIES: list[dict[str, Any]] = coco()["categories"]
FIFTH = {"id": 5, "absolute_url": "https://h/c/5.png"}
BBOX = [0.1, 0.2, 0.3, 0.4]

DOCUMENTS: dict[str, tuple[dict[str, Any], AnnotationKind, list[tuple[int | None, str, str]]]] = {
    "sound": (coco(), SINGLE, []),
    "empty": (
        {},
        SINGLE,
        [
            (None, "limit", "the dataset: has no image with a tag"),
            (None, "entry", "0.json: images: is missing"),
            (None, "entry", "0.json: categories: is missing"),
            (None, "entry", "0.json: annotations: is missing"),
        ],
    ),
    "no list": (
        coco(images={}, annotations=[], categories=[]),
        SINGLE,
        [(None, "limit", "has no image"), (None, "entry", "0.json: images: must be a list")],
    ),
    "no object": (coco(images=[*changed(0), 7]), SINGLE, [(None, "entry", "0.json: images[4]: must be an object")]),
    "an id twice": (
        coco(images=[*changed(0), changed(0)[0]]),
        SINGLE,
        [(None, "entry", "0.json: images[4] (id 1): id is already that of images[0]")],
    ),
    "no URL": (
        coco(images=changed(2, absolute_url=None)),
        SINGLE,
        [
            (None, "fewLabels", "the dataset: has 1 image of tag 'red', training needs at least 2"),
            (None, "entry", "0.json: images[1] (id 2): absolute_url is missing"),
            (None, "reference", "0.json: annotations[1] (id 2): image_id 2 is not an image of this file"),
        ],
    ),
    "a small side": (
        coco(images=changed(3, width=9)),
        SINGLE,
        [(2, "size", "0.json: images[2] (id 3): width is 9 px, each side must be 10 to 10,240")],
    ),
    "a name that can't be stored": (
        coco(categories=[*CATEGORIES, {"id": 3, "name": "nul\0"}]),
        SINGLE,
        [(None, "entry", "0.json: categories[2] (id 3): name 'nul\\x00' has a NUL character")],
    ),
    "an unknown image": (
        coco(annotations=[*ANNOTATIONS, {"id": 9, "image_id": 9, "category_id": 1}]),
        SINGLE,
        [(None, "reference", "0.json: annotations[4] (id 9): image_id 9 is not an image of this file")],
    ),
    "an unknown category": (
        coco(annotations=[*ANNOTATIONS, {"id": 9, "image_id": 4, "category_id": [9]}]),
        SINGLE,
        [(3, "reference", "0.json: annotations[4] (id 9): category_id [9] is not a category of this file")],
    ),
    "two tags": (
        coco(annotations=[*ANNOTATIONS, {"image_id": 1, "category_id": 1}]),
        SINGLE,
        [(0, "severalTags", "0.json: annotations[4]: image 1 has the tags 'green' and 'red': only one tag per image is")],
    ),
    "two tags of several": (coco(annotations=[*ANNOTATIONS[1:], {"image_id": 2, "category_id": 2}]), SEVERAL, []),
    "another tag at another entry": (
        coco(
            images=[*changed(0), {**FIFTH, "absolute_url": "https://h/c/1.png"}],
            annotations=[*ANNOTATIONS, {"image_id": 5, "category_id": 1}],
        ),
        SINGLE,
        [(0, "otherTags", "0.json: images[4] (id 5): is also 0.json: images[0] (id 1), but has another tag there ('red')")],
    ),
    "no tag": (
        coco(images=[*changed(0), FIFTH]),
        SINGLE,
        [(4, "unlabelled", "0.json: images[4] (id 5): has no tag, so trainings leave it out")],
    ),
    "none of several tags": (coco(images=[*changed(0), FIFTH]), SEVERAL, []),
    "one image of a tag": (
        coco(annotations=ANNOTATIONS[:3]),
        SINGLE,
        [
            (None, "fewLabels", "the dataset: has 1 image of tag 'red', training needs at least 2"),
            (3, "unlabelled", "0.json: images[3] (id 4): has no tag"),
        ],
    ),
    "a tag on every image": (
        coco(annotations=[{"image_id": number, "category_id": 1} for number in range(1, 5)]),
        SEVERAL,
        [
            (None, "onEveryImage", "has 0 images without the tag 'red', training needs at least 2"),
            (None, "unusedTag", "the dataset: tag 'green' has no annotation, so a model can't learn it"),
        ],
    ),
    "two tags of almost one name": (
        coco(categories=[*CATEGORIES, {"id": 3, "name": "Red "}]),
        SINGLE,
        [
            (None, "unusedTag", "the dataset: tag 'Red ' has no annotation"),
            (None, "similarTags", "the dataset: 'Red ' and 'red' are two tags, but differ only by letter case"),
        ],
    ),
    "a broken box": (
        boxed((1, 1, BBOX), (2, 2, BBOX), (2, 2, [1, 2, 3])),
        BOXES,
        [(1, "box", "0.json: annotations[2] (id 3): bbox [1, 2, 3]: must be four numbers")],
    ),
    "a missing box": (
        boxed((1, 1, BBOX), (2, 2, BBOX), (3, 1, None)),
        BOXES,
        [(2, "box", "0.json: annotations[2] (id 3): bbox is missing")],
    ),
    "no box at all": (
        boxed((1, 1, None), (2, 1, None), categories=CATEGORIES[:1]),
        BOXES,
        [
            (None, "limit", "the dataset: has no object with a bbox; training needs at least one"),
            (None, "box", "0.json: annotations: none of the 2 annotations has a bbox"),
            (None, "unusedTag", "the dataset: tag 'red'"),
        ],
    ),
    "too many boxes": (
        boxed((1, 2, BBOX), *((3, 1, [index / 2000, 0, 0.5, 1]) for index in range(1001))),
        BOXES,
        [(2, "limit", "0.json: images[2] (id 3): has 1,001 boxes, but at most 1,000 are allowed")],
    ),
}


@pytest.mark.parametrize(("document", "kind", "problems"), DOCUMENTS.values(), ids=DOCUMENTS.keys())
def test_each_problem_is_told_with_its_image(
    document: object, kind: AnnotationKind, problems: list[tuple[int | None, str, str]], tmp_path: Path
) -> None:
    content = Content(encoded(document), kind, tmp_path)
    assert [(position, kind.value) for position, kind, _ in content.problems] == [found[:2] for found in problems]
    for (_, _, message), (_, _, expected) in zip(content.problems, problems, strict=True):
        assert expected in message
    for position, kind_, _ in content.problems:
        if position is not None:
            assert kind_ in content.images[position].problems


def test_the_limits_are_those_of_the_purpose(tmp_path: Path) -> None:
    files = encoded(coco(annotations=ANNOTATIONS[:1]))
    assert [problem.kind for problem in Content(files, SINGLE, tmp_path).problems][:2] == ["limit", "fewLabels"]
    assert not Content(files, SINGLE, tmp_path, Purpose.EVALUATION).refused


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b'{"images": [{"id": 1}],\n "annotations": nope}', "f.json: is not JSON: line 2, column 18: invalid string in json"),
        (b'{"images": [{"id": 1', "f.json: is not JSON: line 1, column 21: the file ends here, within the JSON text"),
        (b'{"images": []} {}', "f.json: is not JSON: line 1, column 16: trailing garbage"),
        ('{"ä": "ü",\r\n"ö": \u00fc}'.encode(), "f.json: is not JSON: line 2, column 6"),
        (b'{"images": [{"id": NaN}, {"id": Nope}]}', "f.json: is not JSON: line 1, column "),
        (b'{"a": "\xff"}', "f.json: is not JSON: line 1, column 8: invalid bytes in UTF8 string"),
        (b"", "f.json: is not JSON: line 1, column 1: the file ends here"),
        (b"[1]", "f.json: must be an object with images, annotations and categories"),
        (b'{"images": [], "images": []}', "f.json: has the key 'images' twice"),
        (b'{"images": [{"id": ' + b"9" * 5000 + b"}]}", "f.json: is not an annotation file: it has a number with thousands of"),
        (b'{"a": ' + b"[" * 600 + b"]" * 600 + b"}", "f.json: is not an annotation file: it is nested too deeply"),
        (b'{"images": [{"width": ' + b"[" * 600 + b"]" * 600 + b"}]}", "is nested too deeply"),
        (b'{"a": "' + b"x" * 5_000_000 + b'"}', "f.json: is not an annotation file: it has a text of more than 4 MB"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_json_is_refused_with_its_place(data: bytes, says: str, tmp_path: Path) -> None:
    with pytest.raises(AnnotationError) as refused, DatasetContent(tmp_path, SINGLE, Purpose.TRAINING) as content:
        content.add(io.BytesIO(data), "f.json")
    assert says in str(refused.value)
    assert len(str(refused.value)) < 200


def test_a_refusal_shows_nothing_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError) as refused, DatasetContent(tmp_path, SINGLE, Purpose.TRAINING) as content:
        content.add(io.BytesIO(b'{"images": [{"absolute_url": "https://h/c/1.png?sig=TOPSECRET", nope}]}'), "f.json")
    assert "TOPSECRET" not in str(refused.value)


@pytest.mark.parametrize("prefix", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf"), 1e999])
def test_what_pandas_writes_is_read_as_json_reads_it(number: float, prefix: bytes, tmp_path: Path) -> None:
    """Over many chunks of the file, with the same words and all kinds of quotes in strings."""
    random_ = random.Random(0)
    names = ['NaN "NaN" \\', "-Infinity", '\\\\"', "plain" * 50]
    entries = [
        {"id": id_, "absolute_url": f"https://h/{id_}", "file_name": random_.choice(names) + str(id_), "area": number}
        for id_ in range(3000)
    ]
    annotations = [{"image_id": id_, "category_id": id_ % 2, "area": number} for id_ in range(3000)]
    document = coco(images=entries, annotations=annotations, categories=[{"id": 0, "name": "NaN"}, {"id": 1, "name": "a\\"}])
    files = [("0.json", prefix + json.dumps(document).encode())]
    content = Content(files, SINGLE, tmp_path)
    assert not content.problems
    assert [image.file_name for image in content.images] == [entry["file_name"] for entry in entries]
    assert as_trainings_read(files, SINGLE)[1] == content.labels()


@pytest.mark.parametrize("word", [float("nan"), float("inf")])
def test_a_side_that_is_not_a_number_is_a_problem(word: float, tmp_path: Path) -> None:
    content = Content(encoded(coco(images=changed(3, width=word))), SINGLE, tmp_path)
    assert [(position, kind) for position, kind, _ in content.problems] == [(2, ProblemKind.SIZE)]
    assert content.images[2].width is None


def test_all_problems_are_counted_and_each_kind_keeps_some_in_words(tmp_path: Path) -> None:
    images = [{"id": id_, "absolute_url": f"https://h/{id_}", "width": 3} for id_ in range(2000)]
    broken = [{"image_id": 0, "category_id": "x" * 100_000}, *({"image_id": -1} for _ in range(1500))]
    content = Content(encoded(coco(images=images, annotations=broken)), SINGLE, tmp_path)
    assert content.counts == {"size": 2000, "unlabelled": 2000, "reference": 1501, "unusedTag": 2, "limit": 1}
    kept = [kind for _, kind, _ in content.problems]
    assert len(kept) == PROBLEMS_MAX
    assert {kind: kept.count(kind) for kind in dict.fromkeys(kept)} == {
        "limit": 1, "reference": 332, "size": 332, "unlabelled": 333, "unusedTag": 2
    }  # fmt: skip
    assert max(len(message) for _, _, message in content.problems) < 1000


def test_of_very_many_boxes_on_an_image_some_are_kept(tmp_path: Path) -> None:
    count = LABELS_PER_IMAGE_MAX + 500
    boxes = [(3, 1, [index / 10_000, 0, 0.5, 1]) for index in range(count)]
    content = Content(encoded(boxed((1, 2, BBOX), (4, 2, BBOX), *boxes)), BOXES, tmp_path)
    assert content.problems[0].message == "0.json: images[2] (id 3): has 3,000 boxes, but at most 1,000 are allowed"
    assert [len(image.labels) for image in content.images] == [1, 0, LABELS_PER_IMAGE_MAX, 1]
    assert content.tags == [("green", 2, 2), ("red", 1, LABELS_PER_IMAGE_MAX)]


def test_it_can_be_stopped(tmp_path: Path) -> None:
    class Stopped(Exception):
        pass

    def told(images: int) -> None:
        if images > 1500:
            raise Stopped

    images = [{"id": id_, "absolute_url": f"https://h/{id_}"} for id_ in range(5000)]
    with pytest.raises(Stopped), DatasetContent(tmp_path, SINGLE, Purpose.TRAINING, told) as content:
        content.add(io.BytesIO(encoded(coco(images=images))[0][1]), "f.json")
    assert list(tmp_path.iterdir()) == []


def test_a_bbox_of_any_length_takes_no_memory(tmp_path: Path) -> None:
    content = Content(encoded(boxed((1, 1, BBOX), (2, 2, BBOX), (3, 1, [0.5] * 200_000))), BOXES, tmp_path)
    assert [(position, kind) for position, kind, _ in content.problems] == [(2, ProblemKind.BOX)]
