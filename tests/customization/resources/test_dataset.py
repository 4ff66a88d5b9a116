import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pulumi.output import UNKNOWN, Unknown

from tests.customization.fake_service import Answer, FakeService, Received
from tests.customization.samples import DatasetFolder, MakeFolder
from tests.stacks.shapes import draw, write_dataset
from vision_customization.common.dataset_content.manifest import ImageLabels, Manifest
from vision_customization.customization.datasets.stored_content import ContentMissing, StoredContent
from vision_customization.customization.resources.dataset import DatasetProvider, content_change, retire
from vision_customization.customization.resources.model import ModelProvider

Properties = dict[str, Any]


@pytest.fixture
def declared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Properties:
    """A dataset of four circles and three squares, declared by a program that stands in `tmp_path`."""
    monkeypatch.chdir(tmp_path)
    write_dataset(tmp_path / "shapes", "train.json", {"circle": range(4), "square": range(3)})
    return {
        "endpoint": "http://127.0.0.1:1",
        "key": "k",
        "container_url": UNKNOWN,
        "account_key": UNKNOWN,
        "dataset_name": "shapes",
        "annotation_kind": "imageClassification",
        "annotation_files": ["train.json"],
        "source": "shapes",
        "purpose": "training",
        "row_urn": "urn",
    }


def checked(declared: Properties) -> Properties:
    result = DatasetProvider().check({}, declared)
    assert result.failures == []
    return dict(result.inputs)


def test_check_tells_what_the_dataset_holds(declared: Properties) -> None:
    inputs = checked(declared)
    assert inputs["images"] == 7
    assert inputs["tags"] == {"circle": 4, "square": 3}
    assert len(inputs["digest"]) == 64


@pytest.mark.parametrize(
    ("changes", "name", "said"),
    [
        (
            {"annotation_kind": "classification"},
            "annotation_kind",
            (
                "'classification' is not a valid annotation_kind; choose from imageClassification, imageObjectDetection, "
                "imageMultiLabelClassification"
            ),
        ),
        ({"purpose": "eval"}, "purpose", "'eval' is not a valid purpose; choose from training, evaluation"),
        ({"annotation_files": "train.json"}, "annotation_files", "expected a list of texts, not a text. Write ['train.json']"),
        ({"uris": "https://a/c/train.json"}, "uris", "expected a list of texts, not a text. Write ['https://a/c/train.json']"),
    ],
)
def test_an_argument_that_no_dataset_can_have_is_refused(
    declared: Properties, changes: Properties, name: str, said: str
) -> None:
    [failure] = DatasetProvider().check({}, {**declared, **changes}).failures
    assert (failure.property, failure.reason) == (name, said)


def test_check_leaves_what_a_preview_does_not_know(declared: Properties) -> None:
    assert "digest" not in checked({**declared, "source": UNKNOWN})


@pytest.mark.parametrize(("uris", "digest"), [(["https://a/c/1.json"], "d"), (["https://a/c/2.json"], None)])
def test_uris_that_a_preview_cannot_look_at_are_as_they_were(uris: list[str], digest: str | None) -> None:
    """So that a key that is not known yet does not show as a dataset that changes, and as a model that retrains."""
    news = {"uris": uris, "container_url": "https://a/c", "account_key": Unknown(), "annotation_kind": "imageClassification"}
    result = DatasetProvider().check({"uris": ["https://a/c/1.json"], "digest": "d"}, news)
    assert (result.failures, result.inputs.get("digest")) == ([], digest)


def test_all_faults_are_failures_of_the_source(declared: Properties, tmp_path: Path) -> None:
    coco = json.loads((tmp_path / "shapes" / "train.json").read_text())
    coco["images"][2]["file_name"] = "images/nowhere.png"
    coco["annotations"][4]["category_id"] = 9
    (tmp_path / "shapes" / "train.json").write_text(json.dumps(coco))
    failures = DatasetProvider().check({}, declared).failures
    assert {failure.property for failure in failures} == {"source"}
    reasons = "\n".join(failure.reason for failure in failures)
    assert "images[2] (id 3)" in reasons
    assert "annotations[4] (id 5)" in reasons


