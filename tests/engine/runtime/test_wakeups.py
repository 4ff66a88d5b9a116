"""Wake-ups between processes, and what happens when they get lost."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.postgresql import PostgreSQL
from tests.support.waiting import wait_until
from vision_customization.engine.api.connections import raise_file_limit
from vision_customization.engine.runtime import wakeups
from vision_customization.engine.runtime.wakeups import Wakeups, open_wakeups

Open = Callable[[], Wakeups]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the wake-ups of one engine; each time as another process would."""
    url = request.getfixturevalue("postgresql_database") if request.param == "postgresql" else "sqlite:///engine.sqlite"
    with ExitStack() as stack:

        def open_another() -> Wakeups:
            another = open_wakeups(url, tmp_path / "a folder with a long name" / ("x" * 120))
            stack.callback(another.close)
            return another

        yield open_another


class Sleeper:
    """Counts how often it is woken."""

    def __init__(self) -> None:
        self.count = 0
        self.woken = threading.Event()

    def __call__(self) -> None:
        self.count += 1
        self.woken.set()

    def sleeps(self, seconds: float = 0.3) -> bool:
        """Whether nobody wakes it from now on, for so long."""
        self.woken.clear()
        return not self.woken.wait(seconds)


def test_one_wakes_all_processes_and_itself(opened: Open) -> None:
    first, second, waker = opened(), opened(), opened()
    sleepers = [Sleeper() for _ in range(4)]
    for each, sleeper in zip((first, first, second, waker), sleepers, strict=True):
        each.subscribe(sleeper)
    time.sleep(0.3)  # a new connection also calls, in case it came late
    for _ in range(2):
        for sleeper in sleepers:
            sleeper.woken.clear()
        waker.wake()
        assert all(sleeper.woken.wait(2) for sleeper in sleepers)
    assert all(sleeper.sleeps() for sleeper in sleepers)


def test_who_has_closed_is_not_called_and_disturbs_nobody(opened: Open) -> None:
    gone, stays, waker = opened(), opened(), opened()
    closed, open_ = Sleeper(), Sleeper()
    gone.subscribe(closed)
    stays.subscribe(open_)
    gone.close()
    time.sleep(0.3)
    open_.woken.clear()
    waker.wake()
    assert open_.woken.wait(2)
    assert closed.sleeps()


def test_what_is_woken_at_last_before_closing_still_arrives(opened: Open) -> None:
    stays, waker = opened(), opened()
    sleeper = Sleeper()
    stays.subscribe(sleeper)
    time.sleep(0.3)
    sleeper.woken.clear()
    waker.wake()
    waker.close()
    assert sleeper.woken.wait(2)


def test_nobody_need_listen(opened: Open) -> None:
    opened().wake()


def test_many_wake_ups_at_once_never_block(opened: Open) -> None:
    """More than a pipe holds, while the thread that listens is busy."""
    busy, waker = opened(), opened()
    release = threading.Event()
    busy.subscribe(lambda: release.wait(20))
    begun = time.monotonic()
    for _ in range(70_000 if isinstance(busy, wakeups.PipeWakeups) else 1_000):
        waker.wake()
    assert time.monotonic() - begun < 15
    release.set()


def test_the_pipe_of_a_killed_process_is_deleted_by_the_next_wake_up(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path;"
        "from vision_customization.engine.runtime.wakeups import PipeWakeups;"
        "PipeWakeups(Path(sys.argv[1])).subscribe(lambda: print('woken', flush=True));"
        "print('listens', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "listens\n"
        waker = wakeups.PipeWakeups(tmp_path)
        waker.wake()
        assert other.stdout.readline() == "woken\n"
        assert len(list(tmp_path.iterdir())) == 1
        other.send_signal(signal.SIGKILL)
        other.wait()
    waker.wake()
    assert list(tmp_path.iterdir()) == []


def test_without_named_pipes_it_calls_every_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(path: Path, mode: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "mkfifo", refuse)
    monkeypatch.setattr(wakeups, "_POLLING_SECONDS", 0.01)
    polled, sleeper = wakeups.PipeWakeups(tmp_path), Sleeper()
    polled.subscribe(sleeper)
    wait_until(lambda: sleeper.count > 3, "it is called again and again", 5)
    polled.wake()
    polled.close()
    assert sleeper.sleeps(0.1)
    assert [record.getMessage() for record in caplog.records] == [
        f"named pipes do not work in {tmp_path} (Operation not permitted): the engine looks for work every second"
    ]


@pytest.mark.postgresql
def test_it_listens_again_after_a_restart_of_postgresql(
    postgresql: PostgreSQL, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = postgresql.url(postgresql.create_database())
    listener, waker = open_wakeups(url, tmp_path), open_wakeups(url, tmp_path)
    sleeper = Sleeper()

    def pauses() -> list[str]:
        return [text for text in (record.getMessage() for record in caplog.records) if "PostgreSQL does not answer" in text]

    listener.subscribe(sleeper)
    assert sleeper.woken.wait(5)
    waker.wake()
    wait_until(lambda: sleeper.count > 1, "it is woken", 5)
    postgresql.stop()
    try:
        wait_until(lambda: len(pauses()) == 2, "both notice", 10)
        waker.wake()  # sent when it can be
        assert sleeper.sleeps()
    finally:
        postgresql.start()
    assert sleeper.woken.wait(10), "it is not called although wake-ups may have been lost"
    connections = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{make_url(url).database}'"
    wait_until(lambda: postgresql.execute(connections) == [(2,)], "both are connected again", 10)
    time.sleep(0.3)
    sleeper.woken.clear()
    waker.wake()
    assert sleeper.woken.wait(2)
    listener.close()
    waker.close()
    assert len(pauses()) == 2, "each says once that it pauses"
    wait_until(lambda: postgresql.execute(connections) == [(0,)], "no connection stays", 5)


def test_they_work_in_a_process_with_very_many_open_files(opened: Open) -> None:
    """`select` knows no descriptor above 1,023. An API may have 2,048 connections."""
    if raise_file_limit() < 1200:
        pytest.skip("this system allows fewer open files")
    with ExitStack() as stack:
        null = os.open(os.devnull, os.O_RDONLY)
        stack.callback(os.close, null)
        for _ in range(1030):
            stack.callback(os.close, os.dup(null))
        listener, waker, sleeper = opened(), opened(), Sleeper()
        listener.subscribe(sleeper)
        time.sleep(0.3)
        sleeper.woken.clear()
        waker.wake()
        assert sleeper.woken.wait(5)
