"""Judge: whether a model is good enough, at which threshold, what it confuses, and whether its confidences are true."""

import json
import math
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.responses import Response

from vision_customization.contract.judging import AtThreshold, OutcomeKind
from vision_customization.contract.judging_texts import threshold_text
from vision_customization.contract.limits import SKIP_MAX
from vision_customization.contract.outcome_texts import counted_from
from vision_customization.contract.outcomes import Curve, OutcomeFilter
from vision_customization.engine.api.errors import ApiError
from vision_customization.engine.outcomes.judge import Judge
from vision_customization.engine.outcomes.stored import StoredOutcomes
from vision_customization.engine.store import DatasetRecord
from vision_customization.engine.studio.dataset_facts import registered
from vision_customization.engine.studio.judging.charts import PLOT, TICKS, curve_chart, reliability
from vision_customization.engine.studio.judging.matrix import matrix_table
from vision_customization.engine.studio.judging.pictures import Shot, shots
from vision_customization.engine.studio.judging.selection import lines_at
from vision_customization.engine.studio.judging.sources import Source, source_of, sources_of
from vision_customization.engine.studio.judging.tags import COLUMNS, WORST_FIRST, choices, neighbours, tag_rows
from vision_customization.engine.studio.judging.verdict import verdict_of
from vision_customization.engine.studio.routing import Pages
from vision_customization.engine.studio.snippets.judging import judge_snippets
from vision_customization.engine.studio.visit import Visit

pages = Pages()

SHOWN = 12
"""Pictures under a heading; a link leads to all of them."""

START = 0.5
"""The threshold at first, of a model that has none of its own."""

SEARCHED_FROM = 12
"""A table of more tags can be searched."""


@dataclass(frozen=True)
class Gallery:
    """The first pictures of a kind, `count` in all; `path` leads to all of them."""

    title: str
    count: int
    path: str
    shots: list[Shot]


@pages.get("/models/{name}/judge")
def judge(visit: Visit) -> Response:
    source = _source(visit)
    try:
        with source.asked(visit.service) as (asked, key):
            asked.open(key)
    except ApiError as error:  # a wrong tag is refused below: it does not mean that there is nothing to judge
        return _nothing(visit, source, error)
    readable = registered(visit.service, source.dataset) is not None
    with source.asked(visit.service) as (asked, key):
        outcomes = asked.open(key)
        values = {
            **_threshold(visit, source, asked, key, outcomes, readable=readable),
            **_matrix(visit, source, asked, key, outcomes),
            **_tags(visit, asked, key),
            "verdict": verdict_of(source, outcomes.images),
            "worst": _worst(source, outcomes, readable=readable),
            "reliability": reliability(asked.calibration(key)),
            "images": outcomes.images,
        }
    return visit.render(
        "judge.html",
        source=source,
        sources=sources_of(visit.service, source.model),
        readable=readable,
        snippets=judge_snippets(visit.origin, source, _datasets(visit, source)),
        **values,
    )


@pages.get("/models/{name}/judge/threshold")
def threshold(visit: Visit) -> Response:
    """What counts at a threshold, and the pictures that this costs."""
    source = _source(visit)
    try:
        with source.asked(visit.service) as (asked, key):
            readable = registered(visit.service, source.dataset) is not None
            values = _threshold(visit, source, asked, key, asked.open(key), readable=readable)
    except ApiError as error:  # in its place, so that another tag can be chosen
        return visit.render("judge_threshold_refused.html", why=str(error))
    return visit.render("judge_threshold.html", source=source, **values)


@pages.get("/models/{name}/judge/matrix")
def matrix(visit: Visit) -> Response:
    """The part of the matrix that was searched for."""
    source = _source(visit)
    with source.asked(visit.service) as (asked, key):
        values = _matrix(visit, source, asked, key, asked.open(key))
    return visit.render("judge_matrix.html", source=source, **values)


@pages.get("/models/{name}/judge/tags")
def tags(visit: Visit) -> Response:
    """The table of tags in another order, or its next rows."""
    source = _source(visit)
    with source.asked(visit.service) as (asked, key):
        values = _tags(visit, asked, key)
    further = visit.number("skip", 0, 0, SKIP_MAX) > 0
    return visit.render("judge_tag_rows.html" if further else "judge_tags.html", source=source, **values)


def _source(visit: Visit) -> Source:
    return source_of(visit.service, visit.path("name"), visit.query("evaluation"))


def _datasets(visit: Visit, source: Source) -> list[DatasetRecord]:
    """Those of the model and of the outcomes that are registered."""
    names = dict.fromkeys((source.model.training_dataset_name, source.dataset))
    found = (registered(visit.service, name) for name in names)
    return [dataset for dataset in found if dataset is not None]


def _nothing(visit: Visit, source: Source, error: ApiError) -> Response:
    """No outcomes: the page of an evaluation that has some, unless the visitor chose these; else why, and what can be done."""
    others = [other for other in sources_of(visit.service, source.model) if other.name != source.name]
    if not visit.query("evaluation"):
        judged = next((other for other in others if other.has_outcomes(visit.service)), None)
        if judged is not None:
            return visit.redirect(judged.page())
    return visit.render(
        "judge_nothing.html",
        source=source,
        sources=others,
        why=str(error),
        snippets=judge_snippets(visit.origin, source, _datasets(visit, source)),
    )


