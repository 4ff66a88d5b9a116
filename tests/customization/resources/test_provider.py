import socket
import subprocess
import sys
import time
from typing import Any

import pytest

from components.local_service import LocalServiceProvider
from customization.resources.dataset import DatasetProvider
from customization.resources.evaluation import EvaluationProvider
from customization.resources.model import ModelProvider
from customization.resources.promoted_model import PromotedModelProvider
from customization.resources.provider import DeclaredProvider, VisionProvider, engine_is_away, engine_is_back
from customization.resources.published_model import PublishedModelProvider

PROVIDER = """
import sys, time
from customization.resources.provider import end_with_engine
end_with_engine(sys.argv[1])
print("watching", flush=True)
time.sleep(60)
"""


@pytest.mark.process
def test_a_provider_process_ends_with_pulumis_engine() -> None:
    with socket.socket() as engine:
        engine.bind(("127.0.0.1", 0))
        engine.listen()
        address = f"127.0.0.1:{engine.getsockname()[1]}"
        provider = subprocess.Popen([sys.executable, "-c", PROVIDER, address], stdout=subprocess.PIPE, text=True)
        assert provider.stdout is not None
        assert provider.stdout.readline() == "watching\n"
        with pytest.raises(subprocess.TimeoutExpired):
            provider.wait(timeout=2)
    assert provider.wait(timeout=20) == 1
    provider.communicate()


PROVIDERS: dict[type[DeclaredProvider], dict[str, Any]] = {
    DatasetProvider: {"dataset_name": "leaves-train"},
    ModelProvider: {"model_name": "leaves-0123abcd"},
    PromotedModelProvider: {"model_name": "leaves-0123abcd"},
    EvaluationProvider: {"model_name": "leaves-0123abcd", "evaluation_name": "leaves-test-0123abcd"},
    PublishedModelProvider: {"published_name": "leaves"},
    LocalServiceProvider: {"data_dir": ".vision/local/engine", "pid": 1, "started": 0.0},
}
PROPERTIES = {"endpoint": "http://127.0.0.1:1", "row_urn": "urn:pulumi:local::p::t::leaves"}


@pytest.fixture
def removed(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The properties of what was deleted for good."""
    gone: list[dict[str, Any]] = []
    for provider in PROVIDERS:
        if issubclass(provider, VisionProvider):
            monkeypatch.setattr(provider, "remove", lambda _, properties: gone.append(properties))
    monkeypatch.setattr("components.local_service.stop_noted", lambda folder: gone.append({"data_dir": folder}))
    monkeypatch.setattr("customization.resources.provider.engine_is_away", lambda _: False)
    return gone


@pytest.mark.parametrize("provider_type", PROVIDERS)
def test_a_delete_spares_what_the_same_update_has_taken_over(
    provider_type: type[DeclaredProvider], removed: list[dict[str, Any]]
) -> None:
    provider, mine = provider_type(), {**PROPERTIES, **PROVIDERS[provider_type]}
    provider.keep(mine)
    provider.delete("id", mine)
    assert removed == []
    for name in set(mine) & set(provider.identity):
        provider.delete("id", {**mine, name: f"{mine[name]}-other"})
    assert len(removed) == len(provider.identity), "what differs in any of these is another thing"


@pytest.mark.parametrize("provider_type", PROVIDERS)
@pytest.mark.parametrize("replaces", [[], ["model_name"]])
def test_a_delete_that_an_interrupted_update_has_left_spares_what_is_declared(
    provider_type: type[DeclaredProvider], replaces: list[str], removed: list[dict[str, Any]]
) -> None:
    provider, mine = provider_type(), {**PROPERTIES, **PROVIDERS[provider_type]}
    provider.difference(mine, replaces, replaces)
    provider.delete("id", mine)
    assert len(removed) == len(replaces)


def test_an_engine_that_hangs_is_asked_once_and_does_not_keep_a_destroy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("customization.loopback.HANGS_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as hung:
        properties = {**PROPERTIES, "endpoint": f"http://127.0.0.1:{hung.getsockname()[1]}", "model_name": "m"}
        begun = time.monotonic()
        for _ in range(5):
            ModelProvider().delete("id", properties)
            assert ModelProvider().read("id", properties).outs == properties, "what it holds is as it was"
        assert 0.3 <= time.monotonic() - begun < 0.6


def test_an_engine_that_is_started_again_is_asked_again(removed: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    endpoint = PROPERTIES["endpoint"]
    assert engine_is_away({"endpoint": endpoint})
    monkeypatch.setattr("customization.resources.provider.is_away", lambda _: False)
    assert engine_is_away({"endpoint": endpoint})
    engine_is_back(endpoint)
    assert not engine_is_away({"endpoint": endpoint})


@pytest.mark.parametrize("endpoint", ["https://x.cognitiveservices.azure.com", "https://localhost:1"])
def test_an_engine_elsewhere_is_never_passed_over(endpoint: str) -> None:
    assert not engine_is_away({"endpoint": endpoint})
