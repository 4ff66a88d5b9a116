"""The labelled images of a dataset, in columns: 300 bytes an image instead of a kilobyte. Each is made when it is looked at."""

from __future__ import annotations

from abc import abstractmethod
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from vision_customization.contract.coco.columns import Integers, Texts


@dataclass(frozen=True, slots=True)
class TaggedImage:
    """An image with its tag. `tag` is a position in `Annotations.tags`; `place` is its place in the files, for messages, and
    `file_name` its name there, or empty."""

    url: str
    tag: int
    place: str
    file_name: str = ""


@dataclass(frozen=True, slots=True)
class MultiTaggedImage:
    """An image and its tags: positions in `MultiLabelAnnotations.tags`, sorted. An image without tags shows none of them.
    `place` is its first place in the files, for messages, and `file_name` its name there, or empty."""

    url: str
    tags: tuple[int, ...]
    place: str
    file_name: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Box:
    """The box of an object. `label` is a position in `BoxedAnnotations.tags`; the rest are fractions 0…1 of the upright image's
    sides, with `left + width` and `top + height` at most 1, and `width` and `height` greater than 0."""

    label: int
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class BoxedImage:
    """An image and its objects, sorted, without duplicates. An image without objects teaches what is background. `place` is the
    image's first place in the files, for messages, and `file_name` its name there, or empty."""

    url: str
    boxes: tuple[Box, ...]
    place: str
    file_name: str = ""


class ImageEntries:
    """The entries of `images` in all files of a dataset that have an address; each has a number, from 0 on."""

    def __init__(self) -> None:
        self.urls = Texts()
        self.file_names = Texts()
        self._files: list[str] = []
        self._file_of = array("I")
        self._index = array("Q")
        self._id = Integers()

    def __len__(self) -> int:
        return len(self.urls)

    def begin_file(self, name: str) -> None:
        self._files.append(name)

    def append(self, url: str, file_name: str, index: int, id_: int) -> int:
        """Add entry number `index` of the current file; returns its number here."""
        number = len(self.urls)
        self.urls.append(url)
        self.file_names.append(file_name)
        self._file_of.append(len(self._files) - 1)
        self._index.append(index)
        self._id.append(id_)
        return number

    def place(self, number: int) -> str:
        """Where the entry is, for messages."""
        return f"{self._files[self._file_of[number]]}: images[{self._index[number]}] (id {self._id[number]})"


class FirstOfUrl:
    """The first of the entries that have a URL."""

    def __init__(self, entries: ImageEntries) -> None:
        self._entries = entries
        self._by_hash: dict[int, int] = {}
        self._others: dict[str, int] = {}
        """The URLs whose hash another one has, too."""

    def setdefault(self, number: int) -> int:
        """The first entry with the URL of this one, which is itself if the URL is new."""
        url = self._entries.urls[number]
        first = self._by_hash.setdefault(hash(url), number)
        if first == number or self._entries.urls[first] == url:
            return first
        return self._others.setdefault(url, number)


Item = TypeVar("Item")
Image = TypeVar("Image", TaggedImage, MultiTaggedImage, BoxedImage)


