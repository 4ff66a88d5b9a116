"""Paths: the checkout, its environment and local state, and the cache that all checkouts share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from common.cache_folder import cache_folder


@dataclass(frozen=True)
class Places:
    """The folders of one checkout."""

    checkout: Path
    cache: Path

    @property
    def environment(self) -> Path:
        return self.checkout / ".venv"

    @property
    def programs(self) -> Path:
        return self.environment / "bin"

    @property
    def python(self) -> Path:
        return self.programs / "python"

    @property
    def state(self) -> Path:
        """The folder of this checkout's local stack; ignored by git."""
        return self.checkout / ".vision"

    @property
    def weights(self) -> Path:
        return self.cache / "weights"

    @property
    def toolchain(self) -> Path:
        return self.checkout / "toolchain"

    @property
    def locks(self) -> Path:
        return self.toolchain / "locks"


def find_places() -> Places:
    """The paths of the checkout that contains this file."""
    return Places(checkout=Path(__file__).resolve().parents[1], cache=cache_folder())
