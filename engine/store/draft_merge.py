"""A three-way merge of a draft with the dataset it began with, image by image, by the digests of their contents."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from vision_customization.common.dataset_content.three_way import Outcome, outcome
from vision_customization.contract.drafts import ImageState
from vision_customization.engine.store.draft_edit import ADDED_AT_ONCE, DraftEdit
from vision_customization.engine.store.draft_records import DraftImageRecord, DraftLabel, NewDraftImage
from vision_customization.engine.store.draft_tables import DraftImageRow

Names = Callable[[str], str]


@dataclass
class MergeCounts:
    """Images by what became of them: `taken` have the dataset's labels now, `kept` are in the draft although the dataset no
    longer has them, `added` and `removed` follow the dataset, `conflicts` are for somebody to settle."""

    taken: int = 0
    kept: int = 0
    added: int = 0
    removed: int = 0
    conflicts: int = 0


@dataclass
class Merge:
    """The merge of one draft.

    Args:
        edit: changes the draft.
        base_names: the draft's tags, each with its name in the dataset, by the draft's name.
        theirs: the dataset's images now, with the names that their tags have there.
    """

    edit: DraftEdit
    base_names: Mapping[str, str]
    theirs: Iterable[NewDraftImage]
    counts: MergeCounts = field(default_factory=MergeCounts)

    def __post_init__(self) -> None:
        self._own_names = {base: own for own, base in self.base_names.items()}
        self._left = defaultdict[str, list[NewDraftImage]](list)
        self.their_tags = set[str]()
        for image in self.theirs:
            self._left[image.sha256].append(image)
            self.their_tags |= {label.tag for label in image.labels}

    def of(self, image: DraftImageRecord) -> None:
        """Merge one image of the draft; removed ones, too."""
        same = self._left.get(image.sha256)
        theirs = same.pop(0) if same else None
        if image.in_base:
            self._of_base(image, theirs)
        elif theirs is not None:
            self._of_both(image, theirs)

    def add_rest(self) -> None:
        """Add what only the dataset has."""
        rest = (image for images in self._left.values() for image in images)
        while batch := list(islice(rest, ADDED_AT_ONCE)):
            self.edit.add_base([(image, self._in_draft(image.labels)) for image in batch])
            self.counts.added += len(batch)

    def _of_base(self, image: DraftImageRecord, theirs: NewDraftImage | None) -> None:
        row = self.edit.image(image.number)
        assert row is not None
        now = sorted(self._in_base(image.labels))
        base = now if image.base is None else sorted(image.base)
        removed = image.state is ImageState.REMOVED
        mine = None if removed else now
        if theirs is None:
            if outcome(base, mine, None) is Outcome.KEPT:
                self.edit.unbase(row)
                self.counts.kept += 1
            else:
                self.edit.forget(row)
                self.counts.removed += not removed
            return
        decided = outcome(base, mine, sorted(theirs.labels))
        if decided is Outcome.THEIRS:
            self._take(row, theirs)
        elif decided is Outcome.CONFLICT:
            self.edit.restore(row)
            self._conflict(row, theirs)
        elif sorted(theirs.labels) != base:
            self.edit.set_base(row, theirs.labels)

    def _of_both(self, image: DraftImageRecord, theirs: NewDraftImage) -> None:
        """The image came into the draft, and into the dataset. One that was removed from the draft since stays so."""
        row = self.edit.image(image.number)
        assert row is not None
        mine = sorted(self._in_base(image.labels))
        decided = Outcome.MINE if image.state is ImageState.REMOVED else outcome(None, mine, sorted(theirs.labels))
        if decided is Outcome.THEIRS:
            self._take(row, theirs)
        elif decided is Outcome.CONFLICT:
            self._conflict(row, theirs)
        else:
            self.edit.set_base(row, theirs.labels)

    def _take(self, row: DraftImageRow, theirs: NewDraftImage) -> None:
        self.edit.take(row, self._in_draft(theirs.labels), settled=theirs.settled)
        self.counts.taken += 1

    def _conflict(self, row: DraftImageRow, theirs: NewDraftImage) -> None:
        self.edit.set_base(row, theirs.labels)
        self.edit.conflict(row, self._in_draft(theirs.labels))
        self.counts.conflicts += 1

    def _in_base(self, labels: Sequence[DraftLabel]) -> list[DraftLabel]:
        return [DraftLabel(self.base_names.get(label.tag, label.tag), label.box) for label in labels]

    def _in_draft(self, labels: Sequence[DraftLabel]) -> list[DraftLabel]:
        return [DraftLabel(self._own_names.get(label.tag, label.tag), label.box) for label in labels]
