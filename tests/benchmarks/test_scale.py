"""What larger trainings take, from the seconds of small ones."""

import json
import re

import pytest

from benchmarks.scale import IMAGES, PRICE_PER_CORE_HOUR, WORKERS, Costs, Measured, costs_of, markdown, rows
from tests.support.places import DOCS


def test_costs_are_the_lines_through_few_and_many_images() -> None:
    """10 s for each training, 2 ms per image alone, 50 ms shared."""
    measured = Measured(100, 500, 15.2, 36.0, 10.2, 11.0)
    costs = costs_of(measured)
    assert (costs.shared, costs.alone, costs.fixed) == pytest.approx((0.05, 0.002, 10.0))
    assert costs.seconds(100, 1) == pytest.approx(measured.few_first_seconds)
    assert costs.seconds(1000, 4) == pytest.approx(10 + 2 + 12.5)


@pytest.mark.parametrize("seconds", [(10.0, 9.0, 1.0, 2.0), (10.0, 20.0, 2.0, 1.0), (10.0, 11.0, 1.0, 3.0)])
def test_noise_is_not_extrapolated(seconds: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match="Measure more images"):
        costs_of(Measured(10, 100, *seconds))


def test_more_workers_are_faster_and_not_cheaper() -> None:
    table = [[float(value) for value in row] for row in rows(Costs(0.036, 0.0036, 36.0), 100_000, 2.0)]
    assert [row[0] for row in table] == list(WORKERS)
    assert table[0] == [1, 1.11, 1.11, 2.22]
    hours, core_hours = [row[1] for row in table], [row[2] for row in table]
    assert hours == sorted(hours, reverse=True)
    assert core_hours == sorted(core_hours)


def test_the_page_has_the_table_of_the_seconds_that_it_states() -> None:
    page = (DOCS / "scale.md").read_text()
    found = re.search(r"```json\n(.*?)```", page, re.DOTALL)
    assert found is not None
    costs = costs_of(Measured(**json.loads(found[1])))
    assert markdown(costs, IMAGES, PRICE_PER_CORE_HOUR) in page
    assert f"{1000 * costs.shared:.1f} ms" in page
    assert f"{1000 * costs.alone:.2f} ms" in page
