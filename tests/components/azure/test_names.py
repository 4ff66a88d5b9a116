"""Names in Azure and the rules they keep."""

import pytest

from vision_customization.components.azure.names import RULES, AzureNames, NameNotAllowed

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"


def test_names_are_made_from_one_base() -> None:
    names = AzureNames.of("vision-dev", SUBSCRIPTION)
    assert names.resource_group == "vision-dev"
    assert names.engine == "vision-dev-engine"
    assert names.storage_account == f"visiondev{names.subdomain[-6:]}"


def test_what_is_global_differs_between_subscriptions_and_stays_within_one() -> None:
    first, other = AzureNames.of("vision-dev", SUBSCRIPTION), AzureNames.of("vision-dev", SUBSCRIPTION.replace("1", "9"))
    assert first == AzureNames.of("vision-dev", SUBSCRIPTION.upper())
    assert first.engine == other.engine
    for name in ("subdomain", "storage_account", "database_server"):
        assert getattr(first, name) != getattr(other, name)


def test_the_longest_base_keeps_every_rule() -> None:
    names = AzureNames.of("a" * 20, SUBSCRIPTION)
    assert len(names.storage_account) == 24
    assert len(names.worker_job) <= 32


def test_a_given_name_takes_the_place_of_a_made_one() -> None:
    assert AzureNames.of("vision-dev", SUBSCRIPTION, {"storage_account": "contosoimages"}).storage_account == "contosoimages"


@pytest.mark.parametrize("base", ["", "v", "Vision", "vision_dev", "1vision", "vision--dev", "vision-", "v" * 21])
def test_a_base_that_makes_no_names_is_refused(base: str) -> None:
    with pytest.raises(NameNotAllowed, match=r"name '.*': must have 2–20 lowercase letters"):
        AzureNames.of(base, SUBSCRIPTION)


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("resource_group", ["rg", "Team(vision)_1.a-b", "x" * 90], ["", "ends.", "a/b", "x" * 91]),
        ("vision_account", ["ab", "Contoso.vision-1"], ["a", "-ab", "ab-", "x" * 65]),
        ("subdomain", ["ab", "contoso-vision"], ["a", "con.toso", "-ab", "x" * 65]),
        ("storage_account", ["abc", "a1" * 12], ["ab", "Abc", "a-b", "a_b", "a" * 25]),
        ("identity", ["abc", "a_b-c"], ["ab", "-abc", "a.b.c", "x" * 129]),
        ("log_workspace", ["logs", "Logs-1"], ["abc", "-logs", "logs-", "x" * 64]),
        ("environment", ["apps", "a-b"], ["a", "Apps", "1apps", "a--b", "apps-", "x" * 33]),
        ("engine", ["engine", "a-b"], ["a", "Engine", "a--b", "x" * 33]),
        ("worker", ["worker"], ["worker_1", "x" * 33]),
        ("worker_job", ["job"], ["worker_1", "x" * 33]),
        ("database_server", ["abc", "1db"], ["ab", "Abc", "-abc", "abc-", "x" * 64]),
        ("network", ["n", "Net_1.a"], ["", "-net", "net-", "x" * 65]),
    ],
)
def test_rules(field: str, good: list[str], bad: list[str]) -> None:
    for name in good:
        RULES[field].check(field, name)
    for name in bad:
        with pytest.raises(NameNotAllowed, match="must have"):
            RULES[field].check(field, name)


def test_every_name_has_a_rule_and_a_test() -> None:
    names = AzureNames.of("vision-dev", SUBSCRIPTION)
    assert set(RULES) == set(vars(names))
