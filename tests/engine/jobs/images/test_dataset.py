"""How a job gets at a dataset's token."""

from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from vision_customization.contract.enums import AnnotationKind, AuthenticationKind, ModelKind, Purpose
from vision_customization.contract.errors import FailureCode
from vision_customization.engine.blobs.reader import Blob, BlobReader
from vision_customization.engine.jobs.errors import JobFailed
from vision_customization.engine.jobs.images.dataset import read_dataset
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store
from vision_customization.engine.store.tables import DatasetRow

GIVEN = "https://a.blob.core.windows.net/c/train.json"


class Asked(BlobReader):
    """A reader that remembers what was sent, and where; every blob is empty."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, SecretStr | None]] = []

    def read(self, url: str, *, sas: SecretStr | None = None, **_: object) -> Blob:  # type: ignore[override]
        self.asked.append((url, sas))
        return Blob(b"", None)


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
