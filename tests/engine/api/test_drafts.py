"""`/drafts` and the versions that are saved from them."""

import hashlib
import io
import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.support.api_world import BuildWorld, World
from tests.support.coco_content import fill, index
from vision_customization.common.dataset_content.blob_names import draft_of
from vision_customization.common.dataset_content.manifest import Manifest
from vision_customization.contract.coco.rules import check_coco
from vision_customization.contract.enums import AnnotationKind, Purpose

BOX = [0.1, 0.2, 0.3, 0.4]
DETECTION = "imageObjectDetection"


def picture(number: int, kind: str = "PNG", size: tuple[int, int] = (60, 80)) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", size, (number, 90, 60)).save(target, kind)
    return target.getvalue()


def begin(world: World, name: str = "d", **body: object) -> httpx.Response:
    return world.call("PUT", f"drafts/{name}", json={"annotationKind": "imageClassification", **body})


def add(world: World, number: int = 1, name: str = "a.png", draft: str = "d") -> httpx.Response:
    return world.call("POST", f"drafts/{draft}/images?fileName={name}", content=picture(number))


def label(world: World, number: int, *labels: dict[str, object], e_tag: str | None = None, **body: object) -> httpx.Response:
    headers = {} if e_tag is None else {"If-Match": f'"{e_tag}"'}
    return world.call("PUT", f"drafts/d/images/{number}/labels", json={"labels": list(labels), **body}, headers=headers)


def ok(reply: httpx.Response, status: int = 200) -> Any:  # noqa: ANN401 - JSON
    assert reply.status_code == status, reply.text
    return reply.json()


def error(reply: httpx.Response) -> tuple[int, str, str]:
    body = reply.json()["error"]
    return reply.status_code, body["code"], body["message"]


@pytest.fixture
def labelled(world: World) -> World:
    """A draft with two pictures of a cat and one of a dog."""
    ok(begin(world, tags=["cat", "dog"]), 201)
    for number, tag in enumerate(("cat", "cat", "dög")):
        ok(add(world, number, f"{number}.png"), 201)
        ok(label(world, number, {"tag": tag}))
    return world


def test_from_nothing_to_a_dataset(labelled: World) -> None:
    draft = ok(labelled.call("GET", "drafts/d"))
    assert {
        key: draft[key] for key in ("images", "unlabelledImages", "changedImages", "labels", "conflicts", "datasetName")
    } == {
        "images": 3,
        "unlabelledImages": 0,
        "changedImages": 3,
        "labels": 3,
        "conflicts": 0,
        "datasetName": "d",
    }
    assert draft["tags"][0] == {"name": "cat", "images": 2, "labels": 2}
    version = ok(labelled.call("POST", "drafts/d:save", json={"message": "first"}))
    assert (version["images"], version["tags"], version["message"], version["registered"]) == (
        3,
        {"cat": 2, "dög": 1},
        "first",
        ["d"],
    )
    assert version["changes"] == ["2 images added to 'cat' (0 → 2)", "1 image added to 'dög' (0 → 1)"]
    dataset = ok(labelled.call("GET", "datasets/d"))
    assert dataset["annotationFileUris"] == [version["annotationFileUri"]]
    assert dataset["customProperties"] == {"managedBy": "studio"}
    assert dataset["authentication"] == {"kind": "sas"}
    assert ok(labelled.call("GET", "datasets/d/versions"))["value"] == [version]


def test_what_is_written_is_what_a_dataset_uploads(labelled: World) -> None:
    version = ok(labelled.call("POST", "drafts/d:save", json={}))
    blobs, digest = labelled.container.blobs, version["digest"]
    file = version["annotationFileUri"].removeprefix(f"{labelled.container.url}/")
    sha256 = hashlib.sha256(blobs[file]).hexdigest()
    assert file == f"annotations/{sha256}.json"
    assert Manifest.from_bytes(blobs[f"manifests/{digest}.json"]).digest == digest
    assert blobs[f"manifests/{digest}/{sha256}"] == b""
    coco, problems = check_coco(json.loads(blobs[file]), "d.json", AnnotationKind.IMAGE_CLASSIFICATION, Purpose.EVALUATION)
    assert coco is not None
    assert problems == []
    assert [image.file_name for image in coco.images] == ["0.png", "1.png", "2.png"]
    for number, image in enumerate(coco.images):
        data = picture(number)
        name = f"images/{hashlib.sha256(data).hexdigest()}.png"
        assert image.url == f"{labelled.container.url}/{name}"
        assert blobs[name] == data


def test_a_picture_is_the_drafts_before_it_is_in_storage(world: World) -> None:
    draft = ok(begin(world), 201)
    ok(add(world), 201)
    names = list(world.container.blobs)
    assert draft_of(names[0]) == (draft["id"], hashlib.sha256(picture(1)).hexdigest())
    assert names[1].startswith("images/")


