"""Pulumi's official bundle, checked against the checksums that its release publishes."""

from __future__ import annotations

import hashlib
import platform
import shutil
import ssl
import tarfile
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from toolchain.commands import say
from toolchain.errors import NotHere, ToolchainError

# The URL from which get.pulumi.com's installer script takes the bundle, and the release with the checksums.
BUNDLE = "https://get.pulumi.com/releases/sdk/{bundle}"
CHECKSUMS = "https://github.com/pulumi/pulumi/releases/download/v{version}/pulumi-{version}-checksums.txt"
# Short, so that a machine without network access tries the next way soon.
CONNECT_TIMEOUT_SECONDS = 5.0

Fetch = Callable[[str], bytes]


def bundle_name(version: str, system: str, machine: str) -> str:
    """The bundle's file name for a platform, given as `platform.system()` and `platform.machine()`.

    Raises:
        NotHere: Pulumi publishes none for it.
    """
    systems = {"Linux": "linux", "Darwin": "darwin"}
    machines = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}
    if system not in systems or machine.lower() not in machines:
        raise NotHere(f"Pulumi publishes no bundle for {system} on {machine}")
    return f"pulumi-v{version}-{systems[system]}-{machines[machine.lower()]}.tar.gz"


def checksum_of(bundle: str, checksums: str) -> str:
    """The SHA-256 that a checksums file (`<digest>  <file name>` per line) gives for a bundle.

    Raises:
        ToolchainError: it has no line for it.
    """
    for line in checksums.splitlines():
        digest, _, name = line.partition(" ")
        if name.strip().lstrip("*") == bundle:
            return digest.lower()
    raise ToolchainError(f"the release's checksums do not name {bundle}")


def _fetch(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=CONNECT_TIMEOUT_SECONDS, context=ssl.create_default_context()) as reply:  # noqa: S310
            data: bytes = reply.read()
            return data
    except (urllib.error.URLError, OSError) as error:
        raise NotHere(f"{url.split('/')[2]} can't be reached ({getattr(error, 'reason', error)})") from error


def fetch(version: str, folder: Path, get: Fetch = _fetch) -> None:
    """Put the bundle's programs into `folder`.

    Raises:
        NotHere: the bundle is not reachable, or does not exist for this platform.
        ToolchainError: the download does not match the release's checksum.
    """
    bundle = bundle_name(version, platform.system(), platform.machine())
    expected = checksum_of(bundle, get(CHECKSUMS.format(version=version)).decode())
    say(f"        downloading {bundle} (about 100 MB) …")
    archive = get(BUNDLE.format(bundle=bundle))
    found = hashlib.sha256(archive).hexdigest()
    if found != expected:
        raise ToolchainError(f"{bundle} has SHA-256 {found}, but the release lists {expected}. Do not use it; try again later")
    packed = folder.parent / bundle
    packed.write_bytes(archive)
    with tarfile.open(packed) as tar:
        # The `data` filter refuses members outside the folder; all supported Python versions have had it since 2023.
        tar.extractall(folder.parent / "bundle", filter="data")
    for program in (folder.parent / "bundle" / "pulumi").iterdir():
        shutil.move(str(program), folder / program.name)
