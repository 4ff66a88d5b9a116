"""Charts as HTML: precision-recall curves as SVG, the confusion matrix as a table."""

from __future__ import annotations

from html import escape

from vision_customization.contract.confusion_matrix import matrix_of, worst_tags
from vision_customization.contract.curve_plot import Plot, curve_line, curve_point
from vision_customization.contract.outcomes import Confusion, Curve, curve_area

MATRIX_TAGS = 25
"""A larger matrix shows only the tags with the most mistakes."""

_SIDE, _MARGIN = 170, 26
_PLOT = Plot(_SIDE, _MARGIN, 8)
_TICKS = (0.0, 0.5, 1.0)


def curve_figure(name: str, curve: Curve) -> str:
    """A curve with its axes; the point at the threshold 0.5 is marked."""
    if not curve.threshold:
        return f"<figure><p class='empty'>no label or no answer</p><figcaption>{escape(name)}</figcaption></figure>"

    axes = "".join(_tick(tick) for tick in _TICKS)
    mark, told = "", ""
    if (at := curve_point(curve, 0.5)) is not None:
        precision, recall = at
        mark = f'<circle cx="{_PLOT.x(recall):.1f}" cy="{_PLOT.y(precision):.1f}" r="4"/>'
        told = f"<br>at 0.5: precision {precision:.2f}, recall {recall:.2f}"
    size = f'viewBox="0 0 {_MARGIN + _SIDE + 8} {_SIDE + 34}" width="{_MARGIN + _SIDE + 8}" height="{_SIDE + 34}"'
    label = escape(f"Precision and recall of {name}")
    return (
        f'<figure><svg {size} role="img" aria-label="{label}">{axes}<polyline points="{curve_line(_PLOT, curve)}"/>{mark}</svg>'
        f"<figcaption><b>{escape(name)}</b> area {curve_area(curve):.3f}{told}</figcaption></figure>"
    )


def matrix_table(confusion: Confusion) -> str:
    """Labels as rows, answers as columns. Each row's cells are shaded by their share of the row."""
    matrix = matrix_of(confusion, worst_tags(confusion, MATRIX_TAGS))
    head = "".join(f"<th scope='col'><span>{escape(name or 'not found')}</span></th>" for name in matrix.answers)
    body = []
    for row in matrix.rows:
        pairs = zip(matrix.answers, row.counts, strict=True)
        cells = "".join(_cell(count, row.total, right=row.label == answer) for answer, count in pairs)
        body.append(f"<tr><th scope='row'>{escape(row.label or 'no label')}</th>{cells}<td class='sum'>{row.total:,}</td></tr>")
    return f"<table class='matrix'><tr><th>label \\ answer</th>{head}<th>all</th></tr>{''.join(body)}</table>"


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
    x, y = _PLOT.x(tick), _PLOT.y(tick)
    lines = f'<path d="M{_MARGIN} {y:.1f}h{_SIDE}M{x:.1f} 8v{_SIDE}"/>'
    numbers = f'<text x="{_MARGIN - 4}" y="{y + 4:.1f}" text-anchor="end">{tick:g}</text>'
    return f'{lines}{numbers}<text x="{x:.1f}" y="{_SIDE + 24}" text-anchor="middle">{tick:g}</text>'


def _cell(count: int, total: int, *, right: bool) -> str:
    if not count:
        return "<td></td>"
    return f"<td class='{'right' if right else 'wrong'}' style='--share:{count / total:.2f}'>{count:,}</td>"
