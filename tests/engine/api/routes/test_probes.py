"""Health, metrics and logs."""

import asyncio
import io
import json
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy.exc import OperationalError
from starlette.requests import Request

from tests.support.api_world import BuildWorld, FixedModels, World
from vision_customization.engine.api.routes.probes import from_this_machine
from vision_customization.engine.api.self_test import FAILURE_SECONDS, SelfTest
from vision_customization.engine.learning.errors import ArtifactError
from vision_customization.engine.models.answers import Classification
from vision_customization.engine.runtime.logs import configure_logs

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """What is logged, line by line, as JSON."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    stream = io.StringIO()
    configure_logs("debug", stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:], root.level = before


def test_health_needs_no_key(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    reply = world.call("GET", "/healthz", key=None, version=None)
    assert (reply.status_code, reply.json()["status"]) == (200, "ok")

    def broken() -> None:
        raise OperationalError("SELECT 1", {}, Exception("password=secret"))

    monkeypatch.setattr(world.store, "ping", broken)
    reply = world.call("GET", "/healthz", key=None, version=None)
    assert (reply.status_code, reply.json()["error"]["message"]) == (503, "The database does not answer.")
    reply = world.call("GET", "/livez", key=None, version=None)
    assert (reply.status_code, reply.json()) == (200, {"status": "ok"})


def test_the_engine_is_alive_while_every_thread_waits_for_the_database(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()
    monkeypatch.setattr(world.store, "ping", lambda: ended.wait(30))

    async def call() -> tuple[int, set[int]]:
        transport = httpx.ASGITransport(world.call.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://engine.test") as client:
            waiting = [asyncio.create_task(client.get("/healthz")) for _ in range(60)]
            try:
                alive = await asyncio.wait_for(client.get("/livez"), 5)
            finally:
                ended.set()
            return alive.status_code, {(await task).status_code for task in waiting}

    assert asyncio.run(call()) == (200, {200})


class PlayedClock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(world: World) -> PlayedClock:
    """That of the self-test."""
    played = PlayedClock()
    world.call.app.state.self_test = SelfTest(world.call.app.state.analyzer, played)
    return played


def test_a_failed_self_test_is_remembered(world: World, clock: PlayedClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody may ask, as often as they like: that must not make the engine compute each time."""
    world.train("m")
    world.store.published.publish("live-m", "m")
    tries: list[str] = []

    def classified(_models: FixedModels, model_id: str, *_: Any, **__: Any) -> Classification:  # noqa: ANN401
        tries.append(model_id)
        raise ArtifactError("it is cut off")

    monkeypatch.setattr(FixedModels, "classify", classified)

    async def many() -> set[int]:
        transport = httpx.ASGITransport(world.call.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://engine.test") as client:
            return {reply.status_code for reply in await asyncio.gather(*(client.get("/selftest") for _ in range(20)))}

    assert asyncio.run(many()) == {503}
    assert len(tries) == 1
    clock.now += FAILURE_SECONDS - 0.1
    assert world.call("GET", "/selftest", key=None, version=None).status_code == 503
    assert len(tries) == 1
    clock.now += 0.1
    assert world.call("GET", "/selftest", key=None, version=None).status_code == 503
    assert len(tries) == 2


def test_the_self_test_passes_once_a_published_model_has_answered(
    world: World, clock: PlayedClock, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask() -> tuple[int, str]:
        reply = world.call("GET", "/selftest", key=None, version=None)
        return reply.status_code, reply.text

    assert ask()[0] == 200, "nothing is published"
    for name in ("m", "n"):
        world.train(name)
        world.store.published.publish(f"live-{name}", name)
    broken = {world.store.models.find(name).id for name in ("m", "n")}
    classify = FixedModels.classify

    def classified(models: FixedModels, model_id: str, *arguments: Any, **named: Any) -> Classification:  # noqa: ANN401
        if model_id in broken:
            raise ArtifactError("it is cut off")
        return classify(models, model_id, *arguments, **named)

    monkeypatch.setattr(FixedModels, "classify", classified)
    status, text = ask()
    assert (status, "None of the published models that were tried answers" in text) == (503, True)
    assert "live-m" not in text, "anybody may ask"
    failures = [line for line in lines() if line["event"] == "self-test failed"]
    assert [line["model"] for line in failures] == ["live-m", "live-n"]
    assert "it is cut off" in failures[0]["reason"]

    broken.pop()
    clock.now += FAILURE_SECONDS
    assert ask()[0] == 200, "one damaged model does not stop a release"
    broken.update(world.store.models.find(name).id for name in ("m", "n"))
    assert ask()[0] == 200, "it has passed"
    assert "vision_engine_novelty_count" not in world.call("GET", "/metrics", version=None).text


def test_metrics(world: World, build_world: BuildWorld) -> None:
    world = build_world(world.settings)
    world.train("m")
    world.create("waiting")
    world.call("GET", "datasets/none")
    world.call("GET", "/no/such/path")
    reply = world.call("GET", "/metrics", version=None)
    assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    for line in (
        'vision_engine_requests_total{method="PUT",route="/computervision/models/{name}",status="201"} 2.0',
        'vision_engine_requests_total{method="GET",route="/computervision/datasets/{name}",status="404"} 1.0',
        'vision_engine_requests_total{method="GET",route="unmatched",status="404"} 1.0',
        'vision_engine_request_seconds_count{route="/computervision/models/{name}"} 2.0',
        'vision_engine_models{status="succeeded"} 1.0',
        'vision_engine_models{status="notStarted"} 1.0',
        'vision_engine_evaluations{status="running"} 0.0',
        "vision_engine_queue_length 1.0",
        "vision_engine_training_seconds 0.0",
    ):
        assert line in reply.text


def test_metrics_are_for_this_machine_or_a_key(world: World, build_world: BuildWorld) -> None:
    behind_a_proxy = {"X-Forwarded-For": "203.0.113.9"}
    assert world.call("GET", "/metrics", key=None, version=None).status_code == 200
    assert world.call("GET", "/metrics", key=None, version=None, headers=behind_a_proxy).status_code == 401
    assert world.call("GET", "/metrics", version=None, headers=behind_a_proxy).status_code == 200
    public = build_world(world.settings.model_copy(update={"metrics_public": True}))
    assert public.call("GET", "/metrics", key=None, version=None, headers=behind_a_proxy).status_code == 200


@pytest.mark.parametrize(
    ("client", "expected"),
    [(("127.0.0.1", 1), True), (("::1", 1), True), (("203.0.113.9", 1), False), (("unknown", 1), False), (None, False)],
)
def test_who_is_this_machine(client: tuple[str, int] | None, expected: bool) -> None:
    assert from_this_machine(Request({"type": "http", "client": client, "headers": []})) is expected


def test_a_request_is_one_line(world: World, lines: Lines) -> None:
    reply = world.call("GET", "datasets?sig=Hidden")
    (line,) = [line for line in lines() if line["event"] == "request"]
    assert line["apim-request-id"] == reply.headers["apim-request-id"]
    assert (line["method"], line["path"], line["status"], line["level"]) == ("GET", "/computervision/datasets", 200, "info")
    assert line["milliseconds"] > 0
    assert line["time"].endswith("Z")
    assert "Hidden" not in json.dumps(line)


def test_no_key_and_no_token_is_logged(world: World, lines: Lines) -> None:
    world.register("cats", authentication={"kind": "sas", "sasToken": "sv=1&sig=Hidden"})
    world.register("cats", authentication={"kind": "sas", "sasToken": "https://h/c?sig=Hidden"})
    world.call("POST", "imageanalysis:analyze?model-name=m", json={"url": "https://h/a.png?sig=Hidden"})
    world.call("GET", "datasets", key="a-wrong-key-Hidden")
    world.jobs.broken = True
    world.create("m")
    text = json.dumps(lines())
    assert "request failed" in text
    for secret in ("Hidden", "Secret", "first-key-of-this-engine"):
        assert secret not in text
    assert '"model-name": "m"' in text
