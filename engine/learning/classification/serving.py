"""Classifiers that are nothing but their heads: the frozen networks are open once, for all of them."""

import threading
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from onnxruntime import RunOptions

from vision_customization.engine.learning.classification.classifier import Classifier
from vision_customization.engine.learning.classification.features import FeatureExtractor
from vision_customization.engine.learning.classification.views import Pass, View, passes_of
from vision_customization.engine.learning.onnx_files.sessions import Pixels

RECENT_IMAGES = 16
"""Images whose features are kept for other models, of 43 KB each."""


@dataclass
class _Recent:
    """The features of an image, float32 [dimensions], of which the passes in `done` are computed. Who computes holds `lock`."""

    features: NDArray[np.float32]
    done: set[Pass] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)


class SharedNetworks:
    """The frozen networks that the classifiers of a process share; safe to use from many threads.

    Those that the classifiers in memory need are open twice: on all threads, for a call that has the machine for itself, and on
    one thread each, for calls beside others. An image that several models are asked for, at once or shortly after each other,
    is computed once: the features of the last RECENT_IMAGES images are kept.
    """

    def __init__(self, weights_dir: Path, threads: int) -> None:
        self._weights_dir = weights_dir
        self._threads = threads
        self._opened: tuple[FeatureExtractor, FeatureExtractor] | None = None
        self._lock = threading.Lock()
        self._recent: OrderedDict[tuple[str, tuple[int, ...]], _Recent] = OrderedDict()

    def have(self, views: Collection[View]) -> bool:
        """Whether they compute these views. Raises WeightsError if a required network is missing."""
        networks = self._extractors()[0].networks
        return all(view.source.backbone in networks for view in views)

    def open(self, passes: Collection[Pass]) -> None:
        """Open the networks of these passes, unless they are open. Raises WeightsError if a required one is missing."""
        for extractor in self._extractors():
            extractor.open(passes)

    def features(
        self, pixels: Pixels, passes: Sequence[Pass], digest: str | None, options: RunOptions, *, alone: bool
    ) -> NDArray[np.float32]:
        """An image's features, float32 [dimensions], of which only the views of `passes` are defined.

        Args:
            pixels: uint8 [h, w, 3], RGB.
            digest: identifies the file that the pixels were decoded from; None if the features shall not be kept.
            options: its `terminate` ends the computation, which then raises an exception of ONNX Runtime.
            alone: whether the computation may use all threads.
        """
        every, single = self._extractors()
        extractor = every if alone else single
        recent = self._recent_of(digest, pixels.shape, extractor.dimensions)
        with recent.lock:
            missing = [run for run in passes if run not in recent.done]
            extractor.fill([recent.features], [pixels], missing, options)
            recent.done.update(missing)
        return recent.features

    def _recent_of(self, digest: str | None, shape: tuple[int, ...], dimensions: int) -> _Recent:
        new = _Recent(np.zeros(dimensions, np.float32))
        if digest is None:
            return new
        with self._lock:
            recent = self._recent.setdefault((digest, shape), new)
            self._recent.move_to_end((digest, shape))
            while len(self._recent) > RECENT_IMAGES:
                self._recent.popitem(last=False)
        return recent

    def _extractors(self) -> tuple[FeatureExtractor, FeatureExtractor]:
        with self._lock:
            if self._opened is None:
                every = FeatureExtractor(self._weights_dir, self._threads)
                single = every if self._threads == 1 else FeatureExtractor(self._weights_dir, 1)
                self._opened = every, single
            return self._opened


class SharedClassifier:
    """A classifier's head on the shared networks, which are open then. Safe to call from several threads."""

    def __init__(self, head: Classifier, networks: SharedNetworks) -> None:
        """Raises WeightsError if a required network is missing."""
        self.tags = head.tags
        self.thresholds = head.thresholds
        self.size_bytes = head.size_bytes
        self._head = head
        self._passes = passes_of(head.views)
        self._networks = networks
        networks.open(self._passes)
        self._running: set[RunOptions] = set()

    def classify(
        self, pixels: Pixels, digest: str | None = None, *, alone: bool = True
    ) -> tuple[NDArray[np.float32], float | None]:
        """uint8 [h, w, 3], RGB → the probabilities, float32 [k], and the novelty, 0…1; None if the head does not tell it. For
        `digest` and `alone`, see `SharedNetworks.features`."""
        options = RunOptions()
        self._running.add(options)
        try:
            features = self._networks.features(pixels, self._passes, digest, options, alone=alone)[None]
        finally:
            self._running.discard(options)
        novelties = self._head.novelties(features)
        return self._head.probabilities(features)[0], None if novelties is None else novelties[0].item()

    def stop(self) -> None:
        """Ask the running calls to end. Each of them fails as soon as its current operator has returned."""
        for options in tuple(self._running):
            options.terminate = True
