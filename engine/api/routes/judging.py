"""`…/outcomes:threshold`, `…/outcomes:calibration`, `…/outcomes:tags` and `/models/{name}/outcomes:compare` (extensions): what
outcomes say about a model."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from vision_customization.contract.judging import Calibration, ComparisonFilter, ComparisonPage, TagOutcomes, ThresholdPage
from vision_customization.contract.outcomes import OutcomeFilter
from vision_customization.contract.wire import Name
from vision_customization.engine.api.document import failures
from vision_customization.engine.api.parameters import (
    VERSIONED,
    LongPageQuery,
    PathName,
    Serving,
    given,
    wire_response,
)
from vision_customization.engine.api.routes.outcomes import Kept, OfEvaluation, OfModel, Only, kept_of_evaluation, kept_of_model

router = APIRouter(prefix="/computervision/models/{name}", tags=["Outcomes"], dependencies=VERSIONED)

Threshold = Annotated[float, Query(ge=0, le=1, description="Answers count from this confidence on.")]
AtTag = Annotated[str | None, Query(description="Count only this tag. It must be given if images have several tags each.")]
OnlyCompared = Annotated[
    ComparisonFilter | None,
    Query(description="Which images to list, by which model is right; by default all that both have."),
]
_FAILURES = failures(400, 401, 404, 405)


def compared(
    service: Serving,
    name: PathName,
    with_model: Annotated[Name, Query(alias="with-model", description="The second model; it may be the same.")],
    evaluation: Annotated[
        Name | None, Query(description="An evaluation of the first model; by default, the outcomes of the model itself.")
    ] = None,
    with_evaluation: Annotated[
        Name | None, Query(alias="with-evaluation", description="The same for the second model.")
    ] = None,
) -> tuple[Kept, Kept, dict[str, str]]:
    """The outcomes of both models, and the query that names the second."""

    def kept(model: str, of: str | None) -> Kept:
        return kept_of_model(service, model) if of is None else kept_of_evaluation(service, model, of)

    query = {"with-model": with_model, "evaluation": evaluation, "with-evaluation": with_evaluation}
    return kept(name, evaluation), kept(with_model, with_evaluation), given(query)


Compared = Annotated[tuple[Kept, Kept, dict[str, str]], Depends(compared)]


@router.get(
    "/outcomes:threshold",
    summary="Count what the model gets right from a confidence on, and list those images (an extension)",
    response_model=ThresholdPage,
    responses=_FAILURES,
)
def threshold_of_model(
    kept: OfModel, page: LongPageQuery, threshold: Threshold, tag: AtTag = None, only: Only = None
) -> Response:
    return _threshold(kept, page, threshold, tag, only)


@router.get(
    "/outcomes:calibration",
    summary="Compare the model's confidences with how often it is right (an extension)",
    response_model=Calibration,
    responses=_FAILURES,
)
def calibration_of_model(kept: OfModel) -> Response:
    return _calibration(kept)


@router.get(
    "/outcomes:tags",
    summary="Get how the model does on each tag, on these images (an extension)",
    response_model=TagOutcomes,
    responses=_FAILURES,
)
def tags_of_model(kept: OfModel) -> Response:
    return _tags(kept)


@router.get(
    "/outcomes:compare",
    summary="Compare two models on the images that both have answered (an extension)",
    response_model=ComparisonPage,
    responses=_FAILURES,
)
def compare(both: Compared, page: LongPageQuery, only: OnlyCompared = None) -> Response:
    first, second, query = both
    with second.asked() as (judge, key):
        judge.open(key)  # so that an answer of 404 names the right model
    with first.asked() as (judge, key):
        numbers, count, lines = judge.comparison_page(key, second.key, only, page.skip, page.top)
    filtered = {} if only is None else {"only": only.value}
    return page.encoded(lines, count, {**query, **filtered}, numbers.to_wire())


@router.get(
    "/evaluations/{evaluation_name}/outcomes:threshold",
    summary="Count what the model gets right from a confidence on in an evaluation, and list those images (an extension)",
    response_model=ThresholdPage,
    responses=_FAILURES,
)
def threshold_of_evaluation(
    kept: OfEvaluation, page: LongPageQuery, threshold: Threshold, tag: AtTag = None, only: Only = None
) -> Response:
    return _threshold(kept, page, threshold, tag, only)


@router.get(
    "/evaluations/{evaluation_name}/outcomes:calibration",
    summary="Compare the model's confidences with how often it is right in an evaluation (an extension)",
    response_model=Calibration,
    responses=_FAILURES,
)
def calibration_of_evaluation(kept: OfEvaluation) -> Response:
    return _calibration(kept)


@router.get(
    "/evaluations/{evaluation_name}/outcomes:tags",
    summary="Get how the model does on each tag in an evaluation (an extension)",
    response_model=TagOutcomes,
    responses=_FAILURES,
)
def tags_of_evaluation(kept: OfEvaluation) -> Response:
    return _tags(kept)


def _threshold(kept: Kept, page: LongPageQuery, threshold: float, tag: str | None, only: OutcomeFilter | None) -> Response:
    with kept.asked() as (judge, key):
        numbers, count, lines = judge.threshold_page(key, threshold, tag, only, page.skip, page.top)
    query = {"threshold": str(threshold), "tag": tag, "only": None if only is None else only.value}
    return page.encoded(lines, count, given(query), numbers.to_wire())


def _calibration(kept: Kept) -> Response:
    with kept.asked() as (judge, key):
        return wire_response(judge.calibration(key))


def _tags(kept: Kept) -> Response:
    with kept.asked() as (judge, key):
        return wire_response(judge.tags(key))
