"""The engine's apps as they are declared, with Pulumi's engine played: the workers as an app and as a job."""

from typing import Any

import pulumi
import pytest

from tests.components.azure.played_engine import Engine
from tests.stacks.azure.container_spec import AppSpec, JobSpec
from tests.stacks.azure.requirements import check_requirements
from vision_customization.components.azure.args import EngineSize
from vision_customization.components.azure.engine_app import EngineApp, EngineAppArgs
from vision_customization.components.azure.observability import Observability, ObservabilityArgs
from vision_customization.components.azure.place import Place
from vision_customization.contract.workers_query import WORKERS_QUERY

PLACE = Place("vision-dev", "eastus")


def declared(engine: Engine, size: EngineSize) -> dict[str, dict[str, Any]]:
    @pulumi.runtime.test
    def program() -> pulumi.Output[str]:
        args = EngineAppArgs(
            PLACE,
            environment_id="environment",
            api_name="engine",
            worker_name="worker",
            image="registry/engine:1",
            identity_id="identity",
            settings={"AZURE_CLIENT_ID": "client"},
            secrets={"VISION_ENGINE_DATABASE_URL": "postgresql://engine:secret@server/vision"},
            size=size,
        )
        return EngineApp("vision-engine", args).endpoint

    program()
    return {name.removeprefix("vision-engine-"): inputs for name, inputs in engine.by_name.items()}


def test_a_job_starts_an_execution_for_each_job_and_lets_it_end_by_itself(engine: Engine) -> None:
    found = declared(engine, EngineSize(workers="job", max_workers=4, worker_timeout_hours=3))
    assert "worker" not in found, "no other app"
    inputs = found["worker-job"]
    check_requirements("app:Job", inputs)
    spec = JobSpec.of(inputs)
    assert spec.container.arguments == ("worker", "--once")
    assert spec.container.environment["VISION_ENGINE_DATABASE_URL"] == "postgresql://engine:secret@server/vision"
    assert (spec.timeout_seconds, spec.retries, spec.min_executions, spec.max_executions) == (3 * 3600, 0, 0, 4)
    assert spec.queue is not None
    assert (spec.queue.query, spec.queue.target) == (WORKERS_QUERY, 1)
    assert spec.queue.connection == spec.container.environment["VISION_ENGINE_DATABASE_URL"]
    assert "workloadProfileName" not in inputs


@pytest.mark.parametrize(("workers", "resource"), [("app", "worker"), ("job", "worker-job")])
def test_workers_on_a_gpu_have_its_whole_profile(engine: Engine, workers: str, resource: str) -> None:
    inputs = declared(engine, EngineSize(workers=workers, worker_profile="Consumption-GPU-NC8as-T4"))[resource]
    check_requirements("app:Job" if workers == "job" else "app:ContainerApp", inputs)
    assert inputs["workloadProfileName"] == "NC8as-T4"
    assert inputs["template"]["containers"][0]["resources"] == {"cpu": 8, "memory": "56Gi"}


def test_workers_of_an_app_stay_where_they_are(engine: Engine) -> None:
    found = declared(engine, EngineSize(min_workers=1, max_workers=3))
    assert "worker-job" not in found
    spec = AppSpec.of(found["worker"])
    assert spec.container.arguments == ("worker",)
    assert (spec.min_replicas, spec.max_replicas) == (1, 3)


@pytest.mark.parametrize(("self_test", "path"), [(True, "/selftest"), (False, "/livez")])
def test_a_release_is_asked_to_analyze_before_it_gets_traffic(engine: Engine, self_test: bool, path: str) -> None:
    (container,) = declared(engine, EngineSize(self_test=self_test))["api"]["template"]["containers"]
    asked = {probe["type"]: probe["httpGet"]["path"] for probe in container["probes"]}
    assert asked == {"Startup": path, "Readiness": "/healthz", "Liveness": "/livez"}


def test_an_alert_tells_of_a_scaler_that_fails(engine: Engine) -> None:
    @pulumi.runtime.test
    def program() -> pulumi.Output[str]:
        logs = Observability("vision-logs", ObservabilityArgs(PLACE, "vision-logs"))
        logs.alert("worker", ["ops@example.com"])
        return logs.workspace_id

    program()
    rule = engine.by_name["vision-logs-failing-scaler"]
    check_requirements("monitor:ScheduledQueryRule", rule)
    assert rule["ruleName"] == "worker-failing-scaler"
    (condition,) = rule["criteria"]["allOf"]
    assert condition["query"].splitlines() == [
        "ContainerAppSystemLogs_CL",
        "| where 'worker' in (column_ifexists('ContainerAppName_s', ''), column_ifexists('ContainerJobName_s', ''))",
        "| where Reason_s in ('KEDAScalerFailed', 'ScaledObjectCheckFailed', 'ScaledJobCheckFailed')",
    ]
    assert condition["failingPeriods"] == {"numberOfEvaluationPeriods": 2, "minFailingPeriodsToAlert": 2}
    assert rule["actions"]["actionGroups"]
