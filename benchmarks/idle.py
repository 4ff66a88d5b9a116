"""What an idle engine costs: the processor time and the memory of `vision-engine serve` with its worker, and its start.

The engine has the Studio, an empty data folder and no callers. Once it has settled, its processes are measured for some
minutes. With PostgreSQL, a server of its own also counts its transactions (`pg_stat_database`: `xact_commit` and
`xact_rollback`; each holds one query or a few) and takes processor time.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from psycopg import sql
from rich.console import Console
from rich.table import Table

from benchmarks.processes import Engine, running_engine
from tests.postgresql import PostgreSQL, running_postgresql
from vision_customization.contract.enums import AnnotationKind, ModelStatus

SHARE_LIMIT = 0.005
"""Of a core, for all processes of the engine together."""

SETTLED_SECONDS = 75.0
"""DBOS looks more often in its first minute."""

_NOWHERE = "127.0.0.1:9"
"""The host of blobs that nobody reads."""

DATABASES = ("sqlite", "postgresql")


@dataclass(frozen=True)
class Process:
    """A process: its processor seconds so far (user and system), and its memory now, in bytes: that of its own alone, and with
    the pages that it shares with others."""

    name: str
    cpu_seconds: float
    unique_bytes: int
    resident_bytes: int


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks idle", description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="how long to measure (default: %(default)s)")
    parser.add_argument("--database", choices=DATABASES, help="measure this one only (default: both)")
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 150)
    shares = [
        _measure(database, 60 * options.minutes, console) for database in DATABASES if options.database in (None, database)
    ]
    return 0 if max(shares) <= SHARE_LIMIT else 1


def _measure(database: str, seconds: float, console: Console) -> float:
    """Print the figures of an engine with this database; returns the share of a core that it takes."""
    with tempfile.TemporaryDirectory(prefix="vision-idle-") as work, _server(database) as server:
        name = server.create_database() if server is not None else ""
        settings = {"studio": "true"} | ({"database_url": server.url(name)} if server is not None else {})
        begun = time.monotonic()
        with running_engine(Path(work) / "data", _NOWHERE, **settings) as engine:
            started = time.monotonic() - begun
            ready = _worker_ready_seconds(engine, begun)
            time.sleep(max(0.0, SETTLED_SECONDS - (time.monotonic() - begun)))
            before, since = _processes(engine), time.monotonic()
            transactions, server_cpu = _transactions(server, name), _server_cpu_seconds(server)
            time.sleep(seconds)
            after, passed = _processes(engine), time.monotonic() - since
            server_took = _server_cpu_seconds(server) - server_cpu
            seen = _transactions(server, name) - transactions
            begins = _seconds_until_a_job_begins(engine)
    taken = {pid: process.cpu_seconds - before[pid].cpu_seconds for pid, process in after.items() if pid in before}
    share = sum(taken.values()) / passed
    table = Table("process", "CPU s", "share of a core", "memory MB", "of it shared MB", title=f"An idle engine, {database}")
    for pid, process in after.items():
        own, resident = process.unique_bytes / 1e6, process.resident_bytes / 1e6
        cpu = taken.get(pid, process.cpu_seconds)
        table.add_row(process.name, f"{cpu:.2f}", f"{cpu / passed:.3%}", f"{resident:.0f}", f"{resident - own:.0f}")
    table.add_row("all", f"{sum(taken.values()):.2f}", f"{share:.3%} (≤ {SHARE_LIMIT:.1%})", "", "")
    console.print(table)
    console.print(f"{passed:.0f} s measured; it listens after {started:.1f} s, its worker takes jobs after {ready:.1f} s")
    console.print(f"a training of the idle engine begins {1e3 * begins:.0f} ms after its PUT was sent")
    if server is not None:
        console.print(
            f"PostgreSQL: {seen / passed:.2f} transactions a second (pg_stat_database), {server_took:.2f} CPU s, "
            f"{server_took / passed:.3%} of a core"
        )
    return share


@contextmanager
def _server(database: str) -> Iterator[PostgreSQL | None]:
    if database == "sqlite":
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="postgresql-") as folder, running_postgresql(Path(folder)) as server:
        yield server


def _worker_ready_seconds(engine: Engine, begun: float) -> float:
    """When the worker says in the log that it takes jobs."""
    log = engine.data_dir.with_suffix(".log")
    while "takes jobs" not in log.read_text():
        if time.monotonic() - begun > SETTLED_SECONDS:
            raise RuntimeError(f"the worker does not start:\n{log.read_text()[-2000:]}")
        time.sleep(0.05)
    return time.monotonic() - begun


def _seconds_until_a_job_begins(engine: Engine) -> float:
    """Wall time from a training's PUT until a worker has begun it; the dataset need not exist for that."""
    nowhere = f"http://{_NOWHERE}/account/container/train.json"
    with engine.client() as client:
        client.register_dataset("d", annotation_kind=AnnotationKind.IMAGE_CLASSIFICATION, annotation_file_uris=[nowhere])
        begun = time.monotonic()
        client.create_model("m", training_dataset_name="d")
        while client.get_model("m").status is ModelStatus.NOT_STARTED:
            time.sleep(0.005)
        return time.monotonic() - begun


def _processes(engine: Engine) -> dict[int, Process]:
    root = psutil.Process(engine.process.pid)
    found = {}
    for process in (root, *root.children(recursive=True)):
        memory = process.memory_full_info()
        name = "API (serve)" if process.pid == root.pid else "worker"
        found[process.pid] = Process(name, _cpu_seconds(process), memory.uss, memory.rss)
    return found


def _cpu_seconds(process: psutil.Process) -> float:
    """Of the process and of its children that have ended."""
    times = process.cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


def _transactions(server: PostgreSQL | None, database: str) -> int:
    """Transactions in the database so far. The question itself is asked in another one."""
    if server is None:
        return 0
    query = sql.SQL("SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = {}")
    [[count]] = server.execute(query.format(sql.Literal(database)))
    assert isinstance(count, int)
    return count


def _server_cpu_seconds(server: PostgreSQL | None) -> float:
    if server is None:
        return 0.0
    root = psutil.Process(server.pid)
    taken = 0.0
    for process in (root, *root.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):  # it has just ended
            taken += _cpu_seconds(process)
    return taken
