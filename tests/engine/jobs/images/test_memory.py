"""How much memory there is for a job."""

from pathlib import Path

import pytest

from vision_customization.engine.jobs.images import memory

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


def test_on_a_small_machine_there_is_room_for_as_many_images_as_docs_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "memory_bytes", lambda: 8 * GIB)
    assert round(memory.images_max(10_720, 1), -3) == 50_000
    assert memory.images_max(10_720, 2) == memory.images_max(10_720, 1) // 2