def test_the_same_content_is_the_same_version(labelled: World) -> None:
    first = ok(labelled.call("POST", "drafts/d:save", json={}))
    blobs = dict(labelled.container.blobs)
    ok(label(labelled, 0, {"tag": "dög"}))
    ok(label(labelled, 0, {"tag": "cat"}))
    assert ok(labelled.call("POST", "drafts/d:save", json={"message": "again"})) == first
    assert labelled.container.blobs == blobs


def test_a_version_begins_the_next_draft(labelled: World) -> None:
    first = ok(labelled.call("POST", "drafts/d:save", json={}))
    file = first["annotationFileUri"].removeprefix(f"{labelled.container.url}/")
    index(labelled.store, "d", json.loads(labelled.container.blobs[file]))
    draft = ok(labelled.call("PUT", "drafts/next", json={"baseDataset": "d"}), 201)
    assert (draft["images"], draft["changedImages"], draft["base"]["moved"]) == (3, 0, False)
    pinned = [name for name in labelled.container.blobs if (of := draft_of(name)) and of[0] == draft["id"]]
    assert len(pinned) == 2  # the content and the annotation file
    assert ok(labelled.call("GET", "drafts/next/changes")) == {"changes": []}
    assert ok(labelled.call("POST", "drafts/next:save", json={}))["digest"] == first["digest"]
    ok(labelled.call("POST", "drafts/next/images:label", json={"images": [{"number": 0, "labels": [{"tag": "dög"}]}]}))
    assert ok(labelled.call("GET", "drafts/next/changes")) == {"changes": ["1 image retagged 'cat' → 'dög'"]}
    second = ok(labelled.call("POST", "drafts/next:save", json={}))
    assert second["changes"] == ["1 image retagged 'cat' → 'dög'"]
    assert [each["digest"] for each in ok(labelled.call("GET", "datasets/d/versions"))["value"]] == [
        second["digest"],
        first["digest"],
    ]
    after = ok(labelled.call("GET", "drafts/next"))
    assert (after["base"]["moved"], after["changedImages"]) == (False, 0), "the draft is based on what it saved"
    assert ok(labelled.call("GET", "drafts/d"))["base"]["moved"] is True
    code, _, message = error(labelled.call("POST", "drafts/d:save", json={}))
    assert (code, "Merge the draft first" in message) == (400, True)


def test_another_dataset_is_never_overwritten(labelled: World) -> None:
    uris = ["https://account.blob.core.windows.net/training/annotations/others.json"]
    labelled.register("d", annotationFileUris=uris)
    status, _, message = error(labelled.call("POST", "drafts/d:save", json={}))
    assert status == 400
    assert "did not begin with the dataset 'd'" in message
    assert ok(labelled.call("GET", "datasets/d"))["annotationFileUris"] == uris
    assert ok(labelled.call("GET", "datasets/d/versions"))["value"] == []


def test_what_a_stack_declares_is_not_changed(labelled: World) -> None:
    uris = ["https://account.blob.core.windows.net/training/annotations/declared.json"]
    labelled.register("d", annotationFileUris=uris, customProperties={"managedBy": "pulumi:photos/dev"})
    version = ok(labelled.call("POST", "drafts/d:save", json={}))
    assert version["registered"] == []
    assert ok(labelled.call("GET", "datasets/d"))["annotationFileUris"] == uris


def test_a_draft_follows_its_dataset(labelled: World) -> None:
    first = ok(labelled.call("POST", "drafts/d:save", json={}))
    document = json.loads(labelled.container.blobs[first["annotationFileUri"].removeprefix(f"{labelled.container.url}/")])
    index(labelled.store, "d", document)
    ok(labelled.call("PUT", "drafts/next", json={"baseDataset": "d"}), 201)
    ok(labelled.call("POST", "drafts/next/images:label", json={"images": [{"number": 0, "labels": [{"tag": "dög"}]}]}))
    # Meanwhile, the dataset gets another label for the first picture, and loses the last.
    document["categories"].append({"id": 4, "name": "cow"})
    document["annotations"][0]["category_id"] = 4
    document["images"].pop()
    document["annotations"].pop()
    labelled.store.datasets.update("d", annotation_file_uris=["https://account.blob.core.windows.net/training/new.json"])
    refused = labelled.call("POST", "drafts/next:merge")
    assert error(refused) == (400, "InvalidRequest", "The content of the dataset 'd' is not read yet. Try again in a moment.")
    labelled.store.content.look("d")
    look = labelled.store.content.look("d").record
    unread = look.successor or look
    fill(labelled.store, unread.id, "d", document)
    assert ok(labelled.call("POST", "drafts/next:merge")) == {"taken": 0, "kept": 0, "added": 0, "removed": 1, "conflicts": 1}
    assert error(labelled.call("POST", "drafts/next:save", json={})) == (
        400,
        "InvalidRequest",
        "The draft 'next' has 1 image that both sides changed. Settle it first.",
    )
    [conflict] = ok(labelled.call("GET", "drafts/next/images?only=conflicts"))["value"]
    assert (conflict["labels"], conflict["theirs"]) == ([{"tag": "dög"}], [{"tag": "cow"}])
    ok(labelled.call("PUT", "drafts/next/images/0/labels", json={"labels": conflict["theirs"]}))
    assert ok(labelled.call("GET", "drafts/next"))["changedImages"] == 0


