"""How a model does on each tag: the rows of a table, sorted and searched."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vision_customization.contract.judging import TagOutcome

CHOICES = 300
"""Tags that a page lists to choose from. Of more, it suggests those that contain what was typed."""
SUGGESTED = 50

ROWS = 50
"""Rows on a page, and how many "more" adds."""

COLUMNS: Mapping[str, tuple[str, str]] = {
    "tag": ("Tag", ""),
    "labels": ("Labelled", "how many have this label"),
    "right": ("Found", "how many of them the model found"),
    "missed": ("Missed", "how many of them it did not find"),
    "false": ("False", "how often it gave the tag where it is not a label"),
    "precision": ("Precision", "the share of its answers with this tag that are right"),
    "recall": ("Recall", "the share of the labels that it found"),
    "f1": ("F1", "the balance between precision and recall"),
    "average_precision": ("Average precision", "the area under the tag's curve"),
}
"""The columns by their keys in a query: heading and meaning."""

WORST_FIRST = "f1"


@dataclass(frozen=True)
class TagRows:
    """`rows` of `count` tags that were found. `descending` is how they are sorted by `sort`."""

    rows: Sequence[TagOutcome]
    count: int
    sort: str
    descending: bool
    find: str
    skip: int

    @property
    def following(self) -> int | None:
        """Where the next rows begin; None if these are the last."""
        end = self.skip + len(self.rows)
        return end if end < self.count else None


def tag_rows(tags: Sequence[TagOutcome], sort: str, *, descending: bool, find: str = "", skip: int = 0) -> TagRows:
    """The rows after the first `skip`. Tags without the value come last. Equal ones keep their order."""
    sort = sort if sort in COLUMNS else WORST_FIRST
    found = [tag for tag in tags if find.casefold() in tag.tag.casefold()]

    def value(tag: TagOutcome) -> str | float | None:
        read: str | float | None = getattr(tag, sort)
        return read.casefold() if isinstance(read, str) else read

    have = sorted((tag for tag in found if value(tag) is not None), key=value, reverse=descending)  # type: ignore[arg-type]
    lack = [tag for tag in found if value(tag) is None]
    return TagRows([*have, *lack][skip : skip + ROWS], len(found), sort, descending, find, skip)


def choices(tags: Sequence[str]) -> Sequence[str]:
    """All tags to choose from; none if there are too many for a page."""
    return tags if len(tags) <= CHOICES else ()


def suggested(tags: Sequence[str], typed: str) -> Sequence[str]:
    """The first tags that contain what was typed, those that begin with it first."""
    wanted = typed.casefold()
    found = [tag for tag in tags if wanted in tag.casefold()]
    return sorted(found, key=lambda tag: not tag.casefold().startswith(wanted))[:SUGGESTED]


def neighbours(tags: Sequence[str], tag: str | None, *, all_tags: bool) -> tuple[str | None, str | None]:
    """The tags before and after one, in a circle that has None in it where `all_tags` may be chosen, too."""
    circle = [*([None] if all_tags else []), *tags]
    if not circle:
        return None, None
    place = circle.index(tag)
    return circle[place - 1], circle[(place + 1) % len(circle)]