def _threshold(
    visit: Visit, source: Source, asked: Judge, key: str, outcomes: StoredOutcomes, *, readable: bool
) -> dict[str, object]:
    tag = visit.query("tag") or None
    if tag is None and outcomes.kind is OutcomeKind.SEVERAL_TAGS and outcomes.tags:
        tag = outcomes.tags[0]
    own = _own_threshold(source, outcomes, tag)
    least = math.ceil(100 * asked.answers(key).lowest) / 100
    chosen = _share(visit.query("threshold"), START if own is None else own, least)
    at = asked.at(key, chosen, tag)
    galleries = [
        _at_threshold(source, outcomes, at.numbers, at.rows(only).tolist(), only, readable=readable)
        for only in (OutcomeFilter.MISSED, OutcomeFilter.FALSE)
    ]
    before, after = neighbours(outcomes.tags, tag, all_tags=outcomes.kind is not OutcomeKind.SEVERAL_TAGS)
    return {
        "at": at.numbers,
        "kind": outcomes.kind.value,
        "said": threshold_text(at.numbers),
        "chart": curve_chart(_curve(source, visit, tag), at.numbers),
        "plot": PLOT,
        "ticks": TICKS,
        "least": least,
        "own": own,
        "choices": choices(outcomes.tags),
        "before": before,
        "after": after,
        "galleries": galleries,
    }


def _at_threshold(
    source: Source, outcomes: StoredOutcomes, at: AtThreshold, rows: list[int], only: OutcomeFilter, *, readable: bool
) -> Gallery:
    titles = {
        (OutcomeKind.ONE_TAG, OutcomeFilter.MISSED): "Would be right, but is less sure than the threshold",
        (OutcomeKind.ONE_TAG, OutcomeFilter.FALSE): "Answered wrongly",
        (OutcomeKind.SEVERAL_TAGS, OutcomeFilter.MISSED): "Missed",
        (OutcomeKind.SEVERAL_TAGS, OutcomeFilter.FALSE): "Given falsely",
        (OutcomeKind.OBJECTS, OutcomeFilter.MISSED): "With objects that are missed",
        (OutcomeKind.OBJECTS, OutcomeFilter.FALSE): "With false objects",
    }
    query = {"only": only.value, "threshold": f"{at.threshold:g}", **({} if at.tag is None else {"tag": at.tag})}
    path = f"{source.outcomes()}?{urlencode(query)}"
    lines = lines_at(outcomes, rows[:SHOWN], at.threshold)
    return Gallery(titles[at.kind, only], len(rows), path, shots(source, rows[:SHOWN], lines, readable=readable))


def _worst(source: Source, outcomes: StoredOutcomes, *, readable: bool) -> Gallery:
    rows = outcomes.selected(OutcomeFilter.WRONG, None).tolist()
    shown = shots(source, rows[:SHOWN], outcomes.read(rows[:SHOWN]), readable=readable)
    return Gallery("Worst mistakes", len(rows), f"{source.outcomes()}?only={OutcomeFilter.WRONG.value}", shown)


def _own_threshold(source: Source, outcomes: StoredOutcomes, tag: str | None) -> float | None:
    """The confidence from which on the model itself counts an answer."""
    if tag is not None and outcomes.kind is OutcomeKind.SEVERAL_TAGS:
        of_model = source.model.performance
        return None if of_model is None else of_model.tag_performance.get(tag, {}).get("threshold")
    return outcomes.threshold


def _curve(source: Source, visit: Visit, tag: str | None) -> Curve:
    """Of one tag, or of all. Only this curve is validated: with thousands of tags, the others would take seconds."""
    curves = json.loads(source.kept(visit.service).whole("curves.json"))
    found = curves.get("overall") if tag is None else curves.get("tags", {}).get(tag)
    return Curve.model_validate(found or {"precision": [], "recall": [], "threshold": []})


def _matrix(visit: Visit, source: Source, asked: Judge, key: str, outcomes: StoredOutcomes) -> dict[str, object]:
    if outcomes.kind is OutcomeKind.SEVERAL_TAGS:
        return {"matrix": None, "find_tag": "", "counted_from": None}
    confusion = asked.confusion(key)
    find = visit.query("find_tag").strip()
    told = None if confusion.threshold is None else counted_from(confusion.threshold)
    return {"matrix": matrix_table(source, confusion, find), "find_tag": find, "counted_from": told}


def _tags(visit: Visit, asked: Judge, key: str) -> dict[str, object]:
    sort = visit.query("sort", WORST_FIRST)
    skip = visit.number("skip", 0, 0, SKIP_MAX)
    of_tags = asked.tags(key).tags
    rows = tag_rows(of_tags, sort, descending=visit.query("down") == "1", find=visit.query("find").strip(), skip=skip)
    return {"tags": rows, "columns": COLUMNS, "searchable": len(of_tags) > SEARCHED_FROM}


def _share(text: str, default: float, least: float) -> float:
    """A number of the query within `least` … 1."""
    try:
        value = float(text)
    except ValueError:
        value = default
    return min(1.0, max(least, value if math.isfinite(value) else default))
