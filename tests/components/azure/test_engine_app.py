"""The engine's apps as they are declared, with Pulumi's engine played."""

from typing import Any

import pulumi

from tests.components.azure.played_engine import Engine
from vision_customization.components.azure.engine_app import EngineApp, EngineAppArgs
from vision_customization.components.azure.place import Place

SECRETS = {"VISION_ENGINE_KEYS": "one", "VISION_ENGINE_DATABASE_URL": "postgresql://vision:two@db/vision"}


def declared(engine: Engine, **changes: Any) -> dict[str, dict[str, Any]]:  # noqa: ANN401 - arguments of EngineAppArgs
    """The inputs of both apps, by the last part of their names."""
    arguments: dict[str, Any] = {
        "environment_id": "/environments/apps",
        "api_name": "vision-engine",
        "worker_name": "vision-worker",
        "image": "registry/engine@sha256:0",
        "identity_id": "/identities/engine",
        "settings": {"AZURE_CLIENT_ID": "client"},
        "secrets": {name: pulumi.Output.secret(value) for name, value in SECRETS.items()},
        **changes,
    }

    @pulumi.runtime.test
    def program() -> pulumi.Output[str]:
        return EngineApp("vision", EngineAppArgs(Place("vision", "eastus"), **arguments)).endpoint

    program()
    return {what: engine.by_name[f"vision-{what}"] for what in ("api", "worker")}


def test_liveness_does_not_ask_the_database(engine: Engine) -> None:
    paths = {
        what: {probe["type"]: probe["httpGet"]["path"] for probe in app["template"]["containers"][0]["probes"]}
        for what, app in declared(engine).items()
    }
    assert paths == {
        "api": {"Startup": "/livez", "Liveness": "/livez", "Readiness": "/healthz"},
        "worker": {"Startup": "/healthz", "Liveness": "/livez"},
    }
