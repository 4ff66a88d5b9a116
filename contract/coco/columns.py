"""Columns of texts and numbers: a fraction of the memory that a list of objects takes."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

_INT64_MAX = 2**63 - 1


class Texts:
    """Texts in one piece of memory."""

    __slots__ = ("_ends", "_utf8")

    def __init__(self) -> None:
        self._utf8 = bytearray()
        self._ends = array("Q")

    def append(self, text: str) -> None:
        self._utf8 += text.encode("utf-8", "surrogatepass")
        self._ends.append(len(self._utf8))

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> str:
        start = self._ends[index - 1] if index else 0
        return self._utf8[start : self._ends[index]].decode("utf-8", "surrogatepass")


class Integers:
    """Integers of any size, of which few are beyond 64 bits."""

    __slots__ = ("_int64", "_others")

    def __init__(self) -> None:
        self._int64 = array("q")
        self._others: dict[int, int] = {}

    def append(self, number: int) -> None:
        if -_INT64_MAX <= number <= _INT64_MAX:
            self._int64.append(number)
        else:
            self._others[len(self._int64)] = number
            self._int64.append(0)

    def __len__(self) -> int:
        return len(self._int64)

    def __getitem__(self, index: int) -> int:
        if self._others:
            return self._others.get(index, self._int64[index])
        return self._int64[index]

    def __iter__(self) -> Iterator[int]:
        return map(self.__getitem__, range(len(self))) if self._others else iter(self._int64)
