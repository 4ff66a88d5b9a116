"""`/storage:check`: what the engine's own identity can read."""

import pytest

from tests.support.api_world import World
from vision_customization.engine.blobs.reader import BlobErrorKind

CONTAINER = "https://acct.blob.core.windows.net/training"


def test_what_can_be_read(world: World) -> None:
    world.blobs.content[CONTAINER] = b""
    assert world.call("POST", "storage:check", json={"url": CONTAINER}).json() == {"readable": True}


@pytest.mark.parametrize("kind", [BlobErrorKind.DENIED, BlobErrorKind.NOT_FOUND, BlobErrorKind.UNREACHABLE])
@pytest.mark.parametrize("identity", ["7d1c3c0e", None])
def test_what_cannot_be_read_is_said_with_the_identity(world: World, kind: BlobErrorKind, identity: str | None) -> None:
    world.blobs.denied[CONTAINER] = kind
    world.blobs.identity.client_id = identity
    reply = world.call("POST", "storage:check", json={"url": CONTAINER})
    assert reply.status_code == 200
    assert reply.json() == {"readable": False, "reason": f"{CONTAINER} may not be read.", "identity": identity}


def test_the_code_that_storage_gave_is_passed_on(world: World) -> None:
    """Only one of them is that of a missing role, for which the deployment waits."""
    world.blobs.denied[CONTAINER], world.blobs.code = BlobErrorKind.DENIED, "AuthorizationFailure"
    assert world.call("POST", "storage:check", json={"url": CONTAINER}).json()["code"] == "AuthorizationFailure"


def test_a_host_that_the_engine_does_not_read_is_refused(world: World) -> None:
    error = world.call("POST", "storage:check", json={"url": "https://elsewhere/c?sig=Hidden"}).json()["error"]
    assert (error["code"], error["target"]) == ("InvalidRequest", "url")
    assert "not on an allowed host" in error["message"]
    assert "Hidden" not in error["message"]
