"""`/training:speed` (an extension): how fast this engine trains, so that a preview estimates and refuses as the engine does."""

from dataclasses import asdict

from fastapi import APIRouter, Response

from vision_customization.contract.training_speed import TrainingSpeed
from vision_customization.engine.api.document import failures
from vision_customization.engine.api.parameters import VERSIONED, Serving, wire_response

router = APIRouter(prefix="/computervision", tags=["Models"], dependencies=VERSIONED)


@router.get(
    "/training:speed",
    summary="Get how fast this engine trains (an extension)",
    response_model=TrainingSpeed,
    responses=failures(400, 401, 405),
)
def get(service: Serving) -> Response:
    return wire_response(TrainingSpeed(**asdict(service.store.speeds.get())))
