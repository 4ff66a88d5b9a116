"""A worker: takes trainings, evaluations, product recognition and batch prediction runs, content indexes and inspections from
the queues until its process ends.

It stops immediately, as if it were killed: every finished step is kept, and the next worker continues from there.
"""

import logging
import os
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from signal import SIGINT, SIGTERM, signal
from types import FrameType
from typing import NoReturn

import click
from dbos import DBOS, DBOSConfig
from dbos._error import DBOSAwaitedWorkflowCancelledError, DBOSException, DBOSNonExistentWorkflowError
from sqlalchemy.exc import SQLAlchemyError

from vision_customization.engine.blobs.reader import BlobReader
from vision_customization.engine.errors import EngineError
from vision_customization.engine.jobs.images.found_objects import DETECT_SECONDS_MAX
from vision_customization.engine.jobs.images.kept_features import KeptFeatures
from vision_customization.engine.jobs.images.kept_plans import Plans
from vision_customization.engine.jobs.images.resources import Extractor, Resources
from vision_customization.engine.jobs.kinds.content import contents_folder
from vision_customization.engine.jobs.kinds.recognition import Detector
from vision_customization.engine.jobs.process.caretaker import Caretaker
from vision_customization.engine.jobs.process.content_checks import ContentChecks
from vision_customization.engine.jobs.process.daily_sweeps import DailySweeps
from vision_customization.engine.jobs.process.dbos_threads import OneJob, Pause, launch, rarely_look
from vision_customization.engine.jobs.process.health import Pulse, answering_health
from vision_customization.engine.jobs.process.liveness import open_locks, take_name
from vision_customization.engine.jobs.queue import (
    APPLICATION,
    QUEUES,
    WORKER_CONCURRENCY,
    WORKFLOWS_VERSION,
    JobQueue,
    prepare_system_database,
    system_database_url,
)
from vision_customization.engine.jobs.steps.retrying import PAUSES_SECONDS
from vision_customization.engine.jobs.wanted_workers import WantedWorkers
from vision_customization.engine.jobs.workflows import declare_workflows
from vision_customization.engine.learning import FeatureExtractor
from vision_customization.engine.learning.pretrained.backbones import BACKBONES
from vision_customization.engine.models.cache import ModelCache
from vision_customization.engine.objects.opening import open_objects
from vision_customization.engine.objects.store import ObjectsUnavailable
from vision_customization.engine.runtime.listening import base_url
from vision_customization.engine.runtime.wakeups import REST_SECONDS
from vision_customization.engine.samples.keeping import Samples
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store
from vision_customization.engine.store.cipher import TokenCipher
from vision_customization.engine.views.kept_thumbnails import KeptThumbnails

LOOK_SECONDS = 1.0
"""How often a worker looks after the jobs of the engine, until all of them have ended. Then it rests until it is woken."""

IDLE_SECONDS = 10.0
"""How long a worker of one job waits for something to do. A job that is not in its queue yet gets there within two looks."""

_QUEUE_POLLING_SECONDS = 0.25
_OTHER_THREADS = 8
"""Of DBOS, beside those of the workflows."""
_log = logging.getLogger(__name__)


class LockLost(EngineError):
    """This worker has lost its lock, so others may assume it is dead: it must stop."""


