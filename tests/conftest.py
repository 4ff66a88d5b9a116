"""What tests of several packages share: their order, and a real PostgreSQL."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgresql import NOT_INSTALLED, PostgreSQL, binaries, running_postgresql

IN_CI = os.environ.get("CI") == "true"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the modules that deploy whole stacks: a long one that comes last would leave the other processes idle."""
    long = {item.path for item in items if item.get_closest_marker("stack")}
    items.sort(key=lambda item: item.path not in long)
    if not IN_CI:
        for item in items:
            if item.get_closest_marker("ci"):
                item.add_marker(pytest.mark.skip(reason="takes minutes, so it runs in CI, or with CI=true"))


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A server for all tests; each takes a database of its own. Tests skip where there is none, except in CI."""
    if binaries() is None:
        if IN_CI:
            pytest.fail(NOT_INSTALLED)
        pytest.skip(NOT_INSTALLED)
    # pytest's own folders are closed to the user that the server runs as.
    with tempfile.TemporaryDirectory(prefix="postgresql-") as folder, running_postgresql(Path(folder)) as server:
        yield server


@pytest.fixture
def postgresql_database(postgresql: PostgreSQL) -> str:
    """URL of an empty database."""
    return postgresql.url(postgresql.create_database())
