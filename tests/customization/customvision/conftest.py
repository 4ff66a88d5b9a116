from collections.abc import Iterator

import pytest

from tests.support.custom_vision import StandIn, stand_in


@pytest.fixture
def custom_vision() -> Iterator[StandIn]:
    with stand_in() as service:
        yield service
