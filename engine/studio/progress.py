"""Work of some seconds, and how far it is: a script that asks is answered line by line, and a form when the work is done.

The work runs to its end even if nobody listens any more. So a visitor who closes the page, or reads slowly, stops and holds up
nothing.
"""

import asyncio
import contextvars
import json
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from starlette.responses import Response, StreamingResponse

from vision_customization.engine.api.errors import unexpected
from vision_customization.engine.drafts.saving import Report
from vision_customization.engine.store.draft_bulk import Report as BulkReport
from vision_customization.engine.studio.refusals import REFUSALS, in_words
from vision_customization.engine.studio.visit import Visit

LINES = "application/x-ndjson"
"""What a script accepts that shows how far the work is: a JSON object a line. `doing`, `done` and `of` say how far it is. The
last line has the `result`, or an `error` with its `message`."""

_AT_ONCE = 4
_SECONDS_BETWEEN = 0.2

_pool = ThreadPoolExecutor(_AT_ONCE, "studio-work")
log = logging.getLogger(__name__)


async def answer_with_progress(
    visit: Visit, work: Callable[[Report], dict[str, Any]], then: Callable[[dict[str, Any]], Response] | None = None
) -> Response:
    """Do the work in a thread. A script that accepts `LINES` gets these; others get what `then` makes of the result, once it is
    there, or the result as JSON. What is refused at once is refused like any other request."""
    latest: dict[str, Any] = {}

    def report(doing: str, done: int, of: int) -> None:
        nonlocal latest
        latest = {"doing": doing, "done": done, "of": of}

    context = contextvars.copy_context()
    result = asyncio.get_running_loop().run_in_executor(_pool, lambda: context.run(work, report))
    if LINES not in visit.request.headers.get("accept", ""):
        done = await result
        return visit.json(done) if then is None else then(done)
    await asyncio.wait([result], timeout=_SECONDS_BETWEEN)
    if result.done():
        result.result()  # raises what was refused

    async def lines() -> AsyncIterator[str]:
        said: dict[str, Any] = {}
        while not result.done():
            if latest != said:
                said = latest
                yield _line(said)
            await asyncio.wait([result], timeout=_SECONDS_BETWEEN)
        yield _line(_outcome(visit, result))

    return StreamingResponse(lines(), media_type=LINES)


def of_images(report: Report) -> BulkReport:
    """The report of a change of many images of a draft. What takes longest is to note how they were."""
    return lambda done, of: report("Noting how images were", done, of)


def _outcome(visit: Visit, result: "asyncio.Future[dict[str, Any]]") -> dict[str, Any]:
    try:
        return {"result": result.result()}
    except REFUSALS as error:
        return {"error": {"message": in_words(error)}}
    except Exception as error:  # noqa: BLE001 - it is logged
        request = visit.request
        failed = unexpected(error, visit.service.settings.data_dir, log, request.method, request.url.path)
        return {"error": {"message": str(failed)}}


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) + "\n"
