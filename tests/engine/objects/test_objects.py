"""Objects as files, and as blobs of a real Azurite: whole or not at all."""

import os
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.customization.azurite import ACCOUNT_KEY, Azurite, azurite
from tests.engine.blobs.identities import CLIENT_ID, token_reply
from tests.engine.blobs.site import Reply, Site, serving, write_certificate
from vision_customization.common.blob_container import open_container
from vision_customization.engine.errors import SettingsError
from vision_customization.engine.objects.blobs import BlobObjects
from vision_customization.engine.objects.files import FileObjects
from vision_customization.engine.objects.opening import open_objects
from vision_customization.engine.objects.store import ObjectNotFound, ObjectStore, ObjectsUnavailable
from vision_customization.engine.settings import Settings


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    with azurite(tmp_path_factory.mktemp("azurite")) as storage:
        yield storage


def blob_objects(storage: Azurite, cache: Path, container: str | None = None, **options: int) -> BlobObjects:
    url = storage.container(container or f"c{uuid.uuid4().hex}")
    return BlobObjects(open_container(url, account_key=ACCOUNT_KEY), cache, **options)


@pytest.fixture(params=["files", pytest.param("blobs", marks=pytest.mark.process)])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ObjectStore]:
    """An empty store of each kind; the container of the blobs is missing at first."""
    opened: ObjectStore
    if request.param == "files":
        opened = FileObjects(tmp_path / "root")
    else:
        opened = blob_objects(request.getfixturevalue("storage"), tmp_path / "cache")
    yield opened
    opened.close()


@pytest.fixture
def files(tmp_path: Path) -> FileObjects:
    return FileObjects(tmp_path / "root")


@pytest.fixture
def blobs(storage: Azurite, tmp_path: Path) -> Iterator[BlobObjects]:
    objects = blob_objects(storage, tmp_path / "cache")
    yield objects
    objects.close()


@pytest.mark.parametrize("durable", [True, False])
def test_what_is_put_is_there(objects: ObjectStore, durable: bool) -> None:
    objects.put("models/1/model.onnx", b"one", durable=durable)
    objects.put("models/1/model.onnx", b"two", durable=durable)
    assert objects.get("models/1/model.onnx") == b"two"
    assert objects.exists("models/1/model.onnx")
    assert objects.path("models/1/model.onnx").read_bytes() == b"two"


@pytest.mark.parametrize("key", ["models/1/model.onnx", "models/1", "models"])
def test_what_is_not_there(objects: ObjectStore, key: str) -> None:
    objects.put("models/1/other", b"")
    assert not objects.exists(key)
    with pytest.raises(ObjectNotFound, match=key):
        objects.get(key)
    with pytest.raises(ObjectNotFound, match=key):
        objects.path(key)


@pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", "../a", "a/../b", "a/./b", ".hidden", "a\\b", "a\0b", "a b"])
def test_a_key_cannot_leave_the_root(objects: ObjectStore, key: str) -> None:
    for call in (objects.get, objects.exists, objects.delete, objects.path):
        with pytest.raises(ValueError, match="is not a valid object key"):
            call(key)
    with pytest.raises(ValueError, match="is not a valid object key"):
        objects.put(key, b"")


def test_deleting_takes_all_under_a_prefix_and_nothing_beside_it(objects: ObjectStore) -> None:
    objects.delete("models")  # where nothing was ever written
    for key in ("models/1/model.onnx", "models/1/deep/er", "models/10/model.onnx", "models/2"):
        objects.put(key, b"x")
    objects.delete("models/1")
    objects.delete("models/2")
    objects.delete("models/3")
    assert not objects.exists("models/1/model.onnx")
    assert not objects.exists("models/2")
    assert objects.exists("models/10/model.onnx")
    assert objects.names("models") == ["10"]


def test_many_are_deleted_without_what_is_under_them(objects: ObjectStore) -> None:
    objects.delete_many(["packs/none"])  # where nothing was ever written
    for name in ("1", "2", "3", "deep/er"):
        objects.put(f"packs/{name}", b"x")
    objects.delete_many(f"packs/{name}" for name in ("1", "3", "none"))
    assert objects.names("packs") == ["2", "deep"]
    objects.delete_many([])
    with pytest.raises(ValueError, match="is not a valid object key"):
        objects.delete_many(["packs/2", "../a"])
    assert objects.exists("packs/deep/er")


