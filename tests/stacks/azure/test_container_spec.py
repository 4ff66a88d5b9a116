"""What a Container App's declaration is read as, and what of it Azure would refuse."""

import copy
from collections.abc import Sequence
from typing import Any

import pytest

from tests.stacks.azure.container_spec import AppSpec, JobSpec, setting_of, without_settings
from tests.stacks.azure.scale_rule import MESSAGES, QUEUE, QueueRule, ScalerFailed, StorageQueueRule, queue_length
from tests.stacks.azure.world import WorldFailure

APP: dict[str, Any] = {
    "identity": {"type": "UserAssigned", "userAssignedIdentities": ["/subscriptions/s/identity"]},
    "configuration": {
        "ingress": {"external": True, "targetPort": 8080},
        "secrets": [{"name": "database-url", "value": "postgresql://secret"}],
    },
    "template": {
        "containers": [
            {
                "name": "engine",
                "image": "registry/engine@sha256:0",
                "args": ["serve", "--host", "0.0.0.0", "--port", "8080", "--workers=0"],
                "env": [
                    {"name": "VISION_ENGINE_DATA_DIR", "value": "/data"},
                    {"name": "VISION_ENGINE_LOG_LEVEL", "value": "debug"},
                    {"name": "VISION_ENGINE_DATABASE_URL", "secretRef": "database-url"},
                ],
                "probes": [
                    {"type": "Liveness", "httpGet": {"path": "/healthz", "port": 8080}},
                    {"type": "Startup", "httpGet": {"path": "/healthz", "port": 8080}},
                ],
            }
        ],
        "scale": {"minReplicas": 1, "maxReplicas": 3},
    },
}


def changed(path: Sequence[str | int], value: object) -> dict[str, Any]:
    app = copy.deepcopy(APP)
    place: Any = app
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return app


def test_what_holds_in_the_container_alone_is_left_out() -> None:
    spec = AppSpec.of(APP)
    assert spec.container.arguments == ("serve", "--workers=0")
    assert spec.container.environment == {
        "VISION_ENGINE_LOG_LEVEL": "debug",
        "VISION_ENGINE_DATABASE_URL": "postgresql://secret",
    }
    assert [probe.kind for probe in spec.container.probes] == ["Startup", "Liveness"]
    assert spec.container.identity_ids == ("/subscriptions/s/identity",)
    assert (spec.min_replicas, spec.max_replicas) == (1, 3)


def test_workers_follow_their_queue() -> None:
    worker = changed(("configuration", "ingress"), None)
    worker["template"]["containers"][0]["args"] = ["worker", "--host", "0.0.0.0", "--health-port", "8080"]
    worker["template"]["scale"] = {"minReplicas": 0, "maxReplicas": 2, "rules": [QUEUE]}
    spec = AppSpec.of(worker)
    assert (spec.has_ingress, spec.min_replicas) == (False, 0)
    assert isinstance(spec.queue, QueueRule)
    assert (spec.queue.connection, spec.queue.replicas(5), spec.queue.replicas(0)) == ("postgresql://secret", 3, 0)


def test_workers_follow_the_messages_of_a_queue() -> None:
    worker = changed(("configuration", "ingress"), None)
    worker["identity"]["userAssignedIdentities"].append("/identities/engine")
    worker["template"]["containers"][0]["args"] = ["worker", "--host", "0.0.0.0", "--health-port", "8080"]
    worker["template"]["scale"] = {"minReplicas": 0, "maxReplicas": 2, "rules": [MESSAGES]}
    rule = AppSpec.of(worker).queue
    assert rule == StorageQueueRule(1, "visiontraining", "workers", "/identities/engine")
    assert rule.replicas(3) == 3


ADMINISTRATOR = "/subscriptions/s/administrator"
INIT: dict[str, Any] = {
    "name": "database-role",
    "image": "registry/engine@sha256:0",
    "args": ["database", "grant"],
    "env": [{"name": "VISION_ENGINE_DATABASE_URL", "secretRef": "database-url"}],
}


def with_init(lifecycle: str) -> dict[str, Any]:
    app = changed(("template", "initContainers"), [INIT])
    app["identity"]["userAssignedIdentities"].append(ADMINISTRATOR)
    app["configuration"]["identitySettings"] = [{"identity": ADMINISTRATOR, "lifecycle": lifecycle}]
    return app


def test_an_identity_is_there_in_its_phase_alone() -> None:
    spec = AppSpec.of(with_init("Init"))
    engine = "/subscriptions/s/identity"
    ((name, init),) = spec.init_containers.items()
    assert (spec.container.identity_ids, init.identity_ids) == ((engine,), (engine, ADMINISTRATOR))
    assert (name, init.arguments) == ("database-role", ("database", "grant"))
    assert init.environment == {"VISION_ENGINE_DATABASE_URL": "postgresql://secret"}
    for lifecycle, of_main, of_init in (("Main", 2, 1), ("None", 1, 1), ("All", 2, 2)):
        spec = AppSpec.of(with_init(lifecycle))
        (init,) = spec.init_containers.values()
        assert (len(spec.container.identity_ids), len(init.identity_ids)) == (of_main, of_init)
    assert AppSpec.of(with_init("Init")).needs_a_revision(AppSpec.of(with_init("All")))


JOB: dict[str, Any] = {
    "configuration": {
        "triggerType": "Event",
        "replicaTimeout": 3600,
        "replicaRetryLimit": 1,
        "eventTriggerConfig": {
            "parallelism": 1,
            "scale": {"maxExecutions": 4, "pollingInterval": 10, "rules": [{"name": "jobs", **QUEUE["custom"]}]},
        },
        "secrets": [{"name": "database-url", "value": "postgresql://secret"}],
    },
    "template": {"containers": [{"image": "registry/engine", "args": ["worker", "--once"]}]},
}


