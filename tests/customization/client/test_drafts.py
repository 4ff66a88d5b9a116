"""What the calls about drafts and versions send."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.customization.cli.test_drafts import DATASET, DIGEST, DRAFT, VERSION
from tests.customization.fake_service import Answer, FakeService
from vision_customization.contract.content import ImageLabel
from vision_customization.contract.drafts import BatchImage, BulkAction, BulkOrder, ImageChoice
from vision_customization.customization.client.client import VisionClient
from vision_customization.customization.errors import AlreadyExists

IMAGE: dict[str, Any] = {
    "number": 7,
    "digest": "b" * 64,
    "image": "https://x/c/images/b.png",
    "fileName": "ö.png",
    "labels": [],
    "empty": False,
    "state": "new",
    "eTag": "3",
}
COUNTS = {"taken": 0, "kept": 0, "added": 0, "removed": 0, "conflicts": 0}


@pytest.mark.parametrize(
    ("call", "method", "path", "body", "answer"),
    [
        (lambda c: c.get_draft("a b"), "GET", "drafts/a%20b", None, DRAFT),
        (lambda c: c.draft_changes("d"), "GET", "drafts/d/changes", None, {"changes": ["x"]}),
        (lambda c: c.merge_draft("d"), "POST", "drafts/d:merge", None, COUNTS),
        (lambda c: c.save_draft("d"), "POST", "drafts/d:save", {}, VERSION),
        (lambda c: c.save_draft("d", "ö"), "POST", "drafts/d:save", {"message": "ö"}, VERSION),
        (
            lambda c: c.label_draft_images("d", [BatchImage(number=7, labels=[ImageLabel(tag="ash")], e_tag="3")]),
            "POST",
            "drafts/d/images:label",
            {"images": [{"number": 7, "labels": [{"tag": "ash"}], "empty": False, "eTag": "3"}]},
            {"value": [{"number": 7, "saved": True, "image": IMAGE}]},
        ),
        (
            lambda c: c.change_draft_images("d", BulkOrder(action=BulkAction.GIVE, tag="ash", seen=4)),
            "POST",
            "drafts/d/images:change",
            {"action": "give", "tag": "ash", "seen": 4, "preview": False},
            {"changed": 1, "already": 0, "left": 0, "others": 1, "names": ["ö.png"]},
        ),
        (lambda c: c.remove_draft_images("d", [7]), "POST", "drafts/d/images:remove", {"numbers": [7]}, {"images": 1}),
        (lambda c: c.restore_draft_images("d", [7]), "POST", "drafts/d/images:restore", {"numbers": [7]}, {"images": 1}),
        (lambda c: c.add_draft_tag("d", "ash"), "POST", "drafts/d/tags", {"name": "ash"}, DRAFT),
        (
            lambda c: c.rename_draft_tag("d", "ash", "oak", merge=True),
            "POST",
            "drafts/d/tags:rename",
            {"tag": "ash", "name": "oak", "merge": True},
            {"images": 1},
        ),
        (lambda c: c.delete_draft_tag("d", "ash"), "POST", "drafts/d/tags:delete", {"tag": "ash"}, {"images": 1}),
        (lambda c: c.delete_draft("d"), "DELETE", "drafts/d", None, {}),
        (lambda c: list(c.list_versions("t")), "GET", "datasets/t/versions", None, {"value": [VERSION]}),
        (lambda c: c.get_version("t", DIGEST), "GET", f"datasets/t/versions/{DIGEST}", None, VERSION),
        (
            lambda c: c.begin_draft("d", base_dataset="t", base_version=DIGEST),
            "PUT",
            "drafts/d",
            {"baseDataset": "t", "baseVersion": DIGEST, "tags": []},
            DRAFT,
        ),
        (
            lambda c: c.register_version("t", DIGEST, name="e"),
            "POST",
            f"datasets/t/versions/{DIGEST}:register",
            {"datasetName": "e", "replace": False},
            DATASET,
        ),
    ],
)
def test_calls(
    service: FakeService, call: Callable[[VisionClient], object], method: str, path: str, body: object, answer: object
) -> None:
    service.handler = lambda _: Answer(200, answer)
    call(service.client())
    [request] = service.received
    assert (request.method, request.path) == (method, f"/computervision/{path}")
    assert (request.json if request.body else None) == body


def test_a_page_of_images(service: FakeService) -> None:
    service.handler = lambda _: Answer(200, {"count": 1, "value": [IMAGE]})
    page = service.client().draft_images("d", only=ImageChoice.UNLABELLED, tag="ö", skip=4, top=2)
    assert (page.count, page.value[0].file_name) == (1, "ö.png")
    query = service.received[0].query
    assert (query["only"], query["tag"], query["skip"], query["top"]) == ("unlabelled", "ö", "4", "2")


def test_two_versions_compared(service: FakeService) -> None:
    service.handler = lambda _: Answer(200, {"changes": ["x"]})
    assert service.client().version_changes("t", DIGEST, "c" * 64) == ["x"]
    [request] = service.received
    assert (request.path, request.query["from"]) == (f"/computervision/datasets/t/versions/{DIGEST}/changes", "c" * 64)


def test_a_picture_is_sent_as_it_is(service: FakeService) -> None:
    service.handler = lambda _: Answer(201, IMAGE)
    assert service.client().add_draft_image("d", b"\x89PNG", "ö.png").number == 7
    [request] = service.received
    assert (request.body, request.query["fileName"]) == (b"\x89PNG", "ö.png")


@pytest.mark.parametrize(
    ("call", "path"),
    [
        (lambda c: c.version_annotations("t", DIGEST), "annotations"),
        (lambda c: c.version_base("t", DIGEST, 2), "base/2"),
        (lambda c: c.version_image("t", DIGEST, "b.png"), "images/b.png"),
    ],
)
def test_files_of_a_version(service: FakeService, call: Callable[[VisionClient], bytes], path: str) -> None:
    service.handler = lambda _: Answer(200, b"\x00bytes")
    assert call(service.client()) == b"\x00bytes"
    assert service.received[0].path == f"/computervision/datasets/t/versions/{DIGEST}/{path}"


@pytest.mark.parametrize(("base", "is_ours"), [("trees", True), ("others", False)])
def test_a_draft_that_a_lost_answer_began_is_ours(service: FakeService, base: str, is_ours: bool) -> None:
    taken = Answer(409, {"error": {"code": "DraftAlreadyExists", "message": "taken"}})
    service.answers = [Answer(cut=True), taken, Answer(200, DRAFT)]
    if is_ours:
        assert service.client().begin_draft("shelf", base_dataset=base).name == "shelf"
    else:
        with pytest.raises(AlreadyExists):
            service.client().begin_draft("shelf", base_dataset=base)
