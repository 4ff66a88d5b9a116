"""Objects as files: whole or not at all."""

import os
import threading
import time
from pathlib import Path

import pytest

from engine.objects import FileObjects, ObjectNotFound


@pytest.fixture
def objects(tmp_path: Path) -> FileObjects:
    return FileObjects(tmp_path / "root")


@pytest.mark.parametrize("durable", [True, False])
def test_what_is_put_is_there(objects: FileObjects, durable: bool) -> None:
    objects.put("models/1/model.onnx", b"one", durable=durable)
    objects.put("models/1/model.onnx", b"two", durable=durable)
    assert objects.get("models/1/model.onnx") == b"two"
    assert objects.exists("models/1/model.onnx")
    assert objects.path("models/1/model.onnx").read_bytes() == b"two"


@pytest.mark.parametrize("key", ["models/1/model.onnx", "models/1", "models"])
def test_what_is_not_there(objects: FileObjects, key: str) -> None:
    objects.put("models/1/other", b"")
    assert not objects.exists(key)
    with pytest.raises(ObjectNotFound, match=key):
        objects.get(key)
    with pytest.raises(ObjectNotFound, match=key):
        objects.path(key)


@pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", "../a", "a/../b", "a/./b", ".hidden", "a\\b", "a\0b", "a b"])
def test_a_key_cannot_leave_the_root(objects: FileObjects, key: str) -> None:
    for call in (objects.get, objects.exists, objects.delete, objects.path):
        with pytest.raises(ValueError, match="is no key"):
            call(key)
    with pytest.raises(ValueError, match="is no key"):
        objects.put(key, b"")


def test_deleting_takes_all_under_a_prefix_and_nothing_beside_it(objects: FileObjects, tmp_path: Path) -> None:
    for key in ("models/1/model.onnx", "models/1/deep/er", "models/10/model.onnx", "models/2"):
        objects.put(key, b"x")
    objects.delete("models/1")
    objects.delete("models/2")
    objects.delete("models/3")
    assert not objects.exists("models/1/model.onnx")
    assert not objects.exists("models/2")
    assert objects.exists("models/10/model.onnx")
    assert [path.name for path in (tmp_path / "root" / "models").iterdir()] == ["10"]


def test_the_names_under_a_prefix(objects: FileObjects) -> None:
    for key in ("jobs/b/plan", "jobs/b/digests", "jobs/a/plan", "models/c"):
        objects.put(key, b"x")
    assert objects.names("jobs") == ["a", "b"]
    assert objects.names("none") == objects.names("models/c") == []


def test_what_killed_processes_left_is_swept_once_it_is_old(objects: FileObjects, tmp_path: Path) -> None:
    root = tmp_path / "root"
    objects.put("features/k/ab/abcd", b"x")
    for age_seconds, name in ((60, "new"), (7200, "old")):
        draft, deleted = root / f"features/k/ab/.draft-{name}", root / f".deleted-{name}"
        draft.write_bytes(b"x")
        (deleted / "1").mkdir(parents=True)
        (deleted / "1" / "model.onnx").write_bytes(b"x")
        for place in (draft, deleted):
            os.utime(place, (time.time() - age_seconds,) * 2)
    objects.sweep()
    assert sorted(path.name for path in root.rglob(".*")) == [".deleted-new", ".draft-new"]
    assert objects.get("features/k/ab/abcd") == b"x"
    FileObjects(tmp_path / "none").sweep()


def test_a_failed_write_leaves_the_former_object_and_no_draft(
    objects: FileObjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects.put("a/b", b"former")

    def full(descriptor: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        objects.put("a/b", b"new")
    assert objects.get("a/b") == b"former"
    assert [path.name for path in (tmp_path / "root" / "a").iterdir()] == ["b"]


def test_a_reader_sees_one_whole_version_or_the_other(objects: FileObjects) -> None:
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
        assert all(objects.get("a/b") in versions for _ in range(200))
    finally:
        stop.set()
        writer.join()
