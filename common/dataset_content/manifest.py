"""A small record of a dataset's content, and the changes between two of them."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Self, cast

from vision_customization.common.errors import VisionError
from vision_customization.contract.coco.document import Box
from vision_customization.contract.enums import AnnotationKind
from vision_customization.contract.texts import counted

_FORMAT = "vision-content 1"
_LINES_SHOWN = 12
_SHARED = 4096
"""How many different labels are held once for all images that have them."""


@dataclass(frozen=True, slots=True)
class ImageLabels:
    """The labels of one image content. `tags` has one entry per annotation, sorted; `boxes` is a digest of tags with
    their boxes, empty for a classification; `copies` counts the entries with this content."""

    tags: tuple[str, ...]
    boxes: str = ""
    copies: int = 1


@dataclass(frozen=True)
class Manifest:
    """A dataset's content: image SHA-256 → its labels. It does not depend on ids, file names, order or times."""

    kind: str
    images: Mapping[str, ImageLabels]

    @cached_property
    def digest(self) -> str:
        """SHA-256, in hex, of the kind and of every image with its labels."""
        return digest_of(self.kind, self.sorted_images())

    def sorted_images(self) -> Iterator[tuple[str, ImageLabels]]:
        """The images with their labels, by SHA-256."""
        return ((sha256, self.images[sha256]) for sha256 in sorted(self.images))

    @property
    def image_count(self) -> int:
        return sum(labels.copies for labels in self.images.values())

    @cached_property
    def tags(self) -> dict[str, int]:
        """Tag → number of its annotations, sorted by tag."""
        return dict(sorted(Counter(tag for labels in self.images.values() for tag in labels.tags).items()))

    def to_bytes(self) -> bytes:
        """Compact JSON; equal manifests give equal bytes."""
        images = list(self.sorted_images())
        return "".join(manifest_text(self.kind, list(self.tags), lambda: images)).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Read what `to_bytes` wrote.

        Raises:
            VisionError: it is not a manifest, or one of another version.
        """
        try:
            document = json.loads(data)
            if document["format"] != _FORMAT:
                raise VisionError(f"the manifest has format {document['format']!r}, but this version reads {_FORMAT!r}")
            tags, boxes, copies = document["tags"], document["boxes"], document["copies"]
            share = lru_cache(maxsize=_SHARED)(ImageLabels)
            return cls(
                document["kind"],
                {
                    sha256: share(tuple(tags[index] for index in indices), boxes.get(sha256, ""), copies.get(sha256, 1))
                    for sha256, indices in document["images"].items()
                },
            )
        except (ValueError, LookupError, TypeError, AttributeError):
            raise VisionError("not a dataset's manifest: it can't be parsed") from None


class ContentDigest:
    """The digest of a manifest whose images come one after the other, each content once. It keeps a line of each, not its
    labels, so that a dataset of any size can be read beside it."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._lines: list[str] = []

    def add(self, sha256: str, annotations: Iterable[tuple[str, Box | None]]) -> None:
        labels = labels_of(list(annotations))
        self._lines.append(_line(sha256, labels))

    def hexdigest(self) -> str:
        """As `Manifest.digest`."""
        return _digest(self._kind, sorted(self._lines))


def digest_of(kind: str, images: Iterable[tuple[str, ImageLabels]]) -> str:
    """The digest of a manifest whose images come sorted by SHA-256."""
    return _digest(kind, (_line(sha256, labels) for sha256, labels in images))


def manifest_text(kind: str, tags: Sequence[str], images: Callable[[], Iterable[tuple[str, ImageLabels]]]) -> Iterator[str]:
    """The text of a manifest, in parts.

    Args:
        tags: those that labels have, sorted.
        images: called three times, for all images sorted by SHA-256.
    """
    numbers = {tag: number for number, tag in enumerate(tags)}
    yield f'{{"format":{_json(_FORMAT)},"kind":{_json(kind)},"tags":{_json(list(tags))},"images":{{'
    yield from _entries((sha256, [numbers[tag] for tag in labels.tags]) for sha256, labels in images())
    yield '},"boxes":{'
    yield from _entries((sha256, labels.boxes) for sha256, labels in images() if labels.boxes)
    yield '},"copies":{'
    yield from _entries((sha256, labels.copies) for sha256, labels in images() if labels.copies > 1)
    yield "}}"


