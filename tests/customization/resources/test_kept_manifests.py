"""Manifests beside the program: in parts, of which a change reads only those that differ."""

from pathlib import Path

import pytest
from pulumi.output import Unknown

from vision_customization.common.dataset_content.manifest import Manifest, compare, manifest_of
from vision_customization.customization.resources import kept_manifests
from vision_customization.customization.resources.kept_manifests import changed_content, keep_manifest, kept_manifest

KIND = "imageClassification"


def sha256(number: int) -> str:
    return f"{number * 2654435761 % 2**32:08x}" * 8


def content(
    images: int, *, tags: tuple[str, ...] = ("ash", "oak"), without: int | None = None, extra: int | None = None
) -> Manifest:
    pairs = [(sha256(number), [(tags[number % 2], None)]) for number in range(images) if number != without]
    return manifest_of(KIND, [*pairs, *([] if extra is None else [(sha256(extra), [("ash", None)])])])


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / ".vision" / "manifests"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The parts that are read."""
    found: list[str] = []
    path_of = kept_manifests._part_path

    def part_path(part: str) -> Path:
        found.append(part)
        return path_of(part)

    monkeypatch.setattr(kept_manifests, "_part_path", part_path)
    return found


def test_one_image_changed_in_ten_thousand_reads_four_parts(read: list[str], checkout: Path) -> None:
    before, after = content(10_000), content(10_000, without=4321, extra=77_777)
    keep_manifest(before)
    files = len(list((checkout / "parts").iterdir()))
    keep_manifest(after)
    assert (files, len(list((checkout / "parts").iterdir()))) == (256, 258)
    read.clear()
    change = changed_content({"digest": before.digest}, {"digest": after.digest})
    assert change == compare(before, after)
    assert change is not None
    assert change.summary() == ["1 image added to 'ash' (5,000 → 5,001)", "1 image removed from 'oak' (5,000 → 4,999)"]
    assert len(read) == 4


@pytest.mark.parametrize(
    "after",
    [content(500), content(500, tags=("ash", "elm")), content(400), content(0), content(499, without=3, extra=1)],
    ids=["the same", "a tag renamed", "fewer images", "none", "a copy"],
)
def test_a_change_is_the_same_as_of_whole_manifests(after: Manifest) -> None:
    before = content(500)
    for manifest in (before, after):
        kept = keep_manifest(manifest)
        assert (kept.whole(), kept.whole().digest) == (manifest, manifest.digest)
    assert changed_content({"digest": before.digest}, {"digest": after.digest}) == compare(before, after)


def test_a_manifest_that_an_earlier_version_kept_is_read_and_put_in_parts(checkout: Path) -> None:
    manifest = content(20)
    checkout.mkdir(parents=True)
    (checkout / f"{manifest.digest}.json").write_bytes(manifest.to_bytes())
    kept = kept_manifest(manifest.digest)
    assert kept is not None
    assert kept.whole() == manifest
    assert not (checkout / f"{manifest.digest}.json").exists()
    assert kept_manifest(manifest.digest) == kept


@pytest.mark.parametrize("damage", [b"", b"{}", None])
def test_without_a_part_or_an_index_nothing_is_known(damage: bytes | None, checkout: Path) -> None:
    before, after = content(20), content(21)
    for manifest in (before, after):
        keep_manifest(manifest)
    for file in (checkout / "parts").iterdir():
        file.unlink() if damage is None else file.write_bytes(damage)
    assert changed_content({"digest": before.digest}, {"digest": after.digest}) is None
    (checkout / f"{before.digest}.parts.json").write_bytes(damage or b"[]")
    assert kept_manifest(before.digest) is None
    unseen = {"container_url": Unknown()}
    assert changed_content({"digest": before.digest, **unseen}, {"digest": after.digest, **unseen}) is None
