"""An identity of the engine, its tokens, and a clock for those that wait for its roles."""

import json
import time
from dataclasses import dataclass, field

from tests.engine.blobs.site import Reply

CLIENT_ID = "7d1c3c0e-0000-4000-8000-3f1d0c0ffee0"


@dataclass
class FixedIdentity:
    value: str | None = "TOPSECRET"
    client_id: str | None = CLIENT_ID
    scopes: list[str] = field(default_factory=list)

    def token(self, scope: str) -> str | None:
        self.scopes.append(scope)
        return self.value


@dataclass
class Clock:
    """Time that passes by sleeping alone."""

    now: float = 1000.0
    pauses: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def token_reply(scope: str) -> Reply:
    token = {
        "access_token": "TOPSECRET",
        "expires_on": str(int(time.time()) + 3600),
        "resource": scope.removesuffix("/.default"),
        "token_type": "Bearer",
        "client_id": CLIENT_ID,
    }
    return Reply(headers={"Content-Type": "application/json"}, body=json.dumps(token).encode())
