"""The images of a draft as numbers alone, for what looks at all of them: 100,000 numbers take a tenth of a second."""

from collections.abc import Sequence

from sqlalchemy import func, select

from vision_customization.contract.drafts import ImageChoice
from vision_customization.engine.store.database import Database
from vision_customization.engine.store.draft_pages import chosen_by, images_of
from vision_customization.engine.store.draft_records import DraftImageRecord
from vision_customization.engine.store.draft_tables import DraftImageRow, DraftLabelRow


class DraftNumbers:
    """The queries. `draft` is the number in its record; of one that is gone, everything is empty."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def stop(self, draft: int) -> int:
        """The number after that of the last image; 0 if there are none."""
        row = DraftImageRow
        with self._database.reading() as session:
            last = session.scalar(select(func.max(row.number)).where(row.draft_sequence == draft))
        return 0 if last is None else last + 1

    def selected(self, draft: int, *, tag: str | None = None, choice: ImageChoice | None = None) -> list[int]:
        """The numbers of all images that the filters select, rising."""
        with self._database.reading() as session:
            chosen = chosen_by(session, draft, tag, choice)
            return list(session.scalars(select(DraftImageRow.number).where(*chosen).order_by(DraftImageRow.number)))

    def labelled(self, draft: int) -> list[tuple[int, int]]:
        """The number of each image that has labels, with the number of its first label's tag, rising."""
        image, label = DraftImageRow, DraftLabelRow
        of_image = (label.draft_sequence == image.draft_sequence) & (label.number == image.number)
        with self._database.reading() as session:
            left = chosen_by(session, draft, None, None)
            query = select(image.number, label.tag).join(label, of_image).where(*left)
            # The first label of an image need not have the ordinal 0: labels before it may have been deleted.
            found: dict[int, int] = {}
            for number, tag in session.execute(query.order_by(image.number, label.ordinal)):
                found.setdefault(number, tag)
            return list(found.items())

    def addresses(self, draft: int, start: int, count: int) -> list[tuple[int, str, str]]:
        """Number, SHA-256 and extension of up to `count` images from the number `start` on, also of those that were removed."""
        row = DraftImageRow
        query = select(row.number, row.sha256, row.extension).where(row.draft_sequence == draft, row.number >= start)
        with self._database.reading() as session:
            found = session.execute(query.order_by(row.number).limit(count))
            return [(number, sha256, extension) for number, sha256, extension in found]

    def images(self, draft: int, numbers: Sequence[int]) -> tuple[DraftImageRecord, ...]:
        """The images with these numbers, in this order."""
        with self._database.reading() as session:
            return images_of(session, draft, numbers)
