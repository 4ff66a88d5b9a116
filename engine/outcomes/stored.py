"""Outcomes as objects of the store, read in pages.

    rows             the images' outcomes from the worst to the best: JSON lines, a hundred at a time compressed with zlib
    index.npz        where each hundred begins in `rows`, and the verdicts on every image
    confusion.json   `contract.outcomes.Confusion`
    curves.json      `contract.outcomes.Curves`
    answers.npz      `answers.Answers`; older engines did not write it, and their outcomes are counted from the rows

A page reads the index and the hundreds that it needs, so its cost hardly depends on the number of images. The index is written
last: if it exists, so do the others.
"""

import json
import re
import zlib
from array import array
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from vision_customization.contract.judging import OutcomeKind
from vision_customization.contract.outcomes import OutcomeFilter
from vision_customization.engine.learning.npz import from_npz, to_npz
from vision_customization.engine.objects.store import ObjectNotFound, ObjectStore
from vision_customization.engine.outcomes.answers import Answers, Cells
from vision_customization.engine.outcomes.cells import cells_of_verdicts
from vision_customization.engine.outcomes.older import answers_of_lines, kind_of_line
from vision_customization.engine.outcomes.outcomes import FALSE, HIT, MISSED, Outcomes
from vision_customization.engine.outcomes.questions import position

CHUNK = 100
"""Images that are compressed together. With more of them, a page of images that lie far apart would take longer; with fewer,
the rows would take more space."""

_DIGEST = re.compile(rb'"digest":"([0-9a-f]{64})"')
"""Quotes inside of a JSON string are escaped, so this is a member of the object and nothing else."""

_FLAGS = {OutcomeFilter.WRONG: MISSED | FALSE, OutcomeFilter.MISSED: MISSED, OutcomeFilter.FALSE: FALSE}


def put_outcomes(objects: ObjectStore, key: str, outcomes: Outcomes) -> None:
    """Write the outcomes under the prefix `key`."""
    chunks: list[bytes] = []
    starts, rows, tags, verdicts, likely = array("Q", [0]), array("I"), array("H"), array("B"), array("I")
    count, images = 0, enumerate(outcomes.images)
    while chunk := list(islice(images, CHUNK)):
        count += len(chunk)
        chunks.append(zlib.compress(b"\n".join(outcome.line for _, outcome in chunk)))
        starts.append(starts[-1] + len(chunks[-1]))
        for row, outcome in chunk:
            for tag, flags in outcome.verdicts.items():
                rows.append(row)
                tags.append(tag)
                verdicts.append(flags)
            if "likelyLabels" in outcome.wire:
                likely.append(row)
    kind = outcomes.answers.kind.value
    facts = json.dumps({"images": count, "tags": list(outcomes.tags), "kind": kind, **_threshold(outcomes)})
    arrays = {"starts": starts, "rows": rows, "tags": tags, "verdicts": verdicts, "likely": likely}
    index = {"facts": np.frombuffer(facts.encode(), np.uint8), **{name: np.array(values) for name, values in arrays.items()}}
    objects.put(f"{key}/rows", b"".join(chunks))
    objects.put(f"{key}/confusion.json", _confusion(count, outcomes))
    objects.put(f"{key}/curves.json", json.dumps(outcomes.curves).encode())
    objects.put(f"{key}/answers.npz", to_npz(outcomes.answers.to_arrays()))
    objects.put(f"{key}/index.npz", to_npz(index))


