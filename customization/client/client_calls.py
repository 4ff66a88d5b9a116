"""What all parts of `VisionClient` share: its transport, typed calls, and waiting until work ends."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from vision_customization.customization.client.transport import Transport
from vision_customization.customization.client.typed_calls import TypedCalls
from vision_customization.customization.client.waiting import LOCAL_OUTAGE_SECONDS, OUTAGE_SECONDS, Waited, wait


class ClientCalls:
    """A part of `VisionClient`."""

    def __init__(self, transport: Transport, *, sleep: Callable[[float], None], clock: Callable[[], float]) -> None:
        self._transport = transport
        self._calls = TypedCalls(transport)
        self._sleep = sleep
        self._clock = clock

    def _wait(
        self,
        look: Callable[[], Waited],
        what: str,
        timeout_seconds: float | None,
        on_progress: Callable[[Waited], None] | None,
    ) -> Waited:
        return wait(
            look,
            what,
            timeout_seconds,
            on_progress,
            outage_seconds=LOCAL_OUTAGE_SECONDS if self._transport.loopback else OUTAGE_SECONDS,
            sleep=self._sleep,
            clock=self._clock,
        )


def segment(name: str) -> str:
    """A name as one segment of a path."""
    return quote(name, safe="")
