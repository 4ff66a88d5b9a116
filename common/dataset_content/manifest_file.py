"""A manifest that is written without holding it in memory: its images are sorted in a temporary file."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from vision_customization.common.dataset_content.manifest import ImageLabels, digest_of, labels_of, manifest_of, manifest_text
from vision_customization.contract.coco.document import Box

Annotation = tuple[str, Box | None]
_CACHE_KIBIBYTES = 8192
_PARTS = 4096
_TABLE = "CREATE TABLE images (sha256 TEXT PRIMARY KEY, tags TEXT, boxes TEXT, copies INTEGER) WITHOUT ROWID"


class ManifestFile:
    """The manifest of images that come in any order; close it when it was written.

    Args:
        folder: for a file of about the size of the manifest, which has no name and ends with the process.
        copies: the SHA-256 of all images that come more than once; these alone are held in memory.
    """

    def __init__(self, folder: Path, kind: str, copies: Collection[str] = ()) -> None:
        self.kind = kind
        self.tags: Counter[str] = Counter()
        """The number of annotations of each tag, of the images so far."""
        self._copies = {sha256: list[Sequence[Annotation]]() for sha256 in copies}
        file = folder / f"{uuid.uuid4()}.sqlite"
        self._file = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
        try:
            for pragma in ("journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE", f"cache_size=-{_CACHE_KIBIBYTES}"):
                self._file.execute(f"PRAGMA {pragma}")
            self._file.execute(_TABLE)
        finally:
            file.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def add(self, images: Iterable[tuple[str, Sequence[Annotation]]]) -> None:
        """Add images, each given by its SHA-256 and its annotations."""
        rows = []
        for sha256, own in images:
            if sha256 in self._copies:
                self._copies[sha256].append(own)
            else:
                rows.append(self._row(sha256, labels_of(own)))
        self._insert(rows)

    def finish(self) -> str:
        """The digest of the manifest, to which nothing is added any more."""
        copied = ((sha256, labels) for sha256, entries in self._copies.items() for labels in entries)
        self._insert([self._row(sha256, labels) for sha256, labels in manifest_of(self.kind, copied).images.items()])
        self._copies.clear()
        return digest_of(self.kind, self._images())

    def write(self, file: BinaryIO) -> None:
        """Write the manifest, byte for byte what `Manifest.to_bytes` gives, after `finish`."""
        parts: list[str] = []
        for part in manifest_text(self.kind, sorted(self.tags), self._images):
            parts.append(part)
            if len(parts) == _PARTS:
                file.write("".join(parts).encode())
                parts.clear()
        file.write("".join(parts).encode())

    def _row(self, sha256: str, labels: ImageLabels) -> tuple[str, str, str, int]:
        self.tags.update(labels.tags)
        return sha256, json.dumps(labels.tags), labels.boxes, labels.copies

    def _insert(self, rows: Sequence[tuple[str, str, str, int]]) -> None:
        self._file.execute("BEGIN")
        self._file.executemany("INSERT INTO images VALUES (?, ?, ?, ?)", rows)
        self._file.execute("COMMIT")

    def _images(self) -> Iterator[tuple[str, ImageLabels]]:
        for sha256, tags, boxes, copies in self._file.execute("SELECT * FROM images ORDER BY sha256"):
            yield sha256, ImageLabels(tuple(json.loads(tags)), boxes, copies)