class Worker:
    """A worker in this process. A process can have one at a time, because it can run DBOS only once.

    `extractor` is by default opened with the pretrained networks. `pauses_seconds` are the pauses between the attempts of a
    step. `detector` answers product recognition runs; by default it uses the trained models. `thumbnails` says whether to store
    thumbnails of the images that jobs decode, for the Studio. `once`: take one job in all, and pieces of any job until it has
    ended.
    """

    def __init__(
        self,
        settings: Settings,
        extractor: Extractor | None = None,
        pauses_seconds: Sequence[float] = PAUSES_SECONDS,
        detector: Detector | None = None,
        *,
        thumbnails: bool = False,
        once: bool = False,
    ) -> None:
        self._settings = settings
        self._one_job = OneJob(QUEUES.values()) if once else None
        self._last_busy = 0.0
        self._extractor = extractor
        self._pauses_seconds = pauses_seconds
        self._locks = open_locks(settings)
        self.name, self._lock = take_name(self._locks)
        self._store = Store.open(settings)
        self._store.check_token_key(settings)
        self._reader = BlobReader(
            settings.allowed_hosts, identity_hosts=settings.identity_hosts, role_wait_seconds=settings.role_wait_seconds
        )
        prepare_system_database(settings)
        self._queue = JobQueue(settings)
        self._pause = Pause()
        self.wakeups = self._queue.wakeups
        self._objects = open_objects(settings)
        self._detector = detector or ModelCache(settings, self._objects, seconds_max=DETECT_SECONDS_MAX)
        self._thumbnails = KeptThumbnails(self._objects)
        self._makes_thumbnails = thumbnails
        self._sweeps = DailySweeps(self._objects, self._thumbnails, Samples(settings, self._store, self._objects))
        self.caretaker = Caretaker(self._store, self._objects, self._queue, self._locks, self.name)
        self._wanted = WantedWorkers.open(settings, self.wakeups)
        self._content_checks = ContentChecks(self._store, self._reader, self._queue, contents_folder(settings))

    def start(self) -> None:
        """Start taking jobs. Raises WeightsError if the pretrained networks are missing."""
        settings = self._settings
        objects = self._objects
        extractor = self._extractor or _open_extractor(settings)
        kept = KeptFeatures(objects, extractor.key, extractor.dimensions)
        resources = Resources(
            self._store,
            objects,
            self._reader,
            extractor,
            kept,
            decoders=settings.threads,
            workers=settings.workers,
            thumbnails=self._thumbnails if self._makes_thumbnails else None,
            folder=contents_folder(settings),
            withdrawn=self._withdrawn,
        )
        config: DBOSConfig = {
            "name": APPLICATION,
            "system_database_url": system_database_url(settings),
            "application_version": WORKFLOWS_VERSION,
            "executor_id": self.name,
            "log_level": "WARNING",
            "run_migrations": False,
            "max_executor_threads": sum(WORKER_CONCURRENCY.values()) + _OTHER_THREADS,
        }
        rarely_look(config)
        # DBOS gives its logger a console handler unless it has one already: its lines should look like the others.
        logging.getLogger("dbos").addHandler(logging.NullHandler())
        logging.getLogger("dbos").addFilter(_is_unexpected)
        DBOS(config=config)
        plans = Plans(objects, TokenCipher.open(settings))
        declare_workflows(resources, plans, self._queue, settings, self._detector, self._pauses_seconds)
        DBOS.listen_queues(list(WORKER_CONCURRENCY))  # not to those of another version of the engine
        launch(self._pause, self._one_job)
        self._queue.wakeups.subscribe(self._pause.wake)
        for queue, at_once in WORKER_CONCURRENCY.items():
            DBOS.register_queue(
                queue,
                worker_concurrency=at_once,
                polling_interval_sec=_QUEUE_POLLING_SECONDS,
                on_conflict="always_update",
            )
        self._pause.wake()  # so that DBOS serves these queues from now on, even if the engine rests
        try:
            self.caretaker.sweep()
        except ObjectsUnavailable as error:  # a new role takes minutes, and a job waits for it by itself
            _log.warning("worker %s deletes no leftovers: %s", self.name, error)
        self._sweeps.start()
        if self._wanted is not None:
            self._wanted.start()
        self._last_busy = time.monotonic()
        _log.info("worker %s takes jobs", self.name)

    def look(self) -> bool:
        """Do the periodic work. Returns whether the engine has jobs that have not ended; otherwise the worker's queues rest
        until a wake-up. Raises LockLost if the worker has lost its lock, and with it its name."""
        if not self._lock.held():
            raise LockLost(f"worker {self.name} has lost its lock: another worker may have taken its jobs")
        try:
            busy = self.caretaker.look()
            self._content_checks.look()
        except (SQLAlchemyError, OSError, DBOSException) as error:
            _log.warning("worker %s cannot check its jobs (%s); it tries again", self.name, type(error).__name__)
            busy = True
        if not busy:
            self._pause.rest()
        elif self._pause.resting:  # the wake-up was lost
            self._pause.wake()
        return busy

    def ended(self) -> bool:
        """Whether a worker of one job should exit: its job has ended, or it found nothing to do for a while, and none of its
        pieces runs."""
        if self._one_job is None:
            return False
        idle = time.monotonic() - self._last_busy > IDLE_SECONDS
        try:
            ended = self._one_job.ends(self._running, idle=idle)
        except (SQLAlchemyError, DBOSException) as error:
            _log.warning("worker %s cannot check its jobs (%s); it tries again", self.name, type(error).__name__)
            return False
        if ended:
            _log.info("worker %s has no more to do: it took %s", self.name, self._one_job.job or "no job")
            if self._wanted is not None:  # else the platform would start another worker for it
                self._wanted.stop()
        return ended

    def _running(self) -> list[str]:
        running = [workflow.workflow_id for workflow in self._queue.running(self.name)]
        if running:
            self._last_busy = time.monotonic()
        return running

    def _withdrawn(self) -> bool:
        workflow = DBOS.workflow_id
        return workflow is not None and self._queue.withdrawn(workflow)

    def stop(self) -> None:
        DBOS.destroy(destroy_registry=True)
        self._sweeps.stop()
        if self._wanted is not None:
            self._wanted.stop()
        self._queue.close()
        self._reader.close()
        self._objects.close()
        self._store.close()
        self._lock.release()
        self._locks.close()