def test_a_folder_that_is_not_there_is_a_failure(declared: Properties) -> None:
    [failure] = DatasetProvider().check({}, {**declared, "source": "nowhere"}).failures
    assert "nowhere" in failure.reason


def test_nothing_changed_is_no_difference(declared: Properties) -> None:
    inputs = checked(declared)
    assert not DatasetProvider().diff("id", {**inputs, "annotation_file_uris": ["u"]}, checked(declared)).changes


def test_what_changed_is_told_from_the_manifest_that_was_kept(declared: Properties, tmp_path: Path) -> None:
    olds = checked(declared)
    write_dataset(tmp_path / "shapes", "train.json", {"circle": range(9), "square": range(3)})
    news = checked(declared)
    assert DatasetProvider().diff("id", olds, news).changes
    assert content_change(olds, news) == ["5 images added to 'circle' (4 → 9)"]


def test_without_a_manifest_the_counts_tell(declared: Properties, tmp_path: Path) -> None:
    olds = {**checked(declared), "digest": "0" * 64}
    write_dataset(tmp_path / "shapes", "train.json", {"circle": range(9), "square": range(3)})
    assert content_change(olds, checked(declared)) == ["tag 'circle': 4 → 9"]


def test_annotation_files_of_somebody_else_are_told(declared: Properties) -> None:
    inputs = checked(declared)
    [line] = content_change({**inputs, "digest": "changed outside Pulumi"}, inputs)
    assert line.startswith("its annotation files were changed outside Pulumi")


@pytest.fixture
def boxed(declared: Properties, dataset_folder: MakeFolder) -> tuple[Properties, DatasetFolder]:
    """A dataset for object detection, declared, and its folder: three images with a fork, one with a spoon."""
    folder = dataset_folder({"fork": 3, "spoon": 1}, "cutlery", box=[0, 0, 0.5, 0.5])
    return {**declared, "annotation_kind": "imageObjectDetection", "source": "cutlery"}, folder


def move_a_box(document: dict[str, Any]) -> None:
    document["annotations"][0]["bbox"] = [0, 0, 0.5, 0.6]


def draw_a_box(document: dict[str, Any]) -> None:
    document["annotations"].append({"id": 5, "image_id": 1, "category_id": 2, "bbox": [0.5, 0.5, 0.5, 0.5]})


def relabel_a_box(document: dict[str, Any]) -> None:
    document["annotations"][0]["category_id"] = 2


def remove_an_image(document: dict[str, Any]) -> None:
    document["images"].pop(0)
    document["annotations"].pop(0)
    for section, key in (("images", "id"), ("annotations", "id"), ("annotations", "image_id")):
        for entry in document[section]:
            entry[key] -= 1


def empty_an_image(document: dict[str, Any]) -> None:
    document["annotations"].pop()
    document["annotations"][2]["category_id"] = 2


@pytest.mark.parametrize(
    ("change", "told", "counted"),
    [
        (move_a_box, ["boxes moved in 1 image"], ["different images or boxes, but the same number as before"]),
        (draw_a_box, ["boxes of 'spoon': 1 → 2", "1 image with more boxes"], ["boxes of 'spoon': 1 → 2"]),
        (
            relabel_a_box,
            ["boxes of 'fork': 3 → 2", "boxes of 'spoon': 1 → 2", "1 image relabelled 'fork' → 'spoon'"],
            ["boxes of 'fork': 3 → 2", "boxes of 'spoon': 1 → 2"],
        ),
        (
            remove_an_image,
            ["1 image removed (4 → 3)", "boxes of 'fork': 3 → 2"],
            ["images: 4 → 3", "boxes of 'fork': 3 → 2"],
        ),
        (
            empty_an_image,
            ["boxes of 'fork': 3 → 2", "1 image relabelled 'fork' → 'spoon'", "1 image with fewer boxes"],
            ["boxes of 'fork': 3 → 2"],
        ),
    ],
)
def test_a_changed_box_is_told_and_trains_the_model_anew(
    boxed: tuple[Properties, DatasetFolder], change: Callable[[dict[str, Any]], None], told: list[str], counted: list[str]
) -> None:
    declared, folder = boxed
    olds = checked(declared)
    change(folder.document)
    folder.write()
    news = checked(declared)
    assert content_change(olds, news) == told
    assert content_change({**olds, "digest": "0" * 64}, news) == counted
    assert DatasetProvider().diff("id", olds, news).changes
    model = {
        "logical_name": "m",
        "model_kind": "Generic-Detector",
        "time_budget_in_hours": 1.0,
        "row_urn": "urn",
        "endpoint": "http://127.0.0.1:1",
    }
    before, after = (
        ModelProvider().check({}, {**model, "training_digest": inputs["digest"], "annotation_kind": inputs["annotation_kind"]})
        for inputs in (olds, news)
    )
    assert ModelProvider().diff("id", before.inputs, after.inputs).replaces == ["model_name", "training_digest"]


