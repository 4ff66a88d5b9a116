"""Reads a whole project from the service, and loads its images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vision_customization.common.errors import VisionError
from vision_customization.contract.enums import AnnotationKind
from vision_customization.customization.customvision.client import CustomVision
from vision_customization.customization.customvision.labels import ProjectContent, ProjectTag, negative_tag
from vision_customization.customization.customvision.loading import ImageFolder, ImageSource
from vision_customization.customization.customvision.wire import MULTILABEL, OBJECT_DETECTION, Image, Project
from vision_customization.customization.datasets.digest_cache import DigestCache


def import_project(
    service: CustomVision,
    project: Project,
    folder: Path,
    source: ImageSource,
    cache: DigestCache | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[ProjectContent, ImageFolder]:
    """Load the tagged images of a project into `folder`; those that are there already are not loaded again.

    Each page of images is loaded before the next one is asked for, since the URLs in it expire.

    Raises:
        VisionError: the project changed meanwhile, or the storage does not answer. The same call continues.
    """

    def renewed(image: Image) -> Image:
        return next(iter(service.images(project, [image.id])), image)

    kind = project_kind(service, project)
    tags = {tag.id: ProjectTag(tag.name, negative_tag(tag.name, tag.type)) for tag in service.tags(project)}
    total = service.count_images(project, "tagged")
    images: dict[str, Image] = {}
    loaded = ImageFolder(folder, source, renewed, cache)
    done = 0

    def count() -> None:
        nonlocal done
        done += 1
        if on_progress is not None:
            on_progress(done, total)

    for page in service.image_pages(project, "tagged"):
        loaded.load([image for image in page if image.id not in images], count)
        images.update((image.id, image) for image in page)
    untagged = [image.id for page in service.image_pages(project, "untagged") for image in page]
    if len(images) != total:
        raise VisionError(
            f"project {project.name!r} changed during the import: it had {total:,} tagged images, and listed {len(images):,}. "
            "Run the same command again: it continues"
        )
    content = ProjectContent(project.name, kind, tuple(images.values()), tags, tuple(dict.fromkeys(untagged)))
    return content, loaded


def project_kind(service: CustomVision, project: Project) -> str:
    """The annotation kind of a project, by its domain and its classification type."""
    settings = project.settings
    if settings is None or settings.domain_id is None:
        raise VisionError(f"project {project.name!r} has no domain, so it is neither for classification nor for detection")
    if service.domain(settings.domain_id).type == OBJECT_DETECTION:
        return AnnotationKind.IMAGE_OBJECT_DETECTION
    several = settings.classification_type == MULTILABEL
    return AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION if several else AnnotationKind.IMAGE_CLASSIFICATION
