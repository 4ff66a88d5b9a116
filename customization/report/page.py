"""The page: one HTML file without scripts that loads nothing, so it opens from disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from vision_customization.contract.confusion_matrix import confuses_tags, worst_tags
from vision_customization.contract.outcome_texts import DrawnBox, answered, counted_from, drawn_boxes, labelled, picture_name
from vision_customization.contract.outcomes import Confusion, Curve, Curves, Outcome, curve_area
from vision_customization.contract.texts import counted
from vision_customization.customization.convert.images.thumbnail import thumbnail
from vision_customization.customization.report.charts import MATRIX_TAGS, curve_figure, matrix_table, tag_table

CURVES = 24
"""Of more tags, those with the smallest areas are drawn."""

_STYLE = """
:root { color-scheme: light dark; --line: #8885; --note: #c60; --curve: #1769aa; --right: 30 140 90; --wrong: 205 75 30; }
@media (prefers-color-scheme: dark) { :root { --curve: #6db3f2; --note: #f90; } }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .6rem; text-align: right; font-variant-numeric: tabular-nums; }
th:first-child { text-align: left; }
th { font-weight: 600; }
.scroll { overflow-x: auto; }
.matrix th span { display: inline-block; max-width: 7rem; overflow-wrap: anywhere; }
.matrix td.right { background: rgb(var(--right) / calc(.1 + .4 * var(--share))); }
.matrix td.wrong { background: rgb(var(--wrong) / calc(.1 + .4 * var(--share))); }
.matrix td.sum { color: color-mix(in srgb, currentColor 65%, transparent); }
.row { display: flex; flex-wrap: wrap; gap: 1.2rem; list-style: none; padding: 0; }
figure { margin: 0; }
figcaption { font-size: .85rem; overflow-wrap: anywhere; }
.row > figure { width: 13rem; }
.row > figure .empty { min-height: 6rem; }
svg polyline { fill: none; stroke: var(--curve); stroke-width: 2; }
svg circle { fill: var(--curve); }
svg path { stroke: var(--line); }
svg text { fill: currentColor; font-size: 10px; }
.pictures figure { width: 220px; }
.picture { position: relative; width: max-content; }
.picture img { display: block; border-radius: 4px; }
.picture svg { position: absolute; inset: 0; width: 100%; height: 100%; }
.picture rect { fill: none; stroke-width: 2; vector-effect: non-scaling-stroke; }
rect.right { stroke: rgb(60 200 120); }
rect.false { stroke: rgb(255 90 40); }
rect.missed { stroke: rgb(255 210 0); stroke-dasharray: 5 3; }
.legend b:nth-of-type(1) { color: rgb(var(--right)); } .legend b:nth-of-type(2) { color: rgb(var(--wrong)); }
.unread { border: 1px dashed var(--line); border-radius: 4px; color: var(--note); padding: 1rem; }
.note { color: var(--note); }
"""


@dataclass(frozen=True)
class WorstPicture:
    """An outcome, and its picture's file, or why that can't be shown."""

    outcome: Outcome
    picture: bytes | str


def evaluation_page(
    title: str,
    facts: Sequence[str],
    performance: Mapping[str, float],
    confusion: Confusion,
    curves: Curves,
    worst: Sequence[WorstPicture],
    wrong: int,
) -> str:
    """The page's HTML.

    Args:
        facts: lines under the title, such as the model's name.
        performance: the metrics of the whole model.
        worst: the pictures to show, the worst first.
        wrong: the number of pictures that the model got wrong.
    """
    metrics = "".join(f"<tr><th>{escape(name)}</th><td>{value:.3f}</td></tr>" for name, value in performance.items())
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>"
        f"<h1>{escape(title)}</h1>{''.join(f'<p>{escape(fact)}</p>' for fact in facts)}<table>{metrics}</table>"
        f"<h2>Labels and answers</h2>{_confusion(confusion)}"
        f"<h2>Precision and recall</h2>{_curves(curves)}"
        f"<h2>The worst pictures</h2>{_worst(worst, wrong, confusion.images)}</html>\n"
    )


def _confusion(confusion: Confusion) -> str:
    told = "" if confusion.threshold is None else f"<p>{counted_from(confusion.threshold)}</p>"
    if not confuses_tags(confusion):
        return f"{told}<div class='scroll'>{tag_table(confusion)}</div>"
    shown = len(worst_tags(confusion, MATRIX_TAGS))
    note = ""
    if shown < len(confusion.tags):
        note = f"<p class='note'>The {shown} of {len(confusion.tags):,} tags with the most mistakes.</p>"
    return f"{told}{note}<div class='scroll'>{matrix_table(confusion)}</div>"


def _curves(curves: Curves) -> str:
    tags = list(curves.tags.items())
    note = ""
    if len(tags) > CURVES:
        note = f"<p class='note'>The {CURVES} of {len(tags):,} tags with the smallest areas.</p>"
        tags = sorted((pair for pair in tags if pair[1].threshold), key=lambda pair: curve_area(pair[1]))[:CURVES]
    drawn: list[tuple[str, Curve]] = [] if curves.overall is None else [("all tags", curves.overall)]
    figures = "".join(curve_figure(name, curve) for name, curve in [*drawn, *tags])
    told = (
        "<p>Recall to the right, precision upwards. Each point is a threshold: answers with a lower confidence do not count. "
        "The dot is the threshold 0.5.</p>"
    )
    return f"{told}{note}<div class='row'>{figures}</div>"


def _worst(worst: Sequence[WorstPicture], wrong: int, images: int) -> str:
    if not wrong:
        return f"<p>The model is right on all {counted(images, 'picture')}.</p>"
    told = f"<p>{wrong:,} of {counted(images, 'picture')} are wrong; {len(worst):,} are shown, the worst first.</p>"
    if any(picture.outcome.objects is not None for picture in worst):
        told += "<p class='legend'>Boxes: <b>right</b>, <b>false</b>, and dashed ones are missed.</p>"
    unread = sum(isinstance(picture.picture, str) for picture in worst)
    if unread:
        told += f"<p class='note'>{counted(unread, 'picture')} can't be shown; each says why.</p>"
    return f"{told}<div class='row pictures'>{''.join(_figure(picture) for picture in worst)}</div>"


def _figure(worst: WorstPicture) -> str:
    outcome, name = worst.outcome, picture_name(worst.outcome)
    told = f"labelled <b>{escape(labelled(outcome))}</b><br>answered <b>{escape(answered(outcome))}</b>"
    return f"<figure>{_shown(worst)}<figcaption>{told}<br>{escape(name)}</figcaption></figure>"


def _shown(worst: WorstPicture) -> str:
    outcome = worst.outcome
    if isinstance(worst.picture, str):
        return f"<p class='unread'>The picture {escape(worst.picture)}.</p>"
    try:
        width, height, source = thumbnail(worst.picture)
    except Exception as error:  # noqa: BLE001 - whatever Pillow raises for a file that it can't read
        return f"<p class='unread'>The picture can't be decoded ({escape(type(error).__name__)}).</p>"
    boxes = [_rectangle(box) for box in drawn_boxes(outcome)]
    drawn = f'<svg viewBox="0 0 1 1" preserveAspectRatio="none">{"".join(boxes)}</svg>' if boxes else ""
    alt = escape(picture_name(outcome))
    return f'<div class="picture"><img width="{width}" height="{height}" alt="{alt}" src="{source}">{drawn}</div>'


def _rectangle(drawn: DrawnBox) -> str:
    left, top, width, height = drawn.box
    place = f'x="{left:g}" y="{top:g}" width="{width:g}" height="{height:g}"'
    return f'<rect class="{drawn.look}" {place}><title>{escape(drawn.text)}</title></rect>'
