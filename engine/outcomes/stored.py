"""Outcomes as objects of the store, read in pages.

    rows             the images' outcomes from the worst to the best: JSON lines, a hundred at a time compressed with zlib
    index.npz        where each hundred begins in `rows`, and the verdicts on every image
    confusion.json   `contract.outcomes.Confusion`
    curves.json      `contract.outcomes.Curves`

A page reads the index and the hundreds that it needs, so its cost hardly depends on the number of images. The index is written
last: if it exists, so do the others.
"""

import json
import zlib
from array import array
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from vision_customization.contract.outcomes import OutcomeFilter
from vision_customization.engine.learning.npz import from_npz, to_npz
from vision_customization.engine.objects.store import ObjectNotFound, ObjectStore
from vision_customization.engine.outcomes.outcomes import FALSE, HIT, MISSED, Outcomes

CHUNK = 100
"""Images that are compressed together. With more of them, a page of images that lie far apart would take longer; with fewer,
the rows would take more space."""

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
    facts = json.dumps({"images": count, "tags": list(outcomes.tags), **_threshold(outcomes)})
    arrays = {"starts": starts, "rows": rows, "tags": tags, "verdicts": verdicts, "likely": likely}
    index = {"facts": np.frombuffer(facts.encode(), np.uint8), **{name: np.array(values) for name, values in arrays.items()}}
    objects.put(f"{key}/rows", b"".join(chunks))
    objects.put(f"{key}/confusion.json", _confusion(count, outcomes))
    objects.put(f"{key}/curves.json", json.dumps(outcomes.curves).encode())
    objects.put(f"{key}/index.npz", to_npz(index))


class StoredOutcomes:
    """Outcomes under a prefix. `images` are as many, ordered from the worst to the best; `likely` of them likely have wrong
    labels."""

    def __init__(self, rows: Path, index: dict[str, NDArray[np.generic]]) -> None:
        facts = json.loads(index["facts"].tobytes())
        self.tags: list[str] = facts["tags"]
        self.images: int = facts["images"]
        self.threshold: float | None = facts.get("threshold")
        self.likely = len(index["likely"])
        self._rows = rows
        self._index = index

    @classmethod
    def open(cls, objects: ObjectStore, key: str) -> Self:
        """Raises ObjectNotFound."""
        index = from_npz(objects.path(f"{key}/index.npz").read_bytes())
        return cls(objects.path(f"{key}/rows"), index)

    def page(self, skip: int, top: int, only: OutcomeFilter | None = None, tag: str | None = None) -> tuple[int, list[bytes]]:
        """How many images the filter selects, and `top` of them after the first `skip`: each a `contract.outcomes.Outcome` as
        JSON.

        Raises ValueError if the model does not have the tag, and ObjectNotFound if the outcomes have been deleted meanwhile.
        """
        if only is None and tag is None:
            return self.images, self._read(list(range(self.images)[skip : skip + top]))
        selected = self._selected(only, None if tag is None else self.tags.index(tag))
        return len(selected), self._read(selected[skip : skip + top].tolist())

    def _selected(self, only: OutcomeFilter | None, tag: int | None) -> NDArray[np.int64]:
        """The rows of the images, rising."""
        rows, flags = self._index["rows"], self._index["verdicts"].astype(np.uint8)
        if tag is not None:
            concerned = self._index["tags"] == tag
            rows, flags = rows[concerned], flags[concerned]
        if only is OutcomeFilter.RIGHT and tag is None:
            return np.flatnonzero(~self._marked(rows[(flags & _FLAGS[OutcomeFilter.WRONG]) > 0]))
        if only is OutcomeFilter.RIGHT:
            rows = rows[flags == HIT]
        elif only is not None:
            rows = rows[(flags & _FLAGS[only]) > 0]
        return np.flatnonzero(self._marked(rows))

    def _marked(self, rows: NDArray[np.generic]) -> NDArray[np.bool_]:
        """bool [images]: whether an image is among the rows."""
        marked = np.zeros(self.images, np.bool_)
        marked[rows] = True
        return marked

    def _read(self, rows: Sequence[int]) -> list[bytes]:
        """The lines of these rows, which rise."""
        lines: list[bytes] = []
        starts = self._index["starts"].astype(np.int64)
        number, chunk = -1, list[bytes]()
        try:
            file = self._rows.open("rb")
        except FileNotFoundError:
            raise ObjectNotFound("The outcomes have just been deleted.") from None
        with file:
            for row in rows:
                if row // CHUNK != number:
                    number = row // CHUNK
                    file.seek(int(starts[number]))
                    chunk = zlib.decompress(file.read(int(starts[number + 1] - starts[number]))).split(b"\n")
                lines.append(chunk[row % CHUNK])
        return lines


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
