"""New pictures in a draft: checked, written to the container under the digest of their content, and added."""

import hashlib
import io
from pathlib import PurePosixPath

from PIL import Image

from vision_customization.common.dataset_content.blob_names import draft_pin_name, image_name
from vision_customization.common.dataset_content.image_formats import FORMATS
from vision_customization.contract.enums import AnnotationKind, Purpose
from vision_customization.contract.limits import DATASET_LIMITS, IMAGE_BYTES_MAX
from vision_customization.engine.drafts.container import Container
from vision_customization.engine.drafts.errors import PictureRefused
from vision_customization.engine.learning.errors import CodecError, ImageError
from vision_customization.engine.learning.images import FORMATS as READABLE
from vision_customization.engine.learning.images import decode_image
from vision_customization.engine.store.draft_records import DraftRecord, NewDraftImage

FILE_NAME_MAX_LENGTH = 1024


def read_picture(data: bytes, file_name: str, kind: AnnotationKind) -> NewDraftImage:
    """Check a file and describe it. It is decoded, so that damage is found here.

    Raises:
        PictureRefused: the reason, in words.
    """
    if len(data) > IMAGE_BYTES_MAX:
        raise PictureRefused(f"{file_name} has {len(data):,} bytes; at most {IMAGE_BYTES_MAX:,} are allowed.")
    limits = DATASET_LIMITS[kind, Purpose.TRAINING]
    try:
        decoded = decode_image(data, (limits.side_min, limits.side_max))
    except CodecError:
        raise
    except ImageError as error:
        raise PictureRefused(f"{file_name}: {error}.") from None
    with Image.open(io.BytesIO(data), formats=READABLE) as image:
        extension = FORMATS[image.format or ""].extension
    return NewDraftImage(
        sha256=hashlib.sha256(data).hexdigest(),
        extension=extension,
        file_name=kept_file_name(file_name),
        width=decoded.width,
        height=decoded.height,
    )


def write_picture(container: Container, draft: DraftRecord, picture: NewDraftImage, data: bytes) -> None:
    """Write the picture's blob, unless the container has it. First it is noted as the draft's, so that it stays when a dataset
    that has it, too, is deleted. Raises ContainerRefuses."""
    container.write(draft_pin_name(draft.id, picture.sha256), b"", "application/octet-stream")
    content_type = next(each.content_type for each in FORMATS.values() if each.extension == picture.extension)
    container.write(image_name(picture.sha256, picture.extension), data, content_type)


def kept_file_name(name: str) -> str:
    """The path that a dataset's file shows: relative, with `/`, and without parts that lead out of its folder."""
    parts = [part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("/", "..", ".")]
    kept = "/".join(parts)[-FILE_NAME_MAX_LENGTH:].lstrip("/")
    return "".join(character if character.isprintable() else "_" for character in kept) or "picture"
