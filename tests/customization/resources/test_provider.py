import subprocess
import sys
import time

import psutil
import pytest

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]])
print(child.pid, flush=True)
time.sleep(60)
"""
CHILD = """
import time
from customization.resources.provider import end_with_parent
end_with_parent()
time.sleep(60)
"""


@pytest.mark.process
def test_a_provider_process_ends_with_the_cli_that_started_it() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, CHILD], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    deadline = time.monotonic() + 20
    while child.num_threads() < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    parent.kill()
    parent.communicate()
    child.wait(timeout=20)
    assert not child.is_running()
