"""Novel images: what models were shown and found unlike their training images, to be brought into a draft and labelled."""

from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from vision_customization.contract.studio import Role
from vision_customization.engine.api.errors import invalid
from vision_customization.engine.drafts.errors import PictureRefused
from vision_customization.engine.drafts.pictures import read_picture, write_picture
from vision_customization.engine.learning.errors import CodecError, ImageError
from vision_customization.engine.learning.images import decode_to_show
from vision_customization.engine.objects.store import ObjectNotFound
from vision_customization.engine.store import SampleRecord
from vision_customization.engine.studio.draft_contents import container_of
from vision_customization.engine.studio.pictures import picture_response, stored_thumbnail
from vision_customization.engine.studio.routing import Pages
from vision_customization.engine.studio.snippets import Snippet
from vision_customization.engine.studio.visit import Visit, link
from vision_customization.engine.views.reencoding import THUMBNAIL_SIDE, picture_etag, picture_of

pages = Pages()

PAGE = 60
_DRAFTS_OFFERED = 100
_START_MAX = 100_000
_FIELD = "image-"


@dataclass(frozen=True)
class Shown:
    """A novel image in the list."""

    sha256: str
    thumbnail: str
    model: str
    novelty: str
    tag: str
    sample: SampleRecord


@pages.get("/novel")
def novel(visit: Visit) -> Response:
    return _page(visit)


@pages.get("/novel/{sha256}/thumbnail")
async def thumbnail(visit: Visit) -> Response:
    if (stored := await stored_thumbnail(visit)) is not None:
        return stored
    return await run_in_threadpool(_made, visit)


@pages.post("/novel/bring", role=Role.LABELER)
def bring(visit: Visit) -> Response:
    """Bring the chosen images into a draft. A file that its dataset can't have is named, and stays."""
    store, container = visit.service.store, container_of(visit)
    draft = store.drafts.find(visit.form.get("draft", ""))
    refused, brought = [], 0
    for sha256 in _chosen(visit):
        sample = store.samples.find(sha256)
        try:
            data = visit.service.samples.data(sha256)
            picture = read_picture(data, f"novel/{sample.model_name}/{sha256[:12]}", draft.annotation_kind)
        except ObjectNotFound:
            refused.append(f"{sha256[:12]}: the engine does not have its file any more.")
            continue
        except PictureRefused as error:
            refused.append(str(error))
            continue
        write_picture(container, draft, picture, data)
        store.drafts.add(draft.name, [picture], visit.who)
        visit.service.samples.delete(sha256)
        brought += 1
    visit.audit("brought novel images", draft=draft.name, images=brought)
    if refused:
        return _page(visit, refused, status=422)
    return visit.redirect(f"{link('drafts', draft.name)}?only=new")


@pages.post("/novel/delete", role=Role.LABELER)
def delete(visit: Visit) -> Response:
    chosen = _chosen(visit)
    for sha256 in chosen:
        visit.service.samples.delete(sha256)
    visit.audit("deleted novel images", images=len(chosen))
    return visit.redirect("/studio/novel")


def _page(visit: Visit, refused: list[str] | None = None, status: int = 200) -> Response:
    store, samples = visit.service.store, visit.service.samples
    start = visit.number("start", 0, 0, _START_MAX)
    count, found = store.samples.page(start, PAGE)
    return visit.render(
        "novel.html",
        status,
        enabled=samples.enabled,
        images_max=samples.images_max,
        days=samples.days,
        count=count,
        start=start,
        size=PAGE,
        images=[_shown(sample) for sample in found],
        drafts=[draft.name for draft in store.drafts.newest(0, _DRAFTS_OFFERED)],
        writable=visit.service.studio_container is not None,
        refused=refused or [],
        snippets=_snippets(),
    )


def _shown(sample: SampleRecord) -> Shown:
    thumbnail = f"/studio/novel/{sample.sha256}/thumbnail?v={sample.sha256}"
    return Shown(sample.sha256, thumbnail, sample.model_name, f"{sample.novelty:.2f}", sample.tag, sample)


def _chosen(visit: Visit) -> list[str]:
    """The digests of the images that are ticked. Refuses with 400 if there are none."""
    chosen = [name.removeprefix(_FIELD) for name in visit.form if name.startswith(_FIELD)]
    if not chosen:
        raise invalid("Choose at least one image.")
    return [visit.service.store.samples.find(sha256).sha256 for sha256 in chosen]


def _made(visit: Visit) -> Response:
    """A thumbnail that is no longer stored. Raises NotFound; refuses with 400 a file that can't be shown."""
    sha256 = visit.service.store.samples.find(visit.path("sha256")).sha256
    try:
        picture = picture_of(decode_to_show(visit.service.samples.data(sha256), THUMBNAIL_SIDE), sha256, THUMBNAIL_SIDE)
    except (ObjectNotFound, ImageError, CodecError) as error:
        raise invalid(f"The image can't be shown: {error}.") from None
    return picture_response(visit, sha256, picture_etag(sha256, THUMBNAIL_SIDE), picture.data)


def _snippets() -> list[Snippet]:
    yaml = "config:\n  vision-customization:local:   # or azure\n    novelSamples: 200\n    novelSampleDays: 30\n"
    shell = "export VISION_ENGINE_NOVEL_SAMPLES=200 VISION_ENGINE_NOVEL_SAMPLE_DAYS=30\n"
    return [("YAML", yaml), ("Shell", shell)]