def _entries(entries: Iterable[tuple[str, object]]) -> Iterator[str]:
    separator = ""
    for key, value in entries:
        yield f'{separator}"{key}":{_json(value)}'
        separator = ","


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def manifest_of(kind: str, images: Iterable[tuple[str, Iterable[tuple[str, Box | None]]]]) -> Manifest:
    """The manifest of images, each given by its SHA-256 and its annotations (tag, box). With several tags per image, identical
    images have the tags of all, each once."""
    annotations: dict[str, tuple[tuple[str, Box | None], ...]] = {}
    copies = Counter[str]()
    """Of the contents that come more than once, how often they come again."""
    same: dict[tuple[tuple[str, Box | None], ...], tuple[tuple[str, Box | None], ...]] = {}
    for sha256, labels in images:
        own = tuple(labels)
        if len(own) == 1 and own[0][1] is None:
            own = same.setdefault(own, own)  # one tuple for all images with only this tag
        if sha256 in annotations:
            annotations[sha256] += own
            copies[sha256] += 1
        else:
            annotations[sha256] = own
    if kind == AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION:
        annotations = {sha256: tuple(dict.fromkeys(labels)) for sha256, labels in annotations.items()}
    share = lru_cache(maxsize=_SHARED)(labels_of)
    # Values are replaced one after the other: two dictionaries of a million images would be in memory otherwise.
    found = cast("dict[str, ImageLabels]", annotations)
    for sha256, own in annotations.items():
        boxed = any(box is not None for _, box in own)
        found[sha256] = (labels_of if boxed else share)(own, copies[sha256] + 1)
    return Manifest(kind, found)


def _line(sha256: str, labels: ImageLabels) -> str:
    """An image in the text that a digest is of."""
    return f"{sha256} {labels.copies} {labels.boxes} {_tags_text(labels.tags)}"


@lru_cache(maxsize=_SHARED)
def _tags_text(tags: tuple[str, ...]) -> str:
    return json.dumps(tags)


def _digest(kind: str, lines: Iterable[str]) -> str:
    """`lines` are sorted by their images."""
    digest = hashlib.sha256(f"{_FORMAT}\n{kind}".encode())
    for line in lines:
        digest.update(f"\n{line}".encode())
    return digest.hexdigest()


def labels_of(annotations: Sequence[tuple[str, Box | None]], copies: int = 1) -> ImageLabels:
    """The labels of an image content that has these annotations in all."""
    if len(annotations) == 1 and annotations[0][1] is None:
        return ImageLabels((annotations[0][0],), "", copies)
    tags = tuple(sorted(tag for tag, _ in annotations))
    boxed = sorted((tag, box) for tag, box in annotations if box is not None)
    return ImageLabels(tags, hashlib.sha256(json.dumps(boxed).encode()).hexdigest()[:16] if boxed else "", copies)


