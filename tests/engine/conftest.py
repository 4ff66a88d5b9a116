import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.exported_model import Exported, export
from vision_customization.common.cache_folder import cache_folder
from vision_customization.engine.jobs.process import dbos_threads
from vision_customization.engine.learning import WeightsError, ensure_weights


def pytest_configure() -> None:
    """JAX compiles a step of a detector's training once for all tests and for later runs. It heeds its own version."""
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache_folder() / "jax"))


@pytest.fixture(scope="session", autouse=True)
def dbos_stops_soon() -> Iterator[None]:
    """Before a worker in this process stops, DBOS sleeps to the end of this interval. An engine's process just ends."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dbos_threads, "NOTHING_SECONDS", 0.2)
        yield


@pytest.fixture(scope="session")
def weights_dir() -> Path:
    folder = cache_folder() / "weights"
    try:
        ensure_weights(folder)
    except WeightsError as error:
        pytest.skip(str(error))
    return folder


@pytest.fixture(scope="session")
def exported(weights_dir: Path) -> Exported:
    return export(weights_dir, ("cat", "dög"))
