"""A preview warns of test images that the model is trained on."""

import hashlib
import shutil
from pathlib import Path

import pytest
from PIL import Image
from pulumi.output import UNKNOWN

from tests.stacks.shapes import write_dataset
from tests.support.near_copies import drawn, near_copies
from vision_customization.customization.datasets import shared_pictures
from vision_customization.customization.datasets.stored_content import ContentMissing, StoredContent
from vision_customization.customization.resources import dataset, evaluation, kept_manifests, training_overlap
from vision_customization.customization.resources.dataset import DatasetProvider
from vision_customization.customization.resources.evaluation import EvaluationProvider
from vision_customization.customization.resources.row import Row


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What the evaluation's row warns of. The program stands in a folder with two datasets that share no picture."""
    monkeypatch.chdir(tmp_path)
    training_overlap._READ.clear()
    training_overlap._STORED.clear()
    evaluation._WARNED.clear()
    warnings: list[str] = []
    monkeypatch.setattr(Row, "warn", lambda _, message: warnings.append(message))
    for name, first in (("training", 0), ("test", 20)):
        write_dataset(tmp_path / name, "labels.json", {"circle": range(first, first + 2), "square": range(first, first + 2)})
        for number, path in enumerate(sorted((tmp_path / name / "images").iterdir())):
            drawn(first + number, (160, 160)).save(path)
    return warnings


def checked(name: str, purpose: str) -> str:
    declared = {
        "annotation_kind": "imageClassification",
        "annotation_files": ["labels.json"],
        "source": name,
        "purpose": purpose,
        "dataset_name": name,
        "row_urn": "urn",
    }
    result = DatasetProvider().check({}, declared)
    assert result.failures == []
    return str(result.inputs["digest"])


def preview(**changes: object) -> None:
    preview_of(checked("training", "training"), checked("test", "evaluation"), **changes)


def preview_of(training: str, test: str, **changes: object) -> None:
    digests = {"training_digest": training, "dataset_digest": test}
    news = {"dataset_name": "test", "model_name": "m", "row_urn": "urn", **digests, **changes}
    assert EvaluationProvider().check({}, news).failures == []


def spoil(tmp_path: Path) -> None:
    """Put a training image among the test images, and a near copy of another one."""
    shutil.copy(tmp_path / "training" / "images" / "circle-0.png", tmp_path / "test" / "images" / "circle-20.png")
    path = tmp_path / "test" / "images" / "square-21.png"
    path.write_bytes(near_copies(drawn(3, (184, 184)), 3, crop=0.0)[0])
    with Image.open(path) as image:
        image.resize((160, 160)).save(path, "PNG")


def test_no_picture_on_both_sides_is_no_warning(said: list[str]) -> None:
    preview()
    assert said == []


def test_both_names_are_shown(said: list[str], tmp_path: Path) -> None:
    spoil(tmp_path)
    preview()
    assert "\n".join(said) == (
        "2 images of dataset 'test' are in the training dataset, too, so the metrics will be too good: "
        "test/images/circle-20.png is the same picture as training/images/circle-0.png; "
        "test/images/square-21.png is nearly the same picture as training/images/square-1.png. "
        "`vision check` with the annotation files of both datasets lists all"
    )


