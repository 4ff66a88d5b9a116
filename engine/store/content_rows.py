"""The rows of a content index: writing them in batches, each in a short transaction, and deleting them."""

import hashlib
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple, TypeVar

import numpy as np
import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy import and_, delete, insert, select, tuple_
from sqlalchemy.orm import Session

from vision_customization.common.redaction import without_query
from vision_customization.contract.coco.document import Box
from vision_customization.contract.enums import ProblemKind
from vision_customization.engine.blobs.address import BlobAddress, BlobError
from vision_customization.engine.store.cipher import TokenCipher
from vision_customization.engine.store.content_tables import (
    ContentAddressRow,
    ContentImageRow,
    ContentLabelRow,
    ContentProblemRow,
    ContentSelectionRow,
    ContentTagRow,
)
from vision_customization.engine.store.database import Database
from vision_customization.engine.store.records import IndexedProblem, IndexedTag
from vision_customization.engine.store.tables import Table

BATCH_ROWS = 4000
"""Rows of one transaction: other processes wait for some 50 ms at most."""

UNLABELLED = -1
"""The selection of the images without a label."""
SELECTION_OF = {kind: -10 - number for number, kind in enumerate(
    (
        ProblemKind.LIMIT,
        ProblemKind.ENTRY,
        ProblemKind.REFERENCE,
        ProblemKind.SIZE,
        ProblemKind.BOX,
        ProblemKind.SEVERAL_TAGS,
        ProblemKind.OTHER_TAGS,
        ProblemKind.UNLABELLED,
    )
)}  # fmt: skip
"""The selections of the images with a problem of a kind. They are stored: add to the end only."""

_IMAGES, _LABELS, _SELECTIONS, _ADDRESSES, _TAGS, _PROBLEMS = _ROWS = tuple(
    Table.metadata.tables[row.__tablename__]
    for row in (
        ContentImageRow,
        ContentLabelRow,
        ContentSelectionRow,
        ContentAddressRow,
        ContentTagRow,
        ContentProblemRow,
    )
)
_ADDRESS_BYTES = 8

_Batch = dict[sa.Table, list[dict[str, Any]]]

T = TypeVar("T")


class NewImage(NamedTuple):
    """An image to index. `url` may have a query; labels are positions among the index's tags, each with its box."""

    position: int
    url: str
    file_name: str
    width: float | None
    height: float | None
    labels: Sequence[tuple[int, Box | None]]
    problems: Sequence[ProblemKind]