class MadeOnDemand(Sequence[Item]):
    """A sequence that makes its items when they are looked at. It equals each sequence of the same items."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(one == another for one, another in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]


class LabelledImages(MadeOnDemand[Image], Generic[Image]):
    """Images in some order.

    Args:
        entries: what the images are numbers of.
        numbers: uint32 [images].
    """

    def __init__(self, entries: ImageEntries, numbers: NDArray[np.uint32]) -> None:
        self._entries = entries
        self._numbers = numbers

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> Image: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> Image | Self:
        if isinstance(index, slice):
            return self.taken(self._numbers[index])
        return self._image(int(self._numbers[index]))

    def __iter__(self) -> Iterator[Image]:
        return (self._image(number) for number in self._numbers.tolist())

    def in_order(self, positions: NDArray[Any]) -> Self:
        """The images at these positions; int [images]."""
        return self.taken(self._numbers[positions])

    @abstractmethod
    def taken(self, numbers: NDArray[np.uint32]) -> Self:
        """These images, by their numbers."""

    @abstractmethod
    def labels(self) -> Iterator[Sequence[int]]:
        """The labels of each image, in their order: one for each tag or box."""

    @abstractmethod
    def renumbered(self, numbers: Sequence[int]) -> Self:
        """The images with `numbers[label]` instead of each label."""

    @abstractmethod
    def _image(self, number: int) -> Image: ...

    def _named(self, number: int) -> tuple[str, str, str]:
        """URL, place and file name."""
        return self._entries.urls[number], self._entries.place(number), self._entries.file_names[number]


class TaggedImages(LabelledImages[TaggedImage]):
    """`tags`: int32 [entries]; that of an entry without a tag has no meaning."""

    def __init__(self, entries: ImageEntries, numbers: NDArray[np.uint32], tags: NDArray[np.int32]) -> None:
        super().__init__(entries, numbers)
        self._tags = tags

    def taken(self, numbers: NDArray[np.uint32]) -> Self:
        return type(self)(self._entries, numbers, self._tags)

    def labels(self) -> Iterator[Sequence[int]]:
        return ((tag,) for tag in self._tags[self._numbers].tolist())

    def renumbered(self, numbers: Sequence[int]) -> Self:
        return type(self)(self._entries, self._numbers, np.append(np.array(numbers, np.int32), np.int32(-1))[self._tags])

    def _image(self, number: int) -> TaggedImage:
        url, place, file_name = self._named(number)
        return TaggedImage(url, int(self._tags[number]), place, file_name)


class MultiTaggedImages(LabelledImages[MultiTaggedImage]):
    """The tags of entry number `i` are `tags[starts[i] : starts[i + 1]]`: int64 [entries + 1] and int32 [tags]."""

    def __init__(
        self, entries: ImageEntries, numbers: NDArray[np.uint32], starts: NDArray[np.int64], tags: NDArray[np.int32]
    ) -> None:
        super().__init__(entries, numbers)
        self._starts = starts
        self._tags = tags

    def taken(self, numbers: NDArray[np.uint32]) -> Self:
        return type(self)(self._entries, numbers, self._starts, self._tags)

    def labels(self) -> Iterator[Sequence[int]]:
        return (self._tags_of(number) for number in self._numbers.tolist())

    def renumbered(self, numbers: Sequence[int]) -> Self:
        return type(self)(self._entries, self._numbers, self._starts, np.array(numbers, np.int32)[self._tags])

    def _tags_of(self, number: int) -> tuple[int, ...]:
        return tuple(sorted(self._tags[self._starts[number] : self._starts[number + 1]].tolist()))

    def _image(self, number: int) -> MultiTaggedImage:
        url, place, file_name = self._named(number)
        return MultiTaggedImage(url, self._tags_of(number), place, file_name)


class BoxedImages(LabelledImages[BoxedImage]):
    """The boxes of entry number `i` are `starts[i]` to `starts[i + 1]` of `labels` and of `sides`: int64 [entries + 1],
    int32 [boxes] and float64 [boxes, 4], which are left, top, width and height."""

    def __init__(
        self,
        entries: ImageEntries,
        numbers: NDArray[np.uint32],
        starts: NDArray[np.int64],
        labels: NDArray[np.int32],
        sides: NDArray[np.float64],
    ) -> None:
        super().__init__(entries, numbers)
        self._starts = starts
        self._labels = labels
        self._sides = sides

    def taken(self, numbers: NDArray[np.uint32]) -> Self:
        return type(self)(self._entries, numbers, self._starts, self._labels, self._sides)

    def labels(self) -> Iterator[Sequence[int]]:
        return (self._labels[self._boxes_of(number)].tolist() for number in self._numbers.tolist())

    def renumbered(self, numbers: Sequence[int]) -> Self:
        labels = np.array(numbers, np.int32)[self._labels]
        return type(self)(self._entries, self._numbers, self._starts, labels, self._sides)

    def counts(self) -> Iterator[int]:
        """How many boxes each image has."""
        return iter((self._starts[self._numbers + 1] - self._starts[self._numbers]).tolist())

    def _boxes_of(self, number: int) -> slice:
        return slice(self._starts[number], self._starts[number + 1])

    def _image(self, number: int) -> BoxedImage:
        url, place, file_name = self._named(number)
        own = self._boxes_of(number)
        boxes = zip(self._labels[own].tolist(), self._sides[own].tolist(), strict=True)
        return BoxedImage(url, tuple(Box(label, *sides) for label, sides in boxes), place, file_name)