class StoredOutcomes:
    """Outcomes under a prefix. `images` are as many, ordered from the worst to the best; `likely` of them likely have wrong
    labels."""

    def __init__(self, objects: ObjectStore, key: str, rows: Path, index: dict[str, NDArray[np.generic]]) -> None:
        facts = json.loads(index["facts"].tobytes())
        self.tags: list[str] = facts["tags"]
        self.images: int = facts["images"]
        self.threshold: float | None = facts.get("threshold")
        self.likely = len(index["likely"])
        self._kind: str | None = facts.get("kind")
        self._objects = objects
        self._key = key
        self._rows = rows
        self._index = index

    @classmethod
    def open(cls, objects: ObjectStore, key: str) -> Self:
        """Raises ObjectNotFound."""
        index = from_npz(objects.path(f"{key}/index.npz").read_bytes())
        return cls(objects, key, objects.path(f"{key}/rows"), index)

    @cached_property
    def kind(self) -> OutcomeKind:
        if self._kind is not None:
            return OutcomeKind(self._kind)
        if self.threshold is not None or not self.images:
            return OutcomeKind.OBJECTS if self.threshold is not None else OutcomeKind.ONE_TAG
        return kind_of_line(self.read([0])[0])

    def answers(self) -> Answers:
        """All answers as arrays. For outcomes of older engines, this parses every row: a second for 100,000 images.

        Raises ObjectNotFound if the outcomes have been deleted meanwhile.
        """
        try:
            arrays = self._objects.get(f"{self._key}/answers.npz")
        except ObjectNotFound:
            return answers_of_lines(self.kind, self._lines(), self.tags, self.threshold)
        return Answers.from_arrays(from_npz(arrays))

    def cells(self) -> Cells:
        """The cells of a classifier's confusion by image. A detector's are in its `answers`."""
        return cells_of_verdicts(self.kind, self.images, *self._verdicts())

    def digests(self) -> NDArray[np.bytes_]:
        """The SHA-256 of each image's file, S32 [images].

        Raises ObjectNotFound if the outcomes have been deleted meanwhile.
        """
        found = b"".join(b"".join(_DIGEST.findall(chunk)) for chunk in self._chunks())
        return np.frombuffer(bytes.fromhex(found.decode()), "S32")

    def likely_wrong(self) -> NDArray[np.int64]:
        """The rows of the images whose labels are likely wrong, the worst first."""
        return self._index["likely"].astype(np.uint32).astype(np.int64)

    def right(self) -> NDArray[np.bool_]:
        """Whether nothing is missed or false on an image, bool [images]."""
        rows, _, flags = self._verdicts()
        return ~self._marked(rows[(flags & _FLAGS[OutcomeFilter.WRONG]) > 0])

    def labels(self) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
        """Which images have which tag as a label: rows and positions in the tags, int [n]."""
        rows, tags, flags = self._verdicts()
        labelled = (flags & (HIT | MISSED)) > 0
        return rows[labelled], tags[labelled]

    def page(self, skip: int, top: int, only: OutcomeFilter | None = None, tag: str | None = None) -> tuple[int, list[bytes]]:
        """How many images the filter selects, and `top` of them after the first `skip`: each a `contract.outcomes.Outcome` as
        JSON.

        Raises InvalidQuestion if the model does not have the tag, and ObjectNotFound if the outcomes have been deleted
        meanwhile.
        """
        if only is None and tag is None:
            return self.images, self.read(range(self.images)[skip : skip + top])
        selected = self.selected(only, tag)
        return len(selected), self.read(selected[skip : skip + top].tolist())

    def selected(self, only: OutcomeFilter | None, tag: str | None) -> NDArray[np.int64]:
        """The rows of the images that the filter selects, rising. Raises InvalidQuestion if the model does not have the tag."""
        rows, tags, flags = self._verdicts()
        if tag is not None:
            concerned = tags == position(self.tags, tag, "tag")
            rows, flags = rows[concerned], flags[concerned]
        if only is None and tag is None:
            return np.arange(self.images)
        if only is OutcomeFilter.RIGHT and tag is None:
            return np.flatnonzero(self.right())
        if only is OutcomeFilter.RIGHT:
            rows = rows[flags == HIT]
        elif only is not None:
            rows = rows[(flags & _FLAGS[only]) > 0]
        return np.flatnonzero(self._marked(rows))

    def read(self, rows: Sequence[int]) -> list[bytes]:
        """The lines of these rows. If they rise, each hundred is decompressed once.

        Raises ObjectNotFound if the outcomes have been deleted meanwhile.
        """
        lines: list[bytes] = []
        number, chunk = -1, list[bytes]()
        with self._open() as file:
            for row in rows:
                if row // CHUNK != number:
                    number = row // CHUNK
                    chunk = self._chunk(file, number).split(b"\n")
                lines.append(chunk[row % CHUNK])
        return lines

    def _verdicts(self) -> tuple[NDArray[np.integer], NDArray[np.integer], NDArray[np.uint8]]:
        """The image, the tag and the verdict of each mark."""
        rows, tags = self._index["rows"].astype(np.uint32), self._index["tags"].astype(np.uint16)
        return rows, tags, self._index["verdicts"].astype(np.uint8)

    def _marked(self, rows: NDArray[np.integer]) -> NDArray[np.bool_]:
        """bool [images]: whether an image is among the rows."""
        marked = np.zeros(self.images, np.bool_)
        marked[rows] = True
        return marked

    def _lines(self) -> Iterator[bytes]:
        for chunk in self._chunks():
            yield from chunk.split(b"\n")

    def _chunks(self) -> Iterator[bytes]:
        with self._open() as file:
            for number in range(len(self._index["starts"]) - 1):
                yield self._chunk(file, number)

    def _open(self) -> BinaryIO:
        try:
            return self._rows.open("rb")
        except FileNotFoundError:
            raise ObjectNotFound("The outcomes have just been deleted.") from None

    def _chunk(self, file: BinaryIO, number: int) -> bytes:
        """A hundred images: their lines, joined."""
        begin, end = self._index["starts"][number : number + 2].astype(np.int64).tolist()
        file.seek(begin)
        return zlib.decompress(file.read(end - begin))


def _threshold(outcomes: Outcomes) -> dict[str, float]:
    return {} if outcomes.threshold is None else {"threshold": outcomes.threshold}


def _confusion(images: int, outcomes: Outcomes) -> bytes:
    """Labels and answers in the order of the tags, the ones that are absent last."""
    tags, cells = outcomes.tags, []
    ordered = sorted(outcomes.confusion.items(), key=lambda cell: [len(tags) if tag is None else tag for tag in cell[0]])
    for (label, answer), count in ordered:
        names = {"label": label, "answer": answer}
        cells.append({**{name: tags[tag] for name, tag in names.items() if tag is not None}, "count": count})
    document = {"images": images, "tags": list(tags), **_threshold(outcomes), "cells": cells}
    return json.dumps(document, ensure_ascii=False).encode()
