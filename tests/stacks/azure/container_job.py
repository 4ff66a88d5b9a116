"""A Container Apps job: its executions as processes of this machine, started by hand, or as KEDA starts those of a queue."""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.stacks.azure.container_process import Replica, start, system_identity
from tests.stacks.azure.container_spec import JobSpec
from tests.stacks.azure.container_workload import PROCESSES_MAX, ContainerWorkload, Platform, note_scaler_failure
from tests.stacks.azure.identity import Place
from tests.stacks.azure.scale_rule import ScalerFailed

_TICK_SECONDS = 0.25

RUNNING, SUCCEEDED, FAILED = "Running", "Succeeded", "Failed"
"""https://learn.microsoft.com/rest/api/containerapps/jobs-executions/list#jobexecutionrunningstate"""


@dataclass
class Execution:
    """It keeps what was declared when it started. Nothing ends it but itself, its time limit, and the end of the job."""

    name: str
    spec: JobSpec
    environment: Mapping[str, str]
    folder: Path
    started: float = field(default_factory=time.time)
    status: str = RUNNING
    replicas: list[Replica] = field(default_factory=list)
    """One for each attempt."""

    def attempt(self) -> None:
        names = {
            "CONTAINER_APP_JOB_EXECUTION_NAME": self.name,
            "CONTAINER_APP_REPLICA_NAME": f"{self.name}-{len(self.replicas)}",
        }
        place = self.folder / str(len(self.replicas) + 1)
        self.replicas.append(start(self.spec.container, place, {**self.environment, **names}))

    def keep(self) -> None:
        """See whether the replica has ended, or must."""
        replica = self.replicas[-1]
        if self.status != RUNNING:
            return
        if replica.is_running():
            if time.time() - self.started > self.spec.timeout_seconds:
                self.end()
        elif replica.process.returncode == 0:
            self.status = SUCCEEDED
        elif len(self.replicas) <= self.spec.retries:
            self.attempt()
        else:
            self.status = FAILED

    def end(self) -> None:
        self.replicas[-1].stop()
        self.status = FAILED


class ContainerJob(ContainerWorkload):
    """A change leaves the executions alone that run."""

    def __init__(self, name: str, folder: Path, platform: Platform) -> None:
        super().__init__(name, folder, platform)
        self._spec: JobSpec | None = None
        self._headers: list[str] = []
        self._environment: dict[str, str] = {}
        self._executions: list[Execution] = []

    def executions(self) -> list[Execution]:
        """All of them, the oldest first."""
        with self._lock:
            return list(self._executions)

    def processes(self) -> list[int]:
        """Ids of the processes that run."""
        replicas = [execution.replicas[-1] for execution in self.executions()]
        return [replica.process.pid for replica in replicas if replica.is_running()]

    def apply(self, inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> None:
        """Take what is declared for the executions to come. Raises WorldFailure."""
        spec = JobSpec.of(inputs)
        if spec == self._spec:
            return
        header, environment = self._platform.open(Place(system_identity(outputs), spec.container.identity_ids))
        with self._lock:
            self._headers.append(header)  # executions that run keep theirs
            self._environment = environment | {"CONTAINER_APP_JOB_NAME": self.name}
            self._spec = spec
        self._start_keeping()

    def start(self) -> Execution:
        """Start an execution, whatever the trigger."""
        with self._lock:
            assert self._spec is not None
            name = f"{self.name}-{secrets.token_hex(4)[:7]}"
            execution = Execution(name, self._spec, dict(self._environment), self._folder / name)
            execution.attempt()
            self._executions.append(execution)
            return execution

    def stop(self) -> None:
        self._stop_keeping()
        for execution in self.executions():
            if execution.status == RUNNING:
                execution.end()
        self._platform.close(self._headers)

    def _keep(self) -> None:
        asked = 0.0
        while not self._stopped.wait(_TICK_SECONDS):
            for execution in self.executions():
                execution.keep()
            spec = self._spec
            if spec is None or spec.queue is None or time.monotonic() - asked < spec.polling_seconds:
                continue
            asked = time.monotonic()
            for _ in range(self._missing(spec)):
                self.start()

    def _missing(self, spec: JobSpec) -> int:
        """How many executions to start now. What runs is never ended for it."""
        running = sum(execution.status == RUNNING for execution in self.executions())
        assert spec.queue is not None
        if running < spec.min_executions:
            return spec.min_executions - running
        try:
            value = self._platform.count(spec.queue)
        except ScalerFailed as error:
            note_scaler_failure(self._folder, error)
            return 0
        return spec.queue.executions(value, running, min(spec.max_executions, PROCESSES_MAX))
