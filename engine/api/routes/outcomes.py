"""`/models/{name}/outcomes` and `/models/{name}/evaluations/{evaluation_name}/outcomes` (extensions): what a model answered for
each image."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response

from vision_customization.contract.enums import EvaluationStatus, ModelStatus
from vision_customization.contract.errors import ErrorCode
from vision_customization.contract.outcomes import Confusion, Curves, OutcomeFilter, OutcomePage
from vision_customization.engine.api.document import failures
from vision_customization.engine.api.errors import ApiError, invalid
from vision_customization.engine.api.parameters import (
    VERSIONED,
    LongPageQuery,
    PathName,
    Serving,
    encoded_response,
    given,
    json_response,
)
from vision_customization.engine.objects.keys import estimate_key, older_curves_key, outcomes_key, sidecar_key
from vision_customization.engine.objects.store import ObjectNotFound, ObjectStore
from vision_customization.engine.outcomes.cells import CellFilter
from vision_customization.engine.outcomes.judge import Judge
from vision_customization.engine.outcomes.questions import InvalidQuestion

router = APIRouter(prefix="/computervision/models/{name}", tags=["Outcomes"], dependencies=VERSIONED)

Only = Annotated[OutcomeFilter | None, Query(description="Which images to list; by default all.")]
TagName = Annotated[str | None, Query(description="Only images that have this tag as a label, or as an answer.")]
Label = Annotated[str | None, Query(description="Only images in this label's row of the confusion.")]
Answer = Annotated[str | None, Query(description="Only images in this answer's column of the confusion.")]
Unlabelled = Annotated[bool, Query(description="Only images in the confusion's row of answers without a label.")]
Unanswered = Annotated[bool, Query(description="Only images in the confusion's column of labels that the model missed.")]


def cell_filter(
    label: Label = None, answer: Answer = None, unlabelled: Unlabelled = False, unanswered: Unanswered = False
) -> CellFilter:
    return CellFilter(label, answer, unlabelled, unanswered)


Cell = Annotated[CellFilter, Depends(cell_filter)]


@dataclass(frozen=True)
class Kept:
    """The outcomes under the prefix `key`, of `what`. `older_key` is of the object in which older engines kept a detector's
    curves, under `older_name` if the object holds more."""

    objects: ObjectStore
    judge: Judge
    key: str
    what: str
    advice: str
    older_key: str
    older_name: str | None = None

    @contextmanager
    def asked(self) -> Iterator[tuple[Judge, str]]:
        """The judge, and the key to ask it about. Its refusals become those of the API."""
        try:
            yield self.judge, self.key
        except ObjectNotFound:
            raise self.missing from None
        except InvalidQuestion as error:
            raise invalid(f"{error.target}: {error}", target=error.target) from None

    def whole(self, file: str) -> bytes:
        try:
            return self.objects.get(f"{self.key}/{file}")
        except ObjectNotFound:
            raise self.missing from None

    def older_curves(self) -> dict[str, Any] | None:
        try:
            found = json.loads(self.objects.get(self.older_key))
        except ObjectNotFound:
            return None
        curves: dict[str, Any] | None = found if self.older_name is None else found.get(self.older_name)
        return curves

    @property
    def missing(self) -> ApiError:
        return ApiError(404, ErrorCode.RESOURCE_NOT_FOUND, f"{self.what} has no outcomes. {self.advice}")


def kept_of_model(service: Serving, name: PathName) -> Kept:
    """Those of the model's test dataset, or else of its own estimate."""
    record = service.store.models.find(name)
    if record.status is not ModelStatus.SUCCEEDED:
        raise invalid(f"The model '{name}' is '{record.status.value}': only one that succeeded has outcomes.", target=name)
    key = estimate_key(record.id) if record.test_dataset_name is None else outcomes_key(record.id)
    return Kept(
        service.objects,
        service.judge,
        key,
        f"The model '{name}'",
        "It was imported, trained by an older engine, or from too few images for an estimate. Evaluate it on a dataset.",
        sidecar_key(record.id),
        "precisionRecall50",
    )


