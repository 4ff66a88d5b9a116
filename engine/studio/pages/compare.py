"""Two models side by side: the same images, which of them each gets right, and whether the difference may be chance."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.responses import Response

from vision_customization.contract.enums import ModelStatus
from vision_customization.contract.judging import Comparison, ComparisonFilter, OutcomeKind
from vision_customization.contract.judging_texts import comparison_text
from vision_customization.contract.limits import SKIP_MAX
from vision_customization.engine.api.errors import ApiError
from vision_customization.engine.outcomes.stored import StoredOutcomes
from vision_customization.engine.store import NotFound
from vision_customization.engine.studio.dataset_facts import registered
from vision_customization.engine.studio.judging.pictures import PAGE, Shot, shots
from vision_customization.engine.studio.judging.sources import Source, same_images, source_of, sources_of
from vision_customization.engine.studio.model_facts import metrics_of
from vision_customization.engine.studio.routing import Pages
from vision_customization.engine.studio.snippets.judging import comparison_snippets, evaluation_commands
from vision_customization.engine.studio.visit import Visit, link

pages = Pages()

MODELS_SHOWN = 100
"""The newest models that can be chosen."""


@dataclass(frozen=True)
class Choice:
    """Some of the images, and where to see them. `key` is the one that chooses them."""

    title: str
    count: int
    path: str
    chosen: bool
    key: str = ""


@dataclass(frozen=True)
class Compared:
    """An image as both models answered it; None for a model that does not have it."""

    first: Shot | None
    second: Shot | None

    @property
    def either(self) -> Shot:
        found = self.first or self.second
        assert found is not None
        return found

    @property
    def labels_differ(self) -> bool:
        return self.first is not None and self.second is not None and self.first.labelled != self.second.labelled


@dataclass(frozen=True)
class MetricRow:
    """A metric of both models; None for a model that does not have it."""

    name: str
    meaning: str
    first: float | None
    second: float | None


@pages.get("/models/{name}/compare")
def compare(visit: Visit) -> Response:
    service = visit.service
    name, other = visit.path("name"), visit.query("with")
    model = service.store.models.find(name)
    succeeded = service.store.models.newest(MODELS_SHOWN, (ModelStatus.SUCCEEDED,))
    others = [found.name for found in succeeded if found.name != name]
    values: dict[str, object] = {"model": name, "other": other, "others": others}
    commands = [evaluation_commands(visit.origin, name, other or "OTHER-MODEL")]
    if not other:
        return visit.render("compare_choose.html", why=None, snippets=commands, **values)
    ours, theirs = sources_of(service, model), sources_of(service, service.store.models.find(other))
    pair = _asked_for(visit, name, other) or same_images(service, ours, theirs)
    if pair is None:
        why = f"{name} and {other} were not judged on the same dataset. Evaluate both on one, then compare them."
        return visit.render("compare_choose.html", why=why, snippets=commands, **values)
    try:
        return _compared(visit, pair, ours, theirs, values)
    except ApiError as error:
        return visit.render("compare_choose.html", why=str(error), snippets=commands, **values)


def _asked_for(visit: Visit, name: str, other: str) -> tuple[Source, Source] | None:
    """The sources that the query names. None if it names none, or one of another model, from before that was chosen."""
    first, second = visit.query("evaluation"), visit.query("with_evaluation")
    if not first and not second:
        return None
    try:
        return source_of(visit.service, name, first), source_of(visit.service, other, second)
    except NotFound:
        return None


def _compared(
    visit: Visit, pair: tuple[Source, Source], ours: Sequence[Source], theirs: Sequence[Source], values: dict[str, object]
) -> Response:
    first, second = pair
    service = visit.service
    skip = visit.number("skip", 0, 0, SKIP_MAX)
    # Whose outcomes are missing is asked first, so that the error names the right model.
    with second.asked(service) as (asked, their_key):
        asked.open(their_key)
    with first.asked(service) as (asked, key):
        pairs = asked.pairs(key, their_key)
        only = _only(visit.query("only"), pairs.numbers)
        rows = pairs.selected(only)
        count = PAGE // 2 if pairs.numbers.kind is OutcomeKind.OBJECTS else PAGE  # with boxes, each image is there twice
        page = rows[skip : skip + count].T.tolist()
        readable = [registered(service, source.dataset) is not None for source in pair]
        sides = [
            _side(source, asked.open(of), column, can)
            for source, of, column, can in zip(pair, (key, their_key), page, readable, strict=True)
        ]
    numbers, end = pairs.numbers, skip + len(page[0])
    shown = [Compared(*both) for both in zip(*sides, strict=True)]
    query = {"with": second.model.name, "evaluation": first.name, "with_evaluation": second.name}
    names = _names(first, second)
    return visit.render(
        "compare_more.html" if visit.is_fragment else "compare.html",
        first=first,
        second=second,
        names=names,
        numbers=numbers,
        said=comparison_text(numbers, *names),
        choices=_choices(query, first, numbers, names, only),
        only=only,
        shown=shown,
        more=_path(first, {**query, "only": only.value, "skip": str(end)}) if end < len(rows) else None,
        left=len(rows) - end,
        ours=ours,
        theirs=theirs,
        metrics=_metrics(first, second),
        readable=all(readable),
        skip=skip,
        snippets=comparison_snippets(visit.origin, first, second),
        **values,
    )


def _only(text: str, numbers: Comparison) -> ComparisonFilter:
    """Which images to list: at first those where they differ."""
    try:
        return ComparisonFilter(text)
    except ValueError:
        pass
    if numbers.only_first:
        return ComparisonFilter.FIRST
    return ComparisonFilter.SECOND if numbers.only_second else ComparisonFilter.NEITHER


def _names(first: Source, second: Source) -> tuple[str, str]:
    """How the two are called: by model, or by evaluation if they are one model's."""
    if first.model.id != second.model.id:
        return first.model.name, second.model.name
    return f"{first.model.name} ({first.text})", f"{second.model.name} ({second.text})"


