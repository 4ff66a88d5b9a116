"""Pages of a content index. Each takes about a millisecond, however many images there are: a page of a filter is found by the
ordinals of its images, and no query skips rows."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pydantic import SecretStr
from sqlalchemy import ColumnElement, ScalarSelect, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from vision_customization.contract.coco.document import Box
from vision_customization.contract.enums import ProblemKind
from vision_customization.engine.store.cipher import TokenCipher
from vision_customization.engine.store.content_rows import SELECTION_OF, UNLABELLED, address_key, address_of, name_digest
from vision_customization.engine.store.content_tables import (
    ContentAddressRow,
    ContentImageRow,
    ContentIndexRow,
    ContentLabelRow,
    ContentProblemRow,
    ContentSelectionRow,
    ContentTagRow,
)
from vision_customization.engine.store.database import Database
from vision_customization.engine.store.known_blobs import digests_of
from vision_customization.engine.store.records import (
    IndexedCrop,
    IndexedCrops,
    IndexedImage,
    IndexedImages,
    IndexedLabel,
    IndexedProblem,
    IndexedSize,
    IndexedTag,
)

_BATCH = 500  # below SQLite's limit on parameters of a statement
_INTEGER_MAX = 2**31 - 1


class _ImageRow(NamedTuple):
    position: int
    url: str
    file_name: str
    width: float | None
    height: float | None
    query_encrypted: str | None


class ContentPages:
    """The queries on an index that is ready. `index` is the number in its record; of one that is gone, everything is empty."""

    def __init__(self, database: Database, cipher: TokenCipher) -> None:
        self._database = database
        self._cipher = cipher

    def page(
        self,
        index: int,
        start: int,
        count: int,
        *,
        tag: str | None = None,
        problem: ProblemKind | None = None,
        unlabelled: bool = False,
    ) -> IndexedImages:
        """Images `start` to `start + count` of those that a filter selects, by position. At most one filter is given; without
        any, `start` is a position. A dataset's own problems select no image.

        Raises:
            ValueError: several filters are given.
        """
        if (tag is not None) + (problem is not None) + unlabelled > 1:
            raise ValueError("only one of tag, problem and unlabelled can be given")
        with self._database.reading() as session:
            if tag is None and problem is None and not unlabelled:
                total = session.scalar(select(ContentIndexRow.images).where(ContentIndexRow.sequence == index)) or 0
                return IndexedImages(total, _images(session, index, range(start, min(start + count, total))))
            if tag is not None:
                selection = _number_of(session, index, tag)
            else:
                selection = UNLABELLED if problem is None else SELECTION_OF.get(problem)
            if selection is None:
                return IndexedImages(0, ())
            row = ContentSelectionRow
            selected = (row.index_sequence == index, row.selection == selection)
            last = session.scalar(select(row.ordinal).where(*selected).order_by(row.ordinal.desc()).limit(1))
            total = 0 if last is None else 1 + last
            part = select(row.position).where(*selected, *_between(row.ordinal, start, count)).order_by(row.ordinal)
            return IndexedImages(total, _images(session, index, session.scalars(part).all()))

    def image(self, index: int, position: int) -> IndexedImage | None:
        """The image at a position; None if there is none."""
        with self._database.reading() as session:
            return next(iter(_images(session, index, [position])), None)

    def _bare_image(self, index: ScalarSelect[int], position: int) -> IndexedImage | None:
        """The image at a position, without its labels and problems; `index` is a query for the index's number."""
        if position > _INTEGER_MAX:
            return None
        row = ContentImageRow
        columns = (row.url, row.file_name, row.width, row.height, row.query_encrypted)
        with self._database.reading() as session:
            image = session.execute(select(*columns).where(row.index_sequence == index, row.position == position)).one_or_none()
            if image is None:
                return None
            url, file_name, width, height, query = image
            sha256 = digests_of(session, [url]).get(url)
        return IndexedImage(position, url, file_name, width, height, sha256, (), query_encrypted=query)

    def sizes_and_digests(self, index: int, start: int, count: int) -> list[IndexedSize]:
        """Of `count` images from a position on: what is needed to compare all of a dataset, without labels."""
        with self._database.reading() as session:
            images = _image_rows(session, index, range(start, start + count))
            digests = digests_of(session, [image.url for image in images.values()])
        ordered = (images[position] for position in sorted(images))
        return [IndexedSize(digests.get(image.url), image.width, image.height) for image in ordered]

    def positions(self, index: int, urls: Sequence[str]) -> dict[str, int]:
        """Where the images at `urls` are, by URL; what is not in the dataset is left out. Queries do not matter: of images that
        differ in the query alone, it is the first."""
        stored = {url: address_of(url)[0] for url in urls}
        keys = list({address_key(url) for url in stored.values()})
        row = ContentAddressRow
        found: dict[str, int] = {}
        with self._database.reading() as session:
            for start in range(0, len(keys), _BATCH):
                query = select(row.position).where(row.index_sequence == index, row.address.in_(keys[start : start + _BATCH]))
                images = _image_rows(session, index, session.scalars(query).all())
                for image in images.values():
                    found[image.url] = min(image.position, found.get(image.url, image.position))
        return {url: found[address] for url, address in stored.items() if address in found}

    def tags(self, index: int, start: int = 0, count: int | None = None) -> list[IndexedTag]:
        """All tags, or `count` of them after the first `start`, sorted by name; also categories without a label."""
        row = ContentTagRow
        query = select(row.name, row.images, row.labels).where(row.index_sequence == index)
        query = query.where(*_between(row.number, start, _INTEGER_MAX if count is None else count))
        with self._database.reading() as session:
            return [IndexedTag(*found) for found in session.execute(query.order_by(row.number))]

    def problems(self, index: int, start: int, count: int) -> list[IndexedProblem]:
        """The problems kept in words, by kind, `count` of them after the first `start`."""
        row = ContentProblemRow
        query = select(row.position, row.kind, row.message).where(
            row.index_sequence == index, *_between(row.number, start, count)
        )
        with self._database.reading() as session:
            return [
                IndexedProblem(position, ProblemKind(kind), message)
                for position, kind, message in session.execute(query.order_by(row.number))
            ]

    def crops(self, index: int, tag: str, start: int, count: int) -> IndexedCrops:
        """Labels `start` to `start + count` of a tag, by the position of their image: for detection, one for each box."""
        with self._database.reading() as session:
            number = _number_of(session, index, tag)
            if number is None:
                return IndexedCrops(0, ())
            row, of_tag = ContentLabelRow, ContentTagRow
            total = session.scalar(select(of_tag.labels).where(of_tag.index_sequence == index, of_tag.number == number)) or 0
            labels = session.execute(
                select(row.position, row.left, row.top, row.width, row.height)
                .where(row.index_sequence == index, row.tag == number, *_between(row.ordinal, start, count))
                .order_by(row.ordinal)
            ).all()
            images = _image_rows(session, index, [label.position for label in labels])
            digests = digests_of(session, [image.url for image in images.values()])
        crops = []
        for position, *box in labels:
            image = images[position]
            crops.append(
                IndexedCrop(position, image.url, image.file_name, digests.get(image.url), box_of(*box), image.query_encrypted)
            )
        return IndexedCrops(total, tuple(crops))

    def address(self, image: IndexedImage | IndexedCrop) -> SecretStr:
        """The URL to read an image at, with its query. Raises SettingsError if it was encrypted with another key."""
        if image.query_encrypted is None:
            return SecretStr(image.url)
        return SecretStr(f"{image.url}?{self._cipher.decrypt(image.query_encrypted).get_secret_value()}")