def test_a_job_is_read_as_it_is_declared() -> None:
    spec = JobSpec.of(JOB)
    assert spec.container.arguments == ("worker", "--once")
    assert (spec.timeout_seconds, spec.retries, spec.max_executions, spec.polling_seconds) == (3600, 1, 4, 10)
    assert spec.queue == QueueRule(2, "postgresql://secret", "SELECT 5")
    manual = {"configuration": {"triggerType": "Manual", "replicaTimeout": 60}, "template": JOB["template"]}
    assert JobSpec.of(manual).queue is None


def test_a_scaler_with_an_identity_gets_no_connection() -> None:
    job = copy.deepcopy(JOB)
    job["configuration"]["eventTriggerConfig"]["scale"]["rules"][0]["identity"] = "/subscriptions/s/identity"
    rule = JobSpec.of(job).queue
    assert isinstance(rule, QueueRule)
    with pytest.raises(ScalerFailed, match="OperationalError"):
        queue_length(rule)


def test_a_job_follows_the_messages_of_a_queue() -> None:
    job = copy.deepcopy(JOB) | {"identity": {"type": "UserAssigned", "userAssignedIdentities": ["/identities/engine"]}}
    metadata = {"accountName": "visiontraining", "queueName": "workers", "queueLength": "1"}
    rule = {"name": "jobs", "type": "azure-queue", "metadata": metadata, "identity": "/identities/engine"}
    job["configuration"]["eventTriggerConfig"]["scale"]["rules"] = [rule]
    assert JobSpec.of(job).queue == StorageQueueRule(1, "visiontraining", "workers", "/identities/engine")
    job["configuration"]["eventTriggerConfig"]["scale"]["rules"] = [{**rule, "identity": None}]
    with pytest.raises(WorldFailure, match="jobs lacks identity"):
        JobSpec.of(job)


@pytest.mark.parametrize(
    ("value", "running", "most", "started"),
    [
        (0, 0, 10, 0),
        (3, 0, 10, 3),
        (3, 2, 10, 1),
        (3, 3, 10, 0),  # what runs is among the three
        (20, 0, 2, 2),
        (20, 2, 2, 0),
        (20, 1, 2, 1),
        (1, 5, 10, 0),  # and nothing is ended for it
    ],
)
def test_executions_start_as_kedas_default_strategy_does_it(value: float, running: int, most: int, started: int) -> None:
    assert QueueRule(1, "", "").executions(value, running, most) == started


CONTAINER = ("template", "containers", 0)


def worker(probed: int) -> dict[str, Any]:
    """One that answers probes on port 8081, and is asked on `probed`."""
    app = changed(("configuration", "ingress"), None)
    app["template"]["containers"][0] |= {
        "args": ["worker", "--host", "0.0.0.0", "--health-port", "8081"],
        "probes": [{"type": "Liveness", "httpGet": {"path": "/healthz", "port": probed}}],
    }
    return app


def test_a_worker_is_probed_on_its_health_port() -> None:
    assert AppSpec.of(worker(8081)).container.arguments == ("worker",)
    with pytest.raises(WorldFailure, match=r"port 8080 is called, .* and the container listens on 8081"):
        AppSpec.of(worker(8080))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ((*CONTAINER, "env", 2, "secretRef"), "databse-url", "'databse-url' is not one of the app's secrets"),
        ((*CONTAINER, "args"), ["serve"], "listens on 127.0.0.1"),
        ((*CONTAINER, "args"), ["serve", "--host=0.0.0.0", "--port=80"], "port 8080 is called, by ingress .*, and .* on 80"),
        ((*CONTAINER, "probes", 0, "httpGet", "port"), 80, "probe Liveness asks port 80"),
        ((*CONTAINER, "probes", 0), {"type": "Liveness", "tcpSocket": {"port": 8080}}, "only httpGet"),
        ((*CONTAINER, "command"), ["/bin/sh"], "not /bin/sh"),
        (("template", "containers"), [], "not of 0"),
        (("template", "scale", "rules"), [{**QUEUE, "custom": {**QUEUE["custom"], "auth": []}}], "jobs lacks connection"),
        (("template", "scale", "rules"), [{**QUEUE, "custom": {"type": "cron"}}], "type cron is not played"),
        (("template", "scale", "rules"), [MESSAGES], "/identities/engine is not assigned to the app"),
        (
            ("template", "scale", "rules"),
            [{"name": "jobs", "azureQueue": {"queueName": "q"}}],
            "lacks accountName, queueLength",
        ),
        (("template", "initContainers"), [{**INIT, "command": ["/bin/sh"]}], "not /bin/sh"),
        (("configuration", "identitySettings"), [{"identity": "/i/other"}], "/i/other is not assigned to the app"),
    ],
)
def test_what_would_not_come_up_is_refused(path: Sequence[str | int], value: object, message: str) -> None:
    with pytest.raises(WorldFailure, match=message):
        AppSpec.of(changed(path, value))


@pytest.mark.parametrize(
    ("arguments", "kept", "port"),
    [
        (["serve"], ["serve"], "81"),  # by the environment
        (["serve", "--port", "80"], ["serve"], "80"),
        (["serve", "--port=80", "--threads", "2"], ["serve", "--threads", "2"], "80"),
        (["--port", "80", "--host", "--port"], [], "80"),  # a value that looks like a flag
    ],
)
def test_flags_are_taken_out_with_their_values(arguments: list[str], kept: list[str], port: str) -> None:
    assert without_settings(arguments, ("host", "port")) == kept
    assert setting_of(arguments, {"VISION_ENGINE_PORT": "81"}, "port") == port
