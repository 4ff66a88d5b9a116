import pytest

from vision_customization.contract.confusion_matrix import (
    Matrix,
    MatrixRow,
    confuses_tags,
    matrix_of,
    mistake_text,
    mistakes,
    worst_tags,
)
from vision_customization.contract.outcomes import Confusion, ConfusionCell

Cells = dict[tuple[str | None, str | None], int]


def confusion(cells: Cells, tags: tuple[str, ...] = ("ash", "oak")) -> Confusion:
    listed = [ConfusionCell(label=label, answer=answer, count=count) for (label, answer), count in cells.items()]
    return Confusion(images=9, tags=list(tags), cells=listed)


CLASSIFIER: Cells = {("ash", "ash"): 4, ("ash", "oak"): 1, ("oak", "oak"): 4}
DETECTOR: Cells = {("ash", "ash"): 4, ("ash", None): 2, (None, "oak"): 1, ("oak", "ash"): 3}
SEVERAL_TAGS: Cells = {("ash", "ash"): 4, ("ash", None): 2, (None, "oak"): 1}


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (CLASSIFIER, Matrix(("ash", "oak"), (MatrixRow("ash", (4, 1), 5), MatrixRow("oak", (0, 4), 4)))),
        (
            DETECTOR,
            Matrix(
                ("ash", "oak", None),
                (MatrixRow("ash", (4, 0, 2), 6), MatrixRow("oak", (3, 0, 0), 3), MatrixRow(None, (0, 1, 0), 1)),
            ),
        ),
        ({}, Matrix(("ash", "oak"), (MatrixRow("ash", (0, 0), 0), MatrixRow("oak", (0, 0), 0)))),
    ],
)
def test_labels_are_rows_and_answers_are_columns(cells: Cells, expected: Matrix) -> None:
    assert matrix_of(confusion(cells), ("ash", "oak")) == expected


def test_a_rows_total_counts_answers_that_are_not_shown() -> None:
    assert matrix_of(confusion(CLASSIFIER), ("ash",)).rows == (MatrixRow("ash", (4,), 5),)


def test_of_many_tags_those_with_the_most_mistakes_are_shown_in_their_order() -> None:
    tags = tuple(f"tag {number}" for number in range(40))
    many = confusion({(tag, tags[0]): number for number, tag in enumerate(tags) if number}, tags)
    assert list(worst_tags(many, 25)) == [tags[0], *tags[-24:]]
    assert list(worst_tags(many, 40)) == list(tags)


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (CLASSIFIER, ["1 × ash called oak"]),
        (DETECTOR, ["3 × oak called ash", "2 × ash missed", "1 × oak found where there is none"]),
        ({("ash", "oak"): 1234}, ["1,234 × ash called oak"]),
        ({("ash", "ash"): 1}, []),
    ],
)
def test_mistakes_in_words_the_largest_first(cells: Cells, said: list[str]) -> None:
    assert [mistake_text(cell) for cell in mistakes(confusion(cells))] == said


@pytest.mark.parametrize(
    ("cells", "expected"), [(CLASSIFIER, True), (DETECTOR, True), (SEVERAL_TAGS, False), ({("ash", "ash"): 4}, True)]
)
def test_several_tags_per_image_are_not_confused_with_each_other(cells: Cells, *, expected: bool) -> None:
    assert confuses_tags(confusion(cells)) is expected