class ContentWriter:
    """Writes the rows of one index, and counts them. `lock` is called in each transaction and raises NotFound if the index is
    gone."""

    def __init__(self, database: Database, cipher: TokenCipher, index: int, lock: Callable[[Session], None]) -> None:
        self._database = database
        self._cipher = cipher
        self._index = index
        self._lock = lock
        self._ordinals = Counter[int]()
        self._label_ordinals = Counter[int]()
        self._addresses = array("q")
        self.images = 0
        self.unlabelled = 0
        self.labels = 0
        self.tags = 0

    def images_with(self, kind: ProblemKind) -> int:
        """How many of the images have a problem of this kind."""
        return self._ordinals[SELECTION_OF[kind]] if kind in SELECTION_OF else 0

    def add_images(self, images: Iterable[NewImage]) -> None:
        """Write all of them; their positions count from 0. Raises NotFound."""
        batch: _Batch = {}
        for image in images:
            self._add(image, batch)
            if sum(map(len, batch.values())) >= BATCH_ROWS:
                self._write(batch)
                batch = {}
        self._write(batch)
        self._add_addresses()

    def add_tags(self, tags: Iterable[IndexedTag]) -> None:
        """In the order of the numbers that the labels have. Raises NotFound."""
        for start, batch in _batches(tags):
            rows = [
                {
                    "index_sequence": self._index,
                    "number": number,
                    "name": tag.name,
                    "name_digest": name_digest(tag.name),
                    "images": tag.images,
                    "labels": tag.labels,
                }
                for number, tag in enumerate(batch, start)
            ]
            self._write({_TAGS: rows})
            self.tags += len(rows)

    def add_problems(self, problems: Iterable[IndexedProblem]) -> None:
        """Raises NotFound."""
        for start, batch in _batches(problems):
            rows = [
                {
                    "index_sequence": self._index,
                    "number": number,
                    "kind": problem.kind.value,
                    "position": problem.position,
                    "message": problem.message,
                }
                for number, problem in enumerate(batch, start)
            ]
            self._write({_PROBLEMS: rows})

    def _add(self, image: NewImage, batch: _Batch) -> None:
        index, position = self._index, image.position
        url, query = address_of(image.url)
        row = {
            "index_sequence": index,
            "position": position,
            "url": url,
            "query_encrypted": self._cipher.encrypt(SecretStr(query)) if query else None,
            "file_name": image.file_name,
            "width": image.width,
            "height": image.height,
        }
        batch.setdefault(_IMAGES, []).append(row)
        self._addresses.append(address_key(url))
        labels = batch.setdefault(_LABELS, [])
        for number, (tag, box) in enumerate(image.labels):
            left, top, width, height = box or (None, None, None, None)
            labels.append(
                {
                    "index_sequence": index,
                    "position": position,
                    "number": number,
                    "tag": tag,
                    "ordinal": self._label_ordinals[tag],
                    "left": left,
                    "top": top,
                    "width": width,
                    "height": height,
                }
            )
            self._label_ordinals[tag] += 1
        selections = batch.setdefault(_SELECTIONS, [])
        for selection in self._selections(image):
            ordinal = self._ordinals[selection]
            selections.append({"index_sequence": index, "selection": selection, "ordinal": ordinal, "position": position})
            self._ordinals[selection] += 1
        self.images += 1
        self.unlabelled += not image.labels
        self.labels += len(image.labels)

    @staticmethod
    def _selections(image: NewImage) -> Iterator[int]:
        yield from dict.fromkeys(tag for tag, _ in image.labels) if image.labels else (UNLABELLED,)
        yield from dict.fromkeys(SELECTION_OF[kind] for kind in image.problems)

    def _add_addresses(self) -> None:
        """In their own order: rows in the order of the images would each change another page of the table."""
        addresses = np.frombuffer(self._addresses, np.int64)
        for start in range(0, len(addresses), BATCH_ROWS) if len(addresses) else ():
            if start == 0:
                order = np.argsort(addresses, kind="stable")
            rows = [
                {"index_sequence": self._index, "address": int(addresses[position]), "position": int(position)}
                for position in order[start : start + BATCH_ROWS]
            ]
            self._write({_ADDRESSES: rows})

    def _write(self, batch: _Batch) -> None:
        with self._database.writing() as session:
            self._lock(session)
            for table, rows in batch.items():
                if rows:
                    session.execute(insert(table), rows)


def delete_rows(session: Session, index: int) -> bool:
    """Delete up to BATCH_ROWS rows of an index; false if none was left."""
    for table in _ROWS:
        _, *key = table.primary_key.columns
        of_index = table.c.index_sequence == index
        query = select(*key).where(of_index).order_by(*key)
        bound = session.execute(query.offset(BATCH_ROWS).limit(1)).first()
        which = of_index if bound is None else and_(of_index, tuple_(*key) < tuple_(*bound))
        if session.connection().execute(delete(table).where(which)).rowcount:
            return True
    return False


def address_of(url: str) -> tuple[str, str]:
    """A URL as it is stored and may be shown, in the form by which read blobs are known, and its query."""
    try:
        address = BlobAddress.parse(url)
    except BlobError:  # the image cannot be read either
        return without_query(url), ""
    return address.url, address.query


def address_key(url: str) -> int:
    """A number that is almost always another one for another stored URL."""
    return int.from_bytes(hashlib.sha256(url.encode(errors="replace")).digest()[:_ADDRESS_BYTES], "big", signed=True)


def name_digest(tag: str) -> str:
    return hashlib.sha256(tag.encode(errors="replace")).hexdigest()


def _batches(items: Iterable[T]) -> Iterator[tuple[int, list[T]]]:
    iterator, start = iter(items), 0
    while batch := list(islice(iterator, BATCH_ROWS)):
        yield start, batch
        start += len(batch)
