"""A container of an app or a job as a process of this machine: what the platform gives it, and how it ends."""

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.stacks.azure.authority import Authority
from tests.stacks.azure.container_spec import PROGRAM, Container, variable_of
from tests.stacks.azure.directory import Principal
from tests.stacks.azure.front import OWN_HOST
from tests.stacks.azure.identity import IdentityEndpoint
from tests.support.places import CHECKOUT
from vision_customization.components.local.process import DetachedProcess, last_lines

_INHERITED = ("HOME", "LANG", "LC_ALL", "TMPDIR", "XDG_CACHE_HOME", "VISION_CACHE_DIR", "VISION_ENGINE_ROLE_WAIT_SECONDS")


@dataclass
class Replica:
    process: "subprocess.Popen[bytes]"
    detached: DetachedProcess
    port: int
    log_file: Path

    def is_running(self) -> bool:
        return self.process.poll() is None

    def stop(self) -> None:
        self.detached.stop()
        self.process.wait()


def run_to_its_end(container: Container, place: Path, environment: Mapping[str, str], seconds: float) -> str:
    """Run an init container, with what it writes in the new folder `place`. How it failed; empty if it did not."""
    place.mkdir(parents=True)
    log_file = place / "log.txt"
    with log_file.open("ab") as log:
        done = subprocess.run(
            [Path(sys.executable).parent / PROGRAM, *container.arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=place,
            env={**environment, **container.environment},
            timeout=seconds,
            check=False,
        )
    return f"exited with {done.returncode}\n{last_lines(log_file)}" if done.returncode else ""


def start(container: Container, place: Path, environment: Mapping[str, str]) -> Replica:
    """Start a container, with what it writes in the new folder `place`."""
    place.mkdir(parents=True, exist_ok=True)
    port = _free_port()
    own = {
        variable_of("host"): OWN_HOST,
        variable_of("port"): str(port),
        variable_of("health-port"): str(port),  # of a worker, which has no other
        variable_of("data-dir"): str(place / "data"),
    }
    log_file = place / "log.txt"
    with log_file.open("ab") as log:
        process = subprocess.Popen(
            [Path(sys.executable).parent / PROGRAM, *container.arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=place,
            env={**environment, **container.environment, **own},
            start_new_session=True,
        )
    return Replica(process, DetachedProcess(process.pid, psutil.Process(process.pid).create_time()), port, log_file)


def platform_environment(identities: IdentityEndpoint, header: str, authority: Authority) -> dict[str, str]:
    """What the platform gives, and nothing of the deployer."""
    search = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {
        **{name: os.environ[name] for name in _INHERITED if name in os.environ},
        "PATH": search,
        "PYTHONPATH": str(CHECKOUT / "src"),  # the image is made of this checkout
        "PYTHONUNBUFFERED": "1",
        "IDENTITY_ENDPOINT": identities.url,
        "IDENTITY_HEADER": header,
        "SSL_CERT_FILE": str(authority.ca_file),
        "REQUESTS_CA_BUNDLE": str(authority.ca_file),
    }


def system_identity(outputs: Mapping[str, Any]) -> Principal | None:
    object_id = (outputs.get("identity") or {}).get("principalId")
    return Principal(object_id, object_id) if object_id else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((OWN_HOST, 0))
        return int(probe.getsockname()[1])
