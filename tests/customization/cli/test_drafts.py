"""`vision drafts`, `vision datasets versions` and `vision datasets pull`."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.customization.cli.answers import WHEN
from tests.customization.cli.ran import Vision
from tests.customization.fake_service import Answer, FakeService, Received
from tests.customization.samples import MakeFolder, encoded
from vision_customization.customization.cli.commands.dataset_versions import _print_conflicts
from vision_customization.customization.datasets.content_merge import Conflict

DIGEST = "a" * 64
DRAFT: dict[str, Any] = {
    "name": "shelf",
    "id": "1",
    "annotationKind": "imageClassification",
    "datasetName": "trees",
    "base": {"datasetName": "trees", "annotationFileUris": ["https://x/c/t.json"], "moved": True},
    "images": 3,
    "unlabelledImages": 1,
    "changedImages": 2,
    "conflicts": 0,
    "labels": 2,
    "edit": 0,
    "tags": [{"name": "ash", "images": 2, "labels": 2}],
    "createdBy": "ada",
    "createdDateTime": WHEN,
    "updatedDateTime": WHEN,
}
VERSION: dict[str, Any] = {
    "digest": DIGEST,
    "datasetName": "trees",
    "annotationKind": "imageClassification",
    "annotationFileUri": "https://x.blob.core.windows.net/c/annotations/1.json",
    "images": 3,
    "labels": 2,
    "tags": {"ash": 2},
    "changes": ["1 image retagged 'ash' → 'beech'"],
    "baseFiles": 1,
    "message": "März",
    "savedBy": "ada",
    "savedDateTime": WHEN,
    "registered": [],
}

DATASET: dict[str, Any] = {
    "name": "trees",
    "annotationKind": "imageClassification",
    "annotationFileUris": [VERSION["annotationFileUri"]],
    "customProperties": {"managedBy": "studio"},
    "createdDateTime": WHEN,
    "updatedDateTime": WHEN,
    "eTag": "e",
}


def test_list(vision: Vision, service: FakeService) -> None:
    service.handler = lambda _: Answer(200, {"value": [DRAFT]})
    ran = vision("drafts", "list")
    assert "shelf" in ran.out
    assert vision("drafts", "list", "--json").json == [DRAFT]
    service.handler = lambda _: Answer(200, {"value": []})
    assert "vision drafts begin" in vision("drafts", "list").out


def test_show(vision: Vision, service: FakeService) -> None:
    service.handler = lambda request: Answer(200, {"changes": ["x"]} if request.path.endswith("/changes") else DRAFT)
    ran = vision("drafts", "show", "shelf")
    assert "tag ash" in ran.out
    assert "`vision drafts merge shelf` takes that in" in ran.err
    assert vision("drafts", "show", "shelf", "--json").json == {**DRAFT, "changes": ["x"]}


@pytest.mark.parametrize(
    ("arguments", "body"),
    [
        (["--from", "trees"], {"baseDataset": "trees", "tags": []}),
        (
            ["--kind", "imageClassification", "--tag", "ash", "--tag", "Öl", "--dataset", "t"],
            {"annotationKind": "imageClassification", "datasetName": "t", "tags": ["ash", "Öl"]},
        ),
    ],
)
def test_begin(vision: Vision, service: FakeService, arguments: list[str], body: dict[str, Any]) -> None:
    service.handler = lambda _: Answer(201, DRAFT)
    assert vision("drafts", "begin", "shelf", *arguments).code == 0
    [request] = service.received
    assert (request.method, request.path, request.json) == ("PUT", "/computervision/drafts/shelf", body)


@pytest.mark.parametrize("wanted", [f"sha256:{DIGEST}", DIGEST, "latest"])
def test_begin_with_a_version(vision: Vision, service: FakeService, wanted: str) -> None:
    answers = {"GET": {"value": [VERSION]} if wanted == "latest" else VERSION, "PUT": DRAFT}
    service.handler = lambda request: Answer(200, answers[request.method])
    assert vision("drafts", "begin", "shelf", "--from", "trees", "--version", wanted).code == 0
    looked, begun = service.received
    assert looked.path == "/computervision/datasets/trees/versions" + ("" if wanted == "latest" else f"/{DIGEST}")
    assert begun.json == {"baseDataset": "trees", "baseVersion": DIGEST, "tags": []}


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--from", "trees", "--kind", "imageClassification"],
        ["--kind", "imageClassification", "--version", "latest"],
        ["--from", "trees", "--version", "March"],
    ],
)
def test_begin_needs_to_know_with_what(vision: Vision, service: FakeService, arguments: list[str]) -> None:
    assert vision("drafts", "begin", "shelf", *arguments).code == 2
    assert service.received == []


@pytest.mark.parametrize(("conflicts", "code"), [(0, 0), (2, 1)])
def test_merge(vision: Vision, service: FakeService, conflicts: int, code: int) -> None:
    counts = {"taken": 1, "kept": 0, "added": 3, "removed": 0, "conflicts": conflicts}
    service.handler = lambda _: Answer(200, counts)
    ran = vision("drafts", "merge", "shelf")
    assert ran.code == code
    assert ("2 images changed on both sides" in ran.err) == bool(conflicts)
    assert vision("drafts", "merge", "shelf", "--json").json == counts


@pytest.mark.parametrize("registered", [[], ["trees-march"], ["trees", "trees-march"]])
def test_save(vision: Vision, service: FakeService, registered: list[str]) -> None:
    service.handler = lambda _: Answer(200, {**VERSION, "registered": registered})
    ran = vision("drafts", "save", "shelf", "--message", "März")
    assert service.received[0].json == {"message": "März"}
    assert f"sha256:{DIGEST}" in ran.out
    assert (f"vision datasets pull trees --version sha256:{DIGEST} --to FILE.json" in ran.err) == ("trees" not in registered)
    assert ran.out.count("registered as") == len(registered)


@pytest.mark.parametrize("of", [[], ["--of", "shelf"]])
def test_register_a_version(vision: Vision, service: FakeService, of: list[str]) -> None:
    version, posted = {**VERSION, "datasetName": of[-1] if of else "trees"}, []

    def answer(request: Received) -> Answer:
        if request.method == "GET":
            return Answer(200, version)
        posted.append(request)
        if not request.json["replace"]:
            return Answer(409, {"error": {"code": "DatasetAlreadyExists", "message": "The name 'trees' is taken."}})
        return Answer(200, DATASET)

    service.handler = answer
    arguments = ("datasets", "register", "trees", "--version", f"sha256:{DIGEST}", *of)
    ran = vision(*arguments)
    assert (ran.code, "The name 'trees' is taken." in ran.err) == (3, True)
    assert vision(*arguments, "--replace", "--json").json == DATASET
    assert posted[-1].path == f"/computervision/datasets/{version['datasetName']}/versions/{DIGEST}:register"
    assert posted[-1].json == {"datasetName": "trees", "replace": True}


@pytest.mark.parametrize(
    "arguments", [[], ["--of", "trees", "--uri", "https://x/c/t.json"], ["--version", "latest", "--uri", "https://x/c/t.json"]]
)
def test_register_needs_one_content(vision: Vision, service: FakeService, arguments: list[str]) -> None:
    assert vision("datasets", "register", "trees", *arguments).code == 2
    assert service.received == []


def test_delete(vision: Vision, service: FakeService) -> None:
    service.handler = lambda _: Answer(204)
    assert vision("drafts", "delete", "shelf").code == 2, "nobody is there to ask"
    assert vision("drafts", "delete", "shelf", "--yes").code == 0
    assert [request.method for request in service.received] == ["DELETE"]


def test_versions(vision: Vision, service: FakeService) -> None:
    service.handler = lambda _: Answer(200, {"value": [VERSION]})
    assert "retagged" in vision("datasets", "versions", "trees").out
    assert vision("datasets", "versions", "trees", "--json").json == [VERSION]


@pytest.fixture
def checkout(service: FakeService, dataset_folder: MakeFolder) -> Path:
    """A COCO file of three images with the tag a and three with b. In the version of the service, the first has b, and there is
    a new one."""
    folder = dataset_folder()
    stored = json.loads(json.dumps(folder.document))
    stored["images"].append({"id": 7, "width": 64, "height": 48, "file_name": "images/new.png"})
    for index, image in enumerate(stored["images"]):
        image["absolute_url"] = f"https://x.blob.core.windows.net/c/images/{hashlib.sha256(encoded(index)).hexdigest()}.png"
    base = {**stored, "images": stored["images"][:6]}
    version = {**stored, "annotations": [{**stored["annotations"][0], "category_id": 2}, *stored["annotations"][1:]]}
    service.handler = lambda request: _answer(request, version, base)
    return folder.path / "train.json"


def _answer(request: Received, version: dict[str, Any], base: dict[str, Any]) -> Answer:
    path = request.path.removeprefix("/computervision/datasets/trees/versions")
    answers: dict[str, Any] = {
        "": {"value": [VERSION]},
        f"/{DIGEST}": VERSION,
        f"/{DIGEST}/annotations": version,
        f"/{DIGEST}/base/0": base,
        f"/{DIGEST}/images/{hashlib.sha256(encoded(6)).hexdigest()}.png": encoded(6),
    }
    return Answer(200, answers[path]) if path in answers else Answer(404, {"error": {"code": "NotFound", "message": path}})


@pytest.mark.parametrize("version", [[], ["--version", f"sha256:{DIGEST}"], ["--version", "latest"]])
def test_pull(vision: Vision, checkout: Path, version: list[str]) -> None:
    ran = vision("datasets", "pull", "trees", "--to", checkout, "--images", *version)
    assert ran.out.splitlines() == [
        f"{checkout}: 1 image added, 1 image with other labels (version sha256:{DIGEST})",
        "1 image fetched",
    ]
    assert (checkout.parent / "images/new.png").read_bytes() == encoded(6)
    again = vision("datasets", "pull", "trees", "--to", checkout, "--json")
    assert (again.json["written"], again.json["missing"]) == (False, 0)


def test_pull_says_what_is_not_there(vision: Vision, checkout: Path) -> None:
    assert "with --images to fetch them" in vision("datasets", "pull", "trees", "--to", checkout).err


def test_pull_lists_conflicts(vision: Vision, checkout: Path) -> None:
    document = json.loads(checkout.read_text())
    document["annotations"][0]["category_id"] = 3
    document["categories"].append({"id": 3, "name": "c"})
    checkout.write_text(json.dumps(document))
    before = checkout.read_bytes()
    ran = vision("datasets", "pull", "trees", "--to", checkout)
    assert ran.code == 1
    assert ran.out.splitlines()[-1].split() == ["images/a_0.png", "c", "b"]
    assert "--mine" in ran.err
    assert checkout.read_bytes() == before
    [conflict] = vision("datasets", "pull", "trees", "--to", checkout, "--json").json["conflicts"]
    assert (conflict["fileName"], conflict["mine"], conflict["theirs"]) == ("images/a_0.png", [{"tag": "c"}], [{"tag": "b"}])
    assert vision("datasets", "pull", "trees", "--to", checkout, "--mine").code == 0
    assert json.loads(checkout.read_text())["annotations"][0]["category_id"] == 3


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--version", "sha256:1f2e"], 2, "64 hex digits"),
        (["--mine", "--theirs"], 2, "either --mine or --theirs"),
        (["--version", "b" * 64], 3, "404"),
    ],
)
def test_pull_refuses(vision: Vision, checkout: Path, arguments: list[str], code: int, said: str) -> None:
    ran = vision("datasets", "pull", "trees", "--to", checkout, *arguments)
    assert ran.code == code
    assert said in ran.err


def test_boxes_that_moved_on_both_sides_look_different(capsys: pytest.CaptureFixture[str]) -> None:
    mine, theirs = ((("fork", (0.1, 0.1, width, 0.5)), ("fork", (0.5, 0.5, 0.1, 0.1))) for width in (0.2, 0.3))
    _print_conflicts([Conflict("a.png", "a" * 64, mine, theirs), Conflict("b.png", "b" * 64, None, ())])
    rows = [line.split("  ") for line in capsys.readouterr().out.splitlines()[2:]]
    assert [[cell.strip() for cell in row if cell.strip()] for row in rows] == [
        ["a.png", "fork (2)", "fork (2), boxes elsewhere"],
        ["b.png", "removed", "no label"],
    ]
