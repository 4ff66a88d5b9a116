"""`vision studio`: a browser that is signed in by a one-time code."""

import webbrowser
from collections.abc import Callable

import pytest

from tests.customization.cli.ran import Vision
from tests.customization.fake_service import Answer, FakeService

CODE = {"code": "c0de-c0de", "role": "reader", "expiresDateTime": "2026-01-01T00:01:00.000Z"}


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], list[str]]:
    """Replaces the browser by one that opens or not; returns the addresses that it was asked for."""

    def replace(opens: bool) -> list[str]:
        asked: list[str] = []

        def opened(address: str) -> bool:
            asked.append(address)
            return opens

        monkeypatch.setattr(webbrowser, "open", opened)
        return asked

    return replace


def test_a_browser_is_opened_and_the_code_not_printed(
    vision: Vision, service: FakeService, browser: Callable[[bool], list[str]]
) -> None:
    asked = browser(True)
    service.answers.append(Answer(201, CODE))
    ran = vision("studio", "--role", "reader")
    assert (ran.code, ran.out) == (0, "")
    assert asked == [f"{service.url}/studio/sign-in#code=c0de-c0de"]
    assert service.received[0].path == "/computervision/studio/codes"
    assert service.received[0].json == {"role": "reader"}


@pytest.mark.parametrize(("arguments", "opens"), [(["--print"], True), ([], False)])
def test_without_a_browser_the_address_is_printed(
    vision: Vision, service: FakeService, browser: Callable[[bool], list[str]], arguments: list[str], opens: bool
) -> None:
    asked = browser(opens)
    service.answers.append(Answer(201, CODE))
    ran = vision("studio", *arguments)
    assert (ran.code, ran.out) == (0, f"{service.url}/studio/sign-in#code=c0de-c0de\n")
    assert bool(asked) is not bool(arguments)


def test_an_engine_without_the_studio_says_so(vision: Vision, service: FakeService) -> None:
    message = "This engine does not serve the Studio: set VISION_ENGINE_STUDIO to true, and restart it."
    service.answers.append(Answer(404, {"error": {"code": "ResourceNotFound", "message": message}}))
    ran = vision("studio")
    assert ran.code == 3
    assert message in ran.err
