"""The rows of a batch prediction run: an answer for each image, or why there is none, as JSON lines in chunks."""

import json
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from vision_customization.common.redaction import without_query
from vision_customization.contract.errors import ImageErrorCode
from vision_customization.contract.limits import API_VERSION
from vision_customization.engine.models.analysis import analysis
from vision_customization.engine.objects.keys import rows_key
from vision_customization.engine.objects.store import ObjectStore

CHUNK_IMAGES = 128
"""Images of one chunk, which is one object and one step of the job: the most that is done again after a process has died. Rows
that are stored stay in chunks of the size that they were stored in, so it never changes."""

_COMPRESSION = 1
"""zlib's fastest level: the names of the tags repeat from row to row."""


class Row(NamedTuple):
    """A JSON line with its end, and whether it is an answer."""

    line: bytes
    answered: bool


def answered(url: str, found: dict[str, Any], width: int, height: int) -> Row:
    """The row of an image of this size, in pixels, with the model's `customModelResult`."""
    return Row(_line({"url": without_query(url), **analysis(found, API_VERSION, width, height)}), answered=True)


def refused(url: str, code: ImageErrorCode, message: str) -> Row:
    """The row of an image without an answer."""
    return Row(_line({"url": without_query(url), "error": {"code": code.value, "message": message}}), answered=False)


class AnswerRows:
    """The rows of one run, among the objects of its model."""

    def __init__(self, objects: ObjectStore, model_id: str, run_id: str) -> None:
        self._objects = objects
        self._model_id = model_id
        self._run_id = run_id

    def put(self, chunk: int, rows: Sequence[Row]) -> None:
        """Store a chunk as a whole."""
        self._objects.put(self._key(chunk), zlib.compress(b"".join(row.line for row in rows), _COMPRESSION))

    def lines(self, chunk: int) -> list[bytes]:
        """The lines of a chunk. Raises ObjectNotFound."""
        return zlib.decompress(self._objects.get(self._key(chunk))).splitlines(keepends=True)

    def rows(self, chunk: int) -> list[Row]:
        """The rows of a chunk. Raises ObjectNotFound."""
        return [Row(line, "error" not in json.loads(line)) for line in self.lines(chunk)]

    def _key(self, chunk: int) -> str:
        return rows_key(self._model_id, self._run_id, chunk)


def _line(row: dict[str, Any]) -> bytes:
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
