import os
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from vision_customization.engine.runtime.priority import NICENESS, give_way


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has priorities per thread")
def test_only_the_calling_thread_gives_way() -> None:
    before = os.getpriority(os.PRIO_PROCESS, 0)
    with ThreadPoolExecutor(1, initializer=give_way) as pool:
        assert pool.submit(os.getpriority, os.PRIO_PROCESS, 0).result() == min(19, before + NICENESS)
    assert os.getpriority(os.PRIO_PROCESS, 0) == before
