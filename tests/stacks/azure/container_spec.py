"""What a Container App's declaration says of the process that runs in it. Pure: nothing is started here."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from tests.stacks.azure.world import WorldFailure

PROGRAM = "vision-engine"
"""The entry point of the engine's image, and the only program that is played."""

COOLDOWN_SECONDS = 300
_DEFAULTS = {"host": "127.0.0.1", "port": "8080"}
_OF_THIS_MACHINE = ("host", "port", "health-port", "data-dir", "weights-dir")
"""Settings whose values hold in the container alone."""


@dataclass(frozen=True)
class Probe:
    kind: str
    path: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class QueueRule:
    """A scale rule that counts rows of PostgreSQL: so many replicas as `query` gives, divided by `target`."""

    connection: str
    query: str
    target: float

    def replicas(self, value: float) -> int:
        return math.ceil(value / self.target)


@dataclass(frozen=True)
class StorageQueueRule:
    """A scale rule that counts messages of a queue, as an identity: so many replicas as messages, divided by `length`."""

    account_name: str
    queue_name: str
    length: float
    identity_id: str

    def replicas(self, value: float) -> int:
        return math.ceil(value / self.length)


@dataclass(frozen=True)
class InitContainer:
    """What runs to its end before the container starts."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str]


@dataclass(frozen=True)
class ContainerSpec:
    """`arguments` of `vision-engine` and its environment, as the container has them, secrets and all."""

    arguments: Sequence[str]
    environment: Mapping[str, str]
    has_ingress: bool
    probes: Sequence[Probe]
    identity_ids: Sequence[str]
    """Those whose tokens the container gets; `init_identity_ids`: and those whose tokens its init containers get."""
    init_identity_ids: Sequence[str]
    init_containers: Sequence[InitContainer]
    min_replicas: int
    max_replicas: int
    queue: QueueRule | StorageQueueRule | None
    cooldown_seconds: float
    template: str
    """What a revision is made of, as JSON: it refers to secrets, and does not have their values."""

    def needs_a_revision(self, former: "ContainerSpec") -> bool:
        """Whether Azure makes a new revision: not if only the values of secrets changed.

        https://learn.microsoft.com/azure/container-apps/manage-secrets
        """
        ours = (self.template, self.has_ingress, self.identity_ids, self.init_identity_ids)
        return ours != (former.template, former.has_ingress, former.identity_ids, former.init_identity_ids)

    @classmethod
    def of(cls, inputs: Mapping[str, Any]) -> "ContainerSpec":
        """Raises WorldFailure for what Azure would refuse, or would start and find unhealthy."""
        configuration = inputs.get("configuration") or {}
        template = inputs.get("template") or {}
        secrets = {secret["name"]: secret.get("value", "") for secret in configuration.get("secrets") or ()}
        containers: list[Mapping[str, Any]] = template.get("containers") or []
        if len(containers) != 1:
            raise _refusal("ContainerAppInvalidTemplate", f"an app of one container is played, not of {len(containers)}")
        container = containers[0]
        arguments, environment = _program(container, secrets)
        ingress = configuration.get("ingress")
        probes = tuple(container.get("probes") or ())
        if ingress:
            _check_listening(arguments, environment, "port", int(ingress.get("targetPort", 0)), probes)
        elif probes:
            asked = int((probes[0].get("httpGet") or {}).get("port") or 0)
            _check_listening(arguments, environment, "health-port", asked, probes)
        scale = template.get("scale") or {}
        # Without a rule, and with ingress, Azure starts a replica at the first call.
        least = max(int(scale.get("minReplicas") or 0), 1 if ingress else 0)
        return cls(
            tuple(without_settings(arguments, _OF_THIS_MACHINE)),
            {name: value for name, value in environment.items() if name not in map(variable_of, _OF_THIS_MACHINE)},
            bool(ingress),
            tuple(_probe(probe) for probe in sorted(probes, key=lambda probe: str(probe.get("type")), reverse=True)),
            identities_in(inputs, "Main"),
            identities_in(inputs, "Init"),
            tuple(
                InitContainer(str(each.get("name")), *_program(each, secrets)) for each in template.get("initContainers") or ()
            ),
            least,
            max(int(scale.get("maxReplicas") or 10), least),
            _queue_rule(scale.get("rules") or (), secrets, identity_ids(inputs)),
            float(scale.get("cooldownPeriod") or COOLDOWN_SECONDS),
            json.dumps(template, sort_keys=True),
        )


def variable_of(setting: str) -> str:
    return f"VISION_ENGINE_{setting.replace('-', '_').upper()}"


def setting_of(arguments: Sequence[str], environment: Mapping[str, str], name: str) -> str | None:
    """What a setting of the engine is: a flag wins over the environment."""
    for index, argument in enumerate(arguments):
        if argument == f"--{name}":
            return arguments[index + 1] if index + 1 < len(arguments) else ""
        if argument.startswith(f"--{name}="):
            return argument.partition("=")[2]
    return environment.get(variable_of(name), _DEFAULTS.get(name))


def without_settings(arguments: Sequence[str], names: Sequence[str]) -> list[str]:
    """The arguments without the flags of some settings, and their values."""
    kept, skip = [], False
    for argument in arguments:
        flag, equals, _ = argument.partition("=")
        if not skip and flag.removeprefix("--") not in names:
            kept.append(argument)
        skip = not skip and not equals and argument.startswith("--") and argument.removeprefix("--") in names
    return kept


def identity_ids(inputs: Mapping[str, Any]) -> tuple[str, ...]:
    """ARM ids of an app's user-assigned identities."""
    return tuple((inputs.get("identity") or {}).get("userAssignedIdentities") or ())


