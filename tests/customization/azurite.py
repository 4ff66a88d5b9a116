"""A real Azurite on a loopback port, for as long as a context lasts."""

import base64
import contextlib
import os
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.waiting import wait_until

PROGRAM = shutil.which("azurite-blob", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
ACCOUNT = "visiontest"
ACCOUNT_KEY = base64.b64encode(b"a key for tests alone, 32 bytes+").decode()
START_SECONDS = 60


@dataclass(frozen=True)
class Azurite:
    url: str

    def container(self, name: str) -> str:
        return f"{self.url}/{ACCOUNT}/{name}"


def program(service: str) -> list[str]:
    """The command of a service of Azurite, `blob` or `queue`; the launcher of the first names the files of both."""
    assert PROGRAM is not None
    if service == "blob":
        return [PROGRAM]
    _, node, script, *_ = shlex.split(Path(PROGRAM).read_text().splitlines()[-1])
    return [node, str(Path(script).parents[1] / service / "main.js")]


@contextlib.contextmanager
def azurite(
    folder: Path,
    *,
    account: str = ACCOUNT,
    key: str = ACCOUNT_KEY,
    certificate: tuple[Path, Path] | None = None,
    service: str = "blob",
) -> Iterator[Azurite]:
    """With `certificate` (files of it and of its key in PEM) over https, and with bearer tokens beside the key."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [*program(service), "--silent", "--skipApiVersionCheck", "--location", str(folder), f"--{service}Port", str(port)]
    if certificate is not None:
        command += ["--oauth", "basic", "--cert", str(certificate[0]), "--key", str(certificate[1])]
    environ = {**os.environ, "AZURITE_ACCOUNTS": f"{account}:{key}"}

    def listens() -> bool:
        assert process.poll() is None, "Azurite ended"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        return False

    with subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(listens, "Azurite listens", START_SECONDS)
            yield Azurite(f"{'https' if certificate else 'http'}://127.0.0.1:{port}")
        finally:
            # On SIGTERM it waits for its clients to hang up, a minute and more.
            process.kill()