@pytest.mark.parametrize(
    ("kind", "labels", "message"),
    [
        ("imageClassification", [{"tag": "cat"}, {"tag": "dog"}], "labels: an image of a classification has one tag"),
        ("imageClassification", [{"tag": "cat", "bbox": BOX}], "labels.0.bbox: only a dataset for object detection has boxes"),
        (DETECTION, [{"tag": "cat"}], "labels.0.bbox: is missing"),
        (DETECTION, [{"tag": "cat", "bbox": BOX}, {"tag": "cat", "bbox": [0.5, 0.5, 0.6, 0.1]}], "labels.1.bbox: bbox"),
        (DETECTION, [{"tag": "cat", "bbox": [0.5, 0.5, 0.0, 0.1]}], "width is 0"),
        (DETECTION, [{"tag": "cat", "bbox": [10, 20, 300, 40]}], "these look like pixels"),
        ("imageClassification", [{"tag": ""}], "is not a tag"),
        ("imageClassification", [{"tag": " cat"}], "is not a tag"),
        ("imageClassification", [{"tag": "c" * 300}], "the name has 300 characters; at most 255 are allowed"),
        (DETECTION, [{"tag": "cat", "bbox": BOX}] * 1001, "1000"),
        ("imageClassification", [{"tag": 7}], "valid string"),
    ],
)
def test_labels_that_no_image_can_have(world: World, kind: str, labels: list[dict[str, object]], message: str) -> None:
    ok(begin(world, annotationKind=kind), 201)
    ok(add(world), 201)
    status, code, text = error(label(world, 0, *labels))
    assert (status, code) == (400, "InvalidRequest")
    assert message in text
    assert ok(world.call("GET", "drafts/d/images/0"))["labels"] == []


def test_a_box_over_the_edge_by_rounding_is_cut(world: World) -> None:
    ok(begin(world, annotationKind=DETECTION), 201)
    ok(add(world), 201)
    ok(label(world, 0, {"tag": "cat", "bbox": [0.5, 0.5, 0.50001, 0.1]}))
    [saved] = ok(world.call("GET", "drafts/d/images/0"))["labels"]
    assert saved["bbox"] == pytest.approx([0.5, 0.5, 0.5, 0.1], abs=1e-12)
    assert saved["bbox"][0] + saved["bbox"][2] <= 1


def test_several_tags_on_an_image_each_once(world: World) -> None:
    ok(begin(world, annotationKind="imageMultiLabelClassification"), 201)
    ok(add(world), 201)
    image = ok(label(world, 0, {"tag": "cat"}, {"tag": "dog"}, {"tag": "cat"}))
    assert image["labels"] == [{"tag": "cat"}, {"tag": "dog"}]


def test_two_people_on_one_image(labelled: World) -> None:
    seen = ok(labelled.call("GET", "drafts/d/images/0"))["eTag"]
    first = label(labelled, 0, {"tag": "dög"}, e_tag=seen)
    assert first.headers["etag"] == f'"{ok(first)["eTag"]}"'
    assert error(label(labelled, 0, {"tag": "cow"}, e_tag=seen))[:2] == (412, "PreconditionFailed")
    assert ok(label(labelled, 0, {"tag": "dög"}, e_tag=seen))["eTag"] == ok(first)["eTag"], "sent again"
    batch = {"images": [{"number": 0, "eTag": seen, "labels": []}, {"number": 1, "labels": []}, {"number": 9, "labels": []}]}
    results = ok(labelled.call("POST", "drafts/d/images:label", json=batch))["value"]
    assert [(each["number"], each["saved"]) for each in results] == [(0, False), (1, True), (9, False)]
    assert results[0]["image"]["labels"] == [{"tag": "dög"}]
    assert "image" not in results[2]


def test_all_images_of_a_filter_change_at_once(labelled: World) -> None:
    def change(**body: object) -> Any:  # noqa: ANN401 - JSON
        return ok(labelled.call("POST", "drafts/d/images:change", json=body))

    seen = ok(labelled.call("GET", "drafts/d"))["edit"]
    ok(label(labelled, 1, {"tag": "dog"}))
    wanted = {"action": "give", "tag": "owl", "onlyTag": "cat", "seen": seen}
    assert change(**wanted, preview=True)["changed"] == 1
    assert change(**wanted) == {"changed": 1, "already": 0, "left": 0, "others": 0, "names": []}
    assert change(action="remove", seen=seen) | {"names": []} == {
        "changed": 1, "already": 0, "left": 0, "others": 2, "names": [],
    }  # fmt: skip
    assert change(action="restore", only="removed")["changed"] == 1


