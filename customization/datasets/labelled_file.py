"""One annotation file, and the image files behind its entries."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from vision_customization.common.dataset_content.blob_names import image_name
from vision_customization.common.dataset_content.image_formats import FORMATS
from vision_customization.contract.coco.document import CocoFile


@dataclass(frozen=True, slots=True)
class ContentEntry:
    """One entry of `images` and the file behind it. `width` and `height` are pixels after the EXIF orientation,
    `size` is bytes."""

    path: str
    file_name: str
    sha256: str
    width: int
    height: int
    size: int
    format: str

    @property
    def blob_name(self) -> str:
        """The image's name in a container: its content's digest, so that it is uploaded once."""
        return image_name(self.sha256, FORMATS[self.format].extension)

    @property
    def content_type(self) -> str:
        return FORMATS[self.format].content_type


@dataclass(frozen=True, slots=True)
class LabelledFile:
    """One annotation file, and the image file behind each of its `images`, in their order."""

    coco: CocoFile
    entries: tuple[ContentEntry, ...]

    def coco_text(self, root: str) -> Iterator[str]:
        """The annotation file for the service, in pieces: each image with its `absolute_url` and its real size.

        Args:
            root: the container's URL.
        """
        yield '{"images":['
        yield from _listed(self._images(root))
        yield '],"annotations":['
        yield from _listed(self._annotations())
        yield '],"categories":['
        yield from _listed({"id": id_, "name": name} for id_, name in self.coco.categories.items())
        yield "]}"

    def _images(self, root: str) -> Iterator[dict[str, Any]]:
        for image, entry in zip(self.coco.images, self.entries, strict=True):
            yield {
                "id": image.id,
                "width": entry.width,
                "height": entry.height,
                "file_name": image.file_name,
                "absolute_url": f"{root}/{entry.blob_name}",
            }

    def _annotations(self) -> Iterator[dict[str, Any]]:
        # Crowds were skipped, so the ids in the file may have gaps.
        for id_, annotation in enumerate(self.coco.annotations, start=1):
            fields: dict[str, Any] = {"id": id_, "image_id": annotation.image_id, "category_id": annotation.category_id}
            if annotation.box is not None:
                fields["bbox"] = list(annotation.box)
                fields["area"] = annotation.box[2] * annotation.box[3]
            yield fields


def _listed(entries: Iterable[dict[str, Any]]) -> Iterator[str]:
    separator = ""
    for entry in entries:
        yield separator + json.dumps(entry, ensure_ascii=False, separators=(",", ":"))
        separator = ","
