"""What changed between two contents, in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vision_customization.common.dataset_content.manifest import Manifest, compare, manifest_of
from vision_customization.common.errors import VisionError
from vision_customization.contract.coco.document import Box
from vision_customization.contract.enums import AnnotationKind

BOX: Box = (0.0, 0.0, 0.5, 0.5)
MOVED: Box = (0.1, 0.0, 0.5, 0.5)


def classification(**images: str) -> Manifest:
    """`s1="a"`: image s1 with tag a; empty: without a tag."""
    return manifest_of(
        AnnotationKind.IMAGE_CLASSIFICATION, [(sha256, [(tag, None)] if tag else []) for sha256, tag in images.items()]
    )


def several(**images: str) -> Manifest:
    """`s1="a b"`: image s1 with the tags a and b."""
    labels = [(sha256, [(tag, None) for tag in tags.split()]) for sha256, tags in images.items()]
    return manifest_of(AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION, labels)


def detection(**images: list[tuple[str, Box]]) -> Manifest:
    return manifest_of(AnnotationKind.IMAGE_OBJECT_DETECTION, images.items())


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (classification(s1="a", s2="b"), classification(s1="a", s2="b"), []),
        (
            classification(s1="a", s2="b"),
            classification(s1="a", s2="b", s3="b", s4="b"),
            ["2 images added to 'b' (1 → 3)"],
        ),
        (classification(s1="a", s2="a", s3="b"), classification(s1="a", s3="b"), ["1 image removed from 'a' (2 → 1)"]),
        (
            classification(s1="a", s2="b"),
            classification(s1="a", s3="b"),
            ["1 image added to 'b' (1 → 1)", "1 image removed from 'b' (1 → 1)"],
        ),
        (classification(s1="a", s2="a", s3="b"), classification(s1="x", s2="x", s3="b"), ["tag 'a' renamed to 'x' (2 images)"]),
        (
            classification(s1="a", s2="a", s3="b"),
            classification(s1="x", s2="x", s3="b", s4="x"),
            ["tag 'a' renamed to 'x' (2 images)", "1 image added to 'x' (2 → 3)"],
        ),
        (
            classification(s1="a", s2="b", s3="c"),
            classification(s1="b", s2="a", s3="c"),
            ["1 image retagged 'a' → 'b'", "1 image retagged 'b' → 'a'"],
        ),
        (classification(s1="a", s2="b"), classification(s1="a", s2="a"), ["1 image retagged 'b' → 'a'"]),
        (
            classification(s1="a", s2="a", s3="b"),
            classification(s1="x", s2="y", s3="b"),
            ["1 image retagged 'a' → 'x'", "1 image retagged 'a' → 'y'"],
        ),
        (classification(s1="a", s2="b"), classification(s1="a", s2="b", s3=""), ["1 image without a tag added"]),
        (classification(s1="a", s2="b"), classification(s1="a", s2=""), ["1 image retagged 'b' → (no tag)"]),
        (
            manifest_of(AnnotationKind.IMAGE_CLASSIFICATION, [("s1", [("a", None)])]),
            manifest_of(AnnotationKind.IMAGE_CLASSIFICATION, [("s1", [("a", None)]), ("s1", [("a", None)])]),
            ["1 image retagged 'a' → 'a', 'a'"],
        ),
        (
            detection(s1=[("fork", BOX)]),
            detection(s1=[("fork", BOX)], s2=[("fork", BOX), ("fork", MOVED)]),
            ["1 image added (1 → 2)", "boxes of 'fork': 1 → 3"],
        ),
        (detection(s1=[("fork", BOX)]), detection(s1=[("fork", MOVED)]), ["boxes moved in 1 image"]),
        (
            several(s1="a b", s2=""),
            several(s1="a b", s2="", s3="a", s4=""),
            ["2 images added (2 → 4)", "images with 'a': 1 → 2"],
        ),
        (
            several(s1="a b", s2="a"),
            several(s1="a", s2="a b c"),
            ["images with 'c': 0 → 1", "1 image retagged 'a' → 'a', 'b', 'c'", "1 image retagged 'a', 'b' → 'a'"],
        ),
        (several(s1="a b", s2="a"), several(s1="a x", s2="a"), ["tag 'b' renamed to 'x' (1 image)"]),
        (detection(s1=[("fork", BOX)]), detection(s1=[("gabel", BOX)]), ["tag 'fork' renamed to 'gabel' (1 image)"]),
        (
            detection(s1=[("fork", BOX)]),
            detection(s1=[("fork", BOX), ("spoon", BOX)]),
            ["boxes of 'spoon': 0 → 1", "1 image with more boxes"],
        ),
        (
            detection(s1=[("fork", BOX), ("fork", MOVED)], s2=[("fork", BOX)], s3=[("fork", BOX)]),
            detection(s1=[("fork", BOX)], s2=[], s3=[("spoon", BOX)]),
            [
                "boxes of 'fork': 4 → 1",
                "boxes of 'spoon': 0 → 1",
                "1 image relabelled 'fork' → 'spoon'",
                "2 images with fewer boxes",
            ],
        ),
        (
            detection(s1=[("fork", BOX)] * 20 + [("spoon", MOVED)], s2=[("spoon", BOX)]),
            detection(s1=[("fork", BOX)] * 21, s2=[("spoon", BOX)]),
            ["boxes of 'fork': 20 → 21", "boxes of 'spoon': 2 → 1", "1 image relabelled 'spoon' → 'fork'"],
        ),
        (
            detection(s1=[("fork", BOX), ("knife", BOX)], s2=[("knife", BOX)]),
            detection(s1=[("gabel", BOX)], s2=[("knife", BOX)]),
            ["tag 'fork' renamed to 'gabel' (1 image)", "boxes of 'knife': 2 → 1", "1 image with fewer boxes"],
        ),
        (detection(s1=[("fork", BOX)]), detection(s1=[("fork", BOX)], s2=[]), ["1 image added (1 → 2)"]),
        (
            detection(s1=[("fork", BOX)], s2=[("fork", BOX)]),
            detection(s1=[("fork", MOVED)], s3=[("fork", BOX)]),
            ["1 image added, 1 image removed (2 → 2)", "boxes moved in 1 image"],
        ),
        (
            detection(s1=[("fork", BOX), ("spoon", MOVED)]),
            detection(s1=[("fork", MOVED), ("spoon", BOX)]),
            ["boxes moved in 1 image"],
        ),
    ],
)
def test_a_change_is_told_in_words(before: Manifest, after: Manifest, expected: list[str]) -> None:
    change = compare(before, after)
    assert change.summary() == expected
    assert bool(change) is bool(expected)


def test_another_kind_is_a_change() -> None:
    change = compare(classification(s1="a"), manifest_of(AnnotationKind.IMAGE_OBJECT_DETECTION, [("s1", [("a", None)])]))
    assert change.summary() == ["annotation kind imageClassification → imageObjectDetection"]


def test_a_long_summary_is_cut() -> None:
    before = classification(**{f"s{index}": f"t{index}" for index in range(30)})
    summary = compare(before, classification()).summary()
    assert len(summary) == 13
    assert summary[-1] == "… and 18 more changes"


def test_counts_of_every_tag_before_and_after() -> None:
    change = compare(classification(s1="a", s2="b"), classification(s1="a", s3="c", s4="c"))
    assert dict(change.tags) == {"a": (1, 1), "b": (1, 0), "c": (0, 2)}
    assert (change.added, change.removed) == (2, 1)


Entries = list[tuple[str, list[tuple[str, Box | None]]]]

tags = st.sampled_from(["a", "b", "cä", 'd"\n'])
boxes = st.tuples(*[st.sampled_from([0.0, 0.25, 0.5]) for _ in range(4)])
images = st.lists(st.tuples(st.sampled_from([f"{n:064x}" for n in range(6)]), st.lists(st.tuples(tags, st.none() | boxes))))


@given(images)
def test_a_manifest_survives_its_bytes(entries: Entries) -> None:
    manifest = manifest_of(AnnotationKind.IMAGE_OBJECT_DETECTION, entries)
    again = Manifest.from_bytes(manifest.to_bytes())
    assert again == manifest
    assert again.digest == manifest.digest
    assert not compare(manifest, again)


@given(images, images)
def test_equal_digests_are_equal_contents(one: Entries, other: Entries) -> None:
    first, second = (
        manifest_of(AnnotationKind.IMAGE_OBJECT_DETECTION, one),
        manifest_of(AnnotationKind.IMAGE_OBJECT_DETECTION, other),
    )
    assert (first.digest == second.digest) == (first == second) == (not compare(first, second))


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"null", b'{"format": "vision-content 1"}', b'{"format": "vision-content 1", "tags": 1}']
)
def test_something_else_is_not_a_manifest(data: bytes) -> None:
    with pytest.raises(VisionError, match="not a dataset's manifest"):
        Manifest.from_bytes(data)


def test_a_manifest_of_another_version_is_named() -> None:
    with pytest.raises(VisionError, match="format 'vision-content 9'"):
        Manifest.from_bytes(b'{"format": "vision-content 9"}')


def test_copies_of_an_image_have_the_tags_of_all_once() -> None:
    kind = AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION
    manifest = manifest_of(kind, [("s1", [("a", None), ("b", None)]), ("s1", [("b", None), ("c", None)])])
    assert (manifest.tags, manifest.image_count) == ({"a": 1, "b": 1, "c": 1}, 2)
