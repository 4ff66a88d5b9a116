"""Giving the images of a COCO file other labels, so that a diff of the file shows only what changed.

Entries keep their order, their ids and the keys that this program does not know. The contract wants ids without gaps: an id
that becomes free goes to a new entry, or else to the entry with an id that is now too high.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vision_customization.contract.coco.boxes import is_crowd
from vision_customization.contract.coco.document import CocoFile
from vision_customization.contract.enums import AnnotationKind
from vision_customization.customization.datasets.version_content import ContentImage, Label, Labels, sorted_labels

Entry = dict[str, Any]

EMPTY: Mapping[str, Any] = {"images": [], "annotations": [], "categories": []}
"""A COCO document of no images."""


@dataclass(frozen=True, slots=True)
class AddedImage:
    """An image to add, and the `file_name` that it gets."""

    image: ContentImage
    file_name: str


@dataclass(frozen=True)
class CocoEdit:
    """What to change in a file.

    Attributes:
        labels: of each image, in the file's order; None removes the image.
        added: comes to the end.
        tags: are to have a category each, even those on no image.
        dropped: need none any more if they are on no image.
    """

    labels: Sequence[Labels | None]
    added: Sequence[AddedImage]
    tags: Sequence[str]
    dropped: Collection[str]


def edited(document: Mapping[str, Any], file: CocoFile, former: Sequence[Labels], edit: CocoEdit, kind: str) -> dict[str, Any]:
    """The document with the changes; the one that is passed stays as it is.

    Args:
        document: the parsed file.
        file: the same after the check.
        former: the labels of each of its images now.
    """
    return _Editor(document, file, former, edit, kind).run()


class _Editor:
    def __init__(
        self, document: Mapping[str, Any], file: CocoFile, former: Sequence[Labels], edit: CocoEdit, kind: str
    ) -> None:
        self.document = document
        self.file = file
        self.edit = edit
        self.boxed = kind == AnnotationKind.IMAGE_OBJECT_DETECTION
        used = {tag for labels in (*edit.labels, *(added.image.labels for added in edit.added)) for tag, _ in labels or ()}
        if self.boxed:  # crowds have tags, too
            counted = {annotation.index for annotation in file.annotations}
            stays = {image.id for image, labels in zip(file.images, edit.labels, strict=True) if labels is not None}
            used |= {
                file.categories[entry["category_id"]]
                for index, entry in enumerate(document["annotations"])
                if index not in counted and entry["image_id"] in stays
            }
        there = dict.fromkeys(file.categories.values())
        dropped = [tag for tag in there if tag in edit.dropped and tag not in used]
        new = [tag for tag in dict.fromkeys((*edit.tags, *sorted(used))) if tag not in there]
        self.renamed = renamed_tags(former, edit.labels, dropped, new)
        self.dropped = set(dropped) - self.renamed.keys()
        self.new = [tag for tag in new if tag not in self.renamed.values()]
        self.former = [
            sorted_labels((self.renamed.get(tag, tag), box) for tag, box in labels) if self.renamed else labels
            for labels in former
        ]

    def run(self) -> dict[str, Any]:
        categories = self._categories()
        ids: dict[str, int] = {}
        for entry in categories:
            ids.setdefault(entry["name"], entry["id"])
        images, numbers = self._images()
        annotations = self._annotations(ids, numbers)
        for entry, added in zip(images[len(images) - len(self.edit.added) :], self.edit.added, strict=True):
            annotations += [self._annotation(entry["id"], ids[label[0]], label) for label in added.image.labels]
        category_numbers = _without_gaps(categories)
        _without_gaps(annotations)
        for entry in annotations:
            entry["category_id"] = category_numbers.get(entry["category_id"], entry["category_id"])
        return {**self.document, "images": images, "annotations": annotations, "categories": categories}

    def _categories(self) -> list[Entry]:
        """The categories as they will be; ids may have gaps still."""
        kept = []
        for entry in self.document["categories"]:
            if entry["name"] not in self.dropped:
                name = self.renamed.get(entry["name"])
                kept.append(dict(entry) if name is None else {**entry, "name": name})
        last = max((entry["id"] for entry in kept), default=0)
        return kept + [{"id": last + number, "name": tag} for number, tag in enumerate(self.new, start=1)]

    def _images(self) -> tuple[list[Entry], dict[int, int]]:
        """The images with their final ids, and the new id of each one that stays, by its former one."""
        kept = [
            dict(entry) for entry, labels in zip(self.document["images"], self.edit.labels, strict=True) if labels is not None
        ]
        with_digest = bool(kept) and all("sha256" in entry for entry in kept)
        new = [
            {
                "width": _whole(added.image.width),
                "height": _whole(added.image.height),
                "file_name": added.file_name,
                **({"sha256": added.image.sha256} if with_digest else {}),
            }
            for added in self.edit.added
        ]
        images = [*kept, *({"id": None, **entry} for entry in new)]
        former = [entry["id"] for entry in kept]
        _without_gaps(images)
        return images, dict(zip(former, (entry["id"] for entry in images), strict=False))

    def _annotations(self, ids: Mapping[str, int], numbers: Mapping[int, int]) -> list[Entry]:
        """The annotations of the images that stay, in their order, then new ones of these images. `numbers` are the images' new
        ids by their former ones."""
        image_index = {image.id: index for index, image in enumerate(self.file.images)}
        counted = {annotation.index: annotation for annotation in self.file.annotations}
        entries: dict[int, list[tuple[int, Entry]]] = defaultdict(list)
        for index, entry in enumerate(self.document["annotations"]):
            entries[entry["image_id"]].append((index, dict(entry)))
        kept: dict[int, Entry] = {}
        new: list[Entry] = []
        for image_id, of_image in entries.items():
            position = image_index[image_id]
            labels = self.edit.labels[position]
            if labels is None:
                continue
            if labels == self.former[position]:
                kept.update(of_image)
                continue
            current = {
                index: (self._name(counted[index].category_id), counted[index].box) for index, _ in of_image if index in counted
            }
            rest = self._fit(dict(of_image), current, labels, ids, kept)
            new += [self._annotation(image_id, ids[label[0]], label) for label in rest]
        for image, labels in zip(self.file.images, self.edit.labels, strict=True):
            if labels is not None and image.id not in entries:
                new += [self._annotation(image.id, ids[label[0]], label) for label in labels]
        annotations = [kept[index] for index in sorted(kept)] + new
        for entry in annotations:
            entry["image_id"] = numbers[entry["image_id"]]
        return annotations

    def _fit(
        self,
        entries: Mapping[int, Entry],
        current: Mapping[int, Label],
        labels: Labels,
        ids: Mapping[str, int],
        kept: dict[int, Entry],
    ) -> list[Label]:
        """Keep those entries of one image that have one of the labels, change others into labels that are missing; returns the
        labels that need new entries."""
        wanted = list(labels)
        free: list[int] = []
        for index, label in current.items():
            if label in wanted:
                wanted.remove(label)
                kept[index] = entries[index]
            else:
                free.append(index)
        for part in (1, 0):  # the same box with another tag, then the same tag on another box
            for index in list(free):
                match = next((each for each in wanted if each[part] == current[index][part]), None)
                if match is not None:
                    wanted.remove(match)
                    free.remove(index)
                    kept[index] = self._changed(entries[index], match, ids)
        tags = {tag for tag, _ in labels}
        kept.update(  # crowds, and repetitions of a tag
            (index, entry)
            for index, entry in entries.items()
            if index not in current and (is_crowd(entry) if self.boxed else self._name(entry["category_id"]) in tags)
        )
        return wanted

    def _changed(self, entry: Entry, label: Label, ids: Mapping[str, int]) -> Entry:
        tag, box = label
        if self._name(entry["category_id"]) != tag:
            entry["category_id"] = ids[tag]
        if self.boxed and box is not None and entry.get("bbox") != list(box):
            entry["bbox"] = list(box)
            entry.pop("segmentation", None)
            if "area" in entry:
                entry["area"] = _area(box)
        return entry

    def _annotation(self, image_id: int, category_id: int, label: Label) -> Entry:
        entry: Entry = {"id": None, "image_id": image_id, "category_id": category_id}
        if self.boxed and label[1] is not None:
            entry |= {"bbox": list(label[1]), "area": _area(label[1])}
        return entry

    def _name(self, category_id: int) -> str:
        name = self.file.categories[category_id]
        return self.renamed.get(name, name)


def renamed_tags(
    before: Sequence[Labels], after: Sequence[Labels | None], dropped: Iterable[str], new: Iterable[str]
) -> dict[str, str]:
    """Tags that only got another name: the new one is on exactly the images and boxes that the old one was on, old → new."""
    dropped, new = set(dropped), set(new)
    if not dropped or not new:
        return {}
    old_places, new_places = defaultdict[str, Counter[object]](Counter), defaultdict[str, Counter[object]](Counter)
    for index, (former, labels) in enumerate(zip(before, after, strict=True)):
        if labels is None:
            continue
        for places, tags, side in ((old_places, dropped, former), (new_places, new, labels)):
            for tag, box in side:
                if tag in tags:
                    places[tag][index, box] += 1
    names = {}
    for tag in sorted(new_places):
        same = next((old for old in sorted(old_places) if old not in names and old_places[old] == new_places[tag]), None)
        if same is not None:
            names[same] = tag
    return names


def _without_gaps(entries: Sequence[Entry]) -> dict[int, int]:
    """Give the entries the ids 1 to their number. Those that have one of these keep it. Returns the new ids of the others by
    their former ones."""
    last = len(entries)
    taken = {entry["id"] for entry in entries if entry["id"] is not None and entry["id"] <= last}
    free = iter(id_ for id_ in range(1, last + 1) if id_ not in taken)
    moved: dict[int, int] = {}
    for entry in entries:
        former = entry["id"]
        if former is None or former > last:
            entry["id"] = next(free)
            if former is not None:
                moved[former] = entry["id"]
    return moved


def _area(box: tuple[float, float, float, float]) -> float:
    return round(box[2] * box[3], 9)


def _whole(pixels: float) -> float:
    return int(pixels) if pixels == int(pixels) else pixels
