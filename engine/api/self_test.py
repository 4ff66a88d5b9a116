"""The self-test of a new release: before it gets calls, a process answers one `analyze` of its own."""

import asyncio
import io
import logging
import math
import time
from collections.abc import Callable

from PIL import Image

from vision_customization.contract.errors import ErrorCode
from vision_customization.engine.api.errors import ApiError
from vision_customization.engine.api.routes.analyze import Analyzer

MODELS_MAX = 5
"""Published models that are tried: one damaged model does not stop a release."""

FAILURE_SECONDS = 5.0
"""For so long a failure is the answer, without another try: less than the period of a startup probe, so that each one tries."""

_SIDE = 64
log = logging.getLogger("engine.service")


class SelfTest:
    """Passed once a published model has answered in this process, and from then on. Anybody may ask for it, so it costs nothing
    after that, and one try each `FAILURE_SECONDS` before: callers that wait for a try get its result."""

    def __init__(self, analyzer: Analyzer, clock: Callable[[], float] = time.monotonic) -> None:
        self._analyzer = analyzer
        self._clock = clock
        self._turn = asyncio.Lock()
        self._passed = False
        self._again_at = -math.inf

    async def run(self) -> None:
        """Raises ApiError (503) if none of the published models answers. Without any, there is nothing to test."""
        async with self._turn:
            if self._passed:
                return
            if self._clock() < self._again_at:
                raise _failed()
            names = await asyncio.to_thread(self._published)
            for name in names:
                try:
                    await self._analyzer.answer(name, None, _image(), str, at_work=False)
                except Exception as error:  # noqa: BLE001 - whatever it is, this model does not answer
                    log.error("self-test failed", extra={"model": name, "reason": f"{type(error).__name__}: {error}"})  # noqa: TRY400
                else:
                    self._passed = True
                    return
            if names:
                self._again_at = self._clock() + FAILURE_SECONDS
                raise _failed()

    def _published(self) -> list[str]:
        return [record.name for record in self._analyzer.service.store.published.page(0, MODELS_MAX)]


def _failed() -> ApiError:
    message = "None of the published models that were tried answers. See the engine's log."
    return ApiError(503, ErrorCode.INTERNAL_SERVER_ERROR, message)


def _image() -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (_SIDE, _SIDE), (128, 128, 128)).save(data, "PNG")
    return data.getvalue()
