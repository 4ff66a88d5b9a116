"""Who guesses keys has to wait."""

import pytest

from vision_customization.engine.studio import wrong_keys
from vision_customization.engine.studio.wrong_keys import WINDOW_SECONDS, WRONG_KEYS_MAX, WrongKeys


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_an_address_waits_until_its_oldest_wrong_key_of_so_many_is_a_minute_old(clock: Clock) -> None:
    keys = WrongKeys(clock)
    for second in range(WRONG_KEYS_MAX):
        assert keys.wait_seconds("a") == 0
        clock.now = 1000.0 + second
        assert keys.add("a") == second + 1
    assert keys.wait_seconds("a") == WINDOW_SECONDS - (WRONG_KEYS_MAX - 1)
    assert keys.wait_seconds("b") == 0
    clock.now = 1000.0 + WINDOW_SECONDS
    assert keys.wait_seconds("a") == 0
    assert keys.add("a") == WRONG_KEYS_MAX  # the first one does not count any more
    assert keys.wait_seconds("a") == 1.0


def test_slow_mistakes_never_wait(clock: Clock) -> None:
    keys = WrongKeys(clock)
    for _ in range(3 * WRONG_KEYS_MAX):
        keys.add("a")
        assert keys.wait_seconds("a") == 0
        clock.now += 1.1 * WINDOW_SECONDS / WRONG_KEYS_MAX


def test_only_so_many_addresses_are_remembered(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wrong_keys, "ADDRESSES_MAX", 2)
    keys = WrongKeys(clock)
    for _ in range(WRONG_KEYS_MAX):
        for address in ("a", "b"):
            keys.add(address)
    keys.add("a")
    keys.add("c")
    assert [keys.wait_seconds(address) > 0 for address in ("a", "b", "c")] == [True, False, False]
