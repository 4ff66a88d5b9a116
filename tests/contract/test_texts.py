import pytest

from vision_customization.contract.texts import percent


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0 %"),
        (0.0001, "< 1 %"),
        (0.01, "1 %"),
        (0.926, "93 %"),
        (0.99, "99 %"),
        (290 / 291, "> 99 %"),
        (1.0, "100 %"),
    ],
)
def test_a_percentage_is_not_rounded_to_none_or_all(share: float, text: str) -> None:
    assert percent(share) == text
