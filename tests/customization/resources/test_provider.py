import socket
import subprocess
import sys

import pytest

PROVIDER = """
import sys, time
from customization.resources.provider import end_with_engine
end_with_engine(sys.argv[1])
print("watching", flush=True)
time.sleep(60)
"""


@pytest.mark.process
def test_a_provider_process_ends_with_pulumis_engine() -> None:
    with socket.socket() as engine:
        engine.bind(("127.0.0.1", 0))
        engine.listen()
        address = f"127.0.0.1:{engine.getsockname()[1]}"
        provider = subprocess.Popen([sys.executable, "-c", PROVIDER, address], stdout=subprocess.PIPE, text=True)
        assert provider.stdout is not None
        assert provider.stdout.readline() == "watching\n"
        with pytest.raises(subprocess.TimeoutExpired):
            provider.wait(timeout=2)
    assert provider.wait(timeout=20) == 1
    provider.communicate()
