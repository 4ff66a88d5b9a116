"""Workers that share a PostgreSQL database: their locks, and one taking up another's work."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from tests.engine.jobs.blob_server import serving_blobs
from tests.engine.jobs.drawn import Engine
from tests.engine.jobs.killing import gate_after_a_shard, killed_and_taken_up
from tests.postgresql import PostgreSQL
from vision_customization.engine.jobs.process.liveness import AdvisoryLock, FileLocks, Locks, open_locks, take_name
from vision_customization.engine.jobs.queue import JobQueue
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store

pytestmark = [pytest.mark.alone, pytest.mark.process]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def locks(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Locks]:
    url = request.getfixturevalue("postgresql_database") if request.param == "postgresql" else ""
    locks = open_locks(Settings(data_dir=tmp_path, database_url=url))
    yield locks
    locks.close()


def test_a_name_has_one_worker_until_that_is_gone(locks: Locks) -> None:
    first, first_lock = take_name(locks)
    second, second_lock = take_name(locks)
    assert (first[-2:], second[-2:]) == ("-1", "-2")
    assert locks.take(first) is None
    assert first_lock.held()
    first_lock.release()
    again = locks.take(first)
    assert again is not None
    again.release()
    second_lock.release()


@pytest.mark.postgresql
def test_a_lock_is_lost_soon_after_its_machine_vanishes_and_asking_for_it_costs_no_connection(
    tmp_path: Path, postgresql: PostgreSQL, postgresql_database: str
) -> None:
    settings = Settings(data_dir=tmp_path, database_url=postgresql_database)
    with closing(open_locks(settings)) as locks:
        held = locks.take("held")
        assert isinstance(held, AdvisoryLock)
        after_seconds = [held._connection.scalar(text(f"SHOW tcp_keepalives_{name}")) for name in ("idle", "interval", "count")]
        assert after_seconds == ["10", "5", "3"]
        others = f"SELECT pid FROM pg_stat_activity WHERE datname = '{make_url(postgresql_database).database}' ORDER BY pid"
        assert locks.take("held") is None
        connections = postgresql.execute(others)
        assert len(connections) == 2
        for _ in range(3):
            assert locks.take("held") is None
        assert postgresql.execute(others) == connections
        held.release()
        again = locks.take("held")
        assert again is not None
        postgresql.restart()
        assert not again.held()
        again.release()
        after_the_restart = locks.take("held")
        assert after_the_restart is not None
        after_the_restart.release()


def test_the_kernel_gives_a_lock_back_when_its_process_dies(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from vision_customization.engine.jobs.process.liveness import FileLocks; "
        "lock = FileLocks(Path(sys.argv[1])).take('w'); print(lock is not None, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", program, tmp_path], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"True\n"
        locks = FileLocks(tmp_path)
        assert locks.take("w") is None
        child.kill()
        child.wait()
        lock = locks.take("w")
        assert lock is not None
        lock.release()


@pytest.mark.postgresql
def test_on_postgresql_the_work_of_a_dead_worker_is_taken_up_by_another(tmp_path: Path, postgresql_database: str) -> None:
    with serving_blobs() as blobs:
        settings = Settings(
            data_dir=tmp_path / "data", database_url=postgresql_database, allowed_hosts=(blobs.netloc,), threads=2
        )
        store = Store.open(settings)
        engine = Engine(settings, store, blobs)
        gate = gate_after_a_shard(engine)
        with JobQueue(settings) as queue:
            killed_and_taken_up(engine, queue, gate)
        store.close()
