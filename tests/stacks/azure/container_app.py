"""A Container App: its containers as processes of this machine, behind TLS, healthy before they are called, kept running."""

import contextlib
import http.client
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.stacks.azure.container_process import Replica, run_to_its_end, start, system_identity
from tests.stacks.azure.container_spec import AppSpec, Probe
from tests.stacks.azure.container_workload import PROCESSES_MAX, ContainerWorkload, Platform, note_scaler_failure
from tests.stacks.azure.front import AZURE_HOST, OWN_HOST, Answer, Body, Call, Server, Upstream
from tests.stacks.azure.identity import Place
from tests.stacks.azure.scale_rule import ScalerFailed, ScaleRule
from tests.stacks.azure.world import WorldFailure
from vision_customization.components.local.process import last_lines

START_SECONDS = 240
RESTART_SECONDS = 5.0
"""What is waited with a replica in place of one that ended."""

_TICK_SECONDS = 0.5


@dataclass
class Revision:
    """One declaration of an app, and what runs of it."""

    name: str
    spec: AppSpec
    folder: Path
    environment: Mapping[str, str]
    init_environment: Mapping[str, str]
    count: Callable[[ScaleRule], float]
    stopping: threading.Event = field(default_factory=threading.Event)
    changing: threading.Lock = field(default_factory=threading.Lock)
    replicas: list[Replica] = field(default_factory=list)
    started: int = 0
    start_after: float = 0.0
    idle_since: float | None = None

    def start_replica(self) -> None:
        """Start one more, and wait until it is healthy. Raises WorldFailure, with the end of its log."""
        self.started += 1
        names = {"CONTAINER_APP_REVISION": self.name, "CONTAINER_APP_REPLICA_NAME": f"{self.name}-{self.started}"}
        place = self.folder / str(self.started)
        for name, container in self.spec.init_containers.items():
            if end := run_to_its_end(container, place / name, {**self.init_environment, **names}, START_SECONDS):
                raise WorldFailure(
                    400,
                    "ContainerAppOperationError",
                    f"Failed to provision revision '{self.name}': init container {name} {end}",
                )
        replica = start(self.spec.container, place, {**self.environment, **names})
        try:
            self._await(replica)
        except BaseException:
            replica.stop()
            raise
        self.replicas.append(replica)

    def _await(self, replica: Replica) -> None:
        deadline = time.monotonic() + START_SECONDS
        for probe in self.spec.container.probes:
            while (found := ask(probe, replica.port)) is not None:
                if not replica.is_running():
                    raise self._failure(f"the container exited with {replica.process.returncode}", replica)
                if time.monotonic() > deadline or self.stopping.wait(0.1):
                    raise self._failure(f"probe {probe.kind} of {probe.path}: {found}", replica)

    def _failure(self, why: str, replica: Replica) -> WorldFailure:
        end = last_lines(replica.log_file)
        return WorldFailure(400, "ContainerAppOperationError", f"Failed to provision revision '{self.name}': {why}\n{end}")

    def keep(self) -> None:
        """Replace replicas that ended, after a while, and follow the queue."""
        with self.changing:
            running = [replica for replica in self.replicas if replica.is_running()]
            if len(running) < len(self.replicas):
                self.start_after = time.monotonic() + RESTART_SECONDS
            self.replicas = running
            wanted = self._wanted()
            while len(self.replicas) < wanted and time.monotonic() >= self.start_after and not self.stopping.is_set():
                self.start_replica()
            while len(self.replicas) > wanted:
                self.replicas.pop().stop()

    def _wanted(self) -> int:
        spec = self.spec
        least = spec.min_replicas
        if spec.queue is not None:
            try:
                waiting = spec.queue.replicas(self.count(spec.queue))
            except ScalerFailed as error:
                note_scaler_failure(self.folder, error)
                waiting = len(self.replicas)
            self.idle_since = None if waiting else self.idle_since or time.monotonic()
            cooling = self.idle_since is None or time.monotonic() - self.idle_since < spec.cooldown_seconds
            least = max(least, waiting, len(self.replicas) if cooling else 0)
        return min(least, spec.max_replicas, PROCESSES_MAX)

    def stop(self) -> None:
        self.stopping.set()
        with self.changing:
            while self.replicas:
                self.replicas.pop().stop()


