"""Uploading to a real Azurite."""

import json
import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.customization.azurite import ACCOUNT_KEY, PROGRAM, Azurite, azurite
from tests.customization.samples import DatasetFolder, MakeFolder, encoded
from vision_customization.common.blob_container import open_container
from vision_customization.common.dataset_content.blob_names import draft_base_name, draft_pin_name, write_new
from vision_customization.common.dataset_content.manifest import Manifest
from vision_customization.common.errors import StorageError
from vision_customization.contract.coco.rules import check_coco
from vision_customization.contract.enums import AnnotationKind
from vision_customization.customization.datasets.content import Content, check_dataset
from vision_customization.customization.datasets.source import DatasetSource, read_dataset
from vision_customization.customization.datasets.upload import (
    DeletedContent,
    UploadProgress,
    container_exists,
    container_sas,
    delete_content,
    digest_uris,
    ensure_container,
    read_manifest,
    upload_content,
)

pytestmark = [pytest.mark.process, pytest.mark.skipif(PROGRAM is None, reason="Azurite is not installed: make setup")]


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    with azurite(tmp_path_factory.mktemp("azurite")) as running:
        yield running


@pytest.fixture
def container(storage: Azurite, request: pytest.FixtureRequest) -> str:
    url = storage.container(f"c{abs(hash(request.node.name))}")
    ensure_container(url, account_key=ACCOUNT_KEY)
    return url


def content_of(folder: DatasetFolder, kind: str = AnnotationKind.IMAGE_CLASSIFICATION, name: str = "train.json") -> Content:
    return check_dataset(read_dataset(DatasetSource(folder.path, (name,), kind))).valid()


def upload(content: Content, container: str, **options: Any) -> Any:  # noqa: ANN401
    return upload_content(content, container, account_key=ACCOUNT_KEY, **options)


def get(url: str, container: str) -> bytes:
    sas = container_sas(container, ACCOUNT_KEY, datetime.now(UTC) + timedelta(hours=1))
    with urllib.request.urlopen(f"{url}?{sas}") as reply:
        data: bytes = reply.read()
        return data


def is_there(url: str, container: str) -> bool:
    try:
        get(url, container)
    except urllib.error.HTTPError as error:
        error.close()
        return False
    return True


def test_a_container_is_made_once(storage: Azurite) -> None:
    url = storage.container("made-once")
    assert not container_exists(url, account_key=ACCOUNT_KEY)
    for _ in range(2):
        ensure_container(url, account_key=ACCOUNT_KEY)
        assert container_exists(url, account_key=ACCOUNT_KEY)


def test_what_is_uploaded_is_what_a_service_needs(dataset_folder: MakeFolder, container: str) -> None:
    content = content_of(dataset_folder(box=[0, 0, 0.5, 1]), AnnotationKind.IMAGE_OBJECT_DETECTION)
    uploaded = upload(content, container)
    assert (uploaded.uploaded_images, uploaded.uploaded_bytes) == (6, sum(entry.size for entry in content.entries))
    [uri] = uploaded.annotation_uris
    document = json.loads(get(uri, container))
    file, violations = check_coco(document, "train.json", AnnotationKind.IMAGE_OBJECT_DETECTION, urls_required=True)
    assert violations == []
    assert file is not None
    for image, entry in zip(file.images, content.entries, strict=True):
        assert image.url is not None
        assert get(image.url, container) == Path(entry.path).read_bytes()
    assert read_manifest(container, content.digest, account_key=ACCOUNT_KEY) == content.manifest


def test_without_a_sas_token_nobody_reads(dataset_folder: MakeFolder, container: str) -> None:
    uploaded = upload(content_of(dataset_folder()), container)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(uploaded.annotation_uris[0])
    caught.value.close()


def test_only_what_is_new_is_uploaded(dataset_folder: MakeFolder, container: str) -> None:
    folder = dataset_folder({"a": 3, "b": 3})
    first = upload(content_of(folder), container)
    again = upload(content_of(folder), container)
    assert again == replace(first, uploaded_images=0, uploaded_bytes=0)

    bigger = dataset_folder({"a": 5, "b": 3}, name="bigger")
    seen: list[UploadProgress] = []
    # Six of the eight images are the same, whatever they are called.
    assert upload(content_of(bigger), container, on_progress=seen.append).uploaded_images == 2
    assert [(progress.done, progress.total) for progress in seen] == [(1, 2), (2, 2)]
    assert seen[-1].bytes_done == seen[-1].bytes_total


