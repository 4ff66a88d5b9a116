"""How many images a fit can have in this machine's memory."""

import os
from pathlib import Path

from vision_customization.engine.learning.classification.everything import SAMPLE_IMAGES

FEATURES_SHARE = 0.25
"""Share of a worker's memory that a sample's features may take as float32. At its peak a fit needs 2.7 times as much
(measured). The networks, the images being processed and a concurrent evaluation need the rest."""

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUP = Path("/proc/self/cgroup")
_LIMIT_FILES = ("memory.max", "memory.limit_in_bytes")  # of cgroups' versions 2 and 1


def memory_bytes() -> int:
    """The memory that this process may use: the machine's, or its container's limit if that is less."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([machine, *(limit for folder in _cgroups() for limit in _limits(folder))])


def sample_images(dimensions: int, workers: int) -> int:
    """How many images a fit has in memory at most, with features of this length, if `workers` workers share the memory. Of a
    larger dataset it looks at a sample."""
    return min(SAMPLE_IMAGES, int(FEATURES_SHARE * memory_bytes() / max(1, workers)) // (4 * dimensions))


def _cgroups() -> list[Path]:
    """The folders that may hold a limit: the process's own group and all above it."""
    folders = [_CGROUPS, _CGROUPS / "memory"]
    try:
        lines = _OWN_CGROUP.read_text().splitlines()
    except OSError:
        return folders
    for line in lines:
        _, controllers, path = line.split(":", 2)
        root = _CGROUPS / "memory" if controllers else _CGROUPS
        if controllers in ("", "memory"):
            own = root / path.lstrip("/")
            folders += [own, *(folder for folder in own.parents if folder.is_relative_to(root))]
    return folders


def _limits(folder: Path) -> list[int]:
    limits = []
    for name in _LIMIT_FILES:
        try:
            text = (folder / name).read_text().strip()
        except OSError:
            continue
        if text.isdigit():  # else it is "max"
            limits.append(int(text))
    return limits
