"""Reads answers of Custom Vision's training API that were kept as files, with a folder of the images.

A file holds images (`GetTaggedImages` or `GetImages`), tags (`GetTags`) or the project (`GetProject`), or an object that has
these as `images`, `tags` and `project`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from vision_customization.contract.coco.document import read_json
from vision_customization.contract.enums import AnnotationKind
from vision_customization.contract.wire import Wire
from vision_customization.customization.customvision.labels import ProjectContent, ProjectTag, negative_tag
from vision_customization.customization.customvision.loading import files_by_id, image_files
from vision_customization.customization.customvision.wire import MULTILABEL, Image, ImageTag, Project, Region, Tag
from vision_customization.customization.errors import ConversionFailed

BLOB_PREFIXES = ("o-", "i-")
"""Before the image's id, in the names of Custom Vision's blobs: the original, and the resized copy."""

Body = TypeVar("Body", bound=Wire)


def read_saved(files: Sequence[Path]) -> ProjectContent:
    """What the files say of one project.

    Without the project itself, regions mean object detection, and an image with several tags means that images have several.

    Raises:
        ConversionFailed: each problem with its file and its place in it.
    """
    problems: list[str] = []
    images: list[Image] = []
    tags: list[Tag] = []
    projects: list[Project] = []
    for file in files:
        document, violation = read_json(file, str(file))
        if violation is not None:
            problems.append(str(violation))
            continue
        for section, place, entry in _entries(document, str(file)):
            if section == "images":
                images += _parsed(Image, entry, place, problems)
            elif section == "tags":
                tags += _parsed(Tag, entry, place, problems)
            elif section == "project":
                projects += _parsed(Project, entry, place, problems)
            else:
                problems.append(f"{place}: {section}")
    if len({project.id for project in projects}) > 1:
        names = ", ".join(repr(project.name) for project in projects)
        problems.append(f"the files are of several projects: {names}. Convert them one at a time")
    if not images and not problems:
        problems.append(f"{', '.join(map(str, files))}: no images. Expected what GetTaggedImages answers")
    by_id: dict[str, Image] = {}
    problems += [
        f"the image {image.id} is in these files twice, with different labels. Leave out the older file"
        for image in images  # a page that was saved twice has the same images again
        if _labels_of(by_id.setdefault(image.id, image)) != _labels_of(image)
    ]
    known = _tags(tags, images)
    labels: list[ImageTag | Region] = []
    for image in images:
        labels += [*image.tags, *image.regions]
    nameless = dict.fromkeys(str(label.tag_id) for label in labels if not label.tag_name and label.tag_id not in known)
    problems += [f"the tag {id_} has no name in these files: add what GetTags answers" for id_ in nameless]
    if problems:
        raise ConversionFailed(problems)
    project = projects[0] if projects else None
    tagged = tuple(image for image in by_id.values() if image.tags or image.regions)
    return ProjectContent(
        project.name if project else files[0].stem,
        kind_of(project, tagged),
        tagged,
        known,
        tuple(image.id for image in by_id.values() if not image.tags and not image.regions),
    )


def find_files(content: ProjectContent, folder: Path) -> dict[str, Path]:
    """The file of each image in `folder`: named by the image's id, or as its blob is.

    Raises:
        ConversionFailed: the folder has none of them, or several files of one name.
    """
    there = files_by_id(folder)
    names = {image.id: [f"{prefix}{image.id}" for prefix in ("", *BLOB_PREFIXES)] for image in content.images}
    found = {id_: there[name] for id_, known in names.items() for name in reversed(known) if name in there}
    used = set(found.values())
    twice = [path for path in image_files(folder) if there[path.stem] in used - {path}]
    if twice:
        raise ConversionFailed(
            [f"{path}: could be of the same image as {there[path.stem].name}. Remove one of them" for path in twice]
        )
    if content.images and not found:
        example = content.images[0].id
        raise ConversionFailed(
            [f"{folder}: has none of the {len(names):,} images. Their files must be named by the images' ids, as {example}.jpg"]
        )
    return found


def unlisted(content: ProjectContent, folder: Path) -> list[Path]:
    """The images in `folder` that the project does not have."""
    ids = (*(image.id for image in content.images), *content.untagged)
    names = {f"{prefix}{id_}" for id_ in ids for prefix in ("", *BLOB_PREFIXES)}
    return [path for path in image_files(folder) if path.stem not in names]


def kind_of(project: Project | None, images: Sequence[Image]) -> str:
    """The annotation kind of a project, by what its images have."""
    settings = project.settings if project else None
    if any(image.regions for image in images):
        return AnnotationKind.IMAGE_OBJECT_DETECTION
    if settings is not None and settings.classification_type is not None:
        several = settings.classification_type == MULTILABEL
    else:
        several = any(len({tag.tag_id or tag.tag_name for tag in image.tags}) > 1 for image in images)
    return AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION if several else AnnotationKind.IMAGE_CLASSIFICATION


def _labels_of(image: Image) -> tuple[object, object]:
    """Tags and regions, in no order."""
    regions = Counter((one.tag_id, one.tag_name, one.left, one.top, one.width, one.height) for one in image.regions)
    return Counter((tag.tag_id, tag.tag_name) for tag in image.tags), regions


def _tags(tags: Sequence[Tag], images: Sequence[Image]) -> dict[str, ProjectTag]:
    known = {tag.id: ProjectTag(tag.name, negative_tag(tag.name, tag.type)) for tag in tags}
    for image in images:
        for id_, name in [(label.tag_id, label.tag_name) for labels in (image.tags, image.regions) for label in labels]:
            if id_ is not None and name is not None:
                known.setdefault(id_, ProjectTag(name, negative_tag(name, None)))
    return known


def _entries(document: Any, place: str) -> list[tuple[str, str, Any]]:  # noqa: ANN401 - whatever JSON holds
    """Section, place and entry of each image, tag and project of a file; for anything else, what was expected there."""
    if isinstance(document, dict) and isinstance(document.get("images"), list):
        sections = [("images", document["images"]), ("tags", document.get("tags") or [])]
        listed = [(name, f"{place}: {name}[{n}]", entry) for name, entries in sections for n, entry in enumerate(entries)]
        project = document.get("project")
        return listed + ([("project", f"{place}: project", project)] if project is not None else [])
    if isinstance(document, dict):
        return [(_section(document), place, document)]
    if isinstance(document, list):
        return [(_section(entry), f"{place}: [{index}]", entry) for index, entry in enumerate(document)]
    return [(_section(document), place, document)]


def _section(entry: object) -> str:
    if isinstance(entry, dict):
        keys = {key.lower() for key in entry if isinstance(key, str)}
        if "id" in keys and keys & {"regions", "tags", "originalimageuri", "resizedimageuri"}:
            return "images"
        if {"id", "name", "settings"} <= keys:
            return "project"
        if {"id", "name"} <= keys:
            return "tags"
    return "is not an image, a tag or a project of Custom Vision. Expected what GetTaggedImages, GetTags or GetProject answers"


def _parsed(kind: type[Body], entry: object, place: str, problems: list[str]) -> list[Body]:
    try:
        return [kind.model_validate(entry)]
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_input=False):
            where = ".".join(str(part) for part in fault["loc"])
            problems.append(f"{place}{f': {where}' if where else ''}: {fault['msg']}")
        return []
