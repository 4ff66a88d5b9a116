"""An image as the body of a request: its bytes, a form with them, or JSON with its URL."""

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import Request

from vision_customization.contract.analysis import AnalyzeUrl
from vision_customization.contract.errors import ErrorCode
from vision_customization.contract.limits import IMAGE_BYTES_MAX, IMAGE_SIDE_ANALYZE_PX
from vision_customization.engine.api.bodies.json import JSON_BYTES_MAX, JSON_TYPES, media_type, parse, read_body
from vision_customization.engine.api.bodies.multipart import first_file
from vision_customization.engine.api.collaborators import Blobs
from vision_customization.engine.api.errors import ApiError, invalid
from vision_customization.engine.blobs.reader import Blob, BlobError
from vision_customization.engine.learning.errors import CodecError, ImageError
from vision_customization.engine.learning.images import DecodedImage, ImageSizeError, decode_image

FETCH_SECONDS_MAX = 30.0
"""Longest time that fetching an image from its URL may take."""

_IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/bmp", "image/tiff", "image/webp", "image/x-icon")
_STREAM = "application/octet-stream"
_FORM = "multipart/form-data"

_BINARY = {"schema": {"type": "string", "format": "binary"}}
IMAGE_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/AnalyzeUrl"}},
            **dict.fromkeys((_STREAM, *_IMAGE_TYPES), _BINARY),
            _FORM: {
                "schema": {
                    "type": "object",
                    "properties": {"image": {"type": "string", "format": "binary"}},
                    "required": ["image"],
                }
            },
        },
    }
}
"""The OpenAPI declaration of such a body."""


class WaitingRoom:
    """Bounds how many requests wait at once, each of which may keep an image in memory. For one event loop."""

    def __init__(self) -> None:
        self._waiting = 0

    @contextmanager
    def seat(self, seats: int) -> Iterator[None]:
        """Take one of `seats` seats. Refuses with 429 if all are taken."""
        if self._waiting >= seats:
            raise ApiError(
                429,
                ErrorCode.INVALID_REQUEST,
                f"Too many requests are waiting already ({self._waiting}). Try again in a second.",
                headers={"Retry-After": "1"},
            )
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1


async def read_image(request: Request) -> tuple[str | None, bytes]:
    """The image's URL, or the image."""
    declared = media_type(request)
    if declared in JSON_TYPES:
        return parse(AnalyzeUrl, await read_body(request, JSON_BYTES_MAX)).url, b""
    if declared not in ("", _STREAM, _FORM) and not declared.startswith("image/"):
        message = (
            f"The content type is not supported: expected application/json, {_STREAM}, {_FORM} or {', '.join(_IMAGE_TYPES)}."
        )
        raise invalid(message, target="Content-Type")
    # A form is a little longer than the image in it.
    body = await read_body(request, IMAGE_BYTES_MAX + (65_536 if declared == _FORM else 0))
    if body is not None and declared == _FORM:
        body = first_file(body, request.headers["content-type"])
        if body is None:
            raise invalid("The form contains no image: expected one part with the image's bytes.")
    if body is None or len(body) > IMAGE_BYTES_MAX:
        raise invalid(f"The image is longer than {IMAGE_BYTES_MAX:,} bytes.")
    if not body:
        raise invalid("The image is empty.")
    return None, body


def fetch_image(blobs: Blobs, url: str) -> bytes:
    """The bytes of the image at `url`. Refuses with 400 if they cannot be read."""
    try:
        blob = blobs.read(url, max_bytes=IMAGE_BYTES_MAX, limit_seconds=FETCH_SECONDS_MAX)
    except BlobError as error:
        raise invalid(f"The image could not be read from its URL: {error}", target="url") from None
    assert isinstance(blob, Blob), "only a read with an etag is answered otherwise"
    if not blob.data:
        raise invalid("The image at the URL is empty.", target="url")
    return blob.data


def decoded_image(image: bytes, detail: int = 1) -> DecodedImage:
    """`engine.learning.decode_image`. Refuses with 400 if it is not an image, not of a size that the contract allows, or of a
    format that this installation can't decode: the service as a whole is well."""
    try:
        return decode_image(image, IMAGE_SIDE_ANALYZE_PX, detail)
    except ImageSizeError as error:
        raise invalid(f"The image cannot be analyzed: {error}.") from None
    except CodecError as error:
        raise invalid(f"The engine's installation is incomplete: {error}.", inner=ErrorCode.NOT_SUPPORTED_IMAGE) from error
    except ImageError as error:
        raise invalid(f"The image cannot be read: {error}.", inner=ErrorCode.INVALID_IMAGE_FORMAT) from None
