"""The engine's apps and its job as they are declared, with Pulumi's engine played."""

import hashlib
import re
from typing import Any

import pulumi
import pytest

from tests.components.azure.played_engine import Engine
from tests.stacks.azure.container_spec import AppSpec, JobSpec
from tests.stacks.azure.requirements import check_requirements
from vision_customization.components.azure.args import EngineSize
from vision_customization.components.azure.database import DatabaseGrant
from vision_customization.components.azure.engine_app import EngineApp, EngineAppArgs
from vision_customization.components.azure.place import Place
from vision_customization.components.azure.storage import WorkerQueue
from vision_customization.contract.workers_query import WORKERS_QUERY

SECRETS = {"VISION_ENGINE_KEYS": "one", "VISION_ENGINE_DATABASE_URL": "postgresql://vision:two@db/vision"}


def declared(engine: Engine, **changes: Any) -> dict[str, dict[str, Any]]:  # noqa: ANN401 - arguments of EngineAppArgs
    """The inputs of the apps and the job, by the names of the resources without `vision-`."""
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
    return {name.removeprefix("vision-"): inputs for name, inputs in engine.by_name.items() if name.startswith("vision-")}


def sized(engine: Engine, size: EngineSize) -> dict[str, dict[str, Any]]:
    """Of secrets that can be read."""
    return declared(engine, secrets=SECRETS, size=size)


def test_liveness_does_not_ask_the_database(engine: Engine) -> None:
    paths = {
        what: {probe["type"]: probe["httpGet"]["path"] for probe in app["template"]["containers"][0]["probes"]}
        for what, app in declared(engine).items()
    }
    assert paths == {
        "api": {"Startup": "/livez", "Liveness": "/livez", "Readiness": "/healthz"},
        "worker": {"Startup": "/healthz", "Liveness": "/livez"},
    }


def test_the_administrators_identity_is_that_of_the_init_container_alone(engine: Engine) -> None:
    grant = DatabaseGrant(
        pulumi.Output.from_input("/identities/database"),
        ["database", "grant"],
        {"AZURE_CLIENT_ID": "database-client", "VISION_ENGINE_DATABASE_URL": "postgresql://vision-database@db/vision"},
    )
    apps = declared(engine, grant=grant)
    assert apps["api"]["identity"]["userAssignedIdentities"] == ["/identities/engine", "/identities/database"]
    assert apps["api"]["configuration"]["value"]["identitySettings"] == [
        {"identity": "/identities/database", "lifecycle": "Init"}
    ]
    (init,) = apps["api"]["template"]["initContainers"]
    assert (init["image"], init["args"]) == ("registry/engine@sha256:0", ["database", "grant"])
    assert {"name": "AZURE_CLIENT_ID", "value": "database-client"} in init["env"]
    assert "database-client" not in str(apps["api"]["template"]["containers"])
    assert apps["worker"]["identity"]["userAssignedIdentities"] == ["/identities/engine"]
    assert "identitySettings" not in apps["worker"]["configuration"]["value"]


def test_the_rule_of_the_workers(engine: Engine) -> None:
    """By the database's password, by a queue as the engine's identity, or none for a fixed number of workers."""
    (rule,) = declared(engine)["worker"]["template"]["scale"]["rules"]
    assert rule["custom"]["auth"] == [{"secretRef": "database-url", "triggerParameter": "connection"}]
    queue = WorkerQueue(*map(pulumi.Output.from_input, ("/queues/workers", "account", "workers", "https://q/workers")))
    (rule,) = declared(engine, queue=queue)["worker"]["template"]["scale"]["rules"]
    identity = "/identities/engine"
    assert rule == {
        "name": "jobs",
        "azureQueue": {"accountName": "account", "queueName": "workers", "queueLength": 1, "identity": identity},
    }
    fixed = declared(engine, size=EngineSize(min_workers=1, max_workers=1))["worker"]["template"]["scale"]
    assert fixed == {"minReplicas": 1, "maxReplicas": 1}


