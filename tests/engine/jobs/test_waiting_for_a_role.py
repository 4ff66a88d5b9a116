"""A training whose dataset the engine's identity may not read yet: it waits, says why, and names in the end what is missing."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.engine.blobs.identities import CLIENT_ID, Clock, FixedIdentity
from tests.engine.blobs.site import Reply, Site, serving, write_certificate
from tests.engine.jobs.drawn import CheapExtractor, Engine, coco
from vision_customization.contract.enums import AnnotationKind, AuthenticationKind, ModelKind, Purpose
from vision_customization.contract.errors import FailureCode
from vision_customization.engine.blobs.reader import BlobReader
from vision_customization.engine.jobs.errors import JobCancelled, JobFailed
from vision_customization.engine.jobs.images.kept_features import KeptFeatures
from vision_customization.engine.jobs.images.kept_plans import Plans
from vision_customization.engine.jobs.images.resources import Resources
from vision_customization.engine.jobs.kinds.training import TrainingJob
from vision_customization.engine.objects.files import FileObjects
from vision_customization.engine.store.cipher import TokenCipher

DENIED = Reply(403, {"x-ms-error-code": "AuthorizationPermissionMismatch"})


@pytest.fixture
def azure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    certificate = write_certificate(tmp_path / "site.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with serving(certificate) as site:
        yield site


Make = Callable[[str, Callable[[], object]], tuple[TrainingJob, str]]


@pytest.fixture
def training(engine: Engine, azure: Site, tmp_path: Path) -> Iterator[Make]:
    """Makes the training of a model on a dataset that lies there, and its id."""
    readers = []

    def make(name: str, on_pause: Callable[[], object]) -> tuple[TrainingJob, str]:
        clock = Clock()

        def sleep(seconds: float) -> None:
            on_pause()
            clock.sleep(seconds)

        reader = BlobReader(
            identity_hosts=[azure.netloc],
            identity=FixedIdentity(),
            role_wait_seconds=engine.settings.role_wait_seconds,
            clock=clock,
            sleep=sleep,
        )
        readers.append(reader)
        objects, extractor = FileObjects(tmp_path / "objects"), CheapExtractor()
        kept = KeptFeatures(objects, extractor.key, extractor.dimensions)
        resources = Resources(engine.store, objects, reader, extractor, kept, decoders=2)
        uri = f"{azure.url}/acct/training/{name}.json"
        engine.store.datasets.create(
            name,
            AnnotationKind.IMAGE_CLASSIFICATION,
            [uri],
            authentication_kind=AuthenticationKind.MANAGED_IDENTITY,
            sas_token=None,
        )
        model = engine.model(name, name)
        plans = Plans(objects, TokenCipher.open(engine.settings))
        return TrainingJob(resources, plans, model.id), model.id

    yield make
    for reader in readers:
        reader.close()


def annotations(azure: Site) -> bytes:
    images = [(f"{azure.url}/acct/training/{index}.png", "red" if index % 2 else "green") for index in range(4)]
    return coco(images, ["red", "green"])


def test_it_says_why_it_waits_and_goes_on(engine: Engine, azure: Site, training: Make) -> None:
    seen: list[str | None] = []

    def look() -> None:
        progress = engine.store.models.by_id(model_id).progress
        seen.append(progress and progress.message)

    job, model_id = training("late", look)
    azure.on("/acct/training/late.json", *[DENIED] * 3, Reply(body=annotations(azure)))
    assert job.read_annotations()["images"] == 4
    assert len(seen) == 3
    for message in seen:
        assert message is not None
        assert message.startswith(
            f"Waiting for a role: the engine's identity {CLIENT_ID} gets 403 from {azure.url}/acct/training"
        )


def test_without_the_role_it_fails_and_names_identity_role_and_container(azure: Site, training: Make) -> None:
    job, _ = training("never", lambda: None)
    azure.on("/acct/training/never.json", DENIED)
    with pytest.raises(JobFailed) as failed:
        job.read_annotations()
    assert failed.value.code is FailureCode.DATASET_CORRUPT
    for expected in (CLIENT_ID, "Storage Blob Data Reader", f"the container {azure.url}/acct/training."):
        assert expected in failed.value.message


def test_nobody_waits_for_a_job_that_has_ended(azure: Site, training: Make) -> None:
    job, _ = training("ended", lambda: None)
    azure.on("/acct/training/ended.json", DENIED)
    job.close()
    with pytest.raises(JobCancelled):
        job.read_dataset("ended", Purpose.TRAINING, ModelKind.GENERIC_CLASSIFIER)
    assert len(azure.requests) == 1
