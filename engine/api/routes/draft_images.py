"""`/drafts/{name}/images` (an extension): the pictures of a draft, and their labels."""

from collections.abc import Collection, Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from vision_customization.contract.content import ImageLabel
from vision_customization.contract.drafts import (
    DRAFT_IMAGES_PAGE_MAX,
    BatchResult,
    BatchResults,
    BulkAction,
    BulkOrder,
    BulkResult,
    DraftImage,
    DraftImagePage,
    ImageChoice,
    ImageNumbers,
    LabelsBatch,
    LabelsPut,
)
from vision_customization.contract.enums import AnnotationKind
from vision_customization.contract.limits import PAGE_DEFAULT, SKIP_MAX
from vision_customization.contract.wire import Wire
from vision_customization.engine.api.bodies.image import read_image
from vision_customization.engine.api.bodies.json import body_of
from vision_customization.engine.api.document import failures, json_body
from vision_customization.engine.api.errors import invalid
from vision_customization.engine.api.parameters import (
    VERSIONED,
    IfMatch,
    LongPage,
    PathName,
    Serving,
    Skip,
    given,
    wire_response,
)
from vision_customization.engine.api.routes.drafts import API
from vision_customization.engine.api.routes.versions import container_of
from vision_customization.engine.drafts.labels import checked_labels, tag_fault
from vision_customization.engine.drafts.pictures import FILE_NAME_MAX_LENGTH, read_picture, write_picture
from vision_customization.engine.store import DraftImageRecord, DraftRecord, NotFound, PreconditionFailed, Store
from vision_customization.engine.store.draft_bulk import Chosen, Report, unreported
from vision_customization.engine.store.draft_records import DraftLabel, LabelChange

router = APIRouter(prefix="/computervision/drafts/{name}", tags=["Drafts"], dependencies=VERSIONED)

ImagesTop = Annotated[int, Query(ge=1, le=DRAFT_IMAGES_PAGE_MAX, description="Maximum number of items to return.")]
Tag = Annotated[str | None, Query(description="Only images that have this tag.")]
Only = Annotated[ImageChoice | None, Query(description="Only these images.")]
Number = Annotated[int, Path(ge=0, le=SKIP_MAX, description="Number of the image in the draft.")]
FileName = Annotated[
    str,
    Query(alias="fileName", min_length=1, max_length=FILE_NAME_MAX_LENGTH, description="What the picture's file is called."),
]


class ImagesPage(LongPage):
    """A page of images."""

    def __init__(self, request: Request, service: Serving, skip: Skip = 0, top: ImagesTop = PAGE_DEFAULT) -> None:
        super().__init__(request, service, skip, top)


class ImagesChanged(Wire):
    """How many of the images there are."""

    images: int


@router.get(
    "/images",
    summary="List the images of a draft with their labels (an extension)",
    response_model=DraftImagePage,
    responses=failures(400, 401, 404, 405),
)
def images(
    service: Serving, name: PathName, page: Annotated[ImagesPage, Depends()], tag: Tag = None, only: Only = None
) -> Response:
    draft = service.store.drafts.find(name)
    found = service.store.drafts.page(draft.sequence, page.skip, page.top, tag=tag, choice=only)
    items = [draft_image(draft, image).model_dump_json(by_alias=True, exclude_none=True).encode() for image in found.images]
    return page.encoded(items, found.total, given({"tag": tag, "only": only and only.value}))


@router.get(
    "/images/{number}",
    summary="Get an image of a draft (an extension)",
    response_model=DraftImage,
    responses=failures(400, 401, 404, 405),
)
def image(service: Serving, name: PathName, number: Number) -> Response:
    draft = service.store.drafts.find(name)
    return _answer(draft, found_image(service.store, draft, number))