@dataclass(frozen=True, slots=True)
class ContentChange:
    """The changes of a dataset between two manifests.

    `added`, `removed` count images; `added_by_tag`, `removed_by_tag` their annotations. `tags` is tag → annotations before and
    after, of every tag of either. `renamed` is (old, new, images): the same images under another name. `retagged` is (old tags,
    new tags) → images that stayed, apart from renamed tags. `moved_boxes` counts images whose boxes alone changed, `recopied`
    those that only have more or fewer entries than before.
    """

    kind_before: str
    kind_after: str
    images_before: int
    images_after: int
    added: int = 0
    removed: int = 0
    added_by_tag: Mapping[str, int] = field(default_factory=dict)
    removed_by_tag: Mapping[str, int] = field(default_factory=dict)
    tags: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    renamed: tuple[tuple[str, str, int], ...] = ()
    retagged: Mapping[tuple[tuple[str, ...], tuple[str, ...]], int] = field(default_factory=dict)
    moved_boxes: int = 0
    recopied: int = 0

    def __bool__(self) -> bool:
        """Whether anything changed."""
        return bool(
            self.kind_before != self.kind_after
            or self.added
            or self.removed
            or self.renamed
            or self.retagged
            or self.moved_boxes
            or self.recopied
            or self.images_before != self.images_after
            or any(before != after for before, after in self.tags.values())
        )

    def summary(self) -> list[str]:
        """The change as lines of text: `5 images added to 'hemlock' (10 → 15)`."""
        lines = []
        if self.kind_before != self.kind_after:
            lines.append(f"annotation kind {self.kind_before} → {self.kind_after}")
        lines += [f"tag {old!r} renamed to {new!r} ({counted(images, 'image')})" for old, new, images in self.renamed]
        if self.kind_after == AnnotationKind.IMAGE_OBJECT_DETECTION:
            lines += self._detection_lines()
        elif self.kind_after == AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION:
            lines += self._multi_label_lines()
        else:
            lines += self._classification_lines()
        if self.moved_boxes:
            lines.append(f"boxes moved in {counted(self.moved_boxes, 'image')}")
        if self.recopied:
            lines.append(f"{counted(self.recopied, 'image')} listed more or less often than before")
        if len(lines) > _LINES_SHOWN:
            lines[_LINES_SHOWN:] = [f"… and {len(lines) - _LINES_SHOWN} more changes"]
        return lines

    def _classification_lines(self) -> list[str]:
        lines = []
        for verb, counts, preposition in (("added", self.added_by_tag, "to"), ("removed", self.removed_by_tag, "from")):
            for tag, count in sorted(counts.items()):
                before, after = self._before_and_after(tag)
                lines.append(f"{counted(count, 'image')} {verb} {preposition} {tag!r} ({before:,} → {after:,})")
        for verb, total, counts in (("added", self.added, self.added_by_tag), ("removed", self.removed, self.removed_by_tag)):
            unlabelled = total - sum(counts.values())
            if unlabelled > 0:
                lines.append(f"{counted(unlabelled, 'image')} without a tag {verb}")
        for (old, new), images in sorted(self.retagged.items()):
            lines.append(f"{counted(images, 'image')} retagged {_tag_list(old)} → {_tag_list(new)}")
        return lines

    def _multi_label_lines(self) -> list[str]:
        lines = [*self._image_lines(), *self._tag_lines("images with")]
        lines += [
            f"{counted(images, 'image')} retagged {_tag_list(old)} → {_tag_list(new)}"
            for (old, new), images in sorted(self.retagged.items())
        ]
        return lines

    def _image_lines(self) -> list[str]:
        counts = (("added", self.added), ("removed", self.removed))
        parts = [f"{counted(count, 'image')} {verb}" for verb, count in counts if count]
        return [f"{', '.join(parts)} ({self.images_before:,} → {self.images_after:,})"] if parts else []

    def _tag_lines(self, what: str) -> list[str]:
        """The tags whose count of `what` changed."""
        old_names = {old for old, _, _ in self.renamed if not self.tags[old][1]}
        counts = ((tag, *self._before_and_after(tag)) for tag in sorted(self.tags.keys() - old_names))
        return [f"{what} {tag!r}: {before:,} → {after:,}" for tag, before, after in counts if before != after]

    def _detection_lines(self) -> list[str]:
        lines = [*self._image_lines(), *self._tag_lines("boxes of")]
        # An image may have hundreds of boxes: report only the difference, once for all images that have it.
        relabelled = Counter[str]()
        new_name = {old: new for old, new, _ in self.renamed}
        for (old, new), images in self.retagged.items():
            before_tags, after_tags = Counter(new_name.get(tag, tag) for tag in old), Counter(new)
            lost, gained = before_tags - after_tags, after_tags - before_tags
            if lost and gained:
                change = f"relabelled {_tag_list(tuple(sorted(lost)))} → {_tag_list(tuple(sorted(gained)))}"
            else:
                change = "with more boxes" if gained else "with fewer boxes"
            relabelled[change] += images
        lines += [f"{counted(images, 'image')} {change}" for change, images in sorted(relabelled.items())]
        return lines

    def _before_and_after(self, tag: str) -> tuple[int, int]:
        """The counts of a tag before and after; a renamed tag continues its old name's count."""
        before, after = self.tags.get(tag, (0, 0))
        old_name = {new: old for old, new, _ in self.renamed}
        new_name = {old: new for old, new, _ in self.renamed}
        if tag in old_name:
            before = self.tags[old_name[tag]][0]
        elif tag in new_name:  # another tag has the name now, if any has it
            before, after = (0, after) if after else (before, self.tags[new_name[tag]][1])
        return before, after


