"""One application for all tests, emptied before each; and others, with settings or a store of their own."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from sqlalchemy import delete

from tests.support.api_world import KEYS, BuildAnyWorld, BuildWorld, Picture, World, build, image_bytes
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store
from vision_customization.engine.store.tables import Table


@pytest.fixture(scope="session")
def build_any_world() -> Iterator[BuildAnyWorld]:
    """Builds a world of its own in a folder, for tests that share one."""
    with ExitStack() as stores:

        def build_in(folder: Path) -> World:
            settings = Settings.from_environment({}, data_dir=folder, keys=KEYS)
            return build(settings, stores.enter_context(closing(Store.open(settings))))

        yield build_in


@pytest.fixture(scope="session")
def shared_world(tmp_path_factory: pytest.TempPathFactory, build_any_world: BuildAnyWorld) -> World:
    return build_any_world(tmp_path_factory.mktemp("shared"))


@pytest.fixture
def world(shared_world: World) -> World:
    """An empty world. The application is one for all tests, since to put it together takes longer than most of them."""
    with shared_world.store.database.writing() as session:
        for table in reversed(Table.metadata.sorted_tables):
            session.execute(delete(table))
    for folder in ("models", "jobs", "imports"):
        shared_world.objects.delete(folder)
    for recorder in (shared_world.jobs, shared_world.models, shared_world.blobs, shared_world.container):
        recorder.__init__()  # type: ignore[misc]
    return shared_world


@pytest.fixture
def build_world(world: World) -> BuildWorld:
    """Builds an application with other settings on the same store."""
    return lambda settings, **arguments: build(settings, world.store, **arguments)


@pytest.fixture
def picture() -> Picture:
    """Makes the bytes of an image: (Pillow's name of the format, (width, height), options)."""
    return image_bytes