def test_many_at_once(objects: ObjectStore) -> None:
    many = {f"features/k/{number:03d}": bytes([number % 256]) * number for number in range(300)}
    objects.put_many(many)
    keys = [*reversed(many), "features/k/none"]
    assert list(objects.get_many(keys)) == [*(many[key] for key in keys[:-1]), None]
    assert list(objects.get_many([])) == []


def test_parts_of_objects(objects: ObjectStore) -> None:
    objects.put("features/k/1", bytes(range(100)))
    ranges = [("features/k/1", 10, 20), ("features/k/none", 0, 5), ("features/k/1", 95, 200), ("features/k/1", 100, 101)] * 9
    assert list(objects.get_ranges(ranges)) == [bytes(range(10, 20)), None, bytes(range(95, 100)), b""] * 9
    with pytest.raises(ValueError, match="is not a valid object key"):
        list(objects.get_ranges([("../a", 0, 1)]))


def test_trimming_deletes_what_was_written_first(objects: ObjectStore) -> None:
    assert objects.trim("thumbnails/00", 0) == 0  # where nothing was ever written
    for name in "abcd":
        objects.put(f"thumbnails/00/{name}", bytes(10))
        time.sleep(1.1 if isinstance(objects, BlobObjects) else 0.01)  # storage tells seconds only
    for beside in ("thumbnails/00/deep/er", "thumbnails/001/x", "thumbnails/01/x", "thumbnails/00.x"):
        objects.put(beside, bytes(1000))
    for bytes_max, kept in ((1000, "abcd"), (40, "abcd"), (39, "bcd"), (30, "bcd"), (11, "d"), (9, "")):
        before = len(objects.names("thumbnails/00"))
        deleted = objects.trim("thumbnails/00", bytes_max)
        assert objects.names("thumbnails/00") == [*kept, "deep"]
        assert deleted == before - len(kept) - 1
    assert objects.names("thumbnails") == ["00", "00.x", "001", "01"]
    assert objects.exists("thumbnails/00/deep/er")


def test_a_path_is_of_the_version_there_is(objects: ObjectStore) -> None:
    for version in (b"one", b"two"):
        objects.put("a/b", version)
        assert objects.path("a/b").read_bytes() == objects.path("a/b").read_bytes() == version
    objects.delete("a")
    with pytest.raises(ObjectNotFound):
        objects.path("a/b")


def test_the_names_under_a_prefix(objects: ObjectStore) -> None:
    for key in ("jobs/b/plan", "jobs/b/digests", "jobs/a/plan", "models/c"):
        objects.put(key, b"x")
    assert objects.names("jobs") == ["a", "b"]
    assert objects.names("none") == objects.names("models/c") == []


def test_what_killed_processes_left_is_swept_once_it_is_old(files: FileObjects, tmp_path: Path) -> None:
    root = tmp_path / "root"
    files.put("features/k/ab/abcd", b"x")
    for age_seconds, name in ((60, "new"), (7200, "old")):
        draft, deleted = root / f"features/k/ab/.draft-{name}", root / f".deleted-{name}"
        draft.write_bytes(b"x")
        (deleted / "1").mkdir(parents=True)
        (deleted / "1" / "model.onnx").write_bytes(b"x")
        for place in (draft, deleted):
            os.utime(place, (time.time() - age_seconds,) * 2)
    files.sweep()
    assert sorted(path.name for path in root.rglob(".*")) == [".deleted-new", ".draft-new"]
    assert files.get("features/k/ab/abcd") == b"x"
    FileObjects(tmp_path / "none").sweep()