def test_unchanged_datasets_are_not_compared_again(said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spoil(tmp_path)
    preview()
    monkeypatch.setattr(shared_pictures, "read_miniatures", lambda *_: pytest.fail("compared again"))
    evaluation._WARNED.clear()
    preview()
    assert len(said) == 2
    assert said[0] == said[1]


def test_a_replacement_which_pulumi_checks_twice_warns_once(said: list[str], tmp_path: Path) -> None:
    spoil(tmp_path)
    preview()
    preview()
    assert len(said) == 1
    preview(row_urn="other")
    assert len(said) == 2


@pytest.mark.parametrize("changes", [{"training_digest": UNKNOWN}, {"training_digest": None}, {"training_digest": "0" * 64}])
def test_a_dataset_that_was_not_read_here_is_not_compared(said: list[str], tmp_path: Path, changes: dict[str, object]) -> None:
    spoil(tmp_path)
    preview(**changes)
    assert said == []


def test_a_model_judged_on_its_own_training_images_is_named_too(said: list[str]) -> None:
    preview(dataset_digest=checked("training", "training"), dataset_name="training")
    assert said[0].startswith("4 images of dataset 'training' are in the training dataset, too")
    assert said[0].count("is the same picture as") == training_overlap.SHOWN
    assert "; and 1 more. " in said[0]
    assert evaluation.STATE_FOLDER.is_dir()


CONTAINER = {"container_url": "https://a.blob.core.windows.net/training", "account_key": "k"}


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> dict[str, StoredContent]:
    """The contents in the container; none can be read after they are taken from here."""
    contents: dict[str, StoredContent] = {}

    def find(url: str, digest: str, _kind: str, *_: object, **__: object) -> StoredContent:
        if digest not in contents:
            raise ContentMissing(digest, url)
        return contents[digest]

    monkeypatch.setattr(dataset, "find_stored", find)
    monkeypatch.setattr(kept_manifests, "find_stored", find)
    return contents


def in_storage(name: str, purpose: str, stored: dict[str, StoredContent]) -> dict[str, object]:
    """What declares the content of a folder by its digest, after it was uploaded from elsewhere."""
    digest = checked(name, purpose)
    names = {entry.sha256: entry.file_name for entry in training_overlap._READ.pop(digest)}
    kept = kept_manifests.kept_manifest(digest)
    assert kept is not None
    manifest = kept.whole()
    shutil.rmtree(kept_manifests.STATE_FOLDER)
    stored[digest] = StoredContent(digest, manifest, (), names)
    return {
        **CONTAINER,
        "annotation_kind": "imageClassification",
        "content": f"sha256:{digest}",
        "purpose": purpose,
        "dataset_name": name,
        "row_urn": "urn",
    }


def check_stored(declared: dict[str, object], olds: dict[str, object] | None = None) -> dict[str, object]:
    result = DatasetProvider().check(olds or {}, declared)
    assert result.failures == []
    return result.inputs


@pytest.mark.parametrize("by_content", [("training",), ("test",), ("training", "test")], ids=" and ".join)
def test_contents_in_storage_are_compared_by_digest(
    said: list[str], tmp_path: Path, stored: dict[str, StoredContent], by_content: tuple[str, ...]
) -> None:
    spoil(tmp_path)
    purposes = {"training": "training", "test": "evaluation"}
    declared = {name: in_storage(name, purposes[name], stored) for name in by_content}
    digests = {
        name: str(check_stored(declared[name])["digest"]) if name in declared else checked(name, purpose)
        for name, purpose in purposes.items()
    }
    preview_of(digests["training"], digests["test"])
    paths = {name: f"{name}/images/circle-{number}.png" for name, number in (("training", 0), ("test", 20))}
    for name in by_content:
        paths[name] = f"{paths[name].removeprefix(f'{name}/')} of sha256:{digests[name][:12]}…"
    assert "\n".join(said) == (
        "1 image of dataset 'test' is in the training dataset, too, so the metrics will be too good: "
        f"{paths['test']} is the same picture as {paths['training']}. Remove them from one of the two"
    )


def test_a_deployed_content_is_read_only_to_name_what_is_shared(
    said: list[str], tmp_path: Path, stored: dict[str, StoredContent], monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = in_storage("training", "training", stored)
    olds, looks = check_stored(declared), []
    monkeypatch.setattr(kept_manifests, "find_stored", lambda *_, **__: looks.append("look"))
    training_overlap._STORED.clear()
    digest = str(check_stored(declared, olds)["digest"])
    preview_of(digest, checked("test", "evaluation"))
    assert (said, looks) == ([], [])


def test_a_container_that_can_not_be_read_leaves_the_digests(
    said: list[str], tmp_path: Path, stored: dict[str, StoredContent]
) -> None:
    spoil(tmp_path)
    declared = in_storage("training", "training", stored)
    olds = check_stored(declared)
    stored.clear()
    digest = str(check_stored(declared, olds)["digest"])
    preview_of(digest, checked("test", "evaluation"))
    shared = hashlib.sha256((tmp_path / "training" / "images" / "circle-0.png").read_bytes()).hexdigest()
    assert len(said) == 1
    assert f"is the same picture as image {shared[:12]}… of sha256:{digest[:12]}…." in said[0]
    shutil.rmtree(kept_manifests.STATE_FOLDER)
    evaluation._WARNED.clear()
    preview_of(
        str(check_stored({**declared, **CONTAINER, "account_key": UNKNOWN}, olds)["digest"]), checked("test", "evaluation")
    )
    assert len(said) == 1, "without the manifest, nothing is known"