def test_an_interrupted_upload_registers_nothing_and_goes_on(dataset_folder: MakeFolder, container: str) -> None:
    folder = dataset_folder({"a": 30, "b": 30})
    content = content_of(folder)

    def interrupt(progress: UploadProgress) -> None:
        if progress.done == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        upload(content, container, on_progress=interrupt)
    with pytest.raises(StorageError, match="404"):
        read_manifest(container, content.digest, account_key=ACCOUNT_KEY)
    with open_container(container, account_key=ACCOUNT_KEY) as opened:
        there = len(list(opened.list_blob_names(name_starts_with="images/")))
    assert 10 <= there < 60
    assert upload(content, container).uploaded_images == 60 - there, "nothing is uploaded twice"


UPLOADING = """
import sys
from pathlib import Path
from vision_customization.customization.datasets.content import check_dataset
from vision_customization.customization.datasets.source import DatasetSource, read_dataset
from vision_customization.customization.datasets.upload import upload_content
folder, container, key = sys.argv[1:]
content = check_dataset(read_dataset(DatasetSource(Path(folder), ("train.json",), "imageClassification"))).valid()
upload_content(content, container, account_key=key, on_progress=lambda progress: print(progress.done, flush=True))
"""


def test_a_killed_upload_goes_on_and_uploads_nothing_twice(dataset_folder: MakeFolder, container: str) -> None:
    folder = dataset_folder({"a": 150, "b": 150})
    command = [sys.executable, "-c", UPLOADING, str(folder.path), container, ACCOUNT_KEY]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert any(line.strip() == "40" for line in process.stdout)
        process.kill()
    content = content_of(folder)
    with open_container(container, account_key=ACCOUNT_KEY) as opened:
        before = {blob.name: blob.etag for blob in opened.list_blobs(name_starts_with="images/")}
        assert 40 <= len(before) < 300
        uploaded = upload(content, container).uploaded_images
        after = {blob.name: blob.etag for blob in opened.list_blobs(name_starts_with="images/")}
    assert uploaded <= 300 - len(before)
    assert len(after) == 300
    assert before.items() <= after.items(), "a blob that was there was written again"


