"""How a model does on each tag: the rows of a table, sorted and searched."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vision_customization.contract.judging import TagOutcome

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
