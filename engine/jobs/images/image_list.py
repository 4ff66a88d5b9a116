"""The images of a batch prediction run: listed once from a container or a dataset, and kept in lists of bounded size."""

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import unquote

from pydantic import SecretStr

from vision_customization.common.dataset_content.image_formats import EXTENSIONS
from vision_customization.contract.batch_prediction import AzureBlobSource
from vision_customization.contract.errors import FailureCode
from vision_customization.engine.annotations import AnnotationError
from vision_customization.engine.annotations.entries import Entry, read_entries
from vision_customization.engine.annotations.files import url_fault, url_of
from vision_customization.engine.blobs.access import Access
from vision_customization.engine.blobs.listing import ListedBlob, list_blobs
from vision_customization.engine.blobs.reader import BlobError, BlobErrorKind, BlobReader
from vision_customization.engine.jobs.errors import JobFailed, unreadable
from vision_customization.engine.jobs.images.annotation_files import file_name, spool_annotations
from vision_customization.engine.jobs.steps.waiting import awaited, in_thread
from vision_customization.engine.objects.keys import job_key
from vision_customization.engine.objects.store import ObjectNotFound, ObjectStore
from vision_customization.engine.store import DatasetRecord
from vision_customization.engine.store.cipher import TokenCipher

LIST_IMAGES = 4096
"""Images of one list."""

_ENTRIES_PER_CHECK = 4096


class ImageLists:
    """The addresses of a job's images, in lists of LIST_IMAGES. They are encrypted: an address may contain a token."""

    def __init__(self, objects: ObjectStore, cipher: TokenCipher, job: str) -> None:
        self._objects = objects
        self._cipher = cipher
        self._job = job

    def put(self, urls: Iterator[str], check: Callable[[], None]) -> int:
        """Keep all addresses; returns how many they are. `check` is called before each write: an exception that it raises ends
        this."""
        count = 0
        while listed := list(islice(urls, LIST_IMAGES)):
            check()
            data = self._cipher.encrypt(SecretStr(json.dumps(listed))).encode()
            self._objects.put(self._key(count // LIST_IMAGES), data)
            count += len(listed)
        return count

    def finish(self, facts: Mapping[str, int]) -> None:
        """The list is whole; `facts` are what is known of it."""
        self._objects.put(self._facts_key, json.dumps(facts).encode())

    def finished(self) -> dict[str, int] | None:
        """The facts of a list that is whole; None if it is not."""
        try:
            facts: dict[str, int] = json.loads(self._objects.get(self._facts_key))
        except ObjectNotFound:
            return None
        return facts

    def urls(self, start: int, stop: int) -> Iterator[str]:
        """The addresses of the images from number `start` on, before `stop`. Raises ObjectNotFound."""
        for number in range(start // LIST_IMAGES, -(-stop // LIST_IMAGES)):
            first = number * LIST_IMAGES
            listed = json.loads(self._cipher.decrypt(self._objects.get(self._key(number)).decode()).get_secret_value())
            yield from listed[max(0, start - first) : stop - first]

    @property
    def _facts_key(self) -> str:
        return f"{job_key(self._job)}/images"

    def _key(self, number: int) -> str:
        return f"{job_key(self._job)}/images-{number:07d}"


class ContainerImages:
    """The images of a container, by name. Iterate over it once; `others` then counts the blobs that are not images.

    Raises JobFailed and SourceUnreachable if the container cannot be listed, and what `check` raises.
    """

    def __init__(
        self,
        reader: BlobReader,
        source: AzureBlobSource,
        access: Access,
        check: Callable[[], None],
        on_wait: Callable[[str], None],
    ) -> None:
        self._source = source
        self._check = check
        self._pages = list_blobs(access, reader, source.container_url, source.prefix, on_wait=on_wait)
        self.others = 0

    def __iter__(self) -> Iterator[str]:
        while (page := self._page()) is not None:
            images = [blob.url for blob in page if _is_image(blob)]
            self.others += len(page) - len(images)
            yield from images

    def _page(self) -> list[ListedBlob] | None:
        self._check()
        try:
            return awaited(in_thread(lambda: next(self._pages, None)), self._check)
        except BlobError as error:
            failure = unreadable("The container", self._source.container_url, error)
            if error.kind is BlobErrorKind.DENIED and isinstance(failure, JobFailed):
                advice = "Listing a container needs the permissions read and list (sp=rl)."
                raise JobFailed(failure.code, f"{failure.message} {advice}") from None
            raise failure from None


def dataset_images(
    reader: BlobReader,
    dataset: DatasetRecord,
    access: Access,
    check: Callable[[], None],
    on_wait: Callable[[str], None],
    folder: Path | None = None,
) -> Iterator[str]:
    """The addresses of a dataset's images, in the order of its annotation files, each once. Labels are not looked at.

    Args:
        folder: where an annotation file is while it is read, in a file without a name; None for the system's folder.

    Raises:
        JobFailed: datasetCorrupt.
        SourceUnreachable: the storage does not answer. Also what `check` raises.
    """
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    seen: set[bytes] = set()
    for uri in dict.fromkeys(dataset.annotation_file_uris):
        with tempfile.TemporaryFile(dir=folder) as file:
            target = cast("BinaryIO", file)
            awaited(in_thread(partial(spool_annotations, reader, uri, access, target, None, on_wait)), check)
            for url in _urls_of(target, file_name(uri), dataset.name, check):
                digest = sha256(url.encode()).digest()[:16]
                if digest not in seen:
                    seen.add(digest)
                    yield url


def _urls_of(file: BinaryIO, name: str, dataset: str, check: Callable[[], None]) -> Iterable[str]:
    try:
        for number, entry in enumerate(read_entries(file, name)):
            if number % _ENTRIES_PER_CHECK == 0:
                check()
            if isinstance(entry, Entry) and entry.section == "images":
                url = url_of(entry.content or {})
                if fault := url_fault(url):
                    message = f"Dataset '{dataset}': {name}: images[{entry.number}]: {fault}."
                    raise JobFailed(FailureCode.DATASET_CORRUPT, message)
                yield str(url)
    except AnnotationError as error:
        raise JobFailed(FailureCode.DATASET_CORRUPT, f"Dataset '{dataset}': {error}") from None


def _is_image(blob: ListedBlob) -> bool:
    suffix = Path(unquote(blob.url.rsplit("/", 1)[-1])).suffix.lower()
    return suffix in EXTENSIONS or blob.content_type.lower().startswith("image/")
