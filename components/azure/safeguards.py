"""Safeguards of an environment: locks against deletion, and a budget that alerts."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import pulumi
from pulumi_azure_native import authorization, consumption

LOCK = "vision-data"


class DataLocks(pulumi.ComponentResource):
    """A lock on each resource that holds data: nobody can delete it, whatever their role, until the lock is gone.

    A lock also refuses to delete what is below and on its resource: containers, role assignments, diagnostic settings
    (https://learn.microsoft.com/azure/azure-resource-manager/management/lock-resources). So it must depend on all of these:
    Pulumi then makes it last, and a destroy removes it first.
    """

    def __init__(
        self, name: str, resource_ids: Mapping[str, pulumi.Input[str]], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        """Args:
        resource_ids: what is locked: a word for its name in Pulumi → ARM id.
        """
        super().__init__("vision-customization:index:DataLocks", name, None, opts)
        for what, resource_id in resource_ids.items():
            authorization.ManagementLockByScope(
                f"{name}-{what}",
                scope=resource_id,
                lock_name=LOCK,
                level=authorization.LockLevel.CAN_NOT_DELETE,
                notes="Holds data that can't be made again. The stack's setting `locks` makes and removes this lock.",
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({})


class CostBudget(pulumi.ComponentResource):
    """A monthly budget of a resource group. It stops nothing: it sends mail at 80 % and 100 %, and if 100 % is forecast."""

    def __init__(
        self,
        name: str,
        *,
        group_id: pulumi.Input[str],
        budget_name: str,
        amount: float,
        emails: Sequence[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """
        Args:
            budget_name: unique among the budgets of the group, which may have those of other stacks.
            amount: a month's costs, in the currency that the subscription is billed in.
            emails: who is told, at least one address.
        """
        super().__init__("vision-customization:index:CostBudget", name, None, opts)
        first_of_month = datetime.now(UTC).replace(day=1)
        consumption.Budget(
            name,
            scope=group_id,
            budget_name=budget_name,
            amount=amount,
            category=consumption.CategoryType.COST,
            time_grain=consumption.TimeGrainType.MONTHLY,
            time_period=consumption.BudgetTimePeriodArgs(start_date=f"{first_of_month:%Y-%m-%d}T00:00:00Z"),
            notifications={
                "actual80": _notification(80, consumption.ThresholdType.ACTUAL, emails),
                "actual100": _notification(100, consumption.ThresholdType.ACTUAL, emails),
                "forecast100": _notification(100, consumption.ThresholdType.FORECASTED, emails),
            },
            # A new budget begins in the current month; its first month stays what it was.
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["timePeriod"]),
        )
        self.register_outputs({})


def _notification(percent: float, kind: consumption.ThresholdType, emails: Sequence[str]) -> consumption.NotificationArgs:
    return consumption.NotificationArgs(
        enabled=True,
        operator=consumption.OperatorType.GREATER_THAN_OR_EQUAL_TO,
        threshold=percent,
        threshold_type=kind,
        contact_emails=list(emails),
    )
