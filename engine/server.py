"""The process behind `vision-engine serve`: the API, and the workers that train."""

import asyncio
import json
import logging
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click
import uvicorn

from vision_customization.engine.api.application import StudioFactory, create_app
from vision_customization.engine.api.connections import BoundedConnection, Connections, Limits, raise_file_limit
from vision_customization.engine.api.uvicorn_server import RestingServer
from vision_customization.engine.errors import SettingsError
from vision_customization.engine.runtime.listening import base_url, listening
from vision_customization.engine.runtime.time_limit import left_running
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store
from vision_customization.engine.store.sqlite_file import DatabaseCopies, database_file, set_aside_jobs

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from vision_customization.engine.api.authentication import Authenticator
    from vision_customization.engine.api.collaborators import Service
    from vision_customization.engine.api.routes.analyze import Analyzer
    from vision_customization.engine.blobs.reader import BlobReader
    from vision_customization.engine.objects.store import ObjectStore

SERVE_FILE = "serve.json"

_SHUTDOWN_SECONDS = 15

log = logging.getLogger("engine.server")


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then finish the requests in progress and stop the workers. Raises SettingsError."""
    from vision_customization.engine.blobs.reader import BlobReader
    from vision_customization.engine.drafts.container import StudioContainer
    from vision_customization.engine.jobs.process.worker_processes import WorkerProcesses
    from vision_customization.engine.jobs.queue import JobQueue
    from vision_customization.engine.jobs.wanted_workers import WantedWorkers
    from vision_customization.engine.models.cache import ModelCache
    from vision_customization.engine.models.prebuilt import VisionResource
    from vision_customization.engine.models.warming import Warming, warm_networks
    from vision_customization.engine.objects.opening import open_objects

    settings.data_dir.mkdir(parents=True, exist_ok=True)
    limits = Limits.of(raise_file_limit(), settings.connections)
    with ExitStack() as stack:
        stack.enter_context(alone(settings))
        listener = stack.enter_context(listening(settings.host, settings.port, backlog=limits.backlog))
        for line in set_aside_jobs(settings):
            log.warning(line)
        store = Store.open(settings)
        stack.callback(store.close)
        store.check_token_key(settings)
        if (file := database_file(settings)) is not None:
            copies = DatabaseCopies(file)
            copies.start()
            stack.callback(copies.stop)
        objects = open_objects(settings)
        stack.callback(objects.close)
        models = ModelCache(settings, objects, seconds_max=settings.analyze_seconds)
        reader = BlobReader(settings.allowed_hosts, identity_hosts=settings.identity_hosts, attempts=2, timeout_seconds=10.0)
        blobs = stack.enter_context(reader)
        queue = stack.enter_context(JobQueue(settings))
        if (wanted := WantedWorkers.open(settings, queue.wakeups)) is not None:
            wanted.start()
            stack.callback(wanted.stop)
        prebuilt = VisionResource.open(settings)
        if prebuilt is not None:
            stack.enter_context(prebuilt)
        container = StudioContainer.open(settings)
        if container is not None:
            stack.callback(container.close)
        connections = Connections(limits.connections)
        app = create_app(
            *(settings, store, queue, models, blobs, objects),
            prebuilt=prebuilt,
            studio_container=container,
            connections=connections,
            studio=stack.enter_context(_studio(settings, store, objects, blobs)),
        )
        warming = Warming(store, models, queue.wakeups)
        warming.start()
        stack.callback(warming.stop)
        stack.callback(warm_networks(store, models).join)
        if settings.workers:
            workers = WorkerProcesses(settings)
            workers.start()
            stack.callback(workers.stop)
        config = uvicorn.Config(
            app,
            loop="uvloop",
            # h11, because httptools does not bound a head, nor read the body of a request that offers an upgrade.
            http=cast("type[asyncio.Protocol]", partial(BoundedConnection, connections)),
            backlog=limits.backlog,
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        )
        server = RestingServer(config)
        # Set before the engine announces that it listens. uvicorn sets its own handlers a little later, and raises the signal
        # again at its end, when the code after it must still run.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, server.handle_exit)
        stack.enter_context(_announced(settings, listener, limits))
        server.run(sockets=[listener])
        log.info("stopping")
    if left_running():
        # A model does not stop computing: the interpreter cannot end normally while it runs.
        logging.shutdown()
        os._exit(0)


@contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """Lock the data folder: two engines on one SQLite database would take each other's jobs, with different keys and hosts."""
    from vision_customization.engine.jobs.process.liveness import FileLocks

    if settings.on_postgresql:
        yield
        return
    lock = FileLocks(settings.data_dir).take("serve")
    if lock is None:
        raise SettingsError(
            f"Another vision-engine serves {settings.data_dir} already{_other(settings.data_dir / SERVE_FILE)}. "
            "Stop it, or start this one with another data_dir."
        )
    try:
        yield
    finally:
        lock.release()


def _other(file: Path) -> str:
    """`, process 4711 on port 8080`, or empty if that is unknown."""
    try:
        other = json.loads(file.read_text())
        return f", process {int(other['pid'])} on port {int(other['port'])}"
    except (OSError, ValueError, LookupError, TypeError):
        return ""


@contextmanager
def _studio(settings: Settings, store: Store, objects: "ObjectStore", blobs: "BlobReader") -> Iterator[StudioFactory | None]:
    """What makes the Studio; None where it is off, which then costs neither time nor memory."""
    if not settings.studio_enabled:
        yield None
        return
    from vision_customization.engine.studio import create_studio
    from vision_customization.engine.views.image_views import ImageViews

    with ImageViews(store, objects, blobs, settings.threads) as pictures:

        def studio(service: "Service", authenticator: "Authenticator", analyzer: "Analyzer") -> "ASGIApp":
            pictures.give_way_while(lambda: analyzer.is_busy)
            return create_studio(service, authenticator, analyzer, pictures)

        yield studio


@contextmanager
def _announced(settings: Settings, listener: socket.socket, limits: Limits) -> Iterator[None]:
    """Announce where the engine listens: by a line on stdout, and by `serve.json` in the data folder while it runs."""
    port = int(listener.getsockname()[1])
    file = settings.data_dir / SERVE_FILE
    draft = file.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps({"pid": os.getpid(), "port": port}) + "\n")
    draft.replace(file)
    click.echo(f"vision-engine listens on {base_url(settings.host, port)}")
    if not settings.keys:
        click.echo(f"The keys are in {settings.data_dir / 'keys'}.")
    where = {"host": settings.host, "port": port, "workers": settings.workers}
    log.info("listening", extra={**where, "connections": limits.connections, "files": limits.files})
    if limits.connections < settings.connections:
        log.warning(
            "fewer connections than VISION_ENGINE_CONNECTIONS: the limit on open files (ulimit -n) is too low",
            extra={"connections": limits.connections, "wanted": settings.connections, "files": limits.files},
        )
    try:
        yield
    finally:
        _remove_own(file)


def _remove_own(file: Path) -> None:
    try:
        if json.loads(file.read_text())["pid"] == os.getpid():
            file.unlink()
    except (OSError, ValueError, KeyError):
        pass
