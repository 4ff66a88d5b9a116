"""Contents that are in a real Azurite: found by their digests, and copied."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.customization.azurite import ACCOUNT_KEY, PROGRAM, Azurite, azurite
from tests.customization.samples import DatasetFolder, MakeFolder, coco, encoded
from vision_customization.common.blob_container import open_container
from vision_customization.common.dataset_content.blob_names import annotation_name, marker_name, write_new
from vision_customization.common.errors import StorageError, VisionError
from vision_customization.customization.datasets.content import Content, check_dataset
from vision_customization.customization.datasets.copying import Copied, ImageRefused, copy_dataset
from vision_customization.customization.datasets.source import DatasetSource, read_dataset
from vision_customization.customization.datasets.storage_source import StorageSource
from vision_customization.customization.datasets.stored_content import ContentMissing, StoredContent, find_stored
from vision_customization.customization.datasets.upload import UploadedDataset, ensure_container, upload_content
from vision_customization.customization.errors import DatasetInvalid

pytestmark = [pytest.mark.process, pytest.mark.skipif(PROGRAM is None, reason="Azurite is not installed: make setup")]

KIND = "imageClassification"


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    with azurite(tmp_path_factory.mktemp("azurite")) as running:
        yield running


@pytest.fixture
def container(storage: Azurite, request: pytest.FixtureRequest) -> str:
    url = storage.container(f"c{abs(hash(request.node.name))}")
    ensure_container(url, account_key=ACCOUNT_KEY)
    return url


def content_of(folder: DatasetFolder, *names: str, kind: str = KIND) -> Content:
    return check_dataset(read_dataset(DatasetSource(folder.path, names or ("train.json",), kind))).valid()


def upload(content: Content, container: str) -> UploadedDataset:
    return upload_content(content, container, account_key=ACCOUNT_KEY)


def find(container: str, digest: str, kind: str = KIND, purpose: str | None = None) -> StoredContent:
    return find_stored(container, digest, kind, purpose, account_key=ACCOUNT_KEY)


def test_what_was_uploaded_is_found_by_its_digest(dataset_folder: MakeFolder, container: str) -> None:
    content = content_of(dataset_folder())
    uris = upload(content, container).annotation_uris
    found = find(container, content.digest, purpose="training")
    assert (found.manifest, list(found.annotation_uris)) == (content.manifest, uris)


def test_of_several_files_with_one_content_the_fewest_are_taken(dataset_folder: MakeFolder, container: str) -> None:
    """A dataset of two files was uploaded, and a version with the same content was saved as one."""
    folder = dataset_folder()
    whole = content_of(folder)
    single = upload(whole, container).annotation_uris
    two = split(folder)
    both = upload(two, container).annotation_uris
    assert two.digest == whole.digest
    assert list(find(container, whole.digest).annotation_uris) == single
    with open_container(container, account_key=ACCOUNT_KEY) as client:
        client.delete_blob(single[0].removeprefix(f"{container}/"))
    assert sorted(find(container, whole.digest).annotation_uris) == sorted(both)
    with open_container(container, account_key=ACCOUNT_KEY) as client:
        client.delete_blob(both[0].removeprefix(f"{container}/"))
    with pytest.raises(ContentMissing):
        find(container, whole.digest)


def split(folder: DatasetFolder) -> Content:
    """The same dataset as two files."""
    document = folder.document
    for name, tag in (("a.json", 1), ("b.json", 2)):
        kept = [entry for entry in document["annotations"] if entry["category_id"] == tag]
        images = [document["images"][entry["image_id"] - 1] for entry in kept]
        part = {
            "images": [{**image, "id": number} for number, image in enumerate(images, start=1)],
            "annotations": [{"id": number, "image_id": number, "category_id": tag} for number, _ in enumerate(images, start=1)],
            "categories": document["categories"],
        }
        (folder.path / name).write_text(json.dumps(part), "utf-8")
    return content_of(folder, "a.json", "b.json")


def test_what_is_not_there_says_what_to_do(container: str) -> None:
    with pytest.raises(ContentMissing, match=f"vision datasets copy NAME --version sha256:{'a' * 64} --to {container}"):
        find(container, "a" * 64)


def test_another_kind_is_refused(dataset_folder: MakeFolder, container: str) -> None:
    content = content_of(dataset_folder())
    upload(content, container)
    with pytest.raises(VisionError, match="is of kind imageClassification, not imageObjectDetection"):
        find(container, content.digest, "imageObjectDetection")


def test_the_rules_count_for_it_too(dataset_folder: MakeFolder, container: str) -> None:
    content = content_of(dataset_folder())
    upload(content, container)
    assert find(container, content.digest, purpose="training").digest == content.digest
    with pytest.raises(DatasetInvalid, match="height is 48 px, each side must be 50 to 16,000"):
        find(container, content.digest, purpose="evaluation")


def test_a_file_that_somebody_put_there_is_not_taken_for_it(dataset_folder: MakeFolder, container: str) -> None:
    content = content_of(dataset_folder())
    [uri] = upload(content, container).annotation_uris
    with open_container(container, account_key=ACCOUNT_KEY) as client:
        other = (
            client.download_blob(uri.removeprefix(f"{container}/")).readall().replace(b'"category_id":2', b'"category_id":1')
        )
        write_new(client, annotation_name("0" * 64), other, "application/json")
        write_new(client, marker_name(content.digest, "0" * 64), b"", "application/octet-stream")
    assert find(container, content.digest).annotation_uris == (uri,)


# Copies


def copy(source: Any, container: str) -> Copied:  # noqa: ANN401 - any source
    return copy_dataset(source, KIND, container, account_key=ACCOUNT_KEY)


def test_a_copy_is_the_same_content_and_made_once(dataset_folder: MakeFolder, storage: Azurite, container: str) -> None:
    content = content_of(dataset_folder())
    uris = upload(content, container).annotation_uris
    target = storage.container("copied-once")
    with StorageSource(uris, account_key=ACCOUNT_KEY) as source:
        first = copy(source, target)
        again = copy(source, target)
    assert (first.digest, first.images, first.copied_images, first.refused) == (content.digest, 6, 6, ())
    assert first.copied_bytes == sum(entry.size for entry in content.entries)
    assert (again.copied_images, again.annotation_uris, again.digest) == (0, first.annotation_uris, first.digest)
    assert list(find(target, content.digest, purpose="training").annotation_uris) == list(first.annotation_uris)
    with open_container(target, account_key=ACCOUNT_KEY) as client:
        names = {name for name in client.list_blob_names() if name.startswith("images/")}
    assert names == {entry.blob_name for entry in content.entries}


@dataclass
class Served:
    """A dataset whose images are anywhere."""

    document: dict[str, Any]
    images: dict[str, bytes]
    asked: list[str] = field(default_factory=list)
    connections: int = 1

    def annotation_files(self) -> list[tuple[str, bytes]]:
        return [("train.json", json.dumps(self.document).encode())]

    def image(self, url: str) -> bytes:
        self.asked.append(url)
        if url not in self.images:
            raise ImageRefused("is not in storage")
        return self.images[url]


@pytest.fixture
def served() -> Served:
    document = coco({"ä": 2, "b": 2})
    for number, image in enumerate(document["images"]):
        image["absolute_url"] = f"https://photos.example/{number}.png?sig=HIDDEN"
    return Served(document, {f"https://photos.example/{number}.png?sig=HIDDEN": encoded(number) for number in range(4)})


def test_images_get_the_names_of_their_contents(served: Served, storage: Azurite) -> None:
    target = storage.container("from-elsewhere")
    copied = copy(served, target)
    found = find(target, copied.digest)
    assert found.manifest.tags == {"b": 2, "ä": 2}
    with open_container(target, account_key=ACCOUNT_KEY) as client:
        data = client.download_blob(copied.annotation_uris[0].removeprefix(f"{target}/")).readall()
    assert b"HIDDEN" not in data
    assert b"photos.example" not in data


def test_what_can_not_be_copied_is_listed_and_nothing_is_half_there(served: Served, storage: Azurite) -> None:
    target = storage.container("refused")
    urls = sorted(served.images)
    whole = dict(served.images)
    del served.images[urls[0]]
    served.images[urls[1]] = b"<svg/>"
    served.images[urls[2]] = b"x" * (20 * 1024 * 1024 + 1)
    copied = copy(served, target)
    assert [(each.url, each.reason.partition(" (")[0]) for each in copied.refused] == [
        ("https://photos.example/0.png", "is not in storage"),
        ("https://photos.example/1.png", "is not an image of a supported type"),
        ("https://photos.example/2.png", "has 20,971,521 bytes; at most 20,971,520 are allowed"),
    ]
    assert (copied.copied_images, copied.annotation_uris, copied.digest) == (1, (), "")
    with open_container(target, account_key=ACCOUNT_KEY) as client:
        assert [name for name in client.list_blob_names() if not name.startswith("images/")] == []
    served.images.update(whole)
    assert copy(served, target).copied_images == 3, "it goes on where it ended"


def test_an_interrupted_copy_goes_on(dataset_folder: MakeFolder, storage: Azurite, container: str) -> None:
    content = content_of(dataset_folder())
    [uri] = upload(content, container).annotation_uris
    with StorageSource([uri], account_key=ACCOUNT_KEY) as source:
        document = json.loads(source.annotation_files()[0][1])
        images = {image["absolute_url"]: source.image(image["absolute_url"]) for image in document["images"]}
    target = storage.container("interrupted")
    served = Served(document, images)

    class Cut(Exception):
        pass

    class Cutting(Served):
        def image(self, url: str) -> bytes:
            if len(self.asked) == 3:
                raise Cut
            return super().image(url)

    with pytest.raises(Cut):
        copy(Cutting(document, images), target)
    assert copy(served, target).copied_images == 3
    assert len(served.asked) == 3, "those that are there are not read again"


@pytest.mark.parametrize("key", ["d3Jvbmc="])
def test_a_storage_that_refuses_ends_the_copy(dataset_folder: MakeFolder, container: str, key: str) -> None:
    uris = upload(content_of(dataset_folder()), container).annotation_uris
    with (
        StorageSource(uris, account_key=key) as source,
        pytest.raises(StorageError, match="the account key is wrong") as caught,
    ):
        copy(source, container)
    assert key not in str(caught.value)


def test_key_and_identity_go_to_storage_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def opened(*_: object, **__: object) -> None:
        raise AssertionError("opened with the key")

    read: list[str] = []
    monkeypatch.setattr("vision_customization.customization.datasets.storage_source.open_container", opened)
    monkeypatch.setattr(
        "vision_customization.customization.datasets.storage_source._get", lambda url, _: read.append(url) or b"x"
    )
    urls = [
        "https://photos.example/1.png",
        "https://a.blob.core.windows.net.photos.example/c/1.png",
        "https://a.blob.core.windows.net/c/1.png?sig=x",
    ]
    with StorageSource([], account_key=ACCOUNT_KEY) as source:
        for url in urls:
            source.image(url)
    assert read == urls
