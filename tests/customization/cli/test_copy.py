"""`vision datasets copy`: what it prints and registers. tests/customization/datasets/test_stored_content.py copies for real."""

from typing import Any

import pytest

from tests.customization.cli.answers import DATASET
from tests.customization.cli.ran import Vision
from tests.customization.cli.test_drafts import DIGEST, VERSION
from tests.customization.fake_service import Answer, FakeService, Received
from vision_customization.common.errors import StorageError
from vision_customization.customization.datasets import copying
from vision_customization.customization.datasets.copying import Copied, CopySource, ImageRefused, Refused

URL = "https://me.blob.core.windows.net/training"
COPIED = Copied(6, 4, 1_500_000, DIGEST, (f"{URL}/annotations/1.json",))
STORED = f"https://x.blob.core.windows.net/c/images/{'b' * 64}.png"


@pytest.fixture
def sources(monkeypatch: pytest.MonkeyPatch) -> list[tuple[CopySource, str, str, str | None]]:
    """What was to be copied."""
    asked: list[tuple[CopySource, str, str, str | None]] = []

    def copy(source: CopySource, kind: str, url: str, *, account_key: str | None, on_progress: object) -> Copied:
        asked.append((source, kind, url, account_key))
        return COPIED

    monkeypatch.setattr(copying, "copy_dataset", copy)
    return asked


def test_what_was_copied_is_shown(vision: Vision, service: FakeService, sources: list[Any]) -> None:
    service.handler = lambda _: Answer(200, DATASET)
    ran = vision("datasets", "copy", "cats", "--to", URL, "--account-key", "s3cret")
    assert f"sha256:{DIGEST}" in ran.out
    assert "4 (1.5 MB)" in ran.out
    assert sources[0][1:] == ("imageClassification", URL, "s3cret")
    assert "s3cret" not in ran.out + ran.err
    assert vision("datasets", "copy", "cats", "--to", URL, "--json").json == {
        "content": f"sha256:{DIGEST}",
        "images": 6,
        "copiedImages": 4,
        "copiedBytes": 1_500_000,
        "annotationFileUris": [f"{URL}/annotations/1.json"],
        "refused": [],
    }


def test_what_was_refused_is_listed(vision: Vision, service: FakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = Copied(6, 3, 1, refused=tuple(Refused(f"https://photos.example/{n}.png", "is damaged") for n in range(30)))
    monkeypatch.setattr(copying, "copy_dataset", lambda *_, **__: refused)
    service.handler = lambda _: Answer(200, DATASET)
    ran = vision("datasets", "copy", "cats", "--to", URL, "--register", "cats")
    assert ran.code == 1
    assert "https://photos.example/19.png" in ran.out
    assert "… and 10 more" in ran.out
    assert "30 images could not be copied" in ran.err
    assert {request.method for request in service.received} == {"GET"}, "nothing is registered"
    assert len(vision("datasets", "copy", "cats", "--to", URL, "--json").json["refused"]) == 30


@pytest.mark.parametrize("managed_by", [None, "studio"])
def test_the_copy_is_registered(vision: Vision, service: FakeService, sources: list[Any], managed_by: str | None) -> None:
    dataset = {**DATASET, **({"customProperties": {"managedBy": managed_by}} if managed_by else {})}

    def answer(request: Received) -> Answer:
        return Answer(409, {"error": {"code": "x", "message": "y"}}) if request.method == "PUT" else Answer(200, dataset)

    service.handler = answer
    assert vision("datasets", "copy", "cats", "--to", URL, "--register", "cats").code == 0
    [patched] = [request for request in service.received if request.method == "PATCH"]
    assert patched.json["annotationFileUris"] == [f"{URL}/annotations/1.json"]
    assert "customProperties" not in patched.json, "its owner stays"


def test_what_a_stack_declares_is_not_registered(vision: Vision, service: FakeService, sources: list[Any]) -> None:
    service.handler = lambda _: Answer(200, {**DATASET, "customProperties": {"managedBy": "pulumi:photos/dev"}})
    ran = vision("datasets", "copy", "cats", "--to", URL, "--register", "cats")
    assert ran.code == 3
    assert "is declared by the Pulumi stack `photos/dev`" in ran.err
    assert sources == []


def test_a_version_is_read_from_the_service(vision: Vision, service: FakeService, sources: list[Any]) -> None:
    def answer(request: Received) -> Answer:
        path = request.path.removeprefix(f"/computervision/datasets/trees/versions/{DIGEST}")
        found = {"": VERSION, "/annotations": b"{}", f"/images/{'b' * 64}.png": b"png"}
        return Answer(200, found[path]) if path in found else Answer(404, {})

    service.handler = answer
    assert vision("datasets", "copy", "trees", "--version", f"sha256:{DIGEST}", "--to", URL).code == 0
    [(source, *_)] = sources
    assert source.annotation_files() == [(f"sha256:{DIGEST}", b"{}")]
    assert source.image(STORED) == b"png"
    for url in (STORED.replace("b", "c"), "https://photos.example/1.png"):
        with pytest.raises(ImageRefused):
            source.image(url)


def test_storage_that_fails_is_another_exit_code(vision: Vision, service: FakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> Copied:
        raise StorageError("copy to x: 403")

    monkeypatch.setattr(copying, "copy_dataset", fail)
    service.handler = lambda _: Answer(200, DATASET)
    assert vision("datasets", "copy", "cats", "--to", URL).code == 3
