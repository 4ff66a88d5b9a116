"""Waiting for a role, with the clock and the storage played."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.customization.fake_service import Answer, fake_service
from vision_customization.common.errors import AccessRefused, StorageError
from vision_customization.components.azure import role_ready as blob_access
from vision_customization.components.azure.role_ready import Access, BlobAccessProvider, NoAccess, look, wait_for_access
from vision_customization.customization.errors import RequestError, Unreachable
from vision_customization.customization.resources.row import Row

URL = "https://account.blob.core.windows.net/training"
PROPERTIES: dict[str, Any] = {
    "endpoint": "https://engine.example",
    "key": "secret-key",
    "container_url": URL,
    "identity": "the engine",
    "role": "Storage Blob Data Reader",
    "assignment_id": "/assignments/1",
    "timeout_minutes": 1,
    "row_urn": "urn",
}


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let the next looks find these; the last one for ever."""

    def play(*found: Access | Exception) -> None:
        rest: Iterator[Access | Exception] = iter(found)
        last: list[Access | Exception] = []

        def look(_: object) -> Access:
            last[:] = [next(rest, *last)]
            if isinstance(last[0], Exception):
                raise last[0]
            return last[0]

        monkeypatch.setattr(blob_access, "look", look)

    return play


def wait() -> Row:
    row, passed = Row("urn", engine_address=None), [0.0]

    def sleep(seconds: float) -> None:
        passed[0] += seconds

    wait_for_access(PROPERTIES, row, sleep=sleep, clock=lambda: passed[0])
    return row


def test_a_role_that_works_late_is_waited_for_with_progress(looks: Callable[..., None]) -> None:
    looks(Unreachable("refused"), Access(readable=False, reason="403"), Access(readable=True))
    row = wait()
    assert row.said[0].startswith("waiting until 'Storage Blob Data Reader' works for the engine (0 s")
    assert row.said[-1] == "'Storage Blob Data Reader' works for the engine (after 10 s)"


@pytest.mark.parametrize("status", [404, 500, 502, 503, 504])
def test_an_engine_whose_ingress_answers_for_it_is_waited_for(looks: Callable[..., None], status: int) -> None:
    looks(RequestError.of("POST", "/storage:check", status, "code", "no healthy upstream"), Access(readable=True))
    assert wait().said[-1].endswith("(after 5 s)")


def test_a_refusal_is_not_waited_for(looks: Callable[..., None]) -> None:
    looks(RequestError.of("POST", "/storage:check", 401, "401", "the key is wrong"))
    with pytest.raises(RequestError, match="the key is wrong"):
        wait()


def test_the_wait_is_bounded_and_says_who_what_and_where(looks: Callable[..., None]) -> None:
    looks(Access(readable=False, reason="403 AuthorizationPermissionMismatch", who="the engine's identity 47-11"))
    with pytest.raises(NoAccess) as raised:
        wait()
    for part in ("the engine's identity 47-11", URL, "1 min", "403 Auth", "'Storage Blob Data Reader'", "run the update again"):
        assert part in str(raised.value)
    assert "secret-key" not in str(raised.value)


CLOSED = "the network rules of the storage account do not let the deploying identity in"


@pytest.mark.parametrize(
    ("code", "waited"),
    [
        (None, True),
        ("AuthorizationPermissionMismatch", True),
        ("AuthorizationFailure", False),
        ("AuthenticationFailed", False),
        ("AccountIsDisabled", False),
    ],
)
def test_only_a_missing_role_is_waited_for(looks: Callable[..., None], code: str | None, waited: bool) -> None:
    refused = Access(readable=False, reason=f"403 {code}: {CLOSED}", who="the deploying identity", code=code)
    looks(refused, Access(readable=True))
    if waited:
        assert wait().said[-1].endswith("(after 5 s)")
        return
    with pytest.raises(NoAccess) as raised:
        wait()
    for part in ("the deploying identity cannot read", URL, CLOSED, "run the update again"):
        assert part in str(raised.value)


@pytest.mark.parametrize("code", ["AuthorizationFailure", None])  # an older engine does not say it
def test_the_engines_check_says_which_code_storage_gave(code: str | None) -> None:
    answer = {"readable": False, "reason": "403", "identity": "47-11"} | ({"code": code} if code else {})
    with fake_service() as service:
        service.answers.append(Answer(200, answer))
        found = look({**PROPERTIES, "endpoint": service.url})
    assert found == Access(readable=False, reason="403", who="the engine's identity 47-11", code=code)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (AccessRefused(f"container {URL}: 403", "AuthorizationFailure"), "AuthorizationFailure"),
        (AccessRefused(f"container {URL}: 403", "AuthorizationPermissionMismatch"), "AuthorizationPermissionMismatch"),
        (StorageError(f"container {URL}: the storage can't be reached"), None),
    ],
)
def test_the_deployers_own_look_says_which_code_storage_gave(
    monkeypatch: pytest.MonkeyPatch, error: StorageError, code: str | None
) -> None:
    def refuse(url: str) -> None:
        assert url == URL
        raise error

    monkeypatch.setattr(blob_access, "list_one", refuse)
    found = look({**PROPERTIES, "endpoint": None, "key": None})
    assert found == Access(readable=False, reason=str(error), who="the deploying identity", code=code)


def test_a_refresh_sees_a_role_that_was_taken_away(looks: Callable[..., None]) -> None:
    provider = BlobAccessProvider()
    looks(Access(readable=False, reason="403"))
    seen = provider.read("id", {**PROPERTIES, "readable": True}).outs
    assert seen["readable"] is False
    declared = provider.check({}, PROPERTIES).inputs
    assert provider.diff("id", seen, declared).changes
    looks(Access(readable=True))
    assert not provider.diff("id", provider.read("id", seen).outs, declared).changes


def test_an_engine_that_cannot_be_asked_is_no_drift(looks: Callable[..., None]) -> None:
    looks(Unreachable("refused"))
    assert BlobAccessProvider().read("id", {**PROPERTIES, "readable": True}).outs["readable"] is True