@pytest.mark.parametrize(
    ("body", "expected", "message"),
    [
        ({"action": "give"}, (400, "InvalidRequest"), "tag: is missing"),
        ({"action": "give", "tag": " "}, (400, "InvalidRequest"), "tag"),
        ({"action": "take", "tag": "owl"}, (404, "404"), "owl"),
        ({"action": "clear", "onlyTag": "owl"}, (404, "404"), "owl"),
        ({"action": "restore"}, (400, "InvalidRequest"), "select them with `removed` or `changed`"),
        ({"action": "restore", "only": "unlabelled"}, (400, "InvalidRequest"), "select them with"),
        ({"action": "clear", "seen": -1}, (400, "InvalidRequest"), "seen"),
        ({"action": "clear", "seen": 10**20}, (400, "InvalidRequest"), "seen"),
        ({"action": "paint"}, (400, "InvalidRequest"), "action"),
    ],
)
def test_changes_of_all_images_that_are_refused(
    labelled: World, body: dict[str, object], expected: tuple[int, str], message: str
) -> None:
    found = error(labelled.call("POST", "drafts/d/images:change", json=body))
    assert found[:2] == expected
    assert message in found[2]
    assert ok(labelled.call("GET", "drafts/d"))["images"] == 3


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is not an image of a supported type"),
        (picture(1)[:80], "damaged or truncated"),
        (picture(1, size=(9, 80)), "px"),
        (picture(1, "PPM"), "is not an image of a supported type"),
        (b"", "empty"),
        (b"x" * (20 * 1024 * 1024 + 1), "longer than"),
    ],
)
def test_files_that_are_no_pictures(world: World, data: bytes, message: str) -> None:
    ok(begin(world), 201)
    reply = world.call("POST", "drafts/d/images?fileName=a.jpg", content=data)
    assert reply.status_code == 400
    assert message in error(reply)[2]
    assert world.container.blobs == {}
    assert ok(world.call("GET", "drafts/d"))["images"] == 0


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("a/b.png", "a/b.png"),
        ("../../etc/b.png", "etc/b.png"),
        ("C:\\photos\\b.png", "C:/photos/b.png"),
        ("/b.png", "b.png"),
        ("b\x1b[31m.png", "b_[31m.png"),
        ("..", "picture"),
    ],
)
def test_a_file_name_stays_in_its_folder(world: World, given: str, kept: str) -> None:
    ok(begin(world), 201)
    reply = world.call("POST", "drafts/d/images?" + str(httpx.QueryParams({"fileName": given})), content=picture(1))
    assert ok(reply, 201)["fileName"] == kept


def test_a_known_picture_is_not_added_again(world: World) -> None:
    ok(begin(world), 201)
    assert ok(add(world), 201)["number"] == 0
    assert ok(add(world, name="other.png"), 200)["fileName"] == "a.png"


def test_tags_are_added_renamed_merged_and_deleted(labelled: World) -> None:
    assert ok(labelled.call("POST", "drafts/d/tags", json={"name": "cow"}))["tags"][-1]["name"] == "cow"
    rename = {"tag": "dög", "name": "cat"}
    assert error(labelled.call("POST", "drafts/d/tags:rename", json=rename))[:2] == (409, "TagAlreadyExists")
    assert ok(labelled.call("POST", "drafts/d/tags:rename", json={**rename, "merge": True})) == {"images": 1}
    assert ok(labelled.call("POST", "drafts/d/tags:delete", json={"tag": "cat"})) == {"images": 3}
    assert [tag["name"] for tag in ok(labelled.call("GET", "drafts/d"))["tags"]] == ["dog", "cow"]
    assert error(labelled.call("POST", "drafts/d/tags:delete", json={"tag": "no"}))[0] == 404


def test_images_are_removed_and_restored(labelled: World) -> None:
    assert ok(labelled.call("POST", "drafts/d/images:remove", json={"numbers": [0, 2, 99]})) == {"images": 2}
    assert ok(labelled.call("GET", "drafts/d/images?only=removed"))["count"] == 2
    assert ok(labelled.call("GET", "drafts/d/images?tag=cat"))["count"] == 1
    ok(labelled.call("POST", "drafts/d/images:restore", json={"numbers": [0]}))
    assert ok(labelled.call("GET", "drafts/d"))["images"] == 2


