"""Loads the models that are published before the first call asks for them."""

import logging
import threading

from vision_customization.contract.enums import ModelKind, ModelStatus
from vision_customization.engine.models.cache import ModelCache, ModelGone
from vision_customization.engine.runtime.wakeups import REST_SECONDS, Wakeups
from vision_customization.engine.store import NotFound, Store

_LOOKED_AT = 20
"""Models among which a classifier is looked for when the engine starts."""

_log = logging.getLogger(__name__)


class Warming:
    """Loads each model once its training has succeeded, so that even the first call does not wait for loading.

    While there are trainings, it polls the store every `interval_seconds`, because they end in other processes. Without any, it
    waits for one of `wakeups`. Failures are only logged: the first call for a model that is not in memory loads it, or reports
    why it cannot.
    """

    def __init__(self, store: Store, cache: ModelCache, wakeups: Wakeups, interval_seconds: float = 0.5) -> None:
        self._store = store
        self._cache = cache
        self._wakeups = wakeups
        self._interval = interval_seconds
        self._failing = False
        self._stopping, self._woken = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._trained: set[str] = set()

    def start(self) -> None:
        self._trained = set(self._store.unfinished().models)
        self._wakeups.subscribe(self._woken.set)
        self._thread = threading.Thread(target=self._run, name="warming", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._woken.set()
        if self._thread is not None:
            self._thread.join()

    def look(self) -> None:
        """Load the models that have succeeded since the last call."""
        unfinished = set(self._store.unfinished().models)
        for model_id in self._trained - unfinished:
            try:
                if self._store.models.by_id(model_id).status is ModelStatus.SUCCEEDED:
                    self._cache.load(model_id)
            except (NotFound, ModelGone):
                continue  # deleted meanwhile
            except Exception:  # noqa: BLE001 - it is logged, and the thread must live
                _log.exception("model %s cannot be loaded", model_id)
        self._trained = unfinished

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._try_to_look()
            if self._trained or self._failing:
                self._stopping.wait(self._interval)
            else:
                self._woken.wait(REST_SECONDS)
            self._woken.clear()

    def _try_to_look(self) -> None:
        try:
            self.look()
            self._failing = False
        except Exception:  # noqa: BLE001 - it is logged, and the thread must live
            if not self._failing:
                _log.exception("the list of trained models cannot be read; it is tried again")
            self._failing = True


def warm_networks(store: Store, cache: ModelCache) -> threading.Thread:
    """Load the newest classifier in a thread, which opens the networks that it shares with others: the first call after a
    restart does not wait for them. An engine without a classifier does not open them. Failures are only logged."""

    def load() -> None:
        try:
            for model in store.models.newest(_LOOKED_AT, (ModelStatus.SUCCEEDED,)):
                if model.model_kind is ModelKind.GENERIC_CLASSIFIER:
                    cache.load(model.id)
                    return
        except Exception:  # noqa: BLE001 - it is logged, and the first call tries again
            _log.exception("the networks of classifiers are not opened")

    thread = threading.Thread(target=load, name="warm-networks", daemon=True)
    thread.start()
    return thread
