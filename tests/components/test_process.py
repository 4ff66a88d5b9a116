import sys
import time
from pathlib import Path

import psutil
import pytest

from components import process
from components.process import DetachedProcess

pytestmark = pytest.mark.process

FAMILY = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); time.sleep(60)"


def test_a_process_is_started_found_and_stopped_with_its_children(tmp_path: Path) -> None:
    started = process.start([sys.executable, "-c", FAMILY], environment={}, log_file=tmp_path / "log.txt")
    assert started.is_running()
    deadline = time.monotonic() + 10
    while not (children := psutil.Process(started.pid).children()) and time.monotonic() < deadline:
        time.sleep(0.05)
    started.stop()
    assert not started.is_running()
    assert not any(child.is_running() for child in children)


def test_a_number_that_another_process_has_now_is_never_stopped(tmp_path: Path) -> None:
    started = process.start(
        [sys.executable, "-c", "import time; time.sleep(60)"], environment={}, log_file=tmp_path / "log.txt"
    )
    stranger = DetachedProcess(started.pid, started.started - 100)
    assert not stranger.is_running()
    stranger.stop()
    assert started.is_running()
    started.stop()


def test_the_passphrase_is_not_handed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "secret words")
    log_file = tmp_path / "log.txt"
    code = "import os; print(os.environ.get('PULUMI_CONFIG_PASSPHRASE'), os.environ['GIVEN'])"
    started = process.start([sys.executable, "-c", code], environment={"GIVEN": "given"}, log_file=log_file)
    deadline = time.monotonic() + 10
    while started.is_running() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert process.last_lines(log_file) == "None given"


def test_last_lines_of_no_log(tmp_path: Path) -> None:
    assert process.last_lines(tmp_path / "none") == ""