def test_a_changed_tag_of_several_is_told_with_the_images(declared: Properties, dataset_folder: MakeFolder) -> None:
    folder = dataset_folder({"fork": 3, "spoon": 3}, "cutlery")
    declared = {**declared, "annotation_kind": "imageMultiLabelClassification", "source": "cutlery"}
    olds = checked(declared)
    folder.document["annotations"].append({"id": 7, "image_id": 1, "category_id": 2})
    folder.write()
    news = checked(declared)
    assert content_change(olds, news) == ["images with 'spoon': 3 → 4", "1 image retagged 'fork' → 'fork', 'spoon'"]
    assert content_change({**olds, "digest": "0" * 64}, news) == ["images with 'spoon': 3 → 4"]


def test_another_kind_is_another_dataset_and_the_name_is_freed_first(declared: Properties) -> None:
    inputs = checked(declared)
    result = DatasetProvider().diff("id", inputs, {**inputs, "annotation_kind": "imageObjectDetection"})
    assert result.replaces == ["annotation_kind"]
    assert result.delete_before_replace


def test_a_touched_file_changes_nothing(declared: Properties, tmp_path: Path) -> None:
    before = checked(declared)["digest"]
    draw("circle", 0).save(tmp_path / "shapes" / "images" / "circle-0.png")
    assert checked(declared)["digest"] == before


CONTAINER = "https://a.blob.core.windows.net/training"
BEFORE, AFTER = (
    Manifest("imageClassification", {f"{number:064x}": ImageLabels((tag,)) for number, tag in enumerate(tags)})
    for tags in (("circle", "circle", "square"), ("circle", "square", "square", "square"))
)


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> dict[str, Manifest]:
    """The contents in the container."""
    contents = {manifest.digest: manifest for manifest in (BEFORE, AFTER)}

    def find(url: str, digest: str, kind: str, purpose: str | None = None, **_: object) -> StoredContent:
        assert (url, kind) == (CONTAINER, "imageClassification")
        if digest not in contents:
            raise ContentMissing(digest, url)
        return StoredContent(digest, contents[digest], (f"{CONTAINER}/annotations/1.json",), {})

    monkeypatch.setattr("vision_customization.customization.resources.dataset.find_stored", find)
    return contents


def by_content(declared: Properties, content: object, **changes: object) -> Properties:
    known = {"container_url": CONTAINER, "account_key": "k", "content": content, "source": None, "annotation_files": None}
    return {**declared, **known, **changes}


def test_a_content_says_what_the_dataset_holds_and_what_changed(declared: Properties, stored: dict[str, Manifest]) -> None:
    first, then = (checked(by_content(declared, f"sha256:{manifest.digest}")) for manifest in (BEFORE, AFTER))
    assert (then["digest"], then["images"], then["tags"]) == (AFTER.digest, 4, {"circle": 1, "square": 3})
    assert DatasetProvider().diff("id", first, then).changes
    assert content_change(first, then) == [
        "1 image added to 'square' (1 → 3)",
        "1 image retagged 'circle' → 'square'",
    ]


def test_a_content_that_is_deployed_is_not_looked_at_again(declared: Properties, stored: dict[str, Manifest]) -> None:
    news = by_content(declared, f"sha256:{BEFORE.digest}")
    olds = checked(news)
    stored.clear()
    result = DatasetProvider().check(olds, news)
    assert result.failures == []
    assert not DatasetProvider().diff("id", olds, result.inputs).changes