def kept_of_evaluation(service: Serving, name: PathName, evaluation_name: PathName) -> Kept:
    record = service.store.evaluations.find(name, evaluation_name)
    what = f"The evaluation '{evaluation_name}' of model '{name}'"
    if record.status is not EvaluationStatus.SUCCEEDED:
        message = f"{what} is '{record.status.value}': only one that succeeded has outcomes."
        raise invalid(message, target=evaluation_name)
    return Kept(
        service.objects,
        service.judge,
        outcomes_key(record.model_id, record.id),
        what,
        "An older engine made it. Evaluate the model again, under another name.",
        older_curves_key(record.model_id, record.id),
    )


OfModel = Annotated[Kept, Depends(kept_of_model)]
OfEvaluation = Annotated[Kept, Depends(kept_of_evaluation)]
_FAILURES = failures(400, 401, 404, 405)


@router.get(
    "/outcomes",
    summary="List what the model answered for each image that its metrics are from (an extension)",
    response_model=OutcomePage,
    responses=_FAILURES,
)
def of_model(kept: OfModel, page: LongPageQuery, cell: Cell, only: Only = None, tag: TagName = None) -> Response:
    return _page(kept, page, cell, only, tag)


@router.get(
    "/outcomes:confusion",
    summary="Count which label got which answer, on these images (an extension)",
    response_model=Confusion,
    responses=_FAILURES,
)
def confusion_of_model(kept: OfModel) -> Response:
    return encoded_response(kept.whole("confusion.json"))


@router.get(
    "/outcomes:curves",
    summary="Get precision and recall at each threshold, on these images (an extension)",
    response_model=Curves,
    responses=_FAILURES,
)
def curves_of_model(kept: OfModel) -> Response:
    return _curves(kept)


@router.get(
    "/evaluations/{evaluation_name}/outcomes",
    summary="List what the model answered for each image of an evaluation (an extension)",
    response_model=OutcomePage,
    responses=_FAILURES,
)
def of_evaluation(kept: OfEvaluation, page: LongPageQuery, cell: Cell, only: Only = None, tag: TagName = None) -> Response:
    return _page(kept, page, cell, only, tag)


@router.get(
    "/evaluations/{evaluation_name}/outcomes:confusion",
    summary="Count which label got which answer in an evaluation (an extension)",
    response_model=Confusion,
    responses=_FAILURES,
)
def confusion_of_evaluation(kept: OfEvaluation) -> Response:
    return encoded_response(kept.whole("confusion.json"))


@router.get(
    "/evaluations/{evaluation_name}/outcomes:curves",
    summary="Get precision and recall at each threshold in an evaluation (an extension)",
    response_model=Curves,
    responses=_FAILURES,
)
def curves_of_evaluation(kept: OfEvaluation) -> Response:
    return _curves(kept)


def _page(kept: Kept, page: LongPageQuery, cell: CellFilter, only: OutcomeFilter | None, tag: str | None) -> Response:
    with kept.asked() as (judge, key):
        listed = judge.page(key, page.skip, page.top, only, tag, cell)
    query = {
        "only": None if only is None else only.value,
        "tag": tag,
        "label": cell.label,
        "answer": cell.answer,
        "unlabelled": "true" if cell.unlabelled else None,
        "unanswered": "true" if cell.unanswered else None,
    }
    facts: dict[str, float | None] = {"threshold": listed.threshold, "cellCount": listed.cell_count}
    return page.encoded(listed.lines, listed.count, given(query), given(facts))


def _curves(kept: Kept) -> Response:
    try:
        return encoded_response(kept.whole("curves.json"))
    except ApiError:
        older = kept.older_curves()
        if older is None:
            raise
        return json_response({"tags": older})
