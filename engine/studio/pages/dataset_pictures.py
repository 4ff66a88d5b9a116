"""The pictures of a dataset's images: thumbnails, views, and crops of single objects. Never an original file.

Each is a JPEG that the engine has encoded from pixels. A browser may keep a picture whose address names the image's digest.
A stored thumbnail is sent by that digest alone, whatever dataset and position its address has: every reader may see every
dataset, and a digest names its content.
"""

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from vision_customization.contract.errors import ErrorCode
from vision_customization.engine.api.errors import ApiError, invalid
from vision_customization.engine.errors import SettingsError
from vision_customization.engine.store import DatasetRecord, IndexedImage
from vision_customization.engine.studio.dataset_contents import no_such_image, position_in
from vision_customization.engine.studio.pictures import made, picture_response, stored_thumbnail, unchanged
from vision_customization.engine.studio.routing import Pages
from vision_customization.engine.studio.visit import Visit
from vision_customization.engine.views.crops import Box, cropped
from vision_customization.engine.views.reencoding import THUMBNAIL_SIDE, VIEW_SIDE

pages = Pages()


@pages.get("/datasets/{name}/images/{position}/thumbnail")
async def thumbnail(visit: Visit) -> Response:
    if (stored := await stored_thumbnail(visit)) is not None:
        return stored
    dataset, image, url = await run_in_threadpool(_found, visit)
    if image.sha256 is not None and (known := unchanged(visit, image.sha256, THUMBNAIL_SIDE)) is not None:
        return known
    picture = await made(visit, visit.parts.pictures.thumbnail(dataset, url, image.sha256))
    return picture_response(visit, picture.sha256, picture.etag, picture.data)


@pages.get("/datasets/{name}/images/{position}/view")
async def view(visit: Visit) -> Response:
    dataset, image, url = await run_in_threadpool(_found, visit)
    if image.sha256 is not None and (known := unchanged(visit, image.sha256, VIEW_SIDE)) is not None:
        return known
    picture = await made(visit, visit.parts.pictures.view(dataset, url))
    return picture_response(visit, picture.sha256, picture.etag, picture.data)


@pages.get("/datasets/{name}/images/{position}/crop")
async def crop(visit: Visit) -> Response:
    """The part of the image in the query's `box`: left, top, width and height as fractions."""
    dataset, image, url = await run_in_threadpool(_found, visit)
    box = _box(visit.query("box"))
    key = (dataset.name, dataset.e_tag, image.url, image.sha256)
    kept = visit.parts.recent_views
    whole = kept.get(key)
    if whole is None:
        whole = await made(visit, visit.parts.pictures.view(dataset, url))
        kept.put(key, whole)
    part = await run_in_threadpool(cropped, whole, box)
    corners = "-".join(f"{side:.6f}" for side in box)
    return picture_response(visit, whole.sha256, f'W/"{whole.sha256}-{corners}"', part)


def _box(text: str) -> Box:
    """Refuses with 400 what is not four fractions."""
    try:
        left, top, width, height = (float(side) for side in text.split(","))
    except ValueError:
        raise invalid("box: expected left,top,width,height as fractions of the image.") from None
    if not all(0 <= side <= 1 for side in (left, top, width, height)):
        raise invalid("box: each of left, top, width and height must be 0 to 1.")
    return left, top, width, height


def _found(visit: Visit) -> tuple[DatasetRecord, IndexedImage, str]:
    """The dataset, the image without its labels, and the address to read it at, with its query. Raises NotFound, and 404 for a
    position without an image."""
    store, position = visit.service.store, position_in(visit.path("position"))
    dataset = store.datasets.find(visit.path("name"))
    image = None if position is None else store.content.image_shown(dataset.name, position)
    if image is None:
        raise no_such_image()
    try:
        return dataset, image, store.content.address(image).get_secret_value()
    except SettingsError as error:
        raise ApiError(409, ErrorCode.FAILED_TO_PROCESS, str(error)) from None
