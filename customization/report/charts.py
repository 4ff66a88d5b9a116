"""Charts as HTML: precision-recall curves as SVG, the confusion matrix as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape

from vision_customization.contract.outcomes import Confusion, Curve, curve_area

MATRIX_TAGS = 25
"""A larger matrix shows only the tags with the most mistakes."""

_SIDE, _MARGIN = 170, 26
_TICKS = (0.0, 0.5, 1.0)
_NOTHING = None


def curve_figure(name: str, curve: Curve) -> str:
    """A curve with its axes; the point at the threshold 0.5 is marked."""
    if not curve.threshold:
        return f"<figure><p class='empty'>no label or no answer</p><figcaption>{escape(name)}</figcaption></figure>"

    def point(recall: float, precision: float) -> str:
        return f"{_MARGIN + recall * _SIDE:.1f},{8 + (1 - precision) * _SIDE:.1f}"

    line = " ".join(point(*pair) for pair in zip(curve.recall, curve.precision, strict=True))
    axes = "".join(_tick(tick) for tick in _TICKS)
    counted = [index for index, threshold in enumerate(curve.threshold) if threshold >= 0.5]
    mark, told = "", ""
    if counted:
        precision, recall = curve.precision[counted[-1]], curve.recall[counted[-1]]
        x, y = point(recall, precision).split(",")
        mark = f'<circle cx="{x}" cy="{y}" r="4"/>'
        told = f"<br>at 0.5: precision {precision:.2f}, recall {recall:.2f}"
    start = point(0, curve.precision[0])
    size = f'viewBox="0 0 {_MARGIN + _SIDE + 8} {_SIDE + 34}" width="{_MARGIN + _SIDE + 8}" height="{_SIDE + 34}"'
    label = escape(f"Precision and recall of {name}")
    return (
        f'<figure><svg {size} role="img" aria-label="{label}">{axes}<polyline points="{start} {line}"/>{mark}</svg>'
        f"<figcaption><b>{escape(name)}</b> area {curve_area(curve):.3f}{told}</figcaption></figure>"
    )


def matrix_table(confusion: Confusion) -> str:
    """Labels as rows, answers as columns. Each row's cells are shaded by their share of the row."""
    counts = {(cell.label, cell.answer): cell.count for cell in confusion.cells}
    shown = matrix_tags(confusion)
    rows: list[str | None] = list(shown)
    columns: list[str | None] = list(shown)
    rows += [_NOTHING] if any(label is None for label, _ in counts) else []
    columns += [_NOTHING] if any(answer is None for _, answer in counts) else []
    head = "".join(f"<th scope='col'><span>{escape(name or 'not found')}</span></th>" for name in columns)
    body = []
    for label in rows:
        total = sum(count for (of, _), count in counts.items() if of == label)
        cells = "".join(_cell(counts.get((label, answer), 0), total, right=label == answer) for answer in columns)
        body.append(f"<tr><th scope='row'>{escape(label or 'no label')}</th>{cells}<td class='sum'>{total:,}</td></tr>")
    return f"<table class='matrix'><tr><th>label \\ answer</th>{head}<th>all</th></tr>{''.join(body)}</table>"


def matrix_tags(confusion: Confusion) -> Sequence[str]:
    """The tags of the matrix: all, or those with the most mistakes, in their order."""
    if len(confusion.tags) <= MATRIX_TAGS:
        return confusion.tags
    mistakes: Counter[str] = Counter()
    for cell in confusion.cells:
        if cell.label != cell.answer:
            mistakes.update({name: cell.count for name in (cell.label, cell.answer) if name is not None})
    worst = {tag for tag, _ in mistakes.most_common(MATRIX_TAGS)}
    return [tag for tag in confusion.tags if tag in worst]


def tag_table(confusion: Confusion) -> str:
    """For several tags per image: how often each tag was found, missed, and given falsely."""
    counts = {(cell.label, cell.answer): cell.count for cell in confusion.cells}
    rows = "".join(
        f"<tr><th scope='row'>{escape(tag)}</th>"
        + "".join(f"<td>{counts.get(cell, 0):,}</td>" for cell in ((tag, tag), (tag, None), (None, tag)))
        + "</tr>"
        for tag in confusion.tags
    )
    return f"<table><tr><th>tag</th><th>found</th><th>missed</th><th>false</th></tr>{rows}</table>"


def _tick(tick: float) -> str:
    x, y = _MARGIN + tick * _SIDE, 8 + (1 - tick) * _SIDE
    lines = f'<path d="M{_MARGIN} {y:.1f}h{_SIDE}M{x:.1f} 8v{_SIDE}"/>'
    numbers = f'<text x="{_MARGIN - 4}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>'
    return f'{lines}{numbers}<text x="{x:.1f}" y="{_SIDE + 24}" text-anchor="middle">{tick:g}</text>'


def _cell(count: int, total: int, *, right: bool) -> str:
    if not count:
        return "<td></td>"
    return f"<td class='{'right' if right else 'wrong'}' style='--share:{count / total:.2f}'>{count:,}</td>"
