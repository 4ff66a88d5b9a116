"""Trained models in memory, ready to answer.

This module decides which models are loaded, how long they stay in memory, how many calls run at once, and on how many threads.
The computation itself is in `learning`.
"""

import logging
import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from vision_customization.contract.analysis import DetectedObject
from vision_customization.engine.errors import EngineError
from vision_customization.engine.learning.classification.classifier import Classifier
from vision_customization.engine.learning.classification.serving import SharedClassifier, SharedNetworks
from vision_customization.engine.learning.errors import ArtifactError, WeightsError
from vision_customization.engine.models.answers import Classification, detected_objects, tag_probabilities
from vision_customization.engine.objects.keys import artifact_key, head_key, own_networks_key
from vision_customization.engine.objects.store import ObjectNotFound, ObjectStore
from vision_customization.engine.runtime.time_limit import TimeLimitExceeded, within
from vision_customization.engine.settings import Settings

if TYPE_CHECKING:
    from vision_customization.engine.learning.boxes import Detections
    from vision_customization.engine.learning.images import DecodedImage


REST_SECONDS = 60.0
"""How long a model that was too slow gets no further calls."""

HEADS_BYTES_MAX = 256 * 1024 * 1024
"""Bound of the heads in memory: those of a thousand models with ten tags, which tell the novelty."""

_FILES_AT_ONCE = 2
_log = logging.getLogger(__name__)

R = TypeVar("R")


class ModelGone(EngineError):
    """The model's file does not exist: it was deleted, or its training never ended."""


class ModelTooSlow(EngineError):
    """The model takes longer for an image than a call is allowed to."""


class Session(Protocol):
    """A loaded model."""

    @property
    def tags(self) -> Sequence[str]: ...

    def stop(self) -> None:
        """Ask the running calls to end."""


class Classifies(Session, Protocol):
    """A loaded classifier."""

    @property
    def thresholds(self) -> Sequence[float] | None: ...

    def classify(self, pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float32], float | None]: ...


class Detects(Session, Protocol):
    """A loaded detector."""

    def detect(self, pixels: NDArray[np.uint8]) -> "Detections": ...


class _Turns:
    """A first-come, first-served semaphore. With `threading.Semaphore`, a thread that was just served may overtake others."""

    def __init__(self, free: int) -> None:
        self._free = free
        self._lock = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()

    def __enter__(self) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        turn.acquire()

    def __exit__(self, *_: object) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1


