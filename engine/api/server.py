"""The process behind `vision-engine serve`: the API, and the workers that train."""

import json
import logging
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click
import uvicorn

from engine.api.application import create_app
from engine.errors import SettingsError
from engine.listening import base_url, listening
from engine.settings import Settings
from engine.store import Store

SERVE_FILE = "serve.json"

_SHUTDOWN_SECONDS = 15

log = logging.getLogger("engine.server")


def serve(settings: Settings) -> None:
    """Answer until SIGTERM or SIGINT, then finish what is being answered and stop the workers. Raises SettingsError."""
    from engine.blobs import BlobReader
    from engine.jobs.children import WorkerProcesses
    from engine.jobs.queue import JobQueue
    from engine.objects import open_objects
    from engine.prebuilt import VisionResource
    from engine.serving import ModelCache, Warming

    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        stack.enter_context(_alone(settings))
        listener = stack.enter_context(listening(settings.host, settings.port))
        store = Store.open(settings)
        stack.callback(store.close)
        store.check_token_key(settings)
        objects = open_objects(settings)
        stack.callback(objects.close)
        models = ModelCache(settings, objects, seconds_max=settings.analyze_seconds)
        reader = BlobReader(settings.allowed_hosts, identity_hosts=settings.identity_hosts, attempts=2, timeout_seconds=10.0)
        blobs = stack.enter_context(reader)
        queue = stack.enter_context(JobQueue(settings))
        prebuilt = VisionResource.open(settings)
        if prebuilt is not None:
            stack.enter_context(prebuilt)
        app = create_app(settings, store, queue, models, blobs, objects, prebuilt=prebuilt)
        warming = Warming(store, models)
        warming.start()
        stack.callback(warming.stop)
        if settings.workers:
            workers = WorkerProcesses(settings)
            workers.start()
            stack.callback(workers.stop)
        stack.enter_context(_announced(settings, listener))
        config = uvicorn.Config(
            app,
            loop="uvloop",
            http="h11",  # httptools neither bounds a head nor reads the body of a request that offers an upgrade
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        )
        # uvicorn raises the signal again when it is done; what comes after it here must still be done then.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        uvicorn.Server(config).run(sockets=[listener])
        log.info("stopping")


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Hold the data folder: two engines on one SQLite database would take each other's jobs, with other keys and hosts."""
    from engine.jobs.liveness import FileLocks

    if settings.on_postgresql:
        yield
        return
    lock = FileLocks(settings.data_dir).take("serve")
    if lock is None:
        raise SettingsError(
            f"Another vision-engine serves {settings.data_dir} already{_other(settings.data_dir / SERVE_FILE)}. "
            "Stop it, or give this one a data_dir of its own."
        )
    try:
        yield
    finally:
        lock.release()


def _other(file: Path) -> str:
    """`, process 4711 on port 8080`, as far as it is known."""
    try:
        other = json.loads(file.read_text())
        return f", process {int(other['pid'])} on port {int(other['port'])}"
    except (OSError, ValueError, LookupError, TypeError):
        return ""


@contextmanager
def _announced(settings: Settings, listener: socket.socket) -> Iterator[None]:
    """Say where the engine listens: a line on stdout, and `serve.json` in the data folder while it does."""
    port = int(listener.getsockname()[1])
    file = settings.data_dir / SERVE_FILE
    draft = file.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps({"pid": os.getpid(), "port": port}) + "\n")
    draft.replace(file)
    click.echo(f"vision-engine listens on {base_url(settings.host, port)}")
    if not settings.keys:
        click.echo(f"The keys are in {settings.data_dir / 'keys'}.")
    log.info("listening", extra={"host": settings.host, "port": port, "workers": settings.workers})
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