def test_nothing_is_half_done_where_the_container_refuses(labelled: World) -> None:
    labelled.container.refusing = "the container refuses it (403)"
    assert error(add(labelled, 7))[0] == 502
    assert error(labelled.call("POST", "drafts/d:save", json={}))[0] == 502
    assert ok(labelled.call("GET", "drafts/d"))["images"] == 3
    assert ok(labelled.call("GET", "datasets/d/versions"))["value"] == []
    assert labelled.call("GET", "datasets/d").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "drafts/new", {"annotationKind": "imageClassification"}),
        ("POST", "drafts/d:save", {}),
        ("POST", "drafts/d:merge", None),
    ],
)
def test_without_a_container_there_are_no_drafts(
    build_world: BuildWorld, world: World, method: str, path: str, body: object
) -> None:
    world = build_world(world.settings, studio_container=None)
    world.store.drafts.create("d", AnnotationKind.IMAGE_CLASSIFICATION, "d", "https://a.blob.core.windows.net/c", "ada")
    status, _, message = error(world.call(method, path, json=body))
    assert status == 400
    assert "VISION_ENGINE_STUDIO_CONTAINER" in message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "annotationKind is missing"),
        ({"baseDataset": "no"}, "There is no dataset 'no'"),
        ({"annotationKind": "imageClassification", "tags": [" cat"]}, "tags"),
    ],
)
def test_a_draft_that_can_not_begin(world: World, body: dict[str, object], message: str) -> None:
    reply = world.call("PUT", "drafts/d", json=body)
    assert reply.status_code in (400, 404)
    assert message in error(reply)[2]
    assert world.call("GET", "drafts/d").status_code == 404


def test_the_files_of_a_version(labelled: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))  # all files are in the engine's own folder
    version = ok(labelled.call("POST", "drafts/d:save", json={}))
    root = labelled.container.url
    labelled.blobs.content.update({f"{root}/{name}": data for name, data in labelled.container.blobs.items()})
    path = f"datasets/d/versions/{version['digest']}"
    document = ok(labelled.call("GET", f"{path}/annotations"))
    file = document["images"][0]["absolute_url"].rpartition("/")[2]
    reply = labelled.call("GET", f"{path}/images/{file}")
    assert reply.content == picture(0)
    assert reply.headers["content-disposition"] == f'attachment; filename="{file}"'
    assert reply.headers["content-type"] == "application/octet-stream"
    for wrong in ("../x.png", f"{'0' * 64}.html", "0.png"):
        assert labelled.call("GET", f"{path}/images/{wrong}").status_code in (400, 404)
    assert labelled.call("GET", f"datasets/d/versions/{'0' * 64}").status_code == 404


def test_what_a_version_began_with(labelled: World) -> None:
    first = ok(labelled.call("POST", "drafts/d:save", json={}))
    assert first["baseFiles"] == 0
    file = first["annotationFileUri"].removeprefix(f"{labelled.container.url}/")
    index(labelled.store, "d", json.loads(labelled.container.blobs[file]))
    ok(labelled.call("PUT", "drafts/next", json={"baseDataset": "d"}), 201)
    ok(labelled.call("POST", "drafts/next/images:label", json={"images": [{"number": 0, "labels": [{"tag": "dög"}]}]}))
    second = ok(labelled.call("POST", "drafts/next:save", json={}))
    assert second["baseFiles"] == 1
    labelled.blobs.content[first["annotationFileUri"]] = labelled.container.blobs[file]
    path = "datasets/d/versions"
    assert labelled.call("GET", f"{path}/{second['digest']}/base/0").content == labelled.container.blobs[file]
    assert labelled.call("GET", f"{path}/{second['digest']}/base/1").status_code == 404
    assert labelled.call("GET", f"{path}/{first['digest']}/base/0").status_code == 404
    assert labelled.call("GET", f"{path}/{second['digest']}/base/-1").status_code == 400


def test_files_of_other_containers_are_not_read_for_a_version(labelled: World) -> None:
    first = ok(labelled.call("POST", "drafts/d:save", json={}))
    record = labelled.store.versions.find("d", first["digest"])
    elsewhere = "https://elsewhere.blob.core.windows.net/c/train.json?sig=HIDDEN"
    labelled.store.versions.add(replace(record, dataset_name="other", base_uris=(elsewhere,)))
    status, _, message = error(labelled.call("GET", f"datasets/other/versions/{first['digest']}/base/0"))
    assert status == 404
    assert "elsewhere.blob.core.windows.net/c/train.json is not in the container" in message
    assert "HIDDEN" not in message


def test_secrets_stay_here(labelled: World) -> None:
    for path in ("drafts/d", "drafts", "drafts/d/images", "datasets/d/versions"):
        assert "SECRET" not in labelled.call("GET", path).text
    ok(labelled.call("POST", "drafts/d:save", json={}))
    assert "SECRET" not in labelled.call("GET", "datasets/d").text
    assert b"SECRET" not in b"".join(labelled.container.blobs.values())


def save(world: World, draft: str = "d", **body: object) -> Any:  # noqa: ANN401 - JSON
    """A version, whose files the engine can read."""
    version = ok(world.call("POST", f"drafts/{draft}:save", json=body))
    root = world.container.url
    world.blobs.content.update({f"{root}/{name}": data for name, data in world.container.blobs.items()})
    return version