class ContainerApp(ContainerWorkload):
    """Its address stays the same across revisions."""

    def __init__(self, name: str, folder: Path, platform: Platform) -> None:
        super().__init__(name, folder, platform)
        self._revision: Revision | None = None
        self._revisions = 0
        self._calls = 0
        self._front: Server | None = None
        self._headers: list[str] = []

    @property
    def fqdn(self) -> str | None:
        return self._front.authority if self._front else None

    def processes(self) -> list[int]:
        """Ids of the replicas that run."""
        with self._lock:
            replicas = self._revision.replicas if self._revision else []
            return [replica.process.pid for replica in replicas if replica.is_running()]

    def apply(self, inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> str | None:
        """Run it as it is declared; its name in DNS, if it has ingress. The old revision serves until the new one is healthy.

        Raises WorldFailure.
        """
        spec = AppSpec.of(inputs)
        former = self._revision
        if former is not None and not spec.needs_a_revision(former.spec):
            former.spec = spec  # a replica that starts from now on has the new secrets
            return self.fqdn
        self._revisions += 1
        name = f"{self.name}--{self._revisions:07d}"
        own = system_identity(outputs)
        phases = (spec.container, *list(spec.init_containers.values())[:1])
        opened = [self._platform.open(Place(own, container.identity_ids)) for container in phases]
        headers = [header for header, _ in opened]
        environments = [environment | {"CONTAINER_APP_NAME": self.name} for _, environment in opened]
        revision = Revision(name, spec, self._folder / name, environments[0], environments[-1], self._platform.count)
        try:
            for _ in range(min(spec.min_replicas, PROCESSES_MAX)):
                revision.start_replica()
        except WorldFailure:
            revision.stop()
            self._platform.close(headers)
            raise
        with self._lock:
            self._revision = revision
        if former is not None:
            former.stop()
        self._platform.close(self._headers)
        self._headers = headers
        if spec.has_ingress and self._front is None:
            self._front = Server(self._respond, host=AZURE_HOST, context=self._platform.authority.server_context())
        elif not spec.has_ingress and self._front is not None:
            self._front.stop()
            self._front = None
        self._start_keeping()
        return self.fqdn

    def stop(self) -> None:
        if self._revision is not None:
            self._revision.stopping.set()  # the keeper may wait for a replica
        self._stop_keeping()
        if self._front is not None:
            self._front.stop()
        if self._revision is not None:
            self._revision.stop()
        self._platform.close(self._headers)

    def _keep(self) -> None:
        while not self._stopped.wait(_TICK_SECONDS):
            with self._lock:
                revision = self._revision
            if revision is not None:
                with contextlib.suppress(WorldFailure):  # the log has it, and it is tried again
                    revision.keep()

    def _respond(self, _call: Call, _body: Body) -> Answer | Upstream:
        with self._lock:
            replicas = self._revision.replicas if self._revision else []
            running = [replica for replica in replicas if replica.is_running()]
            self._calls += 1
            if not running:
                return Answer(503, b"no replica of the app is running", {"Content-Type": "text/plain"})
            return Upstream(OWN_HOST, running[self._calls % len(running)].port)


def ask(probe: Probe, port: int) -> str | None:
    """What is wrong with a probe's answer; None if nothing is."""
    connection = http.client.HTTPConnection(OWN_HOST, port, timeout=10)
    try:
        connection.request("GET", probe.path, headers=dict(probe.headers))
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return repr(error)
    finally:
        connection.close()
    return None if 200 <= status < 400 else f"answered {status}"
