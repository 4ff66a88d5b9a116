"""Pictures that browsers upload into a draft: how many wait, how many are in memory, and how many are decoded at once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO

from vision_customization.contract.errors import ErrorCode
from vision_customization.contract.limits import IMAGE_BYTES_MAX
from vision_customization.engine.api.bodies.image import WaitingRoom
from vision_customization.engine.api.errors import ApiError, invalid
from vision_customization.engine.drafts.container import Container
from vision_customization.engine.drafts.pictures import read_picture, write_picture
from vision_customization.engine.learning.errors import CodecError
from vision_customization.engine.store import DraftRecord
from vision_customization.engine.store.draft_records import NewDraftImage

WAITING_MAX = 24
"""Uploads at once, of all visitors. Until its turn comes, a picture waits in a file."""

IN_MEMORY_BYTES = 512 * 1024
"""Of a picture that waits. A longer one waits on disk."""

_AT_ONCE = 4
"""Pictures that are whole in memory. Most of the time they are written to the container."""

_DECODED_AT_ONCE = 2


class PictureUploads:
    """Bounds the uploads of all visitors, for one event loop. `pool` has the threads in which `keep` runs."""

    def __init__(self) -> None:
        self.waiting = WaitingRoom()
        self.pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="draft-pictures")
        self._decoders = threading.BoundedSemaphore(_DECODED_AT_ONCE)

    def keep(self, container: Container, draft: DraftRecord, file: BinaryIO, file_name: str) -> NewDraftImage:
        """Check a picture, and write it to the container.

        Raises:
            PictureRefused: the reason, in words.
            ContainerRefuses: the container does not take it.
            ApiError: the file is empty, or this installation can't decode it.
        """
        file.seek(0)
        data = file.read(IMAGE_BYTES_MAX + 1)
        if not data:
            raise invalid("The file is empty.")
        try:
            with self._decoders:
                picture = read_picture(data, file_name, draft.annotation_kind)
        except CodecError as error:
            raise ApiError(
                500, ErrorCode.INTERNAL_SERVER_ERROR, f"The engine's installation is incomplete: {error}."
            ) from error
        write_picture(container, draft, picture, data)
        return picture