def test_a_failed_write_leaves_the_former_object_and_no_draft(
    files: FileObjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.put("a/b", b"former")

    def full(descriptor: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        files.put("a/b", b"new")
    assert files.get("a/b") == b"former"
    assert [path.name for path in (tmp_path / "root" / "a").iterdir()] == ["b"]


def test_a_reader_sees_one_whole_version_or_the_other(objects: ObjectStore) -> None:
    versions = [bytes([number]) * 200_000 for number in (1, 2)]
    objects.put("a/b", versions[0])
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            for version in versions:
                objects.put("a/b", version, durable=False)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert all(objects.get("a/b") in versions for _ in range(100))
    finally:
        stop.set()
        writer.join()


@pytest.mark.process
def test_a_file_is_downloaded_once_for_all_who_ask(blobs: BlobObjects, tmp_path: Path) -> None:
    blobs.put("models/1/model.onnx", b"x" * 1_000_000)
    paths: list[Path] = []
    threads = [threading.Thread(target=lambda: paths.append(blobs.path("models/1/model.onnx"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(paths)) == 1
    assert list((tmp_path / "cache").iterdir()) == [paths[0]]
    written = paths[0].stat().st_ino
    assert blobs.path("models/1/model.onnx").stat().st_ino == written
    blobs.delete("models/1")
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.process
def test_files_used_least_recently_make_room(storage: Azurite, tmp_path: Path) -> None:
    blobs = blob_objects(storage, tmp_path / "cache", cache_bytes_max=2500)
    for name in "abc":
        blobs.put(f"models/{name}", name.encode() * 1000)
    first, second = blobs.path("models/a"), blobs.path("models/b")
    for age_seconds, file in ((60, first), (120, second)):
        os.utime(file, (time.time() - age_seconds,) * 2)
    third = blobs.path("models/c")
    blobs.close()
    assert sorted((tmp_path / "cache").iterdir()) == sorted([first, third])


@pytest.mark.process
def test_drafts_that_killed_processes_left_in_the_cache_are_swept(blobs: BlobObjects, tmp_path: Path) -> None:
    blobs.sweep()
    blobs.put("a", b"x")
    kept = blobs.path("a")
    for age_seconds, name in ((60, "new"), (7200, "old")):
        draft = tmp_path / "cache" / f".draft-{name}"
        draft.write_bytes(b"x")
        os.utime(draft, (time.time() - age_seconds,) * 2)
    blobs.sweep()
    assert {file.name for file in (tmp_path / "cache").iterdir()} == {kept.name, ".draft-new"}


@pytest.mark.process
def test_two_processes_may_make_the_container(storage: Azurite, tmp_path: Path) -> None:
    stores = [blob_objects(storage, tmp_path / name, "shared") for name in "ab"]
    for number, store in enumerate(stores):
        store.put(f"jobs/{number}", b"x")
    assert stores[0].names("jobs") == stores[1].names("jobs") == ["0", "1"]
    for store in stores:
        store.close()


# As the engine's own identity, over TLS


@pytest.fixture
def azure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Plays storage; its certificate is named as the Azure libraries read it. Tokens come from an endpoint of its own."""
    certificate = write_certificate(tmp_path / "site.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    with serving(certificate) as site, serving() as endpoint:
        endpoint.on("/msi/token", token_reply("https://storage.azure.com"))
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{endpoint.url}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "the-header")
        monkeypatch.setenv("AZURE_CLIENT_ID", CLIENT_ID)
        yield site


@pytest.fixture
def azure_objects(azure: Site, tmp_path: Path) -> Iterator[ObjectStore]:
    objects = open_objects(Settings(data_dir=tmp_path, objects_url=f"{azure.url}/acct/artifacts"))
    yield objects
    objects.close()


def test_the_settings_container_is_asked_with_the_identitys_token(azure: Site, azure_objects: ObjectStore) -> None:
    azure.on("/acct/artifacts/models/1", Reply(headers={"ETag": '"v1"', "x-ms-blob-type": "BlockBlob"}))
    assert azure_objects.exists("models/1")
    assert azure.requests[0][1]["authorization"] == "Bearer TOPSECRET"


def test_a_container_that_refuses_the_engine_is_explained(azure: Site, azure_objects: ObjectStore) -> None:
    azure.on("/acct/artifacts/models/1", Reply(403, {"x-ms-error-code": "AuthorizationPermissionMismatch"}))
    calls = (
        lambda: azure_objects.get("models/1"),
        lambda: azure_objects.put("models/1", b"x"),
        lambda: azure_objects.exists("models/1"),
        lambda: azure_objects.path("models/1"),
        lambda: list(azure_objects.get_many(["models/1"])),
    )
    for call in calls:
        with pytest.raises(ObjectsUnavailable) as caught:
            call()
        assert str(caught.value).startswith(f"The container of the engine's objects, {azure.url}/acct/artifacts, answers 403")
        assert f"the engine's identity {CLIENT_ID} needs the role Storage Blob Data Contributor" in str(caught.value)
        assert "TOPSECRET" not in str(caught.value)


def test_without_an_identity_there_are_no_objects_in_azure(monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("IDENTITY_ENDPOINT", "MSI_ENDPOINT", "AZURE_FEDERATED_TOKEN_FILE"):
        monkeypatch.delenv(place, raising=False)
    with pytest.raises(SettingsError, match="VISION_ENGINE_OBJECTS_URL"):
        open_objects(Settings(objects_url="https://acct.blob.core.windows.net/artifacts"))
