"""How many images a job can learn from in this machine's memory. A larger job is refused at once, not killed after hours."""

import os
from pathlib import Path

from vision_customization.contract.errors import FailureCode
from vision_customization.engine.jobs.errors import JobFailed
from vision_customization.engine.jobs.images.plan import Part

FEATURES_SHARE = 0.25
"""Share of a worker's memory that a dataset's features may take. At its peak a fit needs 2.7 times as much (measured). The
networks, the images being processed and a concurrent evaluation need the rest."""

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUP = Path("/proc/self/cgroup")
_LIMIT_FILES = ("memory.max", "memory.limit_in_bytes")  # of cgroups' versions 2 and 1


def memory_bytes() -> int:
    """The memory that this process may use: the machine's, or its container's limit if that is less."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([machine, *(limit for folder in _cgroups() for limit in _limits(folder))])


def images_max(dimensions: int, workers: int) -> int:
    """How many images a job may have if their features are float32 [dimensions] and `workers` workers share the memory."""
    return int(FEATURES_SHARE * memory_bytes() / max(1, workers)) // (4 * dimensions)


def check_memory(part: Part, dimensions: int, workers: int) -> None:
    """Raises JobFailed if the memory is too small for the images. A detector's images are not kept in memory."""
    if part.boxed:
        return
    most = images_max(dimensions, workers)
    if len(part.images) > most:
        share = f", shared by {workers} workers" if workers > 1 else ""
        message = (
            f"Dataset '{part.dataset}' has {len(part.images):,} images, but the memory of this engine "
            f"({memory_bytes() / 2**30:.1f} GiB{share}) is enough for {most:,}. "
            "Give it more memory, or register fewer images."
        )
        raise JobFailed(FailureCode.UNKNOWN, message)


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
