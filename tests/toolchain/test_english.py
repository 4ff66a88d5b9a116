import pytest

from toolchain.english import habits_in


@pytest.mark.parametrize(
    "line",
    [
        "tiles is no whole number",
        "Those are no metrics of it.",
        "whoever reads it",
        "It is made anew.",
        "each tag is parted by the share",
        "allowed, and hardly meant",
        "looked at so many times as wide as usual",
        "five images a tag",
    ],
)
def test_a_habit_is_found_with_its_line(line: str) -> None:
    [(number, found, better)] = habits_in(f"fine\n{line}\nfine\n")
    assert number == 2
    assert found.strip() in line
    assert better


@pytest.mark.parametrize(
    "line",
    ["There is no such file.", "It is no longer there.", "is not a number", "There are no images.", "renewed", "departed"],
)
def test_what_is_fine_is_left(line: str) -> None:
    assert habits_in(line) == []