def _is_unexpected(record: logging.LogRecord) -> bool:
    """Whether to log what DBOS says. It tells of each piece that was withdrawn, or forgotten, while it ran as of an error."""
    expected = DBOSAwaitedWorkflowCancelledError, DBOSNonExistentWorkflowError
    return not (record.exc_info and isinstance(record.exc_info[1], expected))


def _open_extractor(settings: Settings) -> FeatureExtractor:
    extractor = FeatureExtractor(settings.weights_dir, settings.threads)
    for backbone in BACKBONES:
        if backbone not in extractor.networks:
            _log.warning(
                "the weights of %s are not in %s: trainings do without, which is less accurate. "
                "`vision-engine weights pull` fetches them",
                backbone.title,
                settings.weights_dir,
            )
    return extractor


def run_worker(settings: Settings, health_port: int | None = None, *, once: bool = False) -> None:
    """Work until SIGTERM, SIGINT or a fatal error, or `once` until the end of one job; does not return. If `health_port` is
    given, it answers /livez and /healthz."""
    stopping, woken = threading.Event(), threading.Event()

    def stop(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the shape that `signal` asks for
        stopping.set()
        woken.set()

    signal(SIGTERM, stop)
    signal(SIGINT, stop)
    pulse = Pulse()
    with ExitStack() as stack:
        if health_port is not None:
            port = stack.enter_context(answering_health(settings.host, health_port, pulse))
            click.echo(f"This worker answers {base_url(settings.host, port)}/healthz")
        worker = Worker(settings, thumbnails=settings.studio_enabled, once=once)
        worker.start()
        worker.wakeups.subscribe(woken.set)
        _work(worker, stopping, woken, pulse)


def _work(worker: Worker, stopping: threading.Event, woken: threading.Event, pulse: Pulse) -> NoReturn:
    status = 0
    try:
        while not stopping.is_set():
            busy = worker.look()
            pulse.beat()
            if worker.ended():
                break
            if busy:
                stopping.wait(LOOK_SECONDS)
            else:
                woken.wait(REST_SECONDS)
            woken.clear()
        _log.info("worker %s stops", worker.name)
    except BaseException as error:  # noqa: BLE001 - whatever it is, this process ends
        _log.critical("worker %s ends: %s", worker.name, error, exc_info=not isinstance(error, LockLost))
        status = 1
    worker.wakeups.close()  # else its pipe stays until the next wake-up
    # A normal exit of the interpreter would end the threads of the running step, and DBOS would record the step as failed.
    logging.shutdown()
    os._exit(status)