def test_two_uploads_at_a_time_do_not_disturb_each_other(dataset_folder: MakeFolder, container: str) -> None:
    content = content_of(dataset_folder({"a": 20, "b": 20}))
    done: list[Any] = []
    threads = [threading.Thread(target=lambda: done.append(upload(content, container))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 3
    assert sum(uploaded.uploaded_images for uploaded in done) == 40
    assert len({tuple(uploaded.annotation_uris) for uploaded in done}) == 1


def test_a_large_container_is_not_listed_to_its_end(
    dataset_folder: MakeFolder, container: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(content_of(dataset_folder({"a": 20, "b": 20})), container)
    monkeypatch.setattr("vision_customization.customization.datasets.upload.LISTED_MAX", 5)
    assert upload(content_of(dataset_folder({"a": 3, "b": 3}, name="small")), container).uploaded_images == 0


def test_an_image_that_changes_meanwhile_is_refused(dataset_folder: MakeFolder, container: str) -> None:
    folder = dataset_folder()
    content = content_of(folder)
    folder.image(2).write_bytes(encoded(99))
    with pytest.raises(StorageError, match=r"a_2\.png: changed during the upload. Run the command again"):
        upload(content, container)
    folder.image(2).unlink()
    with pytest.raises(StorageError, match=r"a_2\.png: can no longer be read"):
        upload(content, container)


def test_deleting_leaves_what_others_need(dataset_folder: MakeFolder, container: str) -> None:
    small, large = content_of(dataset_folder({"a": 3, "b": 3})), content_of(dataset_folder({"a": 5, "b": 4}, name="large"))
    kept, gone = upload(small, container), upload(large, container)
    # The nine images of the large one hold the six of the small one.
    assert delete_content(container, large.digest, account_key=ACCOUNT_KEY) == DeletedContent(3, 1)
    assert delete_content(container, large.digest, account_key=ACCOUNT_KEY) == DeletedContent(0, 0)
    assert not is_there(gone.annotation_uris[0], container)
    document = json.loads(get(kept.annotation_uris[0], container))
    assert all(is_there(image["absolute_url"], container) for image in document["images"])
    assert upload(small, container).uploaded_images == 0
    assert upload(large, container).uploaded_images == 3


def test_deleting_leaves_a_content_that_is_still_registered(dataset_folder: MakeFolder, container: str) -> None:
    content = content_of(dataset_folder())
    uris = upload(content, container).annotation_uris
    assert delete_content(container, content.digest, account_key=ACCOUNT_KEY, registered_uris=uris) == DeletedContent(0, 0)
    assert delete_content(container, content.digest, account_key=ACCOUNT_KEY) == DeletedContent(6, 1)


def test_a_content_that_is_forgotten_keeps_no_images_of_others(dataset_folder: MakeFolder, container: str) -> None:
    former, now = content_of(dataset_folder({"a": 3, "b": 3})), content_of(dataset_folder({"a": 5, "b": 4}, name="now"))
    upload(former, container)
    upload(now, container)
    forgotten = delete_content(container, former.digest, account_key=ACCOUNT_KEY, keep_images=True)
    assert forgotten == DeletedContent(0, 0)
    assert upload(now, container).uploaded_images == 0
    assert delete_content(container, now.digest, account_key=ACCOUNT_KEY) == DeletedContent(9, 1)


def test_what_a_draft_has_stays_for_as_long_as_the_draft(dataset_folder: MakeFolder, container: str) -> None:
    content, draft = content_of(dataset_folder({"a": 3, "b": 3})), "0a-1b"
    uris = upload(content, container).annotation_uris
    base, *others = content.manifest.images
    file = uris[0].rpartition("/")[2].removesuffix(".json")
    pinned = Manifest(content.kind, {base: content.manifest.images[base]})
    with open_container(container, account_key=ACCOUNT_KEY) as client:
        write_new(client, draft_base_name(draft, pinned.digest), pinned.to_bytes(), "application/json")
        write_new(client, draft_pin_name(draft, others[0]), b"", "application/octet-stream")
        write_new(client, draft_pin_name(draft, file), b"", "application/octet-stream")
    # The draft has two of the images, and the file.
    assert delete_content(container, content.digest, account_key=ACCOUNT_KEY, open_drafts=[draft]) == DeletedContent(4, 0)
    assert is_there(uris[0], container)
    upload(content, container)
    assert delete_content(container, content.digest, account_key=ACCOUNT_KEY) == DeletedContent(4, 0), "no drafts are known"
    upload(content, container)
    assert delete_content(container, content.digest, account_key=ACCOUNT_KEY, open_drafts=[]) == DeletedContent(6, 1)
    with open_container(container, account_key=ACCOUNT_KEY) as client:
        assert [name for name in client.list_blob_names() if draft in name] == []


def test_blobs_that_lie_there_already_have_a_digest(dataset_folder: MakeFolder, container: str) -> None:
    folder = dataset_folder()
    uris = upload(content_of(folder), container).annotation_uris
    first = digest_uris(uris, AnnotationKind.IMAGE_CLASSIFICATION, account_key=ACCOUNT_KEY)
    assert digest_uris(uris, AnnotationKind.IMAGE_CLASSIFICATION, account_key=ACCOUNT_KEY) == first
    assert digest_uris(uris, AnnotationKind.IMAGE_OBJECT_DETECTION, account_key=ACCOUNT_KEY).digest != first.digest
    with pytest.raises(StorageError, match="404"):
        digest_uris([f"{container}/no.json"], AnnotationKind.IMAGE_CLASSIFICATION, account_key=ACCOUNT_KEY)


@pytest.mark.parametrize("key", ["d3Jvbmc=", "not base64"])
def test_a_wrong_key_is_told_without_it(dataset_folder: MakeFolder, container: str, key: str) -> None:
    with pytest.raises(StorageError, match="the account key is wrong") as caught:
        upload_content(content_of(dataset_folder()), container, account_key=key)
    assert key not in str(caught.value)


def test_a_storage_that_is_not_there(dataset_folder: MakeFolder) -> None:
    with pytest.raises(StorageError, match=r"can't be reached \(.*\)\. Is it running"):
        upload_content(content_of(dataset_folder()), "http://127.0.0.1:9/acct/c", account_key=ACCOUNT_KEY)


def test_azure_is_told_nothing_of_a_proxy_for_this_machine(container: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "HTTP_PROXY", "http://127.0.0.1:9")
    assert container_exists(container, account_key=ACCOUNT_KEY)
