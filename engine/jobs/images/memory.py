"""How many images a job can learn from in this machine's memory, so that it is refused at once and not killed after hours."""

import os
from pathlib import Path

from vision_customization.contract.errors import FailureCode
from vision_customization.engine.jobs.errors import JobFailed
from vision_customization.engine.jobs.images.plan import Part

FEATURES_SHARE = 0.25
"""Of a worker's memory, what the features of a dataset may take. A fit was measured to need 2.7 times as much at its peak, and
the networks, the images on their way and an evaluation at the same time need the rest."""

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUP = Path("/proc/self/cgroup")
_LIMIT_FILES = ("memory.max", "memory.limit_in_bytes")  # of cgroups' versions 2 and 1


def memory_bytes() -> int:
    """The memory that this process may have: the machine's, or its container's if that is less."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([machine, *(limit for folder in _cgroups() for limit in _limits(folder))])


def images_max(dimensions: int, workers: int) -> int:
    """How many images a job may have whose features are float32 [dimensions], where `workers` workers share the memory."""
    return int(FEATURES_SHARE * memory_bytes() / max(1, workers)) // (4 * dimensions)


def check_memory(part: Part, dimensions: int, workers: int) -> None:
    """Raises JobFailed where the images are more than there is memory for. A detector's are not kept in memory."""
    if part.boxed:
        return
    most = images_max(dimensions, workers)
    if len(part.images) > most:
        share = f", shared by {workers} workers" if workers > 1 else ""
        message = (
            f"Dataset '{part.dataset}' has {len(part.images):,} images; in the memory of this engine "
            f"({memory_bytes() / 2**30:.1f} GiB{share}) it can learn from {most:,}: "
            "give it more memory, or register fewer images."
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
