"""What tests of several packages share: their order, and a real PostgreSQL."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgresql import NOT_INSTALLED, PostgreSQL, binaries, running_postgresql
from tests.support.ci import IN_CI
from tests.support.interrupts import heed_interrupts


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--alone", action="store_true", help="run only the tests marked `alone`, which parallel runs leave out")


OF_MAKE = ("ARGS", "MAKEFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "MFLAGS")
"""With these, the `make` that a test runs would take over the ARGS of the `make test` that runs the tests."""


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # the processes of pytest-xdist inherit it
        heed_interrupts()
        for name in OF_MAKE:
            os.environ.pop(name, None)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With --alone, import only the modules that have such tests: to import all takes a quarter of a minute."""
    if config.getoption("alone") and collection_path.suffix == ".py" and collection_path.name.startswith("test_"):
        return None if names_alone(collection_path) else True
    return None


def names_alone(module: Path) -> bool:
    return "mark.alone" in module.read_text("utf-8")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the modules that deploy whole stacks: a long one that comes last would leave the other processes idle."""
    long = {item.path for item in items if item.get_closest_marker("stack")}
    items.sort(key=lambda item: item.path not in long)
    for item in items:
        marks = {mark.name for mark in item.iter_markers()}
        if "alone" in marks and not {"process", "stack"} & marks == {"process"}:
            raise pytest.UsageError(f"{item.nodeid} is marked `alone`, so it needs the mark `process` and not `stack`")
        if "alone" in marks and not names_alone(item.path):
            raise pytest.UsageError(
                f"{item.nodeid} is marked `alone`, but its module does not say `mark.alone`, so it never runs"
            )
        if "ci" in marks and not IN_CI:
            item.add_marker(pytest.mark.skip(reason="takes minutes, so it runs in CI, or with CI=true"))
    alone = config.getoption("alone")
    if alone or hasattr(config, "workerinput"):  # the latter is a process of pytest-xdist
        config.hook.pytest_deselected(items=[item for item in items if bool(item.get_closest_marker("alone")) != alone])
        items[:] = [item for item in items if bool(item.get_closest_marker("alone")) == alone]


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
