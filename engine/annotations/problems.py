"""The problems of a dataset's content: all are counted, and the first of each kind are kept in words."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from vision_customization.contract.coco.document import Violation
from vision_customization.contract.enums import ProblemKind

PROBLEMS_MAX = 1000
"""How many are kept in words."""
MESSAGE_CHARACTERS_MAX = 1000


class Problem(NamedTuple):
    """`position` is that of the image it is about, if it is about one."""

    position: int | None
    kind: ProblemKind
    message: str


class Problems:
    """The problems found so far. `counts` has all of them."""

    def __init__(self) -> None:
        self.counts = Counter[ProblemKind]()
        self._first: defaultdict[ProblemKind, list[Problem]] = defaultdict(list)

    def add(self, kind: ProblemKind, violation: Violation, position: int | None = None) -> None:
        self.counts[kind] += 1
        if len(self._first[kind]) < PROBLEMS_MAX:
            self._first[kind].append(Problem(position, kind, _shortened(str(violation))))

    def add_all(self, kind: ProblemKind, violations: Iterable[Violation]) -> None:
        for violation in violations:
            self.add(kind, violation)

    def kept(self) -> list[Problem]:
        """At most PROBLEMS_MAX, by kind in the order of `ProblemKind`. A kind with many leaves room for the others."""
        shares: dict[ProblemKind, int] = {}
        left = PROBLEMS_MAX
        kinds = sorted(self._first, key=lambda kind: len(self._first[kind]))
        for index, kind in enumerate(kinds):
            shares[kind] = min(len(self._first[kind]), left // (len(kinds) - index))
            left -= shares[kind]
        return [problem for kind in ProblemKind if kind in shares for problem in self._first[kind][: shares[kind]]]


def _shortened(message: str) -> str:
    return message if len(message) <= MESSAGE_CHARACTERS_MAX else f"{message[: MESSAGE_CHARACTERS_MAX - 1]}…"
