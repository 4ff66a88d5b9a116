"""The alerts as they are declared, with Pulumi's engine played."""

import pulumi

from tests.components.azure.played_engine import Engine
from tests.stacks.azure.requirements import check_requirements
from vision_customization.components.azure.observability import Observability, ObservabilityArgs
from vision_customization.components.azure.place import Place


def test_an_alert_reports_a_scaler_that_fails(engine: Engine) -> None:
    @pulumi.runtime.test
    def program() -> pulumi.Output[str]:
        logs = Observability("vision-logs", ObservabilityArgs(Place("vision-dev", "eastus"), "vision-logs"))
        logs.alert("worker", ["ops@example.com"])
        return logs.workspace_id

    program()
    rule = engine.by_name["vision-logs-failing-scaler"]
    check_requirements("monitor:ScheduledQueryRule", rule)
    assert rule["ruleName"] == "worker-failing-scaler"
    (condition,) = rule["criteria"]["allOf"]
    assert condition["query"].splitlines() == [
        "ContainerAppSystemLogs_CL",
        (
            "| where 'worker' in "
            "(column_ifexists('ContainerAppName_s', ''), column_ifexists('ContainerJobName_s', ''), "
            "column_ifexists('JobName_s', ''))"
        ),
        "| where Reason_s in ('KEDAScalerFailed', 'ScaledObjectCheckFailed', 'ScaledJobCheckFailed')",
    ]
    assert condition["failingPeriods"] == {"numberOfEvaluationPeriods": 2, "minFailingPeriodsToAlert": 2}
    assert rule["actions"]["actionGroups"]
