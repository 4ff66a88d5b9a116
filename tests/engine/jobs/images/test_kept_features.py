"""Features in packs: what is stored is found, damage costs only the images that it hit, and older engines' objects are used."""

import hashlib
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from vision_customization.engine.jobs.images import kept_features
from vision_customization.engine.jobs.images.kept_features import KeptFeatures
from vision_customization.engine.jobs.images.packs import to_digests
from vision_customization.engine.learning.classification.recipes import TEXTURE
from vision_customization.engine.learning.classification.views import DIMENSIONS, SLICES
from vision_customization.engine.objects.files import FileObjects

FOLDER = "features/key/packs"


def digest(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def row(number: int) -> np.ndarray:
    return np.random.default_rng(number).random(DIMENSIONS).astype(np.float16).astype(np.float32)


def kept_in(objects: FileObjects, key: str = "key") -> KeptFeatures:
    return KeptFeatures(objects, key, DIMENSIONS)


def put(kept: KeptFeatures, numbers: Sequence[int]) -> None:
    kept.put({digest(number): row(number) for number in numbers})


def put_as_older_engines(objects: FileObjects, number: int, key: str = "key") -> str:
    data = row(number).astype("<f4").tobytes()
    target = f"features/{key}/{digest(number)[:2]}/{digest(number)}"
    objects.put(target, data + zlib.crc32(data).to_bytes(4, "little"))
    return target


def assert_has(kept: KeptFeatures, numbers: Sequence[int], absent: Sequence[int] = ()) -> None:
    """All at once, in an order of their own."""
    wanted = np.random.default_rng(0).permutation([*numbers, *absent]).tolist()
    rows, found = kept.read([digest(number) for number in wanted])
    np.testing.assert_array_equal(found, [number not in absent for number in wanted])
    for number, features, whole in zip(wanted, rows, found, strict=True):
        if whole:
            np.testing.assert_array_equal(features, row(number))
    assert sorted(kept.missing([digest(number) for number in wanted])) == sorted(map(digest, absent))
    assert [kept.has(digest(number)) for number in wanted] == [number not in absent for number in wanted]


@pytest.fixture
def objects(tmp_path: Path) -> FileObjects:
    return FileObjects(tmp_path)


def test_what_is_stored_is_found_by_this_process_and_by_others(objects: FileObjects) -> None:
    kept, other = kept_in(objects), kept_in(objects)
    assert_has(other, [], absent=[1])
    put(kept, range(5))
    put(kept, range(3, 9))  # some are in both
    assert_has(kept, range(9), absent=[99])
    other.missing([])  # looks at once; without it, after some seconds
    assert_has(other, range(9), absent=[99])
    assert_has(kept_in(objects, "other"), [], absent=range(9))
    assert other.read([])[0].shape == (0, DIMENSIONS)


def test_of_a_view_only_its_bytes_are_read(objects: FileObjects, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = kept_in(objects)
    put(kept, range(50))
    asked: list[tuple[str, int, int]] = []
    ranges = objects.get_ranges
    monkeypatch.setattr(objects, "get_ranges", lambda wanted: (asked.extend(wanted), ranges(wanted))[1])
    rows, found = kept.read([digest(number) for number in range(10, 20)], TEXTURE.views)
    assert found.all()
    for view in TEXTURE.views:
        np.testing.assert_array_equal(rows[:, SLICES[view]], [row(number)[SLICES[view]] for number in range(10, 20)])
    assert sum(stop - start for _, start, stop in asked) < 2 * 50 * sum(2 * view.dimensions + 4 for view in TEXTURE.views)
    assert len(asked) == 1  # small parts that lie near each other


def test_values_beyond_float16_are_the_greatest_of_it(objects: FileObjects) -> None:
    kept = kept_in(objects)
    kept.put({digest(0): np.full(DIMENSIONS, 1e9, np.float32)})
    assert kept.read([digest(0)])[0].max() == np.finfo(np.float16).max


@pytest.fixture
def merged_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_features, "SMALL_PACKS_MAX", 4)
    monkeypatch.setattr(kept_features, "PACK_IMAGES", 10)


@pytest.mark.usefixtures("merged_early")
def test_small_packs_are_merged_and_other_processes_find_the_images(objects: FileObjects) -> None:
    kept, other = kept_in(objects), kept_in(objects)
    put(kept, [0])
    assert_has(other, [0])
    for start in range(1, 29, 3):
        put(kept, range(start, start + 3))
        put(kept, [start])  # an image that is in another pack, too
    sizes = [int(name.partition("-")[0]) for name in objects.names(FOLDER)]
    assert len(sizes) < 9
    assert max(sizes) <= 10
    assert_has(kept, range(28))
    assert_has(other, range(28))
    order = np.concatenate(list(other.batches([digest(number) for number in range(28)])))
    assert sorted(order.tolist()) == list(range(28))


@pytest.mark.usefixtures("merged_early")
def test_equal_packs_are_merged_into_equal_ones_whatever_order_they_were_seen_in(tmp_path: Path) -> None:
    stored = []
    for folder, order in (("a", [0, 1, 2, 3, 4]), ("b", [3, 1, 4, 0, 2])):
        objects = FileObjects(tmp_path / folder)
        kept = kept_in(objects)
        for number in order:
            put(kept, [2 * number, 2 * number + 1])
        stored.append({name: objects.get(f"{FOLDER}/{name}") for name in objects.names(FOLDER)})
    assert len(stored[0]) == 1
    assert stored[0] == stored[1]


@pytest.mark.usefixtures("merged_early")
@pytest.mark.parametrize(("said", "merges"), [("0.0", False), ("299.0", False), ("301.0", True), ("", True), ("nan", True)])
def test_one_process_merges_at_a_time(objects: FileObjects, said: str, merges: bool) -> None:
    marker = f"{FOLDER}/merging"
    objects.put(marker, said.encode() if said in ("", "nan") else str(time.time() - float(said)).encode())
    kept = kept_in(objects)
    for number in range(6):
        put(kept, [number])
    assert objects.exists(marker) != merges
    assert len(objects.names(FOLDER)) == (2 if merges else 7)
    assert_has(kept, range(6))
    assert_has(kept_in(objects), range(6))


@pytest.mark.usefixtures("merged_early")
def test_a_process_that_merges_what_another_has_just_merged_writes_nothing(
    objects: FileObjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, faster = kept_in(objects), kept_in(objects)
    for number in range(4):
        put(kept, [number])
    get_many = objects.get_many

    def slow(keys: Sequence[str]) -> Iterator[bytes | None]:
        read = list(get_many(keys))
        monkeypatch.setattr(objects, "get_many", get_many)
        objects.delete(f"{FOLDER}/merging")  # as if both had looked at the same moment
        faster.missing([])
        put(faster, [5])
        return iter(read)

    monkeypatch.setattr(objects, "get_many", slow)
    put(kept, [4])
    sizes = [int(name.partition("-")[0]) for name in objects.names(FOLDER)]
    assert sizes == [6]
    for each in (kept, faster, kept_in(objects)):
        assert_has(each, range(6))


def test_a_pack_that_disappears_costs_only_its_own_places(objects: FileObjects, monkeypatch: pytest.MonkeyPatch) -> None:
    writer, kept = kept_in(objects), kept_in(objects)
    for number in range(5):
        put(writer, [2 * number, 2 * number + 1])
    kept.missing([])
    asked: list[tuple[str, int, int]] = []
    ranges = objects.get_ranges
    monkeypatch.setattr(objects, "get_ranges", lambda wanted: (asked.extend(wanted), ranges(wanted))[1])
    names, places = writer._find(to_digests([digest(2)]))
    objects.delete(f"{FOLDER}/{names[places[0] >> 24]}")
    put(writer, [20])
    assert kept.missing([digest(number) for number in (*range(10), 20)]) == [digest(2), digest(3)]
    assert len(asked) == 1  # the new pack's digests
    asked.clear()
    assert_has(kept, [0, 1, *range(4, 10), 20], absent=[2, 3])


@pytest.mark.parametrize("position", ["record", "end"])
def test_a_damaged_image_counts_as_absent_until_it_is_stored_again(objects: FileObjects, position: str) -> None:
    put(kept_in(objects), range(8))
    (name,) = objects.names(FOLDER)
    data = bytearray(objects.get(f"{FOLDER}/{name}"))
    if position == "record":
        data[8 * 32 + 4 + 2 * 2564 + 100] ^= 1  # of the third image
        damaged = [2]
    else:
        del data[-100:]
        damaged = [7]
    objects.put(f"{FOLDER}/{name}", bytes(data))
    kept = kept_in(objects)
    rows, found = kept.read([digest(number) for number in range(8)])
    np.testing.assert_array_equal(np.flatnonzero(~found), damaged)
    np.testing.assert_array_equal(rows[found], [row(number) for number in range(8) if number not in damaged])
    for each in (kept, kept_in(objects)):  # the pack was written again without it
        assert_has(each, [number for number in range(8) if number not in damaged], absent=damaged)
    put(kept, damaged)
    for each in (kept, kept_in(objects)):
        assert_has(each, range(8))


@pytest.mark.parametrize("damage", [b"", bytes(4096), None])
def test_a_pack_with_damaged_digests_is_deleted(objects: FileObjects, damage: bytes | None) -> None:
    put(kept_in(objects), range(8))
    (name,) = objects.names(FOLDER)
    whole = objects.get(f"{FOLDER}/{name}")
    objects.put(f"{FOLDER}/{name}", bytes([whole[0] ^ 1]) + whole[1:] if damage is None else damage)
    kept = kept_in(objects)
    assert_has(kept, [], absent=range(8))
    assert objects.names(FOLDER) == []
    put(kept, range(8))
    assert_has(kept, range(8))


def test_features_that_a_person_deletes_are_absent(objects: FileObjects) -> None:
    kept = kept_in(objects)
    put(kept, range(8))
    objects.delete("features")
    assert_has(kept, [], absent=range(8))
    put(kept, range(8))
    assert_has(kept, range(8))


def test_objects_of_older_engines_become_packs(objects: FileObjects) -> None:
    keys = [put_as_older_engines(objects, number) for number in range(6)]
    objects.put(keys[5], objects.get(keys[5])[:-1])
    kept = kept_in(objects)
    assert kept.has(digest(3))
    assert_has(kept, range(5), absent=[5])
    assert not any(map(objects.exists, keys))
    assert_has(kept_in(objects), range(5), absent=[5])


def test_objects_of_older_engines_become_packs_a_batch_at_a_time(objects: FileObjects, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_features, "BATCH_IMAGES", 2)
    keys = [put_as_older_engines(objects, number) for number in range(6)]
    kept, wanted = kept_in(objects), [digest(number) for number in range(6)]
    left = []
    for positions in kept.batches(wanted):  # so that a job can stop between them
        left.append(sum(map(objects.exists, keys)))
        assert kept.read([wanted[position] for position in positions])[1].all()
    assert left == [6, 4, 2]
    assert_has(kept, range(6))


def test_features_under_another_key_are_counted(objects: FileObjects) -> None:
    put(kept_in(objects, "before"), range(3))
    put_as_older_engines(objects, 4, "long-before")
    kept = kept_in(objects)
    put(kept, [7])
    assert kept.count_outdated(map(digest, range(8))) == 4
    assert kept.count_outdated([]) == 0


def test_many_images_are_found_by_arrays(objects: FileObjects, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vision_customization.engine.jobs.images.packs._RECENT_MAX", 3)
    kept = kept_in(objects)
    for start in range(0, 12, 2):
        put(kept, [start, start + 1])
    for each in (kept, kept_in(objects)):
        assert_has(each, range(12), absent=[12])
        assert len(each._index._recent) <= 3
