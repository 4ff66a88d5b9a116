import pytest

from vision_customization.contract.training_time import ASSUMED_SPEED
from vision_customization.engine.store import Store


def test_what_was_not_measured_is_assumed(store: Store) -> None:
    assert store.speeds.get() == ASSUMED_SPEED
    store.speeds.record("step_seconds", 30, 15.0)
    speed = store.speeds.get()
    assert speed.step_seconds == 0.5
    assert speed.start_seconds == ASSUMED_SPEED.start_seconds


def test_measurements_count_by_their_units(store: Store) -> None:
    store.speeds.record("read_image_seconds", 32, 3.2)
    store.speeds.record("read_image_seconds", 1, 9.0)
    assert store.speeds.get().read_image_seconds == pytest.approx((0.95 * 3.2 + 9) / (0.95 * 32 + 1))
    store.speeds.record("read_image_seconds", 0, 100.0)  # says nothing
    assert store.speeds.get().read_image_seconds == pytest.approx((0.95 * 3.2 + 9) / (0.95 * 32 + 1))


def test_another_machine_soon_shows(store: Store) -> None:
    for _ in range(200):
        store.speeds.record("embedded_image_seconds", 32, 6.4)
    for _ in range(60):
        store.speeds.record("embedded_image_seconds", 32, 1.6)
    assert store.speeds.get().embedded_image_seconds == pytest.approx(0.05, rel=0.2)


def test_what_a_later_engine_measures_is_ignored(store: Store) -> None:
    store.speeds.record("warp_seconds", 1, 1.0)  # type: ignore[arg-type]
    assert store.speeds.get() == ASSUMED_SPEED