def identities_in(inputs: Mapping[str, Any], phase: str) -> tuple[str, ...]:
    """ARM ids of the identities whose tokens are available in a phase, `Init` or `Main`.

    https://learn.microsoft.com/azure/container-apps/managed-identity#control-managed-identity-availability
    """
    settings = (inputs.get("configuration") or {}).get("identitySettings") or ()
    cycles = {str(each["identity"]).lower(): str(each.get("lifecycle") or "All").lower() for each in settings}
    for id_ in cycles:
        if id_ != "system" and id_ not in map(str.lower, identity_ids(inputs)):
            raise _refusal("ContainerAppInvalidIdentitySettings", f"identitySettings: {id_} is not assigned to the app")
    return tuple(id_ for id_ in identity_ids(inputs) if cycles.get(id_.lower(), "all") in ("all", phase.lower()))


def _program(container: Mapping[str, Any], secrets: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """The arguments and the environment of a container's program."""
    command: list[str] = [*(container.get("command") or [PROGRAM]), *(container.get("args") or [])]
    if PurePath(command[0]).name != PROGRAM:
        raise _refusal("ContainerAppInvalidTemplate", f"the image has {PROGRAM}, not {command[0]}")
    environment = {
        variable["name"]: _secret(secrets, variable["secretRef"]) if variable.get("secretRef") else variable.get("value", "")
        for variable in container.get("env") or ()
    }
    return command[1:], environment


def _check_listening(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    setting: str,
    target_port: int,
    probes: Sequence[Mapping[str, Any]],
) -> None:
    host, port = (setting_of(arguments, environment, name) for name in ("host", setting))
    if host != "0.0.0.0":
        raise _unhealthy(f"the container listens on {host}: ingress and probes reach it on 0.0.0.0 only")
    if port != str(target_port):
        raise _unhealthy(
            f"port {target_port} is called, by ingress (targetPort) or a probe, and the container listens on {port}"
        )
    for probe in probes:
        asked = (probe.get("httpGet") or probe.get("tcpSocket") or {}).get("port")
        if int(asked or 0) != target_port:
            raise _unhealthy(f"probe {probe.get('type')} asks port {asked}, and the container listens on {port}")


def _probe(probe: Mapping[str, Any]) -> Probe:
    get = probe.get("httpGet")
    if not get:
        raise _refusal("ContainerAppInvalidTemplate", f"probe {probe.get('type')}: only httpGet is played")
    headers = {header["name"]: header["value"] for header in get.get("httpHeaders") or ()}
    return Probe(str(probe.get("type", "")), str(get.get("path", "/")), headers)


def _queue_rule(
    rules: Sequence[Mapping[str, Any]], secrets: Mapping[str, str], identities: Sequence[str]
) -> QueueRule | StorageQueueRule | None:
    for rule in rules:
        if queue := rule.get("azureQueue"):
            return _storage_queue_rule(str(rule.get("name")), queue, identities)
        custom = rule.get("custom")
        if not custom:
            continue
        if custom.get("type") != "postgresql":
            raise _refusal(
                "ContainerAppInvalidTemplate", f"scale rule {rule.get('name')}: type {custom.get('type')} is not played"
            )
        by = {auth.get("triggerParameter"): auth.get("secretRef", "") for auth in custom.get("auth") or ()}
        metadata = custom.get("metadata") or {}
        missing = [name for name in ("query", "targetQueryValue") if name not in metadata]
        if missing or "connection" not in by:
            raise _refusal(
                "ContainerAppInvalidTemplate", f"scale rule {rule.get('name')} lacks {', '.join(missing) or 'connection'}"
            )
        return QueueRule(_secret(secrets, by["connection"]), metadata["query"], float(metadata["targetQueryValue"]))
    return None


def _storage_queue_rule(name: str, queue: Mapping[str, Any], identities: Sequence[str]) -> StorageQueueRule:
    missing = [key for key in ("accountName", "queueName", "queueLength", "identity") if not queue.get(key)]
    if missing:
        raise _refusal("ContainerAppInvalidTemplate", f"scale rule {name} lacks {', '.join(missing)}")
    if queue["identity"].lower() not in map(str.lower, identities):
        raise _refusal("ContainerAppInvalidTemplate", f"scale rule {name}: {queue['identity']} is not assigned to the app")
    return StorageQueueRule(queue["accountName"], queue["queueName"], float(queue["queueLength"]), queue["identity"])


def _secret(secrets: Mapping[str, str], name: str) -> str:
    if name not in secrets:
        raise _refusal(
            "ContainerAppSecretRefNotFound", f"SecretRef '{name}' is not one of the app's secrets: {sorted(secrets)}"
        )
    return secrets[name]


def _refusal(code: str, message: str) -> WorldFailure:
    return WorldFailure(400, code, message)


def _unhealthy(message: str) -> WorldFailure:
    return WorldFailure(400, "ContainerAppOperationError", f"Failed to provision revision: {message}")