class ModelCache:
    """The models used last; safe to use from many threads.

    A classifier that was trained on this engine's networks is its head: the networks are in memory once for all of them, and
    only HEADS_BYTES_MAX bounds the heads. Any other model is a file with networks of its own, of which `settings.cache_models`
    stay in memory.

    As many heads compute at a time as there are threads: on all threads while few calls are in hand, else on one thread each,
    which takes less processor time. Of models with networks of their own, two calls compute at a time, each on all threads, so
    that one uses the other cores while the other call is in a phase that only one core can do. Further calls wait for their
    turn in order of arrival.

    A call that takes longer than `seconds_max` is stopped. Even if it does not stop, the next caller gets its turn. Either way
    its model rests for REST_SECONDS, so that a slow model cannot block the others.
    """

    def __init__(
        self,
        settings: Settings,
        objects: ObjectStore,
        open_session: Callable[[Path, int], Session] | None = None,
        seconds_max: float | None = None,
    ) -> None:
        self._bound = settings.cache_models
        self._threads = settings.threads
        self._objects = objects
        self._open = open_session or _open_model
        self._lock = threading.Lock()
        self._networks = SharedNetworks(settings.weights_dir, settings.threads)
        self._sessions: OrderedDict[str, Future[Session]] = OrderedDict()
        self._file_turns = _Turns(_FILES_AT_ONCE)
        self._head_turns = _Turns(self._threads)
        self._seconds_max = seconds_max
        self._running: Counter[str] = Counter()
        self._rests_until: dict[str, float] = {}

    def classify(
        self, model_id: str, pixels: NDArray[np.uint8], *, digest: str | None = None, calls: int = 1
    ) -> Classification:
        """A model's answer for an image.

        Args:
            pixels: uint8 [height, width, 3], RGB.
            digest: identifies the file that the pixels were decoded from, so that another model asked about it shortly after
                need not compute its features again; None for an image that is asked about once.
            calls: how many calls are in hand, this one included: with many, each computes on one thread.

        Raises:
            ModelGone: the trained model does not exist.
            ModelTooSlow: it takes too long, or recently did.
        """
        session = cast("SharedClassifier | Classifies", self.load(model_id))
        if isinstance(session, SharedClassifier):
            compute = partial(session.classify, pixels, digest, alone=calls <= max(1, self._threads // 2))
        else:
            compute = partial(session.classify, pixels)
        probabilities, novelty = self._computed(model_id, session, compute)
        return Classification(tag_probabilities(session.tags, probabilities, session.thresholds), novelty)

    def detect(self, model_id: str, image: "DecodedImage") -> list[DetectedObject]:
        """The objects that a model finds in an image, with confidence CONFIDENCE_LEAST or more: in pixels of the submitted
        image, with ids "1"… by falling confidence, and one tag each. Raises ModelGone or ModelTooSlow."""
        session = cast("Detects", self.load(model_id))
        found = self._computed(model_id, session, lambda: session.detect(image.pixels))
        return detected_objects(found, session.tags, image)

    def load(self, model_id: str) -> Session:
        """The model, loaded if necessary; it stays in memory until others need the room. Raises ModelGone."""
        with self._lock:
            known = self._sessions.get(model_id)
            if known is not None:
                self._sessions.move_to_end(model_id)
            else:
                self._sessions[model_id] = future = Future[Session]()
        if known is not None:
            return known.result()
        try:
            session = self._opened(model_id)
        except BaseException as error:
            with self._lock:
                if self._sessions.get(model_id) is future:
                    del self._sessions[model_id]
            future.set_exception(error)
            raise
        future.set_result(session)
        with self._lock:
            self._make_room()
        return session

    def _make_room(self) -> None:
        """Drop the models that were used longest ago, beyond either bound. The one just loaded stays."""
        files = head_bytes = 0
        for model_id, future in reversed(list(self._sessions.items())):
            if not future.done() or future.exception() is not None:
                continue
            if isinstance(session := future.result(), SharedClassifier):
                surplus = head_bytes > 0 and head_bytes + session.size_bytes > HEADS_BYTES_MAX
                head_bytes += session.size_bytes
            else:
                files += 1
                surplus = files > self._bound
            if surplus:
                del self._sessions[model_id]

    def _computed(self, model_id: str, session: Session, compute: Callable[[], R]) -> R:
        """The result of `compute`, which runs when it gets its turn."""
        turns = self._head_turns if isinstance(session, SharedClassifier) else self._file_turns
        if self._seconds_max is None:
            with turns:
                return compute()
        self._check_rested(model_id)
        with turns:
            self._check_rested(model_id)  # again: another call may have been too slow while this one waited
            with self._lock:
                self._running[model_id] += 1
            try:
                return within(self._seconds_max, compute, stop=session.stop, ended=lambda: self._ended(model_id))
            except TimeLimitExceeded:
                with self._lock:
                    self._rests_until[model_id] = time.monotonic() + REST_SECONDS
                _log.warning("model %s took longer than %g s for an image and was stopped", model_id, self._seconds_max)
                raise self._too_slow() from None
            except Exception:
                self._check_rested(model_id)  # a concurrent call was too slow, and this one was stopped with it
                raise

    def _check_rested(self, model_id: str) -> None:
        with self._lock:
            until = self._rests_until.get(model_id)
            if until is None:
                return
            if time.monotonic() >= until and not self._running[model_id]:
                del self._rests_until[model_id]
                return
        raise self._too_slow()

    def _ended(self, model_id: str) -> None:
        with self._lock:
            self._running[model_id] -= 1
            if not self._running[model_id]:
                del self._running[model_id]

    def _too_slow(self) -> ModelTooSlow:
        return ModelTooSlow(
            f"The model took longer than {self._seconds_max:g} s for an image. It is not available for {REST_SECONDS:.0f} s."
        )

    def _opened(self, model_id: str) -> Session:
        if (head := self._opened_head(model_id)) is not None:
            return head
        try:
            return self._open(self._objects.path(artifact_key(model_id)), self._threads)
        except ObjectNotFound:
            raise ModelGone("The model's file does not exist. Was the model deleted?") from None

    def _opened_head(self, model_id: str) -> SharedClassifier | None:
        """The model on the networks that all classifiers share. None if it is not a classifier, or needs other networks."""
        data, own_networks = self._objects.get_many([head_key(model_id), own_networks_key(model_id)])
        if data is None or own_networks is not None:
            return None
        try:
            classifier = Classifier.from_npz(data)
            return SharedClassifier(classifier, self._networks) if self._networks.have(classifier.views) else None
        except (ArtifactError, WeightsError) as error:
            _log.warning("model %s cannot share the networks in memory, and brings its own: %s", model_id, error)
            return None

    def forget(self, model_id: str) -> None:
        """Drop a deleted model from memory."""
        with self._lock:
            self._sessions.pop(model_id, None)


def _open_model(path: Path, threads: int) -> Session:
    from vision_customization.engine.learning.opening import open_model

    return open_model(path, threads)
