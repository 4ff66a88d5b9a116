"""Import: pictures and labels of the visitor's into a draft. The page's scripts find out what is new, and send that."""

from tempfile import SpooledTemporaryFile
from typing import Annotated, BinaryIO, cast

from pydantic import Field, StringConstraints
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from vision_customization.contract.drafts import BATCH_IMAGES_MAX, DIGEST_PATTERN, TAG_MAX_LENGTH, ImageState
from vision_customization.contract.enums import AnnotationKind, Purpose
from vision_customization.contract.errors import ErrorCode
from vision_customization.contract.limits import BOXES_PER_IMAGE_MAX, DATASET_LIMITS, IMAGE_BYTES_MAX
from vision_customization.contract.studio import Role
from vision_customization.contract.wire import Wire
from vision_customization.engine.api.bodies.json import JSON_BYTES_MAX, parse, read_body, spool_body
from vision_customization.engine.api.errors import ApiError, invalid
from vision_customization.engine.api.threads import in_thread
from vision_customization.engine.drafts.container import Container
from vision_customization.engine.drafts.pictures import kept_file_name
from vision_customization.engine.store import DraftImageRecord, DraftRecord
from vision_customization.engine.studio.dataset_facts import KINDS
from vision_customization.engine.studio.draft_contents import container_of, draft_of
from vision_customization.engine.studio.draft_facts import closed_because
from vision_customization.engine.studio.picture_uploads import IN_MEMORY_BYTES, WAITING_MAX, PictureUploads
from vision_customization.engine.studio.routing import Pages
from vision_customization.engine.studio.snippets.draft_import import import_snippets
from vision_customization.engine.studio.visit import Visit, link

pages = Pages()

ASKED_MAX = 100
"""Digests that a page asks for at once."""

_uploads = PictureUploads()


class Digests(Wire):
    """SHA-256 digests of pictures, in hex."""

    digests: Annotated[
        list[Annotated[str, StringConstraints(pattern=DIGEST_PATTERN)]], Field(min_length=1, max_length=ASKED_MAX)
    ]


@pages.get("/drafts/{draft}/import")
def page(visit: Visit) -> Response:
    draft = draft_of(visit)
    kind = draft.annotation_kind
    sides = DATASET_LIMITS[kind, Purpose.TRAINING]
    return visit.render(
        "draft_import.html",
        draft=draft,
        kind=KINDS[kind],
        tags=len(visit.service.store.drafts.tags(draft.sequence)),
        closed=closed_because(visit, draft),
        sides=(sides.side_min, sides.side_max),
        importing={
            "path": link("drafts", draft.name),
            "kind": "boxes" if kind is AnnotationKind.IMAGE_OBJECT_DETECTION
            else "single" if kind is AnnotationKind.IMAGE_CLASSIFICATION else "several",
            "bytes": IMAGE_BYTES_MAX,
            "asked": ASKED_MAX,
            "batch": BATCH_IMAGES_MAX,
            "batchBytes": JSON_BYTES_MAX,
            "boxes": BOXES_PER_IMAGE_MAX,
            "tagLength": TAG_MAX_LENGTH,
        },
        snippets=import_snippets(visit.origin, draft.name, kind),
    )  # fmt: skip


@pages.post("/drafts/{draft}/known", role=Role.LABELER, takes_uploads=True)
async def known(visit: Visit) -> Response:
    """Which of these pictures the draft has, as JSON. It has none that was removed: an upload restores it."""
    asked = parse(Digests, await read_body(visit.request, JSON_BYTES_MAX))

    def work() -> Response:
        images = visit.service.store.drafts.with_digests(draft_of(visit).sequence, asked.digests)
        return visit.json({"images": [_facts(image) for image in images if image.state is not ImageState.REMOVED]})

    return await run_in_threadpool(work)


@pages.post("/drafts/{draft}/pictures", role=Role.LABELER, takes_uploads=True)
async def add(visit: Visit) -> Response:
    """Add the picture that is the body, called `fileName`. The answer says whether the draft lacked it."""
    file_name = kept_file_name(visit.query("fileName"))
    with _uploads.waiting.seat(WAITING_MAX):
        draft, container = await run_in_threadpool(_writable, visit)
        folder = visit.service.settings.data_dir
        with SpooledTemporaryFile(IN_MEMORY_BYTES, dir=str(folder)) as spooled:
            file = cast("BinaryIO", spooled)
            if not await spool_body(visit.request, IMAGE_BYTES_MAX, file):
                message = f"The file is longer than {IMAGE_BYTES_MAX:,} bytes."
                raise ApiError(413, ErrorCode.INVALID_REQUEST, message)
            return await in_thread(_uploads.pool, _add, visit, draft, container, file, file_name)


def _add(visit: Visit, draft: DraftRecord, container: Container, file: BinaryIO, file_name: str) -> Response:
    drafts = visit.service.store.drafts
    picture = _uploads.keep(container, draft, file, file_name)
    removed = [image.state is ImageState.REMOVED for image in drafts.with_digests(draft.sequence, [picture.sha256])]
    [(number, is_new)] = drafts.add(draft.name, [picture], visit.who)
    image = drafts.image(draft.sequence, number)
    assert image is not None, "images of a draft are removed, and not deleted"
    added = is_new or any(removed)
    if added:
        visit.audit("added a picture", draft=draft.name, image=number, sha256=picture.sha256)
    return visit.json({"added": added, "image": _facts(image)}, 201 if added else 200)


def _writable(visit: Visit) -> tuple[DraftRecord, Container]:
    """The draft and where its pictures go. Refuses with 400 if that is not the engine's container."""
    draft, container = draft_of(visit), container_of(visit)
    if closed := closed_because(visit, draft):
        raise invalid(closed)
    return draft, container


def _facts(image: DraftImageRecord) -> dict[str, object]:
    """An image as the scripts need it, to label it: `labelled` also if somebody found nothing to label."""
    return {
        "number": image.number,
        "digest": image.sha256,
        "eTag": image.e_tag,
        "width": image.width,
        "height": image.height,
        "labelled": image.settled,
    }