def _choices(
    query: dict[str, str], first: Source, numbers: Comparison, names: tuple[str, str], only: ComparisonFilter
) -> list[Choice]:
    rows = [
        (ComparisonFilter.FIRST, f"Only {names[0]} is right", numbers.only_first, "1"),
        (ComparisonFilter.SECOND, f"Only {names[1]} is right", numbers.only_second, "2"),
        (ComparisonFilter.NEITHER, "Both wrong", numbers.both_wrong, "3"),
        (ComparisonFilter.BOTH, "Both right", numbers.both_right, "4"),
        (ComparisonFilter.UNPAIRED, "Only one has the image", numbers.only_in_first + numbers.only_in_second, "5"),
    ]
    return [
        Choice(title, count, _path(first, {**query, "only": which.value}), which is only, key)
        for which, title, count, key in rows
        if count or which is not ComparisonFilter.UNPAIRED
    ]


def _path(first: Source, query: dict[str, str]) -> str:
    return f"{link('models', first.model.name, 'compare')}?{urlencode(query)}"


def _side(source: Source, outcomes: StoredOutcomes, rows: list[int], readable: bool) -> list[Shot | None]:
    """One model's pictures of these rows; None for −1."""
    wanted = sorted({row for row in rows if row >= 0})
    found = dict(zip(wanted, shots(source, wanted, outcomes.read(wanted), readable=readable), strict=True))
    return [found.get(row) for row in rows]


def _metrics(first: Source, second: Source) -> list[MetricRow]:
    ours, theirs = ({metric.key: metric for metric in metrics_of(source.performance)} for source in (first, second))
    return [
        MetricRow(metric.name, metric.meaning, *(side[key].value if key in side else None for side in (ours, theirs)))
        for key, metric in {**ours, **theirs}.items()
    ]
