"""How a job gets at a dataset's token, and what it notes of the files that it read."""

import hashlib
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from tests.engine.jobs.drawn import coco
from vision_customization.contract.enums import AnnotationKind, AuthenticationKind, ModelKind, Purpose
from vision_customization.contract.errors import FailureCode
from vision_customization.engine.annotations import Box, BoxedImage, MultiTaggedImage, TaggedImage
from vision_customization.engine.blobs.reader import BlobReader, Spooled
from vision_customization.engine.jobs.errors import JobFailed
from vision_customization.engine.jobs.images.dataset import content_of, read_dataset
from vision_customization.engine.jobs.images.kept_plans import Plans
from vision_customization.engine.jobs.images.plan import Access, AnnotatedImage, Part, Plan
from vision_customization.engine.objects.files import FileObjects
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store, TrainingContent
from vision_customization.engine.store.cipher import TokenCipher
from vision_customization.engine.store.tables import DatasetRow

GIVEN = "https://a.blob.core.windows.net/c/train.json"


class Asked(BlobReader):
    """A reader that remembers what was sent, and where; every blob has the same data."""

    def __init__(self, data: bytes = b"") -> None:
        self.asked: list[tuple[str, SecretStr | None]] = []
        self._data = data

    def spool(  # type: ignore[override]
        self, url: str, target: BinaryIO, *, sas: SecretStr | None = None, **_: object
    ) -> Spooled:
        self.asked.append((url, sas))
        target.write(self._data)
        return Spooled(hashlib.sha256(self._data).hexdigest(), len(self._data), None)


def store_with_token(folder: Path) -> Store:
    store = Store.open(Settings.from_environment({}, data_dir=folder))
    kind, sas = AnnotationKind.IMAGE_CLASSIFICATION, AuthenticationKind.SAS
    store.datasets.create("cats", kind, [GIVEN], authentication_kind=sas, sas_token=SecretStr("sig=TOPSECRET"))
    return store


def failure(store: Store, reader: BlobReader) -> JobFailed:
    with pytest.raises(JobFailed) as caught:
        read_dataset(store, reader, "cats", Purpose.TRAINING, ModelKind.GENERIC_CLASSIFIER, lambda: None)
    store.close()
    return caught.value


def test_a_token_is_sent_to_where_it_was_given_for(tmp_path: Path) -> None:
    store = store_with_token(tmp_path)
    elsewhere = "https://b.blob.core.windows.net/c/train.json"
    with store.database.writing() as session:  # as no call of the API can change it
        session.query(DatasetRow).update({"annotation_file_uris": [elsewhere, GIVEN]})
    reader = Asked()
    failure(store, reader)
    assert reader.asked == [(elsewhere, None), (GIVEN, SecretStr("sig=TOPSECRET"))]


def test_a_token_that_cannot_be_decrypted_is_asked_for_again(tmp_path: Path) -> None:
    store_with_token(tmp_path).close()
    (tmp_path / "token.key").write_text(Fernet.generate_key().decode())
    reader = Asked()
    error = failure(Store.open(Settings.from_environment({}, data_dir=tmp_path)), reader)
    assert error.code is FailureCode.DATASET_CORRUPT
    assert "Set the token again (PATCH the dataset's authentication)" in error.message
    assert reader.asked == []


def test_what_was_read_is_known_by_its_digest_and_its_address(tmp_path: Path) -> None:
    data = coco([(f"https://h/{index}.png", "ab"[index % 2]) for index in range(6)], ["a", "b"])
    with closing(store_with_token(tmp_path)) as store:
        part = read_dataset(store, Asked(data), "cats", Purpose.TRAINING, ModelKind.GENERIC_CLASSIFIER, lambda: None)
    digest = hashlib.sha256(data).hexdigest()
    assert content_of(part) == TrainingContent(AnnotationKind.IMAGE_CLASSIFICATION, {GIVEN: digest}, 6, {"a": 3, "b": 3})
    plans = Plans(FileObjects(tmp_path / "objects"), TokenCipher.open(Settings.from_environment({}, data_dir=tmp_path)))
    plans.put("job", Plan((part,)))
    assert plans.get("job").parts[0].files == {GIVEN: digest}


BOX = Box(0, 0.0, 0.0, 0.5, 0.5)


@pytest.mark.parametrize(
    ("images", "kind", "tags"),
    [
        ((TaggedImage("u", 0, "p"), TaggedImage("v", 0, "p")), AnnotationKind.IMAGE_CLASSIFICATION, {"cat": 2, "dog": 0}),
        (
            (MultiTaggedImage("u", (0, 1), "p"), MultiTaggedImage("v", (), "p")),
            AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION,
            {"cat": 1, "dog": 1},
        ),
        (
            (BoxedImage("u", (BOX, BOX, replace(BOX, label=1)), "p"), BoxedImage("v", (), "p")),
            AnnotationKind.IMAGE_OBJECT_DETECTION,
            {"cat": 2, "dog": 1},
        ),
    ],
)
def test_the_labels_of_each_kind_are_counted(
    images: tuple[AnnotatedImage, ...], kind: AnnotationKind, tags: dict[str, int]
) -> None:
    part = Part("cats", ("cat", "dog"), images, Access(None, False, ()), (10, 10_240), {GIVEN: "a" * 64})
    assert content_of(part) == TrainingContent(kind, {GIVEN: "a" * 64}, 2, tags)
