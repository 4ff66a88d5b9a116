"""What the declaration of a Container App or a job says of the process that runs in it. Pure: nothing is started here."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from tests.stacks.azure.scale_rule import QueueRule, StorageQueueRule, queue_rule, rules_of_app, secret_of
from tests.stacks.azure.world import WorldFailure

PROGRAM = "vision-engine"
"""The entry point of the engine's image, and the only program that is played."""

COOLDOWN_SECONDS = 300
MAX_EXECUTIONS, POLLING_SECONDS = 100, 30
"""Azure's defaults of a job: https://learn.microsoft.com/rest/api/containerapps/jobs/create-or-update#jobscale"""
_DEFAULTS = {"host": "127.0.0.1", "port": "8080"}
_OF_THIS_MACHINE = ("host", "port", "health-port", "data-dir", "weights-dir")
"""Settings whose values hold in the container alone."""


@dataclass(frozen=True)
class Probe:
    kind: str
    path: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Container:
    """`arguments` of `vision-engine` and its environment, as the container has them, secrets and all."""

    arguments: Sequence[str]
    environment: Mapping[str, str]
    probes: Sequence[Probe] = ()
    identity_ids: Sequence[str] = ()
    """Those whose tokens it gets."""


@dataclass(frozen=True)
class AppSpec:
    """A Container App. `init_containers`, by their names, run to their end before the container starts."""

    container: Container
    init_containers: Mapping[str, Container]
    has_ingress: bool
    min_replicas: int
    max_replicas: int
    queue: QueueRule | StorageQueueRule | None
    cooldown_seconds: float
    template: str
    """What a revision is made of, as JSON: it refers to secrets, and does not have their values."""

    def needs_a_revision(self, former: "AppSpec") -> bool:
        """Whether Azure makes a new revision: not if only the values of secrets changed.

        https://learn.microsoft.com/azure/container-apps/manage-secrets
        """
        return self._of_revision() != former._of_revision()

    def _of_revision(self) -> object:
        inits = [container.identity_ids for container in self.init_containers.values()]
        return self.template, self.has_ingress, self.container.identity_ids, inits

    @classmethod
    def of(cls, inputs: Mapping[str, Any]) -> "AppSpec":
        """Raises WorldFailure for what Azure would refuse, or would start and find unhealthy."""
        ingress = (inputs.get("configuration") or {}).get("ingress")
        template = inputs.get("template") or {}
        container = _container(inputs, ingress)
        scale = template.get("scale") or {}
        # Without a rule, and with ingress, Azure starts a replica at the first call.
        least = max(int(scale.get("minReplicas") or 0), 1 if ingress else 0)
        rules = rules_of_app(scale.get("rules") or ())
        return cls(
            container,
            {str(each.get("name")): _init_container(each, inputs) for each in template.get("initContainers") or ()},
            bool(ingress),
            least,
            max(int(scale.get("maxReplicas") or 10), least),
            queue_rule(rules, secrets_of(inputs), identity_ids(inputs)),
            float(scale.get("cooldownPeriod") or COOLDOWN_SECONDS),
            json.dumps(template, sort_keys=True),
        )


@dataclass(frozen=True)
class JobSpec:
    """A Container Apps job. `queue` starts its executions, unless a person does."""

    container: Container
    timeout_seconds: float
    retries: int
    queue: QueueRule | StorageQueueRule | None
    min_executions: int
    max_executions: int
    polling_seconds: float

    @classmethod
    def of(cls, inputs: Mapping[str, Any]) -> "JobSpec":
        """Raises WorldFailure for what Azure would refuse."""
        configuration = inputs.get("configuration") or {}
        trigger = configuration.get("triggerType", "Manual")
        config = configuration.get(f"{trigger.lower()}TriggerConfig") or {}
        for key in ("parallelism", "replicaCompletionCount"):
            if int(config.get(key, 1)) != 1:
                raise _refusal("ContainerAppInvalidTemplate", f"a job of one replica is played, not {key} {config[key]}")
        scale = config.get("scale") or {}
        rules = scale.get("rules") or ()
        queue = queue_rule(rules, secrets_of(inputs), identity_ids(inputs)) if trigger == "Event" else None
        if (trigger == "Event") != (queue is not None) or trigger == "Schedule":
            raise _refusal("ContainerAppInvalidTemplate", f"trigger {trigger} with {len(rules)} rules is not played")
        return cls(
            _container(inputs, None),
            float(configuration["replicaTimeout"]),
            int(configuration.get("replicaRetryLimit") or 0),
            queue,
            int(scale.get("minExecutions") or 0),
            int(scale.get("maxExecutions") or MAX_EXECUTIONS),
            float(scale.get("pollingInterval") or POLLING_SECONDS),
        )


def secrets_of(inputs: Mapping[str, Any]) -> dict[str, str]:
    configuration = inputs.get("configuration") or {}
    return {secret["name"]: secret.get("value", "") for secret in configuration.get("secrets") or ()}


def _container(inputs: Mapping[str, Any], ingress: Mapping[str, Any] | None) -> Container:
    containers: list[Mapping[str, Any]] = (inputs.get("template") or {}).get("containers") or []
    if len(containers) != 1:
        raise _refusal("ContainerAppInvalidTemplate", f"an app of one container is played, not of {len(containers)}")
    container = containers[0]
    arguments, environment = _program(container, secrets_of(inputs))
    probes = tuple(container.get("probes") or ())
    if ingress:
        _check_listening(arguments, environment, "port", int(ingress.get("targetPort", 0)), probes)
    elif probes:
        asked = int((probes[0].get("httpGet") or {}).get("port") or 0)
        _check_listening(arguments, environment, "health-port", asked, probes)
    return Container(
        tuple(without_settings(arguments, _OF_THIS_MACHINE)),
        {name: value for name, value in environment.items() if name not in map(variable_of, _OF_THIS_MACHINE)},
        tuple(_probe(probe) for probe in sorted(probes, key=lambda probe: str(probe.get("type")), reverse=True)),
        identities_in(inputs, "Main"),
    )


def _init_container(container: Mapping[str, Any], inputs: Mapping[str, Any]) -> Container:
    arguments, environment = _program(container, secrets_of(inputs))
    return Container(tuple(arguments), environment, identity_ids=identities_in(inputs, "Init"))


def _program(container: Mapping[str, Any], secrets: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """The arguments and the environment of a container's program."""
    command: list[str] = [*(container.get("command") or [PROGRAM]), *(container.get("args") or [])]
    if PurePath(command[0]).name != PROGRAM:
        raise _refusal("ContainerAppInvalidTemplate", f"the image has {PROGRAM}, not {command[0]}")
    environment = {
        variable["name"]: secret_of(secrets, variable["secretRef"]) if variable.get("secretRef") else variable.get("value", "")
        for variable in container.get("env") or ()
    }
    return command[1:], environment


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


def _refusal(code: str, message: str) -> WorldFailure:
    return WorldFailure(400, code, message)


def _unhealthy(message: str) -> WorldFailure:
    return WorldFailure(400, "ContainerAppOperationError", f"Failed to provision revision: {message}")
