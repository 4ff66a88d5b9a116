"""Operations outside the contract: the health checks and the metrics."""

import ipaddress
import logging
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy.exc import SQLAlchemyError

from vision_customization.contract.errors import ErrorCode
from vision_customization.contract.limits import API_VERSIONS
from vision_customization.engine.api.authentication import Authenticator, unauthorized
from vision_customization.engine.api.document import failures
from vision_customization.engine.api.errors import ApiError
from vision_customization.engine.api.metrics import Metrics
from vision_customization.engine.api.parameters import Serving, json_response

_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"

log = logging.getLogger("engine.service")


def engine_version() -> str:
    try:
        return version("vision-customization")
    except PackageNotFoundError:
        return "0"


router = APIRouter(tags=["Service"])


async def authenticator_of(request: Request) -> Authenticator:
    authenticator: Authenticator = request.app.state.authenticator
    return authenticator


async def metrics_of(request: Request) -> Metrics:
    metrics: Metrics = request.app.state.metrics
    return metrics


@router.get(
    "/healthz",
    summary="Check that the engine and its database answer",
    response_class=Response,
    responses={
        **failures(503),
        200: {"description": "It does.", "content": {"application/json": {"schema": {"type": "object"}}}},
    },
)
def healthz(service: Serving) -> Response:
    try:
        service.store.ping()
    except SQLAlchemyError as error:
        log.error("database does not answer", extra={"reason": type(error).__name__})  # noqa: TRY400 - its text may hold the URL
        raise ApiError(503, ErrorCode.INTERNAL_SERVER_ERROR, "The database does not answer.") from None
    return json_response({"status": "ok", "version": engine_version(), "apiVersions": list(API_VERSIONS)})


@router.get(
    "/selftest",
    summary="Check that a published model answers",
    response_class=Response,
    responses={
        **failures(503),
        200: {"description": "It does, or none is published.", "content": {"application/json": {"schema": {"type": "object"}}}},
    },
)
async def self_test(request: Request) -> Response:
    """For the start of a new release: it computes until a model has answered once in this process, then it only says so."""
    await request.app.state.self_test.run()
    return json_response({"status": "ok", "version": engine_version()})


@router.get(
    "/livez",
    summary="Check that the engine answers, whatever its database does",
    response_class=Response,
    responses={
        **failures(),
        200: {"description": "It does.", "content": {"application/json": {"schema": {"type": "object"}}}},
    },
)
async def livez() -> Response:
    """Neither waits for a thread nor for the database: a restart of the engine mends neither a database nor many callers."""
    return json_response({"status": "ok"})


@router.get(
    "/metrics",
    summary="Get metrics in Prometheus' text format",
    response_class=Response,
    responses={
        **failures(401),
        200: {"description": "The metrics.", "content": {"text/plain": {"schema": {"type": "string"}}}},
    },
)
def read_metrics(
    service: Serving,
    authenticator: Annotated[Authenticator, Depends(authenticator_of)],
    metrics: Annotated[Metrics, Depends(metrics_of)],
    request: Request,
) -> Response:
    allowed = service.settings.metrics_public or from_this_machine(request)
    if not allowed and not authenticator.has_key(dict(request.scope["headers"])):
        message = "Calls of /metrics from other machines need a key in the header Ocp-Apim-Subscription-Key."
        raise unauthorized(message, str(request.url.replace(query="")))
    return Response(metrics.text(), media_type=_PROMETHEUS)


def from_this_machine(request: Request) -> bool:
    """Whether the caller is a process of this machine, and not a proxy that forwards for another."""
    if request.client is None or "x-forwarded-for" in request.headers or "forwarded" in request.headers:
        return False
    try:
        return ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