def test_the_same_content_by_digest_instead_of_files_trains_nothing(declared: Properties, stored: dict[str, Manifest]) -> None:
    files = checked(declared)
    result = DatasetProvider().check(files, by_content(declared, f"sha256:{files['digest']}"))
    assert result.failures == []
    assert result.inputs["digest"] == files["digest"]
    assert DatasetProvider().diff("id", files, result.inputs).replaces == []


@pytest.mark.parametrize("unknown", ["container_url", "account_key"])
def test_a_container_that_a_preview_does_not_know_leaves_the_digest(
    declared: Properties, stored: dict[str, Manifest], unknown: str
) -> None:
    news = by_content(declared, f"sha256:{AFTER.digest}", **{unknown: UNKNOWN})
    result = DatasetProvider().check({}, news)
    assert (result.failures, result.inputs["digest"], result.inputs.get("tags")) == ([], AFTER.digest, None)
    checked(by_content(declared, f"sha256:{AFTER.digest}"))
    assert DatasetProvider().check({}, news).inputs["tags"] == {"circle": 1, "square": 3}, "known from before"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("sha256:1f2e", "64 hex digits"),
        (f"sha256:{'0' * 64}", f"is not in the container {CONTAINER}. Copy it there: `vision datasets copy NAME"),
    ],
)
def test_a_content_that_is_not_there_is_refused(
    declared: Properties, stored: dict[str, Manifest], content: str, said: str
) -> None:
    [failure] = DatasetProvider().check({}, by_content(declared, content)).failures
    assert failure.property == "content"
    assert said in failure.reason


VERSION = {
    "digest": "c" * 64,
    "datasetName": "labelled",
    "annotationKind": "imageClassification",
    "annotationFileUri": f"{CONTAINER}/annotations/{'c' * 64}.json",
    "images": 1,
    "labels": 1,
    "tags": {},
    "changes": [],
    "savedBy": "ada",
    "savedDateTime": "2026-01-01T00:00:00Z",
}
OTHER = {
    "name": "other",
    "annotationKind": "imageClassification",
    "annotationFileUris": [f"{CONTAINER}/annotations/{'d' * 64}.json"],
    "createdDateTime": "2026-01-01T00:00:00Z",
    "updatedDateTime": "2026-01-01T00:00:00Z",
}
DRAFT = {
    "name": "d",
    "id": "00000000-0000-4000-8000-000000000000",
    "annotationKind": "imageClassification",
    "datasetName": "labelled",
    "images": 0,
    "unlabelledImages": 0,
    "changedImages": 0,
    "conflicts": 0,
    "labels": 0,
    "tags": [],
    "createdBy": "ada",
    "createdDateTime": "2026-01-01T00:00:00Z",
    "updatedDateTime": "2026-01-01T00:00:00Z",
}


@pytest.mark.parametrize("knows_drafts", [True, False])
def test_what_drafts_and_versions_need_is_spared(
    declared: Properties, service: FakeService, monkeypatch: pytest.MonkeyPatch, knows_drafts: bool
) -> None:
    deleted: list[dict[str, Any]] = []
    monkeypatch.setattr(
        "vision_customization.customization.resources.dataset.delete_content", lambda *_, **options: deleted.append(options)
    )

    def answer(request: Received) -> Answer:
        path = request.path.removeprefix("/computervision/")
        answers = {"datasets": [OTHER], "drafts": [DRAFT], "datasets/labelled/versions": [VERSION]}
        if path == "drafts" and not knows_drafts:
            return Answer(404, {})
        return Answer(200, {"value": answers.get(path, [])})

    service.handler = answer
    retire(service.client(), {**declared, "container_url": CONTAINER, "digest": "e" * 64}, keep_images=False)
    [options] = deleted
    assert options["open_drafts"] == ([DRAFT["id"]] if knows_drafts else None)
    assert options["registered_uris"] == [
        *OTHER["annotationFileUris"],
        *([VERSION["annotationFileUri"]] if knows_drafts else []),
    ]
