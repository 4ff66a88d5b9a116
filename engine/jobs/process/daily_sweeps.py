"""The sweeps of all objects, when a worker starts and then once a day, in a thread of its own: they look at every object."""

import logging
import threading

from vision_customization.engine.objects.store import ObjectStore
from vision_customization.engine.samples.keeping import Samples
from vision_customization.engine.views.kept_thumbnails import KeptThumbnails

_DAY_SECONDS = 24 * 3600.0
_log = logging.getLogger(__name__)


class DailySweeps:
    """Deletes what killed processes left behind, and thumbnails and novel images beyond their limits. Several workers may do it
    at once."""

    def __init__(self, objects: ObjectStore, thumbnails: KeptThumbnails, samples: Samples) -> None:
        self._objects = objects
        self._thumbnails = thumbnails
        self._samples = samples
        self._stopping = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._run, name="sweep", daemon=True).start()

    def stop(self) -> None:
        self._stopping.set()

    def sweep(self) -> None:
        """Errors are logged: the next sweep tries again."""
        try:
            self._objects.sweep()
            deleted, old = self._thumbnails.sweep(), self._samples.sweep()
        except OSError as error:
            _log.warning("leftovers cannot be swept away: %s", error)
        except Exception:  # noqa: BLE001 - it is logged, and the thread must live
            if not self._stopping.is_set():  # a worker that stops closes the store
                _log.exception("leftovers cannot be swept away")
        else:
            if deleted:
                _log.info("%d old thumbnails were deleted", deleted)
            if old:
                _log.info("%d novel images were deleted, older or more than the settings keep", old)

    def _run(self) -> None:
        while True:
            self.sweep()
            if self._stopping.wait(_DAY_SECONDS):
                return
