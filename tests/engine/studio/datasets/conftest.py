"""The Studio's world with pictures that are drawn, not read."""

import pytest

from tests.engine.studio.datasets.pictures import DrawnPictures
from tests.support.api_world import World


@pytest.fixture(scope="module")
def drawn() -> DrawnPictures:
    return DrawnPictures()


@pytest.fixture
def pictures(drawn: DrawnPictures) -> DrawnPictures:
    """What was asked for, which is nothing yet."""
    drawn.reset()
    return drawn


@pytest.fixture
def world(world: World) -> World:
    """An empty world, whose workers were asked for nothing."""
    world.jobs.__init__()  # type: ignore[misc]
    return world
