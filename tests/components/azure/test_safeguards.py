"""Locks and a budget as they are declared, with Pulumi's engine played."""

from datetime import UTC, datetime

import pulumi

from tests.components.azure.played_engine import Engine
from vision_customization.components.azure.safeguards import CostBudget, DataLocks

GROUP = "/subscriptions/sub-1/resourceGroups/vision-prod"
SERVER = f"{GROUP}/providers/Microsoft.DBforPostgreSQL/flexibleServers/vision-prod"


def test_a_lock_is_on_the_resource_itself(engine: Engine) -> None:
    @pulumi.runtime.test
    def program() -> None:
        DataLocks("vision-locks", {"database": SERVER})

    program()
    lock = engine.declared["ManagementLockByScope"]
    assert (lock["scope"], lock["level"]) == (SERVER, "CanNotDelete")


def test_a_budget_begins_this_month_and_tells_of_what_is_spent_and_forecast(engine: Engine) -> None:
    @pulumi.runtime.test
    def program() -> None:
        CostBudget("vision-budget", group_id=GROUP, budget_name="vision-prod", amount=800, emails=["a@example.com"])

    program()
    budget = engine.declared["Budget"]
    assert (budget["scope"], budget["amount"], budget["timeGrain"]) == (GROUP, 800, "Monthly")
    assert budget["timePeriod"] == {"startDate": f"{datetime.now(UTC):%Y-%m}-01T00:00:00Z"}
    told = {(each["thresholdType"], each["threshold"]) for each in budget["notifications"].values()}
    assert told == {("Actual", 80), ("Actual", 100), ("Forecasted", 100)}
    assert all(each["contactEmails"] == ["a@example.com"] and each["enabled"] for each in budget["notifications"].values())
