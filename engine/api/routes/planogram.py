"""`/planogramcompliance:match`: which of the products that a run found stand where the planogram expects them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from vision_customization.contract.products import PlanogramMatch, PlanogramMatchResult
from vision_customization.engine.api.bodies.json import body_of
from vision_customization.engine.api.document import failures, json_body
from vision_customization.engine.api.errors import invalid
from vision_customization.engine.api.parameters import VERSIONED, wire_response
from vision_customization.engine.products.planogram import PlanogramError, match_planogram

router = APIRouter(prefix="/computervision", tags=["Product recognition"], dependencies=VERSIONED)


@router.post(
    "/planogramcompliance:match",
    summary="Match recognized products with a planogram",
    response_model=PlanogramMatchResult,
    responses=failures(400, 401, 405, 413),
    openapi_extra=json_body(PlanogramMatch),
)
def match(body: Annotated[PlanogramMatch, Depends(body_of(PlanogramMatch))]) -> Response:
    try:
        found = match_planogram(body.planogram, body.detected_products)
    except PlanogramError as error:
        raise invalid(str(error), target=error.target) from None
    return wire_response(PlanogramMatchResult(matching_result_per_position=found))
