import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from pulumi.output import UNKNOWN

from tests.customization.fake_service import Answer, fake_service
from vision_customization.components.local.service import LocalServiceProvider
from vision_customization.customization.resources import provider
from vision_customization.customization.resources.dataset import DatasetProvider
from vision_customization.customization.resources.evaluation import EvaluationProvider
from vision_customization.customization.resources.model import ModelProvider
from vision_customization.customization.resources.promoted_model import PromotedModelProvider
from vision_customization.customization.resources.provider import DeclaredProvider, VisionProvider
from vision_customization.customization.resources.published_model import PublishedModelProvider

PROVIDER = """
import sys, time
from vision_customization.customization.resources.provider import end_with_engine
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
    for provider_type in PROVIDERS:
        if issubclass(provider_type, VisionProvider):
            monkeypatch.setattr(provider_type, "remove", lambda _, properties: gone.append(properties))
    monkeypatch.setattr(
        "vision_customization.components.local.service.stop_noted", lambda folder: gone.append({"data_dir": folder})
    )
    monkeypatch.setattr("vision_customization.customization.resources.provider.engine_is_away", lambda _: False)
    return gone


@pytest.mark.parametrize("provider_type", PROVIDERS)
def test_a_delete_spares_what_the_same_update_has_taken_over(
    provider_type: type[DeclaredProvider], removed: list[dict[str, Any]]
) -> None:
    one, mine = provider_type(), {**PROPERTIES, **PROVIDERS[provider_type]}
    one.keep(mine)
    one.delete("id", mine)
    assert removed == []
    for name in set(mine) & set(one.identity):
        one.delete("id", {**mine, name: f"{mine[name]}-other"})
    assert len(removed) == len(one.identity), "what differs in any of these is another thing"


@pytest.mark.parametrize("provider_type", PROVIDERS)
@pytest.mark.parametrize("replaces", [[], ["model_name"]])
def test_a_delete_that_an_interrupted_update_has_left_spares_what_is_declared(
    provider_type: type[DeclaredProvider], replaces: list[str], removed: list[dict[str, Any]]
) -> None:
    one, mine = provider_type(), {**PROPERTIES, **PROVIDERS[provider_type]}
    one.difference(mine, replaces, replaces)
    one.delete("id", mine)
    assert len(removed) == len(replaces)


HUNG = """
import socket, sys, time
with socket.create_server(("127.0.0.1", 0)) as listener:
    print(listener.getsockname()[1], flush=True)
    time.sleep(60)
"""


@pytest.fixture
def hung(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a process that takes connections and answers none; what is called so is in its command line."""
    process = subprocess.Popen([sys.executable, "-c", HUNG, request.param], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    process.kill()
    process.communicate()


@pytest.mark.process
@pytest.mark.parametrize("hung", ["vision-engine"], indirect=True)
def test_an_engine_that_hangs_is_asked_once_and_does_not_keep_a_destroy(hung: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vision_customization.common.loopback.HANGS_SECONDS", 0.2)
    properties = {**PROPERTIES, "endpoint": hung, "model_name": "m"}
    asked: list[object] = []
    real = provider.is_hung
    monkeypatch.setattr(provider, "is_hung", lambda *arguments: asked.append(arguments) or real(*arguments))
    for _ in range(5):
        ModelProvider().delete("id", properties)
        assert ModelProvider().read("id", properties).outs == properties, "what it holds is as it was"
    assert len(asked) == 1
    provider.engine_is_back(hung)
    ModelProvider().delete("id", properties)
    assert len(asked) == 2, "one that was started again is asked again"


@pytest.mark.process
@pytest.mark.parametrize("hung", ["ssh -N -L"], indirect=True)
def test_a_tunnel_that_does_not_answer_is_not_a_local_engine(hung: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vision_customization.common.loopback.HANGS_SECONDS", 0.2)
    assert not provider.engine_is_away({"endpoint": hung})


def test_an_engine_whose_database_is_busy_is_not_away() -> None:
    with fake_service() as service:
        service.health = Answer(503, {})
        assert not provider.engine_is_away({"endpoint": service.url})


@pytest.mark.parametrize("endpoint", ["https://x.cognitiveservices.azure.com", "http://10.0.0.1:1"])
def test_an_engine_elsewhere_is_never_passed_over(endpoint: str) -> None:
    assert not provider.engine_is_away({"endpoint": endpoint})


REFUSED = "is not a valid name: a name starts with a letter or digit, followed by letters, digits, '.', '_' and '-'. Give "


@pytest.mark.parametrize(
    ("provider_type", "property_name", "name", "said"),
    [
        (ModelProvider, "logical_name", "leaves", None),
        (ModelProvider, "logical_name", "l" * 246, None),
        (ModelProvider, "logical_name", "my leaves", f"'my leaves' {REFUSED}this Model another name"),
        (ModelProvider, "logical_name", "-leaves", f"'-leaves' {REFUSED}this Model another name"),
        (ModelProvider, "logical_name", "l" * 247, "the name has 247 characters, but at most 246 are allowed. Give this Model"),
        (DatasetProvider, "dataset_name", "l" * 255, None),
        (DatasetProvider, "dataset_name", UNKNOWN, None),
        (DatasetProvider, "dataset_name", "", f"'' {REFUSED}this Dataset another `dataset_name`"),
        (DatasetProvider, "dataset_name", "a/b", f"'a/b' {REFUSED}this Dataset another `dataset_name`"),
        (DatasetProvider, "dataset_name", "a\n", f"'a\\n' {REFUSED}this Dataset another `dataset_name`"),
        (DatasetProvider, "dataset_name", "l" * 256, "the name has 256 characters, but at most 255 are allowed. Give this"),
        (EvaluationProvider, "dataset_name", "l" * 246, None),
        (EvaluationProvider, "dataset_name", "l" * 247, "the name has 247 characters, but at most 246 are allowed. Its"),
        (PublishedModelProvider, "published_name", "leaves.2", None),
        (PublishedModelProvider, "published_name", "Blätter", f"'Blätter' {REFUSED}this PublishedModel another"),
        (PromotedModelProvider, "model_name", "leaves-0123abcd", None),
        (PromotedModelProvider, "model_name", "a b", f"'a b' {REFUSED}the `model_name` from the other stack's outputs"),
    ],
)
def test_a_name_that_the_service_would_refuse_is_refused_before_anything_is_made(
    provider_type: type[VisionProvider], property_name: str, name: object, said: str | None
) -> None:
    unknown = dict.fromkeys(("source", "model_kind", "dataset_digest"), UNKNOWN)
    declared = {**PROPERTIES, **unknown, "artifact_digest": "a" * 64, property_name: name}
    found = provider_type().check({}, declared).failures
    assert [failure.property for failure in found] == ([property_name] if said else [])
    assert not said or found[0].reason.startswith(said)
