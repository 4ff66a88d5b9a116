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
from engine.settings import Settings
from engine.store import Store

SERVE_FILE = "serve.json"

_SHUTDOWN_SECONDS = 15
_BACKLOG = 1024

log = logging.getLogger("engine.server")


def serve(settings: Settings) -> None:
    """Answer until SIGTERM or SIGINT, then finish what is being answered and stop the workers. Raises SettingsError."""
    from engine.blobs import BlobReader
    from engine.jobs.children import WorkerProcesses
    from engine.jobs.queue import JobQueue
    from engine.objects import open_objects
    from engine.serving import ModelCache, Warming

    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        stack.enter_context(_alone(settings))
        listening = stack.enter_context(_listen(settings))
        store = Store.open(settings)
        stack.callback(store.close)
        objects = open_objects(settings)
        models = ModelCache(settings, objects)
        blobs = stack.enter_context(BlobReader(settings.allowed_hosts, attempts=2, timeout_seconds=10.0))
        queue = stack.enter_context(JobQueue(settings))
        app = create_app(settings, store, queue, models, blobs, objects)
        warming = Warming(store, models)
        warming.start()
        stack.callback(warming.stop)
        if settings.workers:
            workers = WorkerProcesses(settings)
            workers.start()
            stack.callback(workers.stop)
        stack.enter_context(_announced(settings, listening))
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
        uvicorn.Server(config).run(sockets=[listening])
        log.info("stopping")


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Hold the data folder: two engines on one SQLite database would take each other's jobs, with other keys and hosts."""
    from engine.jobs.liveness import FileLocks

    if not settings.database_url.startswith("sqlite"):
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
def _listen(settings: Settings) -> Iterator[socket.socket]:
    try:
        family, _, _, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror:
        raise SettingsError(f"host: {settings.host} is no address of this machine.") from None
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit it. asyncio sets it only where it knows the protocol; without it a small answer waits 40 ms.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listening.bind(address)
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise SettingsError(
            f"{settings.host}:{settings.port} cannot be listened on ({error.strerror}). Is another process there? "
            "--port 0 takes a free port."
        ) from None
    with listening:
        yield listening


@contextmanager
def _announced(settings: Settings, listening: socket.socket) -> Iterator[None]:
    """Say where the engine listens: a line on stdout, and `serve.json` in the data folder while it does."""
    port = int(listening.getsockname()[1])
    file = settings.data_dir / SERVE_FILE
    draft = file.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps({"pid": os.getpid(), "port": port}) + "\n")
    draft.replace(file)
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104 - compared, not bound
    click.echo(f"vision-engine listens on http://{f'[{host}]' if ':' in host else host}:{port}")
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