def _between(column: InstrumentedAttribute[int], start: int, count: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Rows `start` to `start + count`, of numbers that fit the column."""
    return column >= min(start, _INTEGER_MAX), column < min(start + count, _INTEGER_MAX)


def _number_of(session: Session, index: int, tag: str) -> int | None:
    row = ContentTagRow
    return session.scalar(select(row.number).where(row.index_sequence == index, row.name_digest == name_digest(tag)))


def _image_rows(session: Session, index: int, positions: Iterable[int]) -> dict[int, _ImageRow]:
    row = ContentImageRow
    columns = (row.position, row.url, row.file_name, row.width, row.height, row.query_encrypted)
    wanted = sorted(set(positions))
    found: dict[int, _ImageRow] = {}
    for start in range(0, len(wanted), _BATCH):
        query = select(*columns).where(row.index_sequence == index, row.position.in_(wanted[start : start + _BATCH]))
        found |= {image.position: _ImageRow(*image) for image in session.execute(query)}
    return found


def _images(session: Session, index: int, positions: Sequence[int]) -> tuple[IndexedImage, ...]:
    """The images at these positions, in this order."""
    images = _image_rows(session, index, positions)
    digests = digests_of(session, [image.url for image in images.values()])
    labels = _labels(session, index, positions)
    problems = _messages(session, index, positions)
    return tuple(
        IndexedImage(
            position,
            image.url,
            image.file_name,
            image.width,
            image.height,
            digests.get(image.url),
            tuple(labels.get(position, ())),
            tuple(problems.get(position, ())),
            image.query_encrypted,
        )
        for position in positions
        if (image := images.get(position)) is not None
    )


def _labels(session: Session, index: int, positions: Sequence[int]) -> dict[int, list[IndexedLabel]]:
    """By position; those of an image are in the order of the tags."""
    row = ContentLabelRow
    columns = (row.position, row.tag, row.left, row.top, row.width, row.height)
    rows: list[tuple[int, int, Box | None]] = []
    for start in range(0, len(positions), _BATCH):
        query = select(*columns).where(row.index_sequence == index, row.position.in_(positions[start : start + _BATCH]))
        for position, tag, *sides in session.execute(query.order_by(row.position, row.number)):
            rows.append((position, tag, box_of(*sides)))
    names = _names(session, index, {tag for _, tag, _ in rows})
    labels: defaultdict[int, list[IndexedLabel]] = defaultdict(list)
    for position, tag, box in rows:
        labels[position].append(IndexedLabel(names[tag], box))
    return labels


def _names(session: Session, index: int, numbers: set[int]) -> dict[int, str]:
    row, wanted = ContentTagRow, sorted(numbers)
    names: dict[int, str] = {}
    for start in range(0, len(wanted), _BATCH):
        query = select(row.number, row.name).where(row.index_sequence == index, row.number.in_(wanted[start : start + _BATCH]))
        names |= {number: name for number, name in session.execute(query)}  # noqa: C416 - rows are tuples only by shape
    return names


def _messages(session: Session, index: int, positions: Sequence[int]) -> dict[int, list[str]]:
    """The problems kept in words, by position. There are a thousand at most, so they need no index of their own."""
    row = ContentProblemRow
    messages: defaultdict[int, list[str]] = defaultdict(list)
    for start in range(0, len(positions), _BATCH):
        query = select(row.position, row.message).where(
            row.index_sequence == index, row.position.in_(positions[start : start + _BATCH])
        )
        for position, message in session.execute(query.order_by(row.number)):
            messages[position or 0].append(message)
    return messages


def box_of(left: float | None, top: float | None, width: float | None, height: float | None) -> Box | None:
    if left is None or top is None or width is None or height is None:
        return None
    return left, top, width, height
