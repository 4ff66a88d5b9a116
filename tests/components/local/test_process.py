import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.support.waiting import wait_until
from vision_customization.components.local import process
from vision_customization.components.local.process import DetachedProcess

pytestmark = pytest.mark.process

FAMILY = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); time.sleep(60)"


def test_a_process_is_started_found_and_stopped_with_its_children(tmp_path: Path) -> None:
    started = process.start([sys.executable, "-c", FAMILY], environment={}, log_file=tmp_path / "log.txt")
    assert started.is_running()
    children = wait_until(psutil.Process(started.pid).children, "the process has a child", 10)
    started.stop()
    assert not started.is_running()
    wait_until(lambda: not any(child.is_running() for child in children), "the child is gone", 10)


def test_what_a_wrapper_leaves_ends_in_order(tmp_path: Path) -> None:
    """npx ends at the signal, and does not pass it on to the server that it has started."""
    server = (
        "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: (print('closed', flush=True), sys.exit())); "
        "print('up', flush=True); time.sleep(60)"
    )
    wrapper = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {server!r}]); time.sleep(60)"
    log_file = tmp_path / "log.txt"
    started = process.start([sys.executable, "-c", wrapper], environment={}, log_file=log_file)
    wait_until(lambda: process.last_lines(log_file) == "up", "the server is up", 10)
    begun = time.monotonic()
    started.stop()
    assert time.monotonic() - begun < process.STOP_SECONDS
    assert process.last_lines(log_file) == "up\nclosed"


def test_a_suspended_process_ends_in_order(tmp_path: Path) -> None:
    code = (
        "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: (print('ended'), sys.exit())); "
        "print('up', flush=True); time.sleep(60)"
    )
    log_file = tmp_path / "log.txt"
    started = process.start([sys.executable, "-c", code], environment={}, log_file=log_file)
    wait_until(lambda: process.last_lines(log_file) == "up", "the process is up", 10)
    psutil.Process(started.pid).suspend()
    begun = time.monotonic()
    started.stop()
    assert not started.is_running()
    assert time.monotonic() - begun < process.STOP_SECONDS
    assert process.last_lines(log_file) == "up\nended"


def test_a_number_that_another_process_has_now_is_never_stopped(tmp_path: Path) -> None:
    started = process.start(
        [sys.executable, "-c", "import time; time.sleep(60)"], environment={}, log_file=tmp_path / "log.txt"
    )
    boot, _, ticks = str(started.started).partition("/")
    former = psutil.Process(started.pid).create_time() - 100
    strangers = (f"{boot}/{int(ticks) - 1}", f"another boot/{ticks}", "ended", former)
    for stranger in (DetachedProcess(started.pid, value) for value in strangers):
        assert not stranger.is_running()
        stranger.stop()
    assert started.is_running()
    started.stop()


@pytest.mark.parametrize("seconds", [-3600.0, -1.0, 1.0, 86_400.0])
def test_a_step_of_the_clock_makes_no_stranger_of_a_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """NTP, or a laptop that was suspended: the time of creation, as it is computed from the clock, moves with it."""
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    started = process.start(command, environment={}, log_file=tmp_path / "log.txt")
    created = psutil.Process(started.pid).create_time()
    monkeypatch.setattr(psutil.Process, "create_time", lambda _: created + seconds)
    assert started.is_running()
    monkeypatch.undo()
    started.stop()
    assert not started.is_running()


def test_a_process_of_an_older_versions_state_is_found(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    started = process.start(command, environment={}, log_file=tmp_path / "log.txt")
    DetachedProcess(started.pid, psutil.Process(started.pid).create_time()).stop()
    assert not started.is_running()


def test_a_name_with_spaces_and_parentheses_does_not_hide_the_start(tmp_path: Path) -> None:
    program = tmp_path / "a) 1 (b"
    program.symlink_to("/bin/sleep")
    started = process.start([str(program), "60"], environment={}, log_file=tmp_path / "log.txt")
    assert started.is_running()
    started.stop()


def test_the_passphrase_is_not_handed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "secret words")
    log_file = tmp_path / "log.txt"
    code = "import os; print(os.environ.get('PULUMI_CONFIG_PASSPHRASE'), os.environ['GIVEN'])"
    started = process.start([sys.executable, "-c", code], environment={"GIVEN": "given"}, log_file=log_file)
    wait_until(lambda: not started.is_running(), "the process ends", 10)
    assert process.last_lines(log_file) == "None given"


def test_last_lines_of_no_log(tmp_path: Path) -> None:
    assert process.last_lines(tmp_path / "none") == ""
