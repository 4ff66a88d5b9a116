"""The metrics that Prometheus reads at /metrics."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from vision_customization.contract.enums import BatchPredictionStatus, ContentStatus, EvaluationStatus, ModelStatus, RunStatus
from vision_customization.contract.limits import NOVEL
from vision_customization.engine.api.connections import Closed, Connections
from vision_customization.engine.store import InspectionStatus, Store

S = TypeVar("S", bound=StrEnum)

_METHODS = frozenset({"GET", "PUT", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS"})
_SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The counters of one application."""

    def __init__(self, store: Store, connections: Connections | None = None) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "vision_engine_requests", "Requests answered.", ("method", "route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "vision_engine_request_seconds",
            "Time to answer, in seconds.",
            ("route",),
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._classified = Counter(
            "vision_engine_classified_images",
            "Images classified by models that tell novelty.",
            ("model",),
            registry=self._registry,
        )
        self._novel = Counter(
            "vision_engine_novel_images", f"Of these, images of novelty {NOVEL} or more.", ("model",), registry=self._registry
        )
        self._registry.register(StoreCollector(store))
        if connections is not None:
            self._registry.register(ConnectionCollector(connections))

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        self._requests.labels(method if method in _METHODS else "other", route, status).inc()
        self._seconds.labels(route).observe(seconds)

    def count_novelty(self, model: str, novelty: float) -> None:
        self._classified.labels(model).inc()
        self._novel.labels(model).inc(novelty >= NOVEL)

    def text(self) -> bytes:
        """In Prometheus' text format. Reads the store."""
        return generate_latest(self._registry)


class StoreCollector(Collector):
    """Gauges read from the store at each scrape."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def describe(self) -> list[GaugeMetricFamily]:
        """Empty, so that registering the collector does not read the store."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        model_counts = self._store.models.counts()
        evaluation_counts = self._store.evaluations.counts()
        run_counts = self._store.runs.counts()
        batch_counts = self._store.batch_predictions.counts()
        content_counts = self._store.content.counts()
        inspection_counts = self._store.inspections.counts()
        yield _by_status("vision_engine_models", "Models", model_counts)
        yield _by_status("vision_engine_evaluations", "Evaluations", evaluation_counts)
        yield _by_status("vision_engine_product_recognition_runs", "Product recognition runs", run_counts)
        yield _by_status("vision_engine_batch_prediction_runs", "Batch prediction runs", batch_counts)
        yield _by_status("vision_engine_content_indexes", "Content indexes", content_counts)
        yield _by_status("vision_engine_inspections", "Inspections of datasets and drafts", inspection_counts)
        queued = model_counts[ModelStatus.NOT_STARTED] + evaluation_counts[EvaluationStatus.NOT_STARTED]
        queued += run_counts[RunStatus.NOT_STARTED] + content_counts[ContentStatus.QUEUED]
        queued += batch_counts[BatchPredictionStatus.NOT_STARTED]
        queued += inspection_counts[InspectionStatus.NOT_STARTED]
        yield GaugeMetricFamily(
            "vision_engine_queue_length",
            "Trainings, evaluations, runs, content indexes and inspections that are waiting for a worker.",
            value=queued,
        )
        yield GaugeMetricFamily(
            "vision_engine_training_seconds",
            "Compute time of the trainings of all existing models, in seconds.",
            value=self._store.models.training_seconds(),
        )


def _by_status(name: str, things: str, counts: Mapping[S, int]) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(name, f"{things} by status.", labels=["status"])
    for status, count in counts.items():
        gauge.add_metric([status.value], count)
    return gauge


class ConnectionCollector(Collector):
    """The server's connections at each scrape."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def collect(self) -> Iterator[Metric]:
        connections = self._connections
        states = GaugeMetricFamily("vision_engine_connections", "Connections by state.", labels=["state"])
        states.add_metric(["waiting"], connections.waiting)
        states.add_metric(["answering"], connections.open - connections.waiting)
        yield states
        yield GaugeMetricFamily("vision_engine_connections_max", "Maximum number of connections.", value=connections.most)
        closed = CounterMetricFamily(
            "vision_engine_connections_closed", "Connections closed because of a limit, by reason.", labels=["reason"]
        )
        for reason in Closed:
            closed.add_metric([reason.value], connections.closed.get(reason, 0))
        yield closed