def coco_of(world: World, version: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    return json.loads(world.blobs.content[version["annotationFileUri"]])


def registered(world: World, digest: str) -> Any:  # noqa: ANN401 - JSON
    version = ok(world.call("GET", f"datasets/d/versions/{digest}"))
    [listed] = [each for each in ok(world.call("GET", "datasets/d/versions"))["value"] if each["digest"] == digest]
    assert listed == version
    return version["registered"]


def test_a_version_says_where_it_is_registered(labelled: World) -> None:
    version, digest = save(labelled), ok(labelled.call("GET", "datasets/d/versions"))["value"][0]["digest"]
    assert registered(labelled, digest) == ["d"], "by its file, before a worker has read it"
    document = coco_of(labelled, version)
    # The same content, from two files of other names, in another order, without the draft's empty tag.
    images, labels, tags = document["images"], document["annotations"], document["categories"]
    halves = {
        "images": images[::-1],
        "annotations": labels,
        "categories": [tag for tag in tags if tag["name"] != "dog"],
    }
    labelled.register("stack", annotationFileUris=["https://account.blob.core.windows.net/training/annotations/7.json"])
    assert registered(labelled, digest) == ["d"]
    index(labelled.store, "stack", halves)
    assert registered(labelled, digest) == ["d", "stack"]
    labelled.register("likewise", annotationKind="imageMultiLabelClassification")
    index(labelled.store, "likewise", document)
    labelled.register("changed")
    index(labelled.store, "changed", {**document, "annotations": labels[1:]})
    labelled.register("elsewhere")
    index(
        labelled.store,
        "elsewhere",
        {**document, "images": [{**each, "absolute_url": f"https://x/{each['id']}.png"} for each in images]},
    )
    assert registered(labelled, digest) == ["d", "stack"], "the others have another content, or nobody knows"
    labelled.store.datasets.update("stack", annotation_file_uris=["https://account.blob.core.windows.net/training/8.json"])
    assert registered(labelled, digest) == ["d"], "until a worker has read the files that it has now"
    assert labelled.call("DELETE", "datasets/d").status_code == 204
    assert registered(labelled, digest) == []


@pytest.mark.parametrize(
    "broken",
    [
        {"annotations": [{"id": 99, "image_id": 1, "category_id": 77}]},
        {"annotations": [{"id": 99, "image_id": 1}]},
        {"images": [{"id": 99, "width": 60, "height": 80, "file_name": "x.png"}]},
    ],
    ids=["no such tag", "no tag", "no address"],
)
def test_files_that_hold_more_than_can_be_read_are_not_a_versions_content(labelled: World, broken: dict[str, Any]) -> None:
    version = save(labelled)
    document = coco_of(labelled, version)
    labelled.register("other")
    index(labelled.store, "other", {section: [*entries, *broken.get(section, [])] for section, entries in document.items()})
    assert registered(labelled, version["digest"]) == ["d"]


def test_boxes_count_for_where_a_version_is_registered(world: World) -> None:
    ok(begin(world, annotationKind=DETECTION), 201)
    ok(add(world), 201)
    ok(label(world, 0, {"tag": "cat", "bbox": BOX}, {"tag": "cat", "bbox": [0.5, 0.5, 0.25, 1 / 3]}))
    version = save(world)
    document = coco_of(world, version)
    moved = [{**each, "bbox": [0.5, 0.5, 0.25, 0.3]} for each in document["annotations"]]
    for name, labels in (("same", document["annotations"][::-1]), ("moved", moved)):
        world.register(name, annotationKind=DETECTION)
        index(world.store, name, {**document, "annotations": labels})
    assert registered(world, version["digest"]) == ["d", "same"]


def register(world: World, digest: str, **body: object) -> httpx.Response:
    return world.call("POST", f"datasets/d/versions/{digest}:register", json=body)


def test_a_version_is_registered_under_a_name(labelled: World) -> None:
    first = save(labelled)
    dataset = ok(register(labelled, first["digest"], datasetName="d-beside"), 201)
    assert (dataset["name"], dataset["annotationFileUris"]) == ("d-beside", [first["annotationFileUri"]])
    assert (dataset["customProperties"], dataset["authentication"]) == ({"managedBy": "studio"}, {"kind": "sas"})
    again = ok(register(labelled, first["digest"], datasetName="d-beside"))
    assert again["eTag"] == dataset["eTag"], "nothing is changed"
    assert registered(labelled, first["digest"]) == ["d", "d-beside"]
    ok(label(labelled, 0, {"tag": "dög"}))
    second = save(labelled)
    assert registered(labelled, first["digest"]) == ["d-beside"]
    # Back to the first one.
    status, code, message = error(register(labelled, first["digest"]))
    assert (status, code) == (409, "DatasetAlreadyExists")
    assert message.startswith("The name 'd' is taken by a dataset with other content. Choose another name, or pass `replace`")
    assert registered(labelled, second["digest"]) == ["d"]
    back = ok(register(labelled, first["digest"], replace=True))
    assert back["annotationFileUris"] == [first["annotationFileUri"]]
    assert (registered(labelled, first["digest"]), registered(labelled, second["digest"])) == (["d", "d-beside"], [])


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (
            {"customProperties": {"managedBy": "pulumi:photos/dev"}},
            "The Pulumi stack `photos/dev` declares the dataset 'taken', so only the stack changes it.",
        ),
        ({"annotationKind": DETECTION}, "The dataset 'taken' is of kind imageObjectDetection, and the version of kind"),
    ],
    ids=["declared", "another kind"],
)
def test_a_dataset_that_a_version_never_replaces(labelled: World, dataset: dict[str, Any], message: str) -> None:
    version = save(labelled)
    before = ok(labelled.register("taken", **dataset), 201)
    status, code, text = error(register(labelled, version["digest"], datasetName="taken", replace=True))
    assert (status, code) == (409, "DatasetAlreadyExists")
    assert message in text
    assert ok(labelled.call("GET", "datasets/taken")) == before


