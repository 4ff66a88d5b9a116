"""`/datasets/{name}/content` and `/images` (extensions): what a dataset holds, read by a worker at the first look."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from vision_customization.contract.content import (
    IMAGES_PAGE_MAX,
    TAGS_SHOWN_MAX,
    ContentProblem,
    ContentProgress,
    ContentTag,
    DatasetContent,
    DatasetImage,
    DatasetImagePage,
    ImageLabel,
)
from vision_customization.contract.enums import ContentStatus, ProblemKind
from vision_customization.contract.limits import PAGE_DEFAULT
from vision_customization.engine.api.document import failures
from vision_customization.engine.api.errors import invalid
from vision_customization.engine.api.parameters import VERSIONED, LongPage, PathName, Serving, Skip, wire_response
from vision_customization.engine.content.current import content_of
from vision_customization.engine.store import ContentIndexRecord
from vision_customization.engine.store.records import IndexedImage

router = APIRouter(prefix="/computervision/datasets/{name}", tags=["Datasets"], dependencies=VERSIONED)

ImagesTop = Annotated[int, Query(ge=1, le=IMAGES_PAGE_MAX, description="Maximum number of items to return.")]
Tag = Annotated[str | None, Query(description="Only images that have this tag.")]
Problem = Annotated[ProblemKind | None, Query(description="Only images that have a problem of this kind.")]
Unlabelled = Annotated[bool, Query(description="Only images without a label.")]


class ImagesPage(LongPage):
    """A page of images."""

    def __init__(self, request: Request, service: Serving, skip: Skip = 0, top: ImagesTop = PAGE_DEFAULT) -> None:
        super().__init__(request, service, skip, top)


@router.get(
    "/content",
    summary="Get what a dataset holds: counts, tags and problems (an extension)",
    response_model=DatasetContent,
    responses=failures(400, 401, 404, 405),
)
def content(service: Serving, name: PathName) -> Response:
    record = content_of(service, name)
    tags = service.store.content.tags(record.index, 0, TAGS_SHOWN_MAX) if record.status is ContentStatus.READY else []
    successor = record.successor
    body = DatasetContent(
        status=record.status,
        annotation_kind=record.annotation_kind,
        purpose=record.purpose,
        images_read=record.images_read,
        images=record.images,
        unlabelled_images=record.unlabelled,
        labels=record.labels,
        tag_count=record.tags,
        tags=[ContentTag(name=tag.name, images=tag.images, labels=tag.labels) for tag in tags],
        problems=[
            ContentProblem(kind=each.kind, count=each.count, images=each.images, warning=each.kind.is_warning, first=each.first)
            for each in record.problems
        ],
        digest=record.digest if record.status is ContentStatus.READY else None,
        message=record.message,
        error=record.error,
        successor=None if successor is None else _progress(successor),
        checked_date_time=record.checked,
        updated_date_time=record.updated,
    )
    return wire_response(body)


@router.get(
    "/images",
    summary="List a dataset's images with their labels (an extension)",
    response_model=DatasetImagePage,
    responses=failures(400, 401, 404, 405),
)
def images(
    service: Serving,
    name: PathName,
    page: Annotated[ImagesPage, Depends()],
    tag: Tag = None,
    problem: Problem = None,
    unlabelled: Unlabelled = False,
) -> Response:
    if (tag is not None) + (problem is not None) + unlabelled > 1:
        raise invalid("tag, problem and unlabelled: only one of them can be given.", target="tag")
    record = content_of(service, name)
    if record.status is not ContentStatus.READY:
        raise invalid(_not_ready(record), target=name)
    found = service.store.content.page(record.index, page.skip, page.top, tag=tag, problem=problem, unlabelled=unlabelled)
    query = {"tag": tag, "problem": problem and problem.value, "unlabelled": "true" if unlabelled else None}
    items = [image_json(image) for image in found.images]
    return page.encoded(items, found.total, {key: value for key, value in query.items() if value is not None})


def image_json(image: IndexedImage) -> bytes:
    """An image as callers see it, encoded."""
    shown = DatasetImage(
        position=image.position,
        image=image.url,
        file_name=image.file_name or None,
        width=image.width,
        height=image.height,
        digest=image.sha256,
        labels=[ImageLabel(tag=label.tag, bbox=label.box) for label in image.labels],
        problems=list(image.problems) or None,
    )
    return shown.model_dump_json(by_alias=True, exclude_none=True).encode()


def _progress(record: ContentIndexRecord) -> ContentProgress:
    return ContentProgress(status=record.status, images_read=record.images_read, message=record.message, error=record.error)


def _not_ready(record: ContentIndexRecord) -> str:
    if record.status is ContentStatus.FAILED:
        reason = record.error.message if record.error is not None else "See the engine's log."
        return f"The content of dataset '{record.dataset_name}' could not be read. {reason}"
    return (
        f"The content of dataset '{record.dataset_name}' is '{record.status.value}' ({record.images_read:,} images so far): "
        "GET its /content until the status is 'ready'."
    )
