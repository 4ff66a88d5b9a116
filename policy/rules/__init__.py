"""The rules of the policy pack: pure functions of resources as Pulumi has them. Imports neither Pulumi nor the project."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from . import apps, database, identity, stack, storage, vault, vision
from .rule import Resource, Rule, StackRule

RULES: tuple[Rule | StackRule, ...] = (
    *vision.RULES,
    *storage.RULES,
    *identity.RULES,
    *database.RULES,
    *apps.RULES,
    *vault.RULES,
    *stack.RULES,
)

LEVELS = ("advisory", "mandatory", "remediate", "disabled")


class ConfigurationInvalid(Exception):
    """A stack's policy configuration names a rule or a level that does not exist."""


@dataclass(frozen=True)
class Violation:
    """A violation of a rule. `resource` is None if it concerns the stack; `level` is advisory or mandatory."""

    rule: Rule | StackRule
    level: str
    resource: Resource | None
    message: str

    def __str__(self) -> str:
        where = "the stack" if self.resource is None else f"{self.resource.type} {self.resource.name}"
        return f"[{self.level}] {self.rule.name}: {where}: {self.message}. {self.rule.fix}"


def violations(resources: Sequence[Resource], config: Mapping[str, Any], now: datetime) -> Iterator[Violation]:
    """The violations of all rules, at the levels of a stack's policy configuration (a file in `policy/config`).

    Raises:
        ConfigurationInvalid: the configuration names a rule or a level that does not exist.
    """
    unknown = sorted(config.keys() - {"all", *(rule.name for rule in RULES)})
    if unknown:
        raise ConfigurationInvalid(f"no rule is called {', '.join(unknown)}; choose from {', '.join(r.name for r in RULES)}")
    for rule in RULES:
        level, settings = level_of(rule, config), rule.settings_from(settings_of(rule, config), now)
        if level == "disabled":
            continue
        concerned = [resource for resource in resources if rule.concerns(resource.type)]
        if isinstance(rule, StackRule):
            found = [(resource, message) for resource, message in rule.check(concerned, settings)]
        else:
            found = [(resource, message) for resource in concerned for message in rule.check(resource, settings)]
        yield from (Violation(rule, level, resource, message) for resource, message in found)


def level_of(rule: Rule | StackRule, config: Mapping[str, Any]) -> str:
    """A rule's level: its own, else that of `all`, else mandatory."""
    for entry in (config.get(rule.name), config.get("all")):
        level = entry.get("enforcementLevel") if isinstance(entry, Mapping) else entry
        if level is not None:
            if level not in LEVELS:
                raise ConfigurationInvalid(f"{rule.name}: {level!r} is not a level; choose from {', '.join(LEVELS)}")
            return "mandatory" if level == "remediate" else str(level)
    return "mandatory"


def settings_of(rule: Rule | StackRule, config: Mapping[str, Any]) -> Mapping[str, Any]:
    entry = config.get(rule.name)
    return entry if isinstance(entry, Mapping) else {}