@router.put(
    "/images/{number}/labels",
    summary="Set the labels of an image of a draft (an extension)",
    response_model=DraftImage,
    responses=failures(400, 401, 404, 405, 412, 413),
    openapi_extra=json_body(LabelsPut),
)
def set_labels(
    service: Serving,
    name: PathName,
    number: Number,
    body: Annotated[LabelsPut, Depends(body_of(LabelsPut))],
    if_match: IfMatch,
) -> Response:
    store = service.store
    draft = store.drafts.find(name)
    found_image(store, draft, number)
    labels = checked_labels(draft.annotation_kind, body.labels, known_tags(store, draft, body.labels))
    change = LabelChange(number, labels, body.empty, None if if_match is None else next(iter(if_match), ""))
    [(saved, now)] = store.drafts.label(name, [change], API)
    if now is None:
        raise NotFound("image", str(number))
    if not saved:
        raise PreconditionFailed("image", str(number))
    return _answer(draft, now)


@router.post(
    "/images:label",
    summary="Set the labels of several images of a draft (an extension)",
    response_model=BatchResults,
    responses=failures(400, 401, 404, 405, 413),
    openapi_extra=json_body(LabelsBatch),
)
def label(service: Serving, name: PathName, body: Annotated[LabelsBatch, Depends(body_of(LabelsBatch))]) -> Response:
    return wire_response(label_images(service.store, name, body, API))


@router.post(
    "/images",
    summary="Add a picture to a draft (an extension)",
    status_code=201,
    response_model=DraftImage,
    responses={
        **failures(400, 401, 404, 405, 413, 502),
        200: {"model": DraftImage, "description": "The draft has this picture already."},
    },
)
async def add(service: Serving, request: Request, name: PathName, file_name: FileName) -> Response:
    url, data = await read_image(request)
    if url is not None:
        raise invalid("Send the picture itself, not an address.", target="url")

    def work() -> Response:
        store, container = service.store, container_of(service)
        draft = store.drafts.find(name)
        picture = read_picture(data, file_name, draft.annotation_kind)
        write_picture(container, draft, picture, data)
        [(number, is_new)] = store.drafts.add(name, [picture], API)
        return _answer(draft, found_image(store, draft, number), 201 if is_new else 200)

    return await run_in_threadpool(work)


@router.post(
    "/images:remove",
    summary="Remove images from a draft (an extension)",
    response_model=ImagesChanged,
    responses=failures(400, 401, 404, 405, 413),
    openapi_extra=json_body(ImageNumbers),
)
def remove(service: Serving, name: PathName, body: Annotated[ImageNumbers, Depends(body_of(ImageNumbers))]) -> Response:
    return wire_response(ImagesChanged(images=service.store.drafts.remove(name, body.numbers, API)))


@router.post(
    "/images:restore",
    summary="Restore images that were removed from a draft (an extension)",
    response_model=ImagesChanged,
    responses=failures(400, 401, 404, 405, 413),
    openapi_extra=json_body(ImageNumbers),
)
def restore(service: Serving, name: PathName, body: Annotated[ImageNumbers, Depends(body_of(ImageNumbers))]) -> Response:
    return wire_response(ImagesChanged(images=service.store.drafts.remove(name, body.numbers, API, restore=True)))


@router.post(
    "/images:change",
    summary="Change all images of a draft that a filter selects (an extension)",
    response_model=BulkResult,
    responses=failures(400, 401, 404, 405, 413),
    openapi_extra=json_body(BulkOrder),
)
def change(service: Serving, name: PathName, body: Annotated[BulkOrder, Depends(body_of(BulkOrder))]) -> Response:
    return wire_response(change_images(service.store, name, body, API))


