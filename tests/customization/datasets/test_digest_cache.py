"""What the cache believes, and what it does not."""

import hashlib
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.customization.samples import encoded
from vision_customization.customization.datasets import image_reading as images
from vision_customization.customization.datasets.digest_cache import DigestCache
from vision_customization.customization.datasets.image_facts import ImageFacts
from vision_customization.customization.datasets.image_reading import read_images


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The digests of what was decoded, in turn."""
    seen: list[str] = []
    real = images.read_image

    def note(data: bytes, sha256: str | None = None) -> ImageFacts:
        facts = real(data, sha256)
        seen.append(facts.sha256)
        return facts

    monkeypatch.setattr(images, "read_image", note)
    return seen


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are read an hour after they were written."""
    real = time.time_ns
    monkeypatch.setattr("vision_customization.customization.datasets.image_reading.time.time_ns", lambda: real() + 3600 * 10**9)


def look(cache: DigestCache, *paths: Path) -> list[object]:
    facts = read_images({str(path): path.stat() for path in paths}, cache)
    return [facts[str(path)] for path in paths]


def write(path: Path, seed: int = 0) -> Path:
    path.write_bytes(encoded(seed))
    return path


@pytest.mark.usefixtures("later")
def test_an_unchanged_file_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, image = DigestCache(tmp_path / "cache"), write(tmp_path / "a.png")
    before = look(cache, image)
    monkeypatch.setattr(images, "_read_file", lambda *_: pytest.fail("read again"))
    assert look(cache, image) == before


@pytest.mark.usefixtures("later")
def test_a_changed_file_is_read_again(tmp_path: Path, decoded: list[str]) -> None:
    cache, image = DigestCache(tmp_path / "cache"), write(tmp_path / "a.png")
    before = look(cache, image)
    write(image, 1)
    assert look(cache, image) != before
    assert len(decoded) == 2


@pytest.mark.usefixtures("later")
def test_a_change_that_keeps_size_and_mtime_is_seen(tmp_path: Path) -> None:
    cache, image = DigestCache(tmp_path / "cache"), write(tmp_path / "a.png", 1)
    before, status = look(cache, image), image.stat()
    write(image, 2)
    os.utime(image, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert image.stat().st_size == status.st_size
    assert look(cache, image) != before


def test_a_file_written_just_now_is_not_trusted_by_its_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, image = DigestCache(tmp_path / "cache"), write(tmp_path / "a.png", 1)
    status = {str(image): image.stat()}
    before = read_images(status, cache)
    # Within one tick of the file system's clock: neither size nor times tell the two apart.
    write(image, 2)
    assert read_images(status, cache) != before


def test_a_touched_file_is_hashed_but_not_decoded_again(tmp_path: Path, decoded: list[str]) -> None:
    cache, image = DigestCache(tmp_path / "cache"), write(tmp_path / "a.png")
    look(cache, image)
    image.touch()
    look(cache, image, write(tmp_path / "copy.png"))
    assert len(decoded) == 1


@pytest.mark.parametrize("spoil", ["garbage", "other version", "folder", "read only"])
def test_a_useless_cache_costs_time_only(tmp_path: Path, spoil: str) -> None:
    cache, image = DigestCache(tmp_path / "cache"), write(tmp_path / "a.png")
    expected = read_images({str(image): image.stat()})
    look(cache, image)
    if spoil == "garbage":
        cache.path.write_bytes(b"this is not a database" * 100)
    elif spoil == "other version":
        with sqlite3.connect(cache.path) as connection:
            connection.execute("PRAGMA user_version = 99")
        connection.close()
    elif spoil == "folder":
        cache.path.unlink()
        cache.path.mkdir()
    else:
        cache.path.chmod(0o400)
    for _ in range(2):
        assert look(cache, image) == list(expected.values())


@pytest.mark.usefixtures("later")
def test_a_cache_from_before_the_miniatures_stays_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache, image = DigestCache(tmp_path / "cache"), write(tmp_path / "a.png")
    before = look(cache, image)
    with sqlite3.connect(cache.path) as connection:
        connection.executescript("DROP TABLE miniatures; PRAGMA user_version = 1")
    connection.close()
    monkeypatch.setattr(images, "_read_file", lambda *_: pytest.fail("read again"))
    assert look(cache, image) == before


def test_miniatures_are_kept_by_content(tmp_path: Path, decoded: list[str]) -> None:
    cache = DigestCache(tmp_path / "cache")
    paths = [write(tmp_path / f"{seed}.png", seed) for seed in range(3)]
    sums = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
    look(cache, *paths[:2])  # decoding gives them, too
    wanted = dict(zip(sums, paths, strict=True)) | {"0" * 64: tmp_path / "missing.png"}
    found = images.read_miniatures(wanted, cache)
    assert sorted(decoded) == sorted(sums)  # in any order: several are read at a time
    assert set(found) == set(sums)
    assert images.read_miniatures(wanted, cache) == images.read_miniatures(wanted) == found


def test_what_was_read_before_an_interruption_is_kept(tmp_path: Path, decoded: list[str]) -> None:
    cache = DigestCache(tmp_path / "cache")
    paths = [write(tmp_path / f"{seed}.png", seed) for seed in range(20)]

    def interrupt(done: int, _total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read_images({str(path): path.stat() for path in paths}, cache, interrupt)
    decoded.clear()
    look(cache, *paths)
    assert len(decoded) == 15


def test_processes_share_it(tmp_path: Path) -> None:
    for seed in range(30):
        write(tmp_path / f"{seed}.png", seed)
    code = (
        "import sys; from pathlib import Path; "
        "from vision_customization.customization.datasets.digest_cache import DigestCache; "
        "from vision_customization.customization.datasets.image_reading import read_images; folder = Path(sys.argv[1]); "
        "[read_images({str(p): p.stat() for p in folder.glob('*.png')}, DigestCache(folder / 'cache')) for _ in range(5)]"
    )
    processes = [subprocess.Popen([sys.executable, "-W", "error", "-c", code, str(tmp_path)]) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert len(DigestCache(tmp_path / "cache").verified()) == 30
    assert len(DigestCache(tmp_path / "cache").verified(at_most=30)) == 30
    assert DigestCache(tmp_path / "cache").verified(at_most=29) == {}
