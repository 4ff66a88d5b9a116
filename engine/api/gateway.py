"""What every request passes before its route: a check of its path and its caller, an id, a log line, the metrics."""

import logging
import re
import time
import uuid
from pathlib import Path
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vision_customization.engine.api.authentication import Authenticator, unauthorized
from vision_customization.engine.api.errors import unexpected
from vision_customization.engine.api.metrics import Metrics
from vision_customization.engine.runtime.logs import request_id

PROTECTED = "/computervision"

_SLASHES = re.compile("//+")
_SLASHES_RAW = re.compile(b"//+")
_PROBES = ("/livez", "/healthz", "/selftest", "/metrics")  # called every few seconds for as long as the engine runs
_CLIENT_CLOSED = 499  # nginx's number for a caller that hung up; only ever logged

log = logging.getLogger("engine.access")


class Gateway:
    """ASGI middleware around the whole application, whose data are in `data_dir`."""

    def __init__(self, app: ASGIApp, authenticator: Authenticator, metrics: Metrics, data_dir: Path) -> None:
        self._app = app
        self._data_dir = data_dir
        self._authenticator = authenticator
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["path"] = _SLASHES.sub("/", scope["path"])
        if raw := scope.get("raw_path"):
            scope["raw_path"] = _SLASHES_RAW.sub(b"/", raw)
        identifier = str(uuid.uuid4())
        token = request_id.set(identifier)
        started = time.perf_counter()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message.setdefault("headers", [])
                message["headers"] += [(b"apim-request-id", identifier.encode()), (b"x-content-type-options", b"nosniff")]
                if scope["scheme"] == "https":
                    message["headers"].append((b"strict-transport-security", b"max-age=31536000; includeSubDomains"))
            await send(message)

        try:
            await self._answer(scope, receive, send_with_id)
        except ClientDisconnect:
            status = status or _CLIENT_CLOSED
        except Exception as error:  # noqa: BLE001 - it is logged
            answer = unexpected(error, self._data_dir, log, scope["method"], scope["path"])
            if not status:
                await answer.response()(scope, receive, send_with_id)
        finally:
            self._record(scope, status, time.perf_counter() - started)
            request_id.reset(token)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith(PROTECTED):
            headers = dict(scope["headers"])
            if not self._authenticator.has_key(headers):
                refusal = await run_in_threadpool(self._authenticator.refusal, headers)
                if refusal is not None:
                    host = headers.get(b"host", b"localhost").decode("latin-1").replace('"', "")
                    realm = f"{scope['scheme']}://{host}{PROTECTED}"
                    await unauthorized(refusal, realm).response()(scope, receive, send)
                    return
        await self._app(scope, receive, send)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        self._metrics.count(scope["method"], route, status, seconds)
        fields = {
            "method": scope["method"],
            "path": scope["path"],
            "status": status,
            "milliseconds": round(seconds * 1000, 2),
        }
        # The query is not logged: an address in it may contain a signature.
        if b"model-name" in scope["query_string"]:
            fields["model-name"] = parse_qs(scope["query_string"].decode("latin-1")).get("model-name", [""])[-1][:255]
        log.log(logging.DEBUG if route in _PROBES else logging.INFO, "request", extra=fields)
