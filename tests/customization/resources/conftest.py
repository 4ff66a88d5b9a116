import pytest

from vision_customization.customization.resources import engine_speed, provider, takeover


@pytest.fixture(autouse=True)
def _new_update() -> None:
    """Each test is an update of its own, which has made nothing yet."""
    provider._KEPT.clear()
    provider._HUNG.clear()
    engine_speed._SPEEDS.clear()
    takeover._FOUND.clear()
