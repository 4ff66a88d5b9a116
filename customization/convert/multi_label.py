"""Images with any number of tags each: the annotation kind `imageMultiLabelClassification`, an extension of the contract."""

from __future__ import annotations

from dataclasses import replace

from vision_customization.contract.enums import AnnotationKind
from vision_customization.customization.convert.labelled import LabelledImage, LabelledImages
from vision_customization.customization.convert.remarks import Remarks, What
from vision_customization.customization.errors import ConversionFailed


def as_multi_label(images: LabelledImages) -> LabelledImages:
    """The images with their tags, each once and without a box. Identical files become one image, the first, with the tags of
    all: in one folder per tag, an image with two tags is in two folders. It is for training if a copy is. Remarks say what is
    not as it was."""
    merged: dict[str, LabelledImage] = {}
    remarks = Remarks()
    for image in images.images:
        first = merged.get(image.sha256)
        if first is not None:
            remarks.left_out(What.IMAGE, "is a copy of another image, which gets its tags", str(image.path))
        tags = [] if first is None else [tag for tag, _ in first.labels]
        for tag, box in image.labels:
            if tag in tags:
                remarks.left_out(What.LABEL, "repeats a tag of its image", str(image.path))
                continue
            tags.append(tag)
            if box is not None:
                remarks.changed(What.LABEL, "has a box, of which only the tag is written", str(image.path))
        one = first or image
        if one.testing and not image.testing:
            remarks.changed(What.IMAGE, "is for testing in the source, but now for training, as a copy of it is", str(one.path))
            one = replace(one, testing=False)
        merged[image.sha256] = replace(one, labels=tuple((tag, None) for tag in tags))
    return replace(
        images,
        kind=AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION,
        images=tuple(merged.values()),
        remarks=(*images.remarks, *remarks.listed()),
    )


def check_one_tag_each(images: LabelledImages) -> None:
    """Raises ConversionFailed if images have several tags: a classifier gives one, unless it is told otherwise."""
    if images.kind != AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION:
        return
    advice = "but an image for classification has one tag. If images may have several tags, pass `--multi-label`"
    several = [image for image in images.images if len(image.labels) > 1]
    raise ConversionFailed(
        [f"{image.path}: has the tags {', '.join(repr(tag) for tag, _ in image.labels)}, {advice}" for image in several]
    )
