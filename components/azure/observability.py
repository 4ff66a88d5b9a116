"""Observability: logs in one place, diagnostic settings, and alerts on failed trainings and on a failing scaler."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import monitor, operationalinsights

from vision_customization.components.azure.existing import TYPES, ArmId
from vision_customization.components.azure.place import Place

OF_WORKERS = """\
| where '{worker}' in (column_ifexists('ContainerAppName_s', ''), column_ifexists('ContainerJobName_s', ''), \
column_ifexists('JobName_s', ''))"""
"""Lines of the workers, whether they are an app or a job. A column exists once a line has it.

Lines of the system name a job in `JobName`, those of its containers in `ContainerJobName`
(https://learn.microsoft.com/azure/azure-monitor/reference/tables/containerappsystemlogs).
"""

FAILED_TRAININGS = f"""\
ContainerAppConsoleLogs_CL
{OF_WORKERS}
| extend line = parse_json(Log_s)
| where tostring(line.event) == 'training failed'"""

FAILING_SCALER = f"""\
ContainerAppSystemLogs_CL
{OF_WORKERS}
| where Reason_s in ('KEDAScalerFailed', 'ScaledObjectCheckFailed', 'ScaledJobCheckFailed')"""
"""KEDA's events of a scaler that fails (https://github.com/kedacore/keda/blob/main/pkg/eventreason/eventreason.go). Azure logs
them as `Reason_s` ("Troubleshooting general KEDA scaling scenarios", https://azureossd.github.io, 2024-08-23)."""


@dataclass(frozen=True)
class ObservabilityArgs:
    """The arguments of the Log Analytics workspace; `existing`: the ARM id of one that is there already."""

    place: Place
    workspace_name: str
    retention_days: int = 30
    existing: pulumi.Input[str] | None = None


class Observability(pulumi.ComponentResource):
    """A Log Analytics workspace; `watch` and `alert` connect resources to it."""

    workspace_id: pulumi.Output[str]
    """ARM id."""
    customer_id: pulumi.Output[str]
    shared_key: pulumi.Output[str]
    """The workspace's id and key, with which a Container Apps environment sends its logs; the key is a secret."""

    def __init__(self, name: str, args: ObservabilityArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vision-customization:index:Observability", name, None, opts)
        self._name, self._place = name, args.place
        self._child = pulumi.ResourceOptions(parent=self)
        if args.existing is None:
            workspace = self._workspace(args)
            self.workspace_id, self.customer_id = workspace.id, workspace.customer_id
            self.shared_key = self._shared_key(args.place.resource_group_name, workspace.name)
        else:
            self.workspace_id = pulumi.Output.from_input(args.existing)
            known = self.workspace_id.apply(lambda given: ArmId.of("log workspace", given, TYPES["log_workspace"]))
            self.customer_id = operationalinsights.get_workspace_output(
                resource_group_name=known.resource_group, workspace_name=known.name, opts=pulumi.InvokeOptions(parent=self)
            ).customer_id
            self.shared_key = self._shared_key(known.resource_group, known.name)
        self.register_outputs({"workspaceId": self.workspace_id})

    def watch(self, what: str, resource_id: pulumi.Input[str], metrics: str = "AllMetrics") -> pulumi.Resource:
        """Send the logs and metrics of a resource (by ARM id) to the workspace; `metrics` is the category of its metrics."""
        setting: pulumi.Resource = monitor.DiagnosticSetting(
            f"{self._name}-{what}",
            name="vision-customization",
            resource_uri=resource_id,
            workspace_id=self.workspace_id,
            logs=[monitor.DiagnosticsLogSettingsArgs(category_group="allLogs", enabled=True)],
            metrics=[monitor.DiagnosticsMetricSettingsArgs(category=metrics, enabled=True)],
            opts=self._child,
        )
        return setting

    def alert(self, worker_name: str, emails: Sequence[str]) -> None:
        """Raise alerts, and notify `emails`: for each quarter of an hour in which a training failed, and if the scaler of the
        workers failed in two successive ones.

        While a scaler fails, the number of workers stays as it is: https://github.com/microsoft/azure-container-apps/issues/1786
        """
        groups = [self._people(worker_name, emails).id] if emails else []
        self._alert(
            worker_name,
            "failed-trainings",
            "A training failed",
            "The reason is in the engine's log and in the model's `error`.",
            FAILED_TRAININGS,
            groups,
        )
        self._alert(
            worker_name,
            "failing-scaler",
            "The number of workers does not change",
            "The platform cannot find out how many are needed, so none start or stop: see ContainerAppSystemLogs_CL.",
            FAILING_SCALER,
            groups,
            periods=2,
        )

    def _alert(
        self,
        worker_name: str,
        what: str,
        title: str,
        description: str,
        query: str,
        groups: list[pulumi.Output[str]],
        periods: int = 1,
    ) -> None:
        """An alert if the query finds lines in each of `periods` successive quarters of an hour."""
        failing = monitor.ConditionFailingPeriodsArgs(
            number_of_evaluation_periods=periods, min_failing_periods_to_alert=periods
        )
        monitor.ScheduledQueryRule(
            f"{self._name}-{what}",
            resource_group_name=self._place.resource_group_name,
            rule_name=f"{worker_name}-{what}",
            location=self._place.location,
            display_name=title,
            description=description,
            kind=monitor.Kind.LOG_ALERT,
            enabled=True,
            severity=2,
            scopes=[self.workspace_id],
            evaluation_frequency="PT15M",
            window_size="PT15M",
            # The table is created by the first line that is logged.
            skip_query_validation=True,
            criteria=monitor.ScheduledQueryRuleCriteriaArgs(
                all_of=[
                    monitor.ConditionArgs(
                        query=query.format(worker=worker_name),
                        time_aggregation=monitor.TimeAggregation.COUNT,
                        operator="GreaterThan",  # the SDK wrongly has another service's enumeration here
                        threshold=0,
                        failing_periods=failing if periods > 1 else None,
                    )
                ]
            ),
            actions=monitor.ActionsArgs(action_groups=groups) if groups else None,
            tags=self._place.tags,
            opts=self._child,
        )

    def _workspace(self, args: ObservabilityArgs) -> operationalinsights.Workspace:
        return operationalinsights.Workspace(
            self._name,
            resource_group_name=args.place.resource_group_name,
            workspace_name=args.workspace_name,
            location=args.place.location,
            sku=operationalinsights.WorkspaceSkuArgs(name="PerGB2018"),
            retention_in_days=args.retention_days,
            tags=args.place.tags,
            opts=self._child,
        )

    def _shared_key(self, group: pulumi.Input[str], workspace: pulumi.Input[str]) -> pulumi.Output[str]:
        keys = operationalinsights.get_shared_keys_output(
            resource_group_name=group,
            workspace_name=workspace,
            opts=pulumi.InvokeOptions(parent=self),
        )
        return pulumi.Output.secret(keys.apply(lambda found: found.primary_shared_key or ""))

    def _people(self, worker_name: str, emails: Sequence[str]) -> monitor.ActionGroup:
        return monitor.ActionGroup(
            f"{self._name}-people",
            resource_group_name=self._place.resource_group_name,
            action_group_name=f"{worker_name}-people",
            location="global",
            group_short_name="vision",
            enabled=True,
            email_receivers=[
                monitor.MicrosoftCommonEmailReceiverArgs(name=email, email_address=email, use_common_alert_schema=True)
                for email in emails
            ],
            tags=self._place.tags,
            opts=self._child,
        )