def environments(engine: Engine, secrets: dict[str, Any]) -> list[list[dict[str, str]]]:
    return [app["template"]["containers"][0]["env"] for app in declared(engine, secrets=secrets).values()]


def test_a_changed_secret_makes_a_new_revision_and_shows_nothing_of_itself(engine: Engine) -> None:
    def digests(**secrets: str) -> set[str]:
        given = {name: pulumi.Output.secret(value) for name, value in (SECRETS | secrets).items()}
        found = environments(engine, given)
        assert not any(value in str(found) for value in (SECRETS | secrets).values())
        return {{variable["name"]: variable.get("value", "") for variable in env}["ROTATION_DIGEST"] for env in found}

    (first,) = digests()
    assert re.fullmatch("[0-9a-f]{16}", first)
    assert digests() == {first}
    assert digests(VISION_ENGINE_KEYS="another") != {first}
    assert digests(VISION_ENGINE_KEYS="another") != digests(VISION_ENGINE_DATABASE_URL="another")
    for value in SECRETS.values():  # of all secrets at once: the digest of one alone could be looked up
        assert not hashlib.sha256(value.encode()).hexdigest().startswith(first)


def test_a_job_starts_an_execution_for_each_job_and_lets_it_end_by_itself(engine: Engine) -> None:
    found = sized(engine, EngineSize(workers="job", max_workers=4, worker_timeout_hours=3))
    assert "worker" not in found, "no other app"
    inputs = found["worker-job"]
    check_requirements("app:Job", inputs)
    spec = JobSpec.of(inputs)
    assert spec.container.arguments == ("worker", "--once")
    assert spec.container.environment["VISION_ENGINE_DATABASE_URL"] == SECRETS["VISION_ENGINE_DATABASE_URL"]
    assert (spec.timeout_seconds, spec.retries, spec.min_executions, spec.max_executions) == (3 * 3600, 0, 0, 4)
    assert spec.queue is not None
    assert (spec.queue.query, spec.queue.target) == (WORKERS_QUERY, 1)
    assert spec.queue.connection == spec.container.environment["VISION_ENGINE_DATABASE_URL"]
    assert inputs["workloadProfileName"] == "Consumption"


def test_the_profile_is_named_so_that_azure_gives_more_than_two_cores(engine: Engine) -> None:
    for app in sized(engine, EngineSize(cpu=4, memory_gib=8, worker_cpu=4, worker_memory_gib=8)).values():
        check_requirements("app:ContainerApp", app)
        assert app["workloadProfileName"] == "Consumption"


@pytest.mark.parametrize(("workers", "resource"), [("app", "worker"), ("job", "worker-job")])
def test_workers_on_a_gpu_have_its_whole_profile(engine: Engine, workers: str, resource: str) -> None:
    inputs = sized(engine, EngineSize(workers=workers, worker_profile="Consumption-GPU-NC8as-T4"))[resource]
    check_requirements("app:Job" if workers == "job" else "app:ContainerApp", inputs)
    assert inputs["workloadProfileName"] == "NC8as-T4"
    assert inputs["template"]["containers"][0]["resources"] == {"cpu": 8, "memory": "56Gi"}


def test_workers_of_an_app_stay_where_they_are(engine: Engine) -> None:
    found = sized(engine, EngineSize(min_workers=1, max_workers=3))
    assert "worker-job" not in found
    spec = AppSpec.of(found["worker"])
    assert spec.container.arguments == ("worker",)
    assert (spec.min_replicas, spec.max_replicas) == (1, 3)


@pytest.mark.parametrize(("self_test", "path"), [(True, "/selftest"), (False, "/livez")])
def test_a_release_is_asked_to_analyze_before_it_gets_traffic(engine: Engine, self_test: bool, path: str) -> None:
    (container,) = sized(engine, EngineSize(self_test=self_test))["api"]["template"]["containers"]
    asked = {probe["type"]: probe["httpGet"]["path"] for probe in container["probes"]}
    assert asked == {"Startup": path, "Readiness": "/healthz", "Liveness": "/livez"}
