"""One annotation file, and the image files behind its entries."""

from __future__ import annotations

from collections.abc import Sequence
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

    def to_coco(self, urls: Sequence[str]) -> dict[str, Any]:
        """The annotation file for the service: each image with its `absolute_url` and its real size."""
        images = [
            {
                "id": image.id,
                "width": entry.width,
                "height": entry.height,
                "file_name": image.file_name,
                "absolute_url": url,
            }
            for image, entry, url in zip(self.coco.images, self.entries, urls, strict=True)
        ]
        annotations = []
        # Crowds were skipped, so the ids in the file may have gaps.
        for id_, annotation in enumerate(self.coco.annotations, start=1):
            fields: dict[str, Any] = {
                "id": id_,
                "image_id": annotation.image_id,
                "category_id": annotation.category_id,
            }
            if annotation.box is not None:
                fields["bbox"] = list(annotation.box)
                fields["area"] = annotation.box[2] * annotation.box[3]
            annotations.append(fields)
        categories = [{"id": id_, "name": name} for id_, name in self.coco.categories.items()]
        return {"images": images, "annotations": annotations, "categories": categories}