def change_images(store: Store, name: str, order: BulkOrder, who: str, report: Report = unreported) -> BulkResult:
    """Change all images that a filter selects, or say what that would change. Raises NotFound; refuses with 400 a tag that
    these images can't have."""
    draft = store.drafts.find(name)
    known = {tag.name for tag in store.drafts.tags(draft.sequence)}
    if order.only_tag is not None and order.only_tag not in known:
        raise NotFound("tag", order.only_tag)
    if order.action is BulkAction.RESTORE and order.only not in (ImageChoice.REMOVED, ImageChoice.CHANGED):
        raise invalid(
            "only: to restore images, select them with `removed` or `changed`: no other filter has any.", target="only"
        )
    tag = _tag_to(draft, order, known)
    chosen = Chosen(order.only_tag, order.only, order.seen)
    if order.preview:
        found = store.drafts.preview_change(name, order.action, tag, chosen)
    else:
        found = store.drafts.change(name, order.action, tag, chosen, who, report)
    return BulkResult(
        changed=found.changed, already=found.already, left=found.left, others=found.others, names=list(found.names)
    )


def _tag_to(draft: DraftRecord, order: BulkOrder, known: Collection[str]) -> str | None:
    """The tag to give or to take."""
    if order.action not in (BulkAction.GIVE, BulkAction.TAKE):
        return None
    if draft.annotation_kind is AnnotationKind.IMAGE_OBJECT_DETECTION:
        raise invalid(f"action: {order.action} is for tags of whole images. Boxes are drawn image by image.", target="action")
    if order.tag is None:
        raise invalid(f"tag: is missing. To {order.action} a tag, name it.", target="tag")
    if order.tag not in known:
        if order.action is BulkAction.TAKE:
            raise NotFound("tag", order.tag)
        if fault := tag_fault(order.tag):
            raise invalid(f"tag: {fault}.", target="tag")
    return order.tag


def label_images(store: Store, name: str, batch: LabelsBatch, who: str) -> BatchResults:
    """Set the labels of several images; what was not saved is in the result as it is now. Raises NotFound, LabelsInvalid."""
    draft = store.drafts.find(name)
    known = known_tags(store, draft, [label for image in batch.images for label in image.labels])
    changes = [
        LabelChange(each.number, checked_labels(draft.annotation_kind, each.labels, known), each.empty, each.e_tag)
        for each in batch.images
    ]
    results = store.drafts.label(name, changes, who)
    return BatchResults(
        value=[
            BatchResult(number=change.number, saved=saved, image=None if now is None else draft_image(draft, now))
            for change, (saved, now) in zip(changes, results, strict=True)
        ]
    )


def known_tags(store: Store, draft: DraftRecord, labels: Sequence[ImageLabel]) -> frozenset[str]:
    """The tags that the draft has, of those that are not short and plain."""
    names = {tag.name for tag in store.drafts.tags(draft.sequence)}
    return frozenset(label.tag for label in labels if label.tag in names)


def found_image(store: Store, draft: DraftRecord, number: int) -> DraftImageRecord:
    """Raises NotFound."""
    found = store.drafts.image(draft.sequence, number)
    if found is None:
        raise NotFound("image", str(number))
    return found


def draft_image(draft: DraftRecord, record: DraftImageRecord) -> DraftImage:
    """An image as callers see it."""
    return DraftImage(
        number=record.number,
        digest=record.sha256,
        image=draft.url_of(record.sha256, record.extension),
        file_name=record.file_name,
        width=None if record.width is None else int(record.width),
        height=None if record.height is None else int(record.height),
        labels=_shown(record.labels),
        empty=record.settled and not record.labels,
        state=record.state,
        theirs=None if record.theirs is None else _shown(record.theirs),
        e_tag=record.e_tag,
        changed_by=record.changed_by,
        changed_date_time=record.changed,
    )


def _shown(labels: Sequence[DraftLabel]) -> list[ImageLabel]:
    return [ImageLabel(tag=label.tag, bbox=label.box) for label in labels]


def _answer(draft: DraftRecord, record: DraftImageRecord, status: int = 200) -> Response:
    return wire_response(draft_image(draft, record), status, {"ETag": f'"{record.e_tag}"'})
