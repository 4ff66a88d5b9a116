"""How much memory there is for a job."""

from pathlib import Path

import pytest

from vision_customization.engine.jobs.images import memory
from vision_customization.engine.learning.classification.views import DIMENSIONS

GIB = 2**30


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of 64 GiB; the folder is its `/sys/fs/cgroup`."""
    monkeypatch.setattr("os.sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 64 * GIB // 4096}.__getitem__)
    monkeypatch.setattr(memory, "_CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(memory, "_OWN_CGROUP", tmp_path / "own")
    return tmp_path / "cgroup"


@pytest.mark.parametrize(
    ("own", "limits", "gib"),
    [
        (None, {}, 64),
        ("0::/", {"memory.max": f"{4 * GIB}"}, 4),
        ("0::/", {"memory.max": "max"}, 64),
        ("0::/a.slice/b.service", {"a.slice/b.service/memory.max": f"{8 * GIB}", "a.slice/memory.max": f"{6 * GIB}"}, 6),
        ("0::/host/only/seen/outside", {"memory.max": f"{3 * GIB}"}, 3),
        ("4:memory:/docker/1\n3:cpu,cpuacct:/x", {"memory/docker/1/memory.limit_in_bytes": f"{2 * GIB}"}, 2),
        ("4:memory:/docker/1", {"memory/memory.limit_in_bytes": "9223372036854771712"}, 64),
    ],
)
def test_the_memory_is_the_machines_or_the_least_that_its_groups_allow(
    machine: Path, own: str | None, limits: dict[str, str], gib: int
) -> None:
    if own is not None:
        (machine.parent / "own").write_text(own + "\n")
    for name, limit in limits.items():
        (machine / name).parent.mkdir(parents=True, exist_ok=True)
        (machine / name).write_text(limit + "\n")
    assert memory.memory_bytes() == gib * GIB


@pytest.mark.parametrize(("gib", "workers", "images"), [(64, 1, 20_000), (4, 1, 20_000), (2, 1, 11_000), (4, 2, 11_000)])
def test_in_a_small_memory_a_sample_is_smaller(monkeypatch: pytest.MonkeyPatch, gib: int, workers: int, images: int) -> None:
    monkeypatch.setattr(memory, "memory_bytes", lambda: gib * GIB)
    assert round(memory.sample_images(DIMENSIONS, workers), -3) == images
