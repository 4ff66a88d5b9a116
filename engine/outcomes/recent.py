"""Results that were needed lately, in memory."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock, RLock
from typing import Protocol, TypeVar


class Sized(Protocol):
    @property
    def nbytes(self) -> int: ...


S = TypeVar("S", bound=Sized)


class Recent:
    """Results by key, `bytes_max` at most: those that were not asked for longest make room. Threads may share it."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._kept: OrderedDict[Hashable, Sized] = OrderedDict()
        self._lock = Lock()
        self._building = RLock()

    def get(self, key: Hashable, kind: type[S], build: Callable[[], S]) -> S:
        """The result under the key, built if it is not in memory. One thread builds at a time, which bounds the memory that
        building takes; it may ask for other results meanwhile. A result larger than `bytes_max` is not kept."""
        found = self._find(key)
        if found is None:
            with self._building:
                found = self._find(key)
                if found is None:
                    found = build()
                    self._keep(key, found)
        assert isinstance(found, kind)
        return found

    def _find(self, key: Hashable) -> Sized | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def _keep(self, key: Hashable, built: Sized) -> None:
        if built.nbytes > self._bytes_max:
            return
        with self._lock:
            self._kept[key] = built
            self._bytes += built.nbytes
            while self._bytes > self._bytes_max:
                _, dropped = self._kept.popitem(last=False)
                self._bytes -= dropped.nbytes