@dataclass(frozen=True)
class ManifestNumbers:
    """What a change needs of a whole manifest: `images` are its entries, `tags` is tag → number of its annotations."""

    kind: str
    images: int
    tags: Mapping[str, int]

    @classmethod
    def of(cls, manifest: Manifest) -> Self:
        return cls(manifest.kind, manifest.image_count, manifest.tags)


def compare(before: Manifest, after: Manifest) -> ContentChange:
    """The changes from one manifest to the other."""
    return compare_differing(ManifestNumbers.of(before), ManifestNumbers.of(after), before.images, after.images)


def compare_differing(
    before: ManifestNumbers, after: ManifestNumbers, old: Mapping[str, ImageLabels], new: Mapping[str, ImageLabels]
) -> ContentChange:
    """The same from the numbers of both.

    Args:
        old, new: the images of both; those that are the same in both may be left out.
    """
    kept = old.keys() & new.keys()
    added = [new[sha256] for sha256 in new.keys() - kept]
    removed = [old[sha256] for sha256 in old.keys() - kept]
    return change_of(
        ContentChange(
            before.kind,
            after.kind,
            before.images,
            after.images,
            added=sum(labels.copies for labels in added),
            removed=sum(labels.copies for labels in removed),
            added_by_tag=Counter(tag for labels in added for tag in labels.tags),
            removed_by_tag=Counter(tag for labels in removed for tag in labels.tags),
            tags={tag: (before.tags.get(tag, 0), after.tags.get(tag, 0)) for tag in sorted({*before.tags, *after.tags})},
        ),
        [(old[sha256], new[sha256]) for sha256 in kept if old[sha256] != new[sha256]],
    )


def change_of(counts: ContentChange, kept: Sequence[tuple[ImageLabels, ImageLabels]]) -> ContentChange:
    """A whole change.

    Args:
        counts: all of it but what became of the images that stayed. It may have renamed tags and moved boxes already.
        kept: the labels of images that stayed, before and after; those that have the same may be left out.
    """
    renamed = tuple(sorted((*counts.renamed, *_renamed(counts, kept))))
    new_name = {old: new for old, new, _ in renamed}
    retagged = Counter[tuple[tuple[str, ...], tuple[str, ...]]]()
    moved_boxes = counts.moved_boxes
    recopied = 0
    for old, new in kept:
        if old == new:
            continue
        old_tags = tuple(sorted(new_name.get(tag, tag) for tag in old.tags))
        if old_tags != new.tags:
            retagged[tuple(sorted(old.tags)), new.tags] += 1
        elif old.boxes != new.boxes and old.tags == new.tags:
            moved_boxes += 1
        elif old.copies != new.copies:
            recopied += 1
    return replace(counts, renamed=renamed, retagged=retagged, moved_boxes=moved_boxes, recopied=recopied)


def _renamed(counts: ContentChange, kept: Sequence[tuple[ImageLabels, ImageLabels]]) -> Iterator[tuple[str, str, int]]:
    """Tags that disappeared while a new tag is on exactly the same images, among the images that stayed."""
    vanished = {tag for tag, (before, after) in counts.tags.items() if before and not after}
    appeared = {tag for tag, (before, after) in counts.tags.items() if after and not before}
    vanished -= {old for old, _, _ in counts.renamed}
    appeared -= {new for _, new, _ in counts.renamed}
    if not vanished or not appeared:
        return
    old_images: defaultdict[str, set[int]] = defaultdict(set)
    new_images: defaultdict[str, set[int]] = defaultdict(set)
    for number, (before, after) in enumerate(kept):
        for tag in vanished.intersection(before.tags):
            old_images[tag].add(number)
        for tag in appeared.intersection(after.tags):
            new_images[tag].add(number)
    for new in sorted(new_images):
        for old in sorted(old_images):
            if old_images[old] == new_images[new]:
                yield old, new, len(old_images.pop(old))
                break


def _tag_list(tags: tuple[str, ...]) -> str:
    return ", ".join(repr(tag) for tag in tags) if tags else "(no tag)"