@pytest.mark.parametrize(
    ("digest", "body", "status"),
    [("0" * 64, {}, 404), ("7", {}, 400), (None, {"datasetName": "not a name/"}, 400), (None, {"replace": "perhaps"}, 400)],
)
def test_a_registration_that_asks_for_nonsense(labelled: World, digest: str | None, body: dict[str, Any], status: int) -> None:
    version = save(labelled)
    assert register(labelled, digest or version["digest"], **body).status_code == status


def test_a_version_in_another_container_is_not_registered(labelled: World, build_world: BuildWorld) -> None:
    version = save(labelled)
    moved = build_world(
        labelled.settings, studio_container=replace(labelled.container, url="https://b.blob.core.windows.net/c")
    )
    for reply in (
        register(moved, version["digest"], datasetName="e"),
        moved.call("PUT", "drafts/e", json={"baseDataset": "d", "baseVersion": version["digest"]}),
    ):
        status, _, message = error(reply)
        assert status == 400
        assert "Set VISION_ENGINE_STUDIO_CONTAINER to the container of the version" in message
    assert moved.call("GET", "datasets/e").status_code == moved.call("GET", "drafts/e").status_code == 404


def test_two_versions_compared(labelled: World) -> None:
    first = save(labelled)
    ok(label(labelled, 0, {"tag": "dög"}))
    second = save(labelled)
    path = "datasets/d/versions"
    asked = f"{path}/{second['digest']}/changes?from={first['digest']}"
    assert ok(labelled.call("GET", asked)) == {"changes": ["1 image retagged 'cat' → 'dög'"]}
    asked = f"{path}/{first['digest']}/changes?from={second['digest']}"
    assert ok(labelled.call("GET", asked)) == {"changes": ["1 image retagged 'dög' → 'cat'"]}
    assert ok(labelled.call("GET", f"{path}/{first['digest']}/changes?from={first['digest']}")) == {"changes": []}
    assert labelled.call("GET", f"{path}/{first['digest']}/changes").status_code == 400
    assert labelled.call("GET", f"{path}/{first['digest']}/changes?from={'0' * 64}").status_code == 404
    labelled.blobs.content[f"{labelled.container.url}/manifests/{first['digest']}.json"] = b"{"
    status, code, message = error(labelled.call("GET", asked))
    assert (status, code) == (502, "FailedToProcess")
    assert f"The manifest of version {first['digest']} cannot be read" in message


def of_version(world: World, digest: str, name: str = "old", **body: object) -> httpx.Response:
    return world.call("PUT", f"drafts/{name}", json={"baseDataset": "d", "baseVersion": digest, **body})


