"""The pack's entry point for Pulumi: each rule as a policy. The rules themselves are in `rules`."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    Policy,
    PolicyConfigSchema,
    PolicyPack,
    PolicyResource,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError
from rules import RULES
from rules.rule import UNKNOWN, Resource, Rule, StackRule


def plain(value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    """A property without the SDK's proxies, which raise if a preview does not know a value yet."""
    if isinstance(value, Mapping):
        return {key: _known(value, key) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_known(value, index) for index in range(len(value))]
    return value


def _known(holder: Any, key: Any) -> Any:  # noqa: ANN401
    try:
        return plain(holder[key])
    except UnknownValueError:
        return UNKNOWN


def resource_from(args: ResourceValidationArgs | PolicyResource, depends_on: frozenset[str] = frozenset()) -> Resource:
    return Resource(
        args.resource_type, args.name, args.urn, plain(args.props), protect=args.opts.protect, depends_on=depends_on
    )


def dependencies(resource: PolicyResource) -> frozenset[str]:
    by_property = (other for others in resource.property_dependencies.values() for other in others)
    return frozenset(other.urn for other in (*resource.dependencies, *by_property))


def resource_policy(rule: Rule) -> Policy:
    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        if not rule.concerns(args.resource_type):
            return
        settings = rule.settings_from(args.get_config(), datetime.now(UTC))
        for message in rule.check(resource_from(args), settings):
            report(f"{message}.\n{rule.fix}")

    return ResourceValidationPolicy(validate=validate, **described(rule))


def stack_policy(rule: StackRule) -> Policy:
    def validate(args: StackValidationArgs, report: ReportViolation) -> None:
        settings = rule.settings_from(args.get_config(), datetime.now(UTC))
        concerned = [
            resource_from(resource, dependencies(resource))
            for resource in args.resources
            if rule.concerns(resource.resource_type)
        ]
        for resource, message in rule.check(concerned, settings):
            report(f"{message}.\n{rule.fix}", resource.key if resource else None)

    return StackValidationPolicy(validate=validate, **described(rule))


def described(rule: Rule | StackRule) -> dict[str, Any]:
    return {
        "name": rule.name,
        "description": f"{rule.says} {rule.why}",
        "remediation_steps": rule.fix,
        "config_schema": PolicyConfigSchema(dict(rule.settings)) if rule.settings else None,
    }


PolicyPack(
    "vision-customization",
    [stack_policy(rule) if isinstance(rule, StackRule) else resource_policy(rule) for rule in RULES],
    enforcement_level=EnforcementLevel.MANDATORY,
)
