"""Results that stay in memory for a while."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from vision_customization.engine.outcomes.recent import Recent


@dataclass(frozen=True)
class Block:
    name: str
    nbytes: int


class Builder:
    def __init__(self, recent: Recent) -> None:
        self.recent = recent
        self.built: list[str] = []

    def __call__(self, name: str, nbytes: int = 10) -> Block:
        def build() -> Block:
            self.built.append(name)
            return Block(name, nbytes)

        return self.recent.get(name, Block, build)


def test_what_was_asked_longest_ago_makes_room() -> None:
    get = Builder(Recent(30))
    for name in ("a", "b", "c", "a", "d", "a", "c", "b"):
        assert get(name).name == name
    # d displaced b, the one asked for longest ago; b then displaced d.
    assert get.built == ["a", "b", "c", "d", "b"]
    get("d")
    assert get.built[-1] == "d"


def test_a_result_that_is_too_large_is_not_kept() -> None:
    get = Builder(Recent(30))
    get("a")
    get("large", 31)
    get("large", 31)
    get("a")
    assert get.built == ["a", "large", "large"]
    get("whole", 30)
    get("whole")
    get("a")
    assert get.built == ["a", "large", "large", "whole", "a"]


def test_building_may_ask_for_other_results() -> None:
    recent = Recent(30)
    get = Builder(recent)
    outer = recent.get("outer", Block, lambda: Block(f"of {get('a').name}", 10))
    assert (outer.name, get.built) == ("of a", ["a"])


def test_threads_that_ask_for_the_same_build_it_once() -> None:
    get = Builder(Recent(100))
    with ThreadPoolExecutor(8) as threads:
        assert {block.name for block in threads.map(get, ["a"] * 50)} == {"a"}
    assert get.built == ["a"]
