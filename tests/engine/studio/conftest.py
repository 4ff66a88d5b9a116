"""The API's world with the Studio in it, and a browser of somebody who is signed in."""

from collections.abc import Iterator
from contextlib import closing
from functools import partial

import pytest
from sqlalchemy import delete

from tests.support.api_world import KEYS, World, build
from tests.support.studio import Browser
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store
from vision_customization.engine.store.tables import Table
from vision_customization.engine.studio import create_studio
from vision_customization.engine.studio.visit import Pictures


@pytest.fixture(scope="module")
def drawn() -> Pictures | None:
    """What draws the pictures of images in tests that have no files of them; None where the engine makes the pictures."""
    return None


@pytest.fixture(scope="module")
def studio_world(tmp_path_factory: pytest.TempPathFactory, drawn: Pictures | None) -> Iterator[World]:
    settings = Settings.from_environment({}, data_dir=tmp_path_factory.mktemp("studio"), keys=KEYS)
    with closing(Store.open(settings)) as store:
        yield build(settings, store, studio=partial(create_studio, pictures=drawn))


@pytest.fixture
def world(studio_world: World) -> World:
    """An empty world."""
    with studio_world.store.database.writing() as session:
        for table in reversed(Table.metadata.sorted_tables):
            session.execute(delete(table))
    for recorder in (studio_world.jobs, studio_world.models, studio_world.blobs, studio_world.container):
        recorder.__init__()  # type: ignore[misc]
    return studio_world


@pytest.fixture
def browser(world: World) -> Browser:
    """Nobody is signed in."""
    return Browser(world)


@pytest.fixture
def owner(world: World) -> Browser:
    return Browser(world).sign_in()
