"""The Studio's world with pictures that are drawn, not read."""

from collections.abc import Iterator
from contextlib import closing
from functools import partial

import pytest

from tests.engine.studio.datasets.pictures import DrawnPictures
from tests.support.api_world import KEYS, World, build
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store
from vision_customization.engine.studio import create_studio


@pytest.fixture(scope="module")
def drawn() -> DrawnPictures:
    return DrawnPictures()


@pytest.fixture
def pictures(drawn: DrawnPictures) -> DrawnPictures:
    """What was asked for, which is nothing yet."""
    drawn.reset()
    return drawn


@pytest.fixture(scope="module")
def studio_world(tmp_path_factory: pytest.TempPathFactory, drawn: DrawnPictures) -> Iterator[World]:
    settings = Settings.from_environment({}, data_dir=tmp_path_factory.mktemp("studio"), keys=KEYS)
    with closing(Store.open(settings)) as store:
        yield build(settings, store, studio=partial(create_studio, pictures=drawn))


@pytest.fixture
def world(world: World) -> World:
    """An empty world, whose workers were asked for nothing."""
    world.jobs.__init__()  # type: ignore[misc]
    return world
