"""Processes of a benchmark: those that are not measured sleep, and all end."""

import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from benchmarks.processes import asleep, resident_megabytes, stop_all

CHILD = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1, flush=True); input()'])"


@pytest.fixture
def parents() -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Two processes, each with a child that waits for input."""
    started = [subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(2)]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == b"1\n"  # the child runs
    yield started
    for process in started:
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()
        stop_all(process, 5.0)


def stopped(process: "subprocess.Popen[bytes]") -> list[bool]:
    """Of the process and its child."""
    root = psutil.Process(process.pid)
    return [each.status() == psutil.STATUS_STOPPED for each in (root, *root.children(recursive=True))]


def test_only_the_one_that_is_awake_runs(parents: list["subprocess.Popen[bytes]"]) -> None:
    first, second = parents
    with asleep([first.pid, second.pid]) as awake:
        assert stopped(first) == stopped(second) == [True, True]
        with awake(first.pid):
            assert (stopped(first), stopped(second)) == ([False, False], [True, True])
        assert stopped(first) == [True, True]
    assert stopped(first) == stopped(second) == [False, False]


def test_all_run_again_after_an_error(parents: list["subprocess.Popen[bytes]"]) -> None:
    with pytest.raises(RuntimeError), asleep([parent.pid for parent in parents]) as awake, awake(parents[0].pid):
        raise RuntimeError
    assert [stopped(parent) for parent in parents] == [[False, False]] * 2


def test_a_process_ends_with_those_that_it_started(parents: list["subprocess.Popen[bytes]"]) -> None:
    [child] = psutil.Process(parents[0].pid).children()
    assert resident_megabytes(parents[0].pid) > resident_megabytes(child.pid) > 0
    stop_all(parents[0], 0.2)
    assert parents[0].poll() is not None
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
    assert resident_megabytes(parents[0].pid) == 0
