import hashlib
import os
from pathlib import Path

import pytest

from tests.engine.views.pictures import encoded, photo
from vision_customization.engine.objects.files import FileObjects
from vision_customization.engine.objects.keys import thumbnail_key
from vision_customization.engine.objects.store import ObjectsUnavailable
from vision_customization.engine.views.kept_thumbnails import KeptThumbnails
from vision_customization.engine.views.recent import RecentPictures
from vision_customization.engine.views.reencoding import Reencoded

DIGEST = hashlib.sha256(b"original").hexdigest()
JPEG = encoded(photo())


def test_what_is_put_is_there(tmp_path: Path) -> None:
    kept = KeptThumbnails(FileObjects(tmp_path))
    assert kept.lacks(DIGEST)
    assert kept.get(DIGEST) is None
    kept.put({DIGEST: JPEG})
    assert not kept.lacks(DIGEST)
    assert kept.get(DIGEST) == Reencoded(JPEG, 120, 80, DIGEST, 256)
    assert (tmp_path / "thumbnails" / DIGEST[:2] / DIGEST).read_bytes() == JPEG


@pytest.mark.parametrize(
    "damaged", [b"", JPEG[: len(JPEG) // 2], bytes(len(JPEG)), JPEG[:-2], JPEG[:2] + JPEG[-2:]], ids=range(5)
)
def test_a_damaged_one_counts_as_absent(damaged: bytes, tmp_path: Path) -> None:
    kept = KeptThumbnails(FileObjects(tmp_path))
    kept.put({DIGEST: damaged})
    assert kept.get(DIGEST) is None


@pytest.mark.parametrize("digest", ["", "../" * 20, DIGEST.upper(), DIGEST + "0", DIGEST[:-1] + "/", DIGEST + "\n"])
def test_only_a_digest_names_a_thumbnail(digest: str, tmp_path: Path) -> None:
    kept = KeptThumbnails(FileObjects(tmp_path))
    for call in (kept.get, kept.lacks, thumbnail_key):
        with pytest.raises(ValueError, match="is not a SHA-256"):
            call(digest)


class Refusing(FileObjects):
    def exists(self, key: str) -> bool:
        raise ObjectsUnavailable(f"{key}: refused")

    def get(self, key: str) -> bytes:
        raise ObjectsUnavailable(f"{key}: refused")

    def put(self, key: str, data: bytes, *, durable: bool = True) -> None:
        raise ObjectsUnavailable(f"{key}: refused")


def test_a_store_that_refuses_is_only_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    kept = KeptThumbnails(Refusing(tmp_path))
    assert not kept.lacks(DIGEST)
    assert kept.get(DIGEST) is None
    kept.put({DIGEST: JPEG})
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 3
    assert "1 thumbnails cannot be stored" in caplog.text


def test_a_sweep_deletes_the_oldest_beyond_the_limit(tmp_path: Path) -> None:
    objects = FileObjects(tmp_path)
    kept = KeptThumbnails(objects, bytes_max=256 * 25)
    digests = [f"{folder}{number}" + "0" * 61 for folder in ("00", "ff") for number in range(4)]
    for age, digest in enumerate(digests):
        kept.put({digest: bytes(10)})
        os.utime(tmp_path / thumbnail_key(digest), (1_000_000 - age, 1_000_000 - age))
    objects.put("features/k/00/x", bytes(1000))
    assert kept.sweep() == 4
    assert [not kept.lacks(digest) for digest in digests] == [True, True, False, False] * 2  # the youngest two of each folder
    assert objects.exists("features/k/00/x")
    assert kept.sweep() == 0


def of_size(digest: str, size: int) -> Reencoded:
    return Reencoded(bytes(size), 1, 1, digest, 256)


def test_the_least_recently_used_leaves_memory_first() -> None:
    recent = RecentPictures(4 * 1000)  # each entry counts 500 bytes for itself
    for digest in "abcd":
        recent.put(digest, of_size(digest, 500))
    assert recent.get("a") == of_size("a", 500)
    recent.put("e", of_size("e", 500))
    assert [recent.get(digest) is not None for digest in "abcde"] == [True, False, True, True, True]
    recent.put("e", of_size("e", 1500))  # replaces its own
    assert [recent.get(digest) is not None for digest in "acde"] == [False, True, True, True]
    recent.put("f", of_size("f", 10_000))  # larger than all memory for them
    assert [recent.get(digest) for digest in "acdef"] == [None] * 5
    recent.put("g", of_size("g", 500))
    assert recent.get("g") is not None
