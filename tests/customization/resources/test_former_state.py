"""A state from before the modules moved: its providers' former names still work, and one update renames them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pulumi.dynamic.dynamic import PROVIDER_KEY, serialize_provider

from tests.support.places import CHECKOUT
from vision_customization.components.azure.role_ready import BlobAccessProvider
from vision_customization.components.generated_key import GeneratedKeyProvider
from vision_customization.components.local.container import LocalContainerProvider
from vision_customization.components.local.service import LocalServiceProvider
from vision_customization.customization.resources.dataset import DatasetProvider
from vision_customization.customization.resources.evaluation import EvaluationProvider
from vision_customization.customization.resources.model import ModelProvider
from vision_customization.customization.resources.promoted_model import PromotedModelProvider
from vision_customization.customization.resources.provider import DeclaredProvider
from vision_customization.customization.resources.published_model import PublishedModelProvider

FORMER: dict[str, str] = json.loads(Path(__file__).with_name("former_providers.json").read_text())
"""`__provider` as it lies in a state, by the provider's former path: written by the code before the move."""

PRESENT: list[type[DeclaredProvider]] = [
    DatasetProvider,
    ModelProvider,
    PromotedModelProvider,
    EvaluationProvider,
    PublishedModelProvider,
    LocalServiceProvider,
    LocalContainerProvider,
    GeneratedKeyProvider,
    BlobAccessProvider,
]

LOAD = """
import base64, json, pickle, sys
for serialized in json.load(sys.stdin):
    found = type(pickle.loads(base64.b64decode(serialized)))
    assert getattr(sys.modules[found.__module__], found.__qualname__) is found
    print(f"{found.__module__}.{found.__qualname__}")
"""


def path_of(provider: type[DeclaredProvider]) -> str:
    return f"{provider.__module__}.{provider.__qualname__}"


def former_of(provider: type[DeclaredProvider]) -> str:
    return next(serialized for path, serialized in FORMER.items() if path.endswith(f".{provider.__qualname__}"))


@pytest.mark.parametrize("reverse", [False, True])
def test_each_former_path_leads_to_the_present_class(reverse: bool) -> None:
    """As in Pulumi's provider process, which starts in the program's folder; whichever of them it needs first."""
    order = sorted(PRESENT, key=path_of, reverse=reverse)
    loaded = subprocess.run(
        [sys.executable, "-c", LOAD],
        input=json.dumps([former_of(provider) for provider in order]),
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert loaded.stdout.splitlines() == [path_of(provider) for provider in order]


def test_every_former_provider_is_a_present_one() -> None:
    assert {path.rpartition(".")[2] for path in FORMER} == {provider.__qualname__ for provider in PRESENT}


@pytest.mark.parametrize("provider", PRESENT)
def test_one_update_renames_the_provider_and_does_nothing_else(
    provider: type[DeclaredProvider], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vision_customization.components.local.service.trouble_of", lambda _: None)
    declared: dict[str, Any] = {name: f"the {name}" for name in (*provider.inputs, *getattr(provider, "identity", ()))}
    if provider is LocalServiceProvider:  # it takes over what runs
        monkeypatch.setattr("vision_customization.components.local.service.ensure", lambda _: process)
        process = type("Running", (), {"pid": 1, "started": 2.0})
        declared |= {"port": 1, "environment": {}, "command": ["server"], "pid": 1, "started": 2.0, "running": True}
    former = {**declared, "output": "of the update before", PROVIDER_KEY: former_of(provider)}
    news = {**declared, "row_urn": "urn", PROVIDER_KEY: serialize_provider(provider())}
    one = provider()

    difference = one.diff("id", former, news)
    assert (difference.changes, difference.replaces or []) == (True, [])
    outs = one.update("id", former, news).outs
    assert outs is not None
    if provider is not LocalServiceProvider:  # whose outputs are all inputs and the process
        assert outs["output"] == "of the update before"
    after = {**outs, PROVIDER_KEY: news[PROVIDER_KEY]}
    again = one.diff("id", after, news)
    assert (again.changes, again.replaces or []) == (False, [])
