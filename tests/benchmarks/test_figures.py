import pytest

from benchmarks.figures import Figure, compare, limit_text, number, percentile, spread
from benchmarks.load import analyze_requests


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([5.0], 0.99, 5.0),
        ([3.0, 1.0, 2.0], 0.5, 2.0),
        ([float(value) for value in range(1, 101)], 0.99, 99.0),
        ([float(value) for value in range(1, 102)], 0.99, 100.0),
        ([1.0, 2.0], 0.0, 1.0),
        ([1.0, 2.0], 1.0, 2.0),
    ],
)
def test_a_percentile_is_one_of_the_values(values: list[float], share: float, expected: float) -> None:
    assert percentile(values, share) == expected


@pytest.mark.parametrize(
    ("ratios", "limit", "at_least", "met"),
    [
        ((1.0, 1.2, 9.0), 1.25, False, True),  # the median is judged, not the worst
        ((1.0, 1.3, 1.4), 1.25, False, False),
        ((1.25,), 1.25, False, True),
        ((0.7, 0.9, 0.9), 0.8, True, True),
        ((0.7, 0.79, 0.9), 0.8, True, False),
        ((7.0,), None, False, True),  # without a limit there is nothing to miss
    ],
)
def test_the_median_of_the_ratios_is_judged(ratios: tuple[float, ...], limit: float | None, at_least: bool, met: bool) -> None:
    assert Figure("f", "s", (1.0,), 0.0, limit, ratios=ratios, at_least=at_least).met is met


def test_ratios_are_of_samples_taken_side_by_side() -> None:
    figure = compare("f", "s", [2.0, 30.0], [1.0, 10.0], load=0.5, limit=2.5)
    assert (figure.ratios, figure.value, figure.met) == ((2.0, 3.0), 2.5, True)
    with pytest.raises(ValueError, match="shorter"):
        compare("f", "s", [2.0, 30.0], [1.0], load=0.5)


def test_a_figure_without_ratios_is_judged_by_itself() -> None:
    figure = Figure("preview", "s", (2.0, 2.5, 4.0), 0.0, 3.0)
    assert (figure.value, figure.met, limit_text(figure)) == (2.5, True, "≤ 3 s")


@pytest.mark.parametrize(
    ("samples", "text"),
    [((), "–"), ((1.234,), "1.23 s"), ((12.34, 1.0, 123.4), "12.3 (1.00–123) s")],
)
def test_samples_are_told_by_median_and_ends(samples: tuple[float, ...], text: str) -> None:
    assert spread(samples, "s") == text


def test_numbers_have_three_digits() -> None:
    assert [number(value) for value in (0.5, 9.99, 10.0, 99.94, 100.0)] == ["0.50", "9.99", "10.0", "99.9", "100"]


def test_a_request_is_whole_and_framed() -> None:
    (request,) = analyze_requests("http://127.0.0.1:8080", "key", "m", [b"\xff\xd8"])
    head, body = request.split(b"\r\n\r\n", 1)
    lines = head.split(b"\r\n")
    assert lines[0] == b"POST /computervision/imageanalysis:analyze?api-version=2023-04-01-preview&model-name=m HTTP/1.1"
    assert b"Host: 127.0.0.1:8080" in lines
    assert b"Content-Length: 2" in lines
    assert body == b"\xff\xd8"
