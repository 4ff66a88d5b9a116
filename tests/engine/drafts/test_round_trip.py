"""Version → COCO → version has the same digest: by the client's reader, by the checker of local files, and by the engine."""

import io
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.api_world import FixedBlobs, RecordedContainer
from tests.support.coco_content import index
from vision_customization.common.dataset_content.manifest import Manifest
from vision_customization.common.dataset_content.manifest_file import ManifestFile
from vision_customization.contract.coco.document import Box
from vision_customization.contract.enums import AnnotationKind
from vision_customization.customization.datasets.version_content import read_content
from vision_customization.engine.drafts.container import Container
from vision_customization.engine.drafts.labels import tag_fault
from vision_customization.engine.drafts.saving import WrittenCoco, write_coco
from vision_customization.engine.drafts.version_files import version_images
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import DraftRecord, Store, VersionRecord
from vision_customization.engine.store.draft_records import DraftLabel, NewDraftImage

CONTAINER = "https://account.blob.core.windows.net/training"
_NUMBERS = itertools.count()

tags = st.one_of(
    st.sampled_from(["ash", "Ösche", "桜", "🌲", "a b", "ash\u0301", '"', "\\", "null"]),
    st.text(min_size=1, max_size=8).filter(lambda text: tag_fault(text) is None),
)


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    """Any that a browser or a program can send."""
    fraction = st.floats(0, 1, allow_subnormal=False, exclude_max=True)
    left, top = draw(fraction), draw(fraction)
    width, height = (1 - left) * draw(st.floats(0.001, 0.9)), (1 - top) * draw(st.floats(0.001, 0.9))
    return left, top, width, height


@st.composite
def drafts(draw: st.DrawFn) -> tuple[AnnotationKind, list[NewDraftImage], list[str]]:
    """A kind, images with labels or without, and further tags."""
    kind = draw(st.sampled_from(list(AnnotationKind)))
    boxed = kind is AnnotationKind.IMAGE_OBJECT_DETECTION
    most = 1 if kind is AnnotationKind.IMAGE_CLASSIFICATION else 4
    some = st.sampled_from([(0.1, 0.2, 0.3, 0.4), (0.0, 0.0, 1.0, 1.0)])  # so that an image has the same one twice
    label = st.builds(DraftLabel, tags, some | boxes()) if boxed else st.builds(DraftLabel, tags)
    labels = st.lists(label, max_size=most)
    numbers = draw(st.lists(st.integers(0, 10**6), min_size=1, max_size=8, unique=True))
    images = [
        NewDraftImage(
            sha256=f"{number:064x}",
            extension=draw(st.sampled_from([".jpg", ".png", ".tiff"])),
            file_name=draw(st.sampled_from(["a.jpg", "ö/b c.jpg", '"q".png', "桜.png"])),
            width=draw(st.sampled_from([10.0, 640.0, 10_240.0])),
            height=480.0,
            labels=tuple(draw(labels)),
            settled=draw(st.booleans()),
        )
        for number in numbers
    ]
    return kind, images, draw(st.lists(tags, max_size=2, unique=True))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    opened = Store.open(Settings.from_environment({}, data_dir=tmp_path_factory.mktemp("engine")))
    yield opened
    opened.close()


def written(store: Store, draft: DraftRecord) -> tuple[WrittenCoco, bytes]:
    """The COCO file, whose digest is also that of the manifest that is written beside it, byte for byte as a `Manifest` has
    it."""
    file, beside = io.BytesIO(), io.BytesIO()
    with ManifestFile(draft.annotation_kind, store.drafts.copies(draft.sequence)) as manifest:
        content = write_coco(store.drafts, store.drafts.find(draft.name), file, manifest)
        manifest.write(beside)
    whole = Manifest.from_bytes(beside.getvalue())
    assert (whole.digest, whole.to_bytes(), whole.tags) == (content.digest, beside.getvalue(), dict(manifest.tags))
    return content, file.getvalue()


@dataclass(frozen=True)
class Files:
    """The parts of an engine that read the files of versions."""

    store: Store
    blobs: FixedBlobs
    studio_container: Container


def files_of(store: Store, data: bytes, version: WrittenCoco) -> Files:
    blobs = FixedBlobs(content={f"{CONTAINER}/annotations/{version.sha256}.json": data})
    return Files(store, blobs, RecordedContainer(url=CONTAINER))


def recorded(store: Store, name: str, kind: AnnotationKind, version: WrittenCoco) -> VersionRecord:
    uri, now = f"{CONTAINER}/annotations/{version.sha256}.json", store.database.now()
    counts = (version.images, version.labels, version.tags)
    return VersionRecord(name, version.digest, kind, uri, (), *counts, (), None, "ada", now)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=drafts())
def test_a_version_has_the_same_digest_wherever_it_is_read(
    store: Store, drawn: tuple[AnnotationKind, list[NewDraftImage], list[str]]
) -> None:
    kind, images, further = drawn
    name = f"d{next(_NUMBERS)}"
    draft = store.drafts.create(name, kind, name, CONTAINER, "ada", tags=further)
    store.drafts.add(name, images, "ada")
    version, data = written(store, draft)
    # The digest is that of the draft's own records, in whatever order.
    content = read_content(data, kind, "version.json")
    assert content.manifest.digest == version.digest
    assert {image.sha256: sorted(image.labels) for image in content.images} == {
        image.sha256: sorted({(label.tag, label.box) for label in image.labels}) for image in images
    }
    assert set(content.tags) == {*further, *(label.tag for image in images for label in image.labels)}
    # The engine reads it as the content of a dataset, and another draft begins with that.
    store.datasets.create(name, kind, [f"{CONTAINER}/annotations/{version.sha256}.json"])
    record = index(store, name, json.loads(data))
    base = (name, [f"{CONTAINER}/annotations/{version.sha256}.json"], record.index)
    again, other = written(store, store.drafts.create(f"{name}-2", kind, name, CONTAINER, "ada", base=base))
    assert again.digest == version.digest
    assert read_content(other, kind, "version.json").manifest.digest == version.digest
    # So a version finds the dataset by its content, and a draft that begins with the version has the same.
    assert name in store.versions.registered([version.digest])[version.digest]
    with version_images(files_of(store, data, version), recorded(store, name, kind, version)) as found:
        base = (name, [f"{CONTAINER}/annotations/{version.sha256}.json"], found)
        third, _ = written(store, store.drafts.create(f"{name}-3", kind, name, CONTAINER, "ada", base=base))
    assert third.digest == version.digest
    second, last = (store.drafts.find(f"{name}-{number}").sequence for number in (2, 3))
    assert store.drafts.tags(last) == store.drafts.tags(second)
    for each in (name, f"{name}-2", f"{name}-3"):
        store.drafts.delete(each)
