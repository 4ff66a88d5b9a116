"""What Container Apps and Container Apps jobs share: what the platform gives them, and the thread that keeps them running."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.stacks.azure.authority import Authority
from tests.stacks.azure.container_process import platform_environment
from tests.stacks.azure.identity import IdentityEndpoint, Place
from tests.stacks.azure.scale_rule import ScalerFailed, ScaleRule

PROCESSES_MAX = 2
"""Replicas of one app, or executions of one job, that are played at once, at most."""


@dataclass(frozen=True)
class Platform:
    """`count` is what KEDA's scaler of a rule counts. It raises ScalerFailed."""

    identities: IdentityEndpoint
    authority: Authority
    count: Callable[[ScaleRule], float]

    def open(self, place: Place) -> tuple[str, dict[str, str]]:
        """The header with which a container gets tokens for its identities, and the container's environment."""
        header = self.identities.open(place)
        return header, platform_environment(self.identities, header, self.authority)

    def close(self, headers: Iterable[str]) -> None:
        for header in headers:
            self.identities.close(header)


class ContainerWorkload(ABC):
    """An app or a job. It lives from the first `apply` to `stop`."""

    def __init__(self, name: str, folder: Path, platform: Platform) -> None:
        self.name = name
        self._folder = folder
        self._platform = platform
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._keeper = threading.Thread(target=self._keep, daemon=True)

    @abstractmethod
    def _keep(self) -> None:
        """Keep running what is declared, until `_stopped`."""

    def _start_keeping(self) -> None:
        if not self._keeper.is_alive():
            self._keeper.start()

    def _stop_keeping(self) -> None:
        self._stopped.set()
        if self._keeper.is_alive():
            self._keeper.join()


def note_scaler_failure(folder: Path, error: ScalerFailed) -> None:
    """Write what the platform's log would have."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scale.txt").write_text(f"KEDAScalerFailed: {error}")