def test_a_draft_begins_with_a_version(labelled: World) -> None:
    first = save(labelled)
    ok(label(labelled, 0, {"tag": "dög"}))
    second = save(labelled)
    draft = ok(of_version(labelled, first["digest"]), 201)
    assert (draft["images"], draft["labels"], draft["changedImages"], draft["unlabelledImages"]) == (3, 3, 0, 0)
    assert draft["tags"] == [
        {"name": "cat", "images": 2, "labels": 2},
        {"name": "dog", "images": 0, "labels": 0},
        {"name": "dög", "images": 1, "labels": 1},
    ]
    assert draft["base"] == {"datasetName": "d", "annotationFileUris": [first["annotationFileUri"]], "moved": True}
    images = ok(labelled.call("GET", "drafts/old/images"))["value"]
    assert [(each["fileName"], each["labels"], each["state"], each["width"]) for each in images] == [
        ("0.png", [{"tag": "cat"}], "same", 60),
        ("1.png", [{"tag": "cat"}], "same", 60),
        ("2.png", [{"tag": "dög"}], "same", 60),
    ]
    pinned = [name for name in labelled.container.blobs if (of := draft_of(name)) and of[0] == draft["id"]]
    assert len(pinned) == 2, "the content and the annotation file stay"
    assert ok(labelled.call("GET", "drafts/old/changes")) == {"changes": []}
    # It is a branch of the old version: what the dataset has now is merged, and not overwritten.
    assert "Merge the draft first" in error(labelled.call("POST", "drafts/old:save", json={}))[2]
    ok(labelled.call("PUT", "drafts/old/images/1/labels", json={"labels": [{"tag": "cow"}]}))
    index(labelled.store, "d", coco_of(labelled, second))
    assert ok(labelled.call("POST", "drafts/old:merge")) == {"taken": 1, "kept": 0, "added": 0, "removed": 0, "conflicts": 0}
    third = save(labelled, "old")
    assert third["changes"] == ["tag 'cat' renamed to 'cow' (1 image)"], "apart from what the dataset had already"
    assert third["tags"] == {"cow": 1, "dög": 2}


def test_a_draft_of_the_version_that_the_dataset_has(labelled: World) -> None:
    version = save(labelled)
    uris = ["https://account.blob.core.windows.net/training/annotations/a.json"]
    labelled.store.datasets.update("d", annotation_file_uris=uris)
    index(labelled.store, "d", coco_of(labelled, version))
    draft = ok(of_version(labelled, version["digest"]), 201)
    assert draft["base"] == {"datasetName": "d", "annotationFileUris": uris, "moved": False}


def test_a_draft_of_a_version_whose_dataset_is_gone(labelled: World) -> None:
    version = save(labelled)
    assert labelled.call("DELETE", "datasets/d").status_code == 204
    assert ok(of_version(labelled, version["digest"]), 201)["base"]["moved"] is False
    ok(labelled.call("PUT", "drafts/old/images/0/labels", json={"labels": [{"tag": "dög"}]}))
    assert save(labelled, "old")["registered"] == ["d"]


def test_the_boxes_of_a_version(world: World) -> None:
    ok(begin(world, annotationKind=DETECTION), 201)
    for number in range(2):
        ok(add(world, number, f"{number}.png"), 201)
    ok(label(world, 0, {"tag": "cat", "bbox": BOX}, {"tag": "cat", "bbox": [0.5, 0.5, 0.25, 1 / 3]}))
    ok(label(world, 1, empty=True))
    version = save(world)
    draft = ok(of_version(world, version["digest"], datasetName="e"), 201)
    assert (draft["labels"], draft["unlabelledImages"], draft["datasetName"]) == (2, 0, "e")
    assert save(world, "old")["digest"] == version["digest"]


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"baseVersion": "0" * 64}, 404, "There is no version"),
        ({"baseVersion": "latest"}, 400, "baseVersion"),
        ({"baseDataset": None}, 400, "baseDataset is missing: name the dataset"),
        ({"baseDataset": "other"}, 404, "There is no version"),
        ({"annotationKind": DETECTION}, 400, "annotationKind: the dataset 'd' is of kind imageClassification."),
    ],
)
def test_a_draft_that_no_version_begins(labelled: World, body: dict[str, Any], status: int, message: str) -> None:
    version = save(labelled)
    order = {"baseDataset": "d", "baseVersion": version["digest"], **body}
    reply = labelled.call("PUT", "drafts/old", json={key: value for key, value in order.items() if value is not None})
    assert reply.status_code == status
    assert message in error(reply)[2]
    assert labelled.call("GET", "drafts/old").status_code == 404


def _damaged(world: World, version: dict[str, Any]) -> None:
    world.blobs.content[version["annotationFileUri"]] = b'{"images": ['


def _elsewhere(world: World, version: dict[str, Any]) -> None:
    document = coco_of(world, version)
    document["images"][2]["absolute_url"] = "https://other.example/7.png?sig=HIDDEN"
    world.blobs.content[version["annotationFileUri"]] = json.dumps(document).encode()


def _gone(world: World, version: dict[str, Any]) -> None:
    del world.blobs.content[version["annotationFileUri"]]


@pytest.mark.parametrize(
    ("spoil", "status", "message"),
    [
        (_damaged, 502, "The COCO file of version"),
        (_elsewhere, 400, "https://other.example/7.png is not one of"),
        (_gone, 502, "is not on an allowed host"),
    ],
)
def test_a_version_whose_file_can_not_be_read(labelled: World, spoil: Any, status: int, message: str) -> None:  # noqa: ANN401
    version = save(labelled)
    spoil(labelled, version)
    reply = of_version(labelled, version["digest"])
    assert reply.status_code == status
    assert message in error(reply)[2]
    assert "HIDDEN" not in reply.text
    assert labelled.call("GET", "drafts/old").status_code == 404, "nothing is half done"
