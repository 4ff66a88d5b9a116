"""EngineApp: the engine on Azure Container Apps, an API that scales with its calls and workers that scale with their queue."""

from collections.abc import Mapping

import pulumi
from pulumi_azure_native import app

from vision_customization.components.azure.args import EngineSize
from vision_customization.contract.queue_length import QUEUE_LENGTH_QUERY

PORT = 8080
HEALTH_PORT = 8081
"""Where a worker says that it is well."""

DATA_DIR = "/data"

CONCURRENT_CALLS = 20
"""Calls a replica has at once before another is started."""


class EngineApp(pulumi.ComponentResource):
    """The engine's API behind TLS, and its workers. Both run as `identity_id`, and keep nothing on their own disks."""

    endpoint: pulumi.Output[str]
    """`https://…`"""
    api_id: pulumi.Output[str]
    worker_id: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        resource_group_name: pulumi.Input[str],
        environment_id: pulumi.Input[str],
        api_name: str,
        worker_name: str,
        location: str,
        image: str,
        identity_id: pulumi.Input[str],
        settings: Mapping[str, pulumi.Input[str]],
        secrets: Mapping[str, pulumi.Input[str]],
        size: EngineSize | None = None,
        registry: str | None = None,
        external: bool = True,
        tags: dict[str, str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """
        Args:
            environment_id: ARM id of the Container Apps environment.
            image: of the engine, best with its digest.
            identity_id: ARM id of a user-assigned identity.
            settings: environment variables of both apps.
            secrets: environment variables whose values are secrets; `VISION_ENGINE_DATABASE_URL` must be among them.
            registry: a registry that the identity may pull from; none for a public image.
            external: whether callers may come from outside of the environment's network.
        """
        super().__init__("vision-customization:index:EngineApp", name, None, opts)
        size = size or EngineSize()
        self._secrets = secrets
        common = {
            "resource_group_name": resource_group_name,
            "environment_id": environment_id,
            "location": location,
            "identity": app.ManagedServiceIdentityArgs(
                type=app.ManagedServiceIdentityType.USER_ASSIGNED, user_assigned_identities=[identity_id]
            ),
            "tags": tags,
            "opts": pulumi.ResourceOptions(parent=self),
        }
        api = app.ContainerApp(
            f"{name}-api",
            container_app_name=api_name,
            configuration=self._configuration(
                identity_id,
                registry,
                app.IngressArgs(
                    external=external,
                    target_port=PORT,
                    transport=app.IngressTransportMethod.HTTP,
                    allow_insecure=False,
                ),
            ),
            template=app.TemplateArgs(
                containers=[
                    self._container(
                        "engine",
                        image,
                        ["serve", "--host", "0.0.0.0", "--port", str(PORT), "--workers", "0"],  # noqa: S104
                        settings,
                        size.cpu,
                        size.memory_gib,
                        _http_probes(),
                    )
                ],
                scale=app.ScaleArgs(
                    min_replicas=size.min_replicas,
                    max_replicas=size.max_replicas,
                    rules=[
                        app.ScaleRuleArgs(
                            name="calls",
                            http=app.HttpScaleRuleArgs(metadata={"concurrentRequests": str(CONCURRENT_CALLS)}),
                        )
                    ],
                ),
                volumes=[_volume()],
            ),
            **common,
        )
        worker = app.ContainerApp(
            f"{name}-worker",
            container_app_name=worker_name,
            configuration=self._configuration(identity_id, registry, None),
            template=app.TemplateArgs(
                containers=[
                    self._container(
                        "worker",
                        image,
                        ["worker", "--host", "0.0.0.0", "--health-port", str(HEALTH_PORT)],  # noqa: S104
                        settings,
                        size.worker_cpu,
                        size.worker_memory_gib,
                        _worker_probes(),
                    )
                ],
                scale=app.ScaleArgs(
                    min_replicas=size.min_workers,
                    max_replicas=size.max_workers,
                    rules=[
                        app.ScaleRuleArgs(
                            name="jobs",
                            custom=app.CustomScaleRuleArgs(
                                type="postgresql",
                                metadata={"query": QUEUE_LENGTH_QUERY, "targetQueryValue": "1"},
                                auth=[
                                    app.ScaleRuleAuthArgs(
                                        secret_ref=_secret_name("VISION_ENGINE_DATABASE_URL"), trigger_parameter="connection"
                                    )
                                ],
                            ),
                        )
                    ],
                ),
                # A step of a training that is under way may end; the next worker goes on after it.
                termination_grace_period_seconds=120,
                volumes=[_volume()],
            ),
            **common,
        )
        self.api_id, self.worker_id = api.id, worker.id
        # The configuration holds secrets, and so is one as a whole; the name in it is none.
        self.endpoint = pulumi.Output.unsecret(api.configuration).apply(
            lambda configuration: f"https://{configuration.ingress.fqdn}" if configuration and configuration.ingress else ""
        )
        self.register_outputs({"endpoint": self.endpoint})

    def _configuration(
        self, identity_id: pulumi.Input[str], registry: str | None, ingress: app.IngressArgs | None
    ) -> app.ConfigurationArgs:
        return app.ConfigurationArgs(
            active_revisions_mode=app.ActiveRevisionsMode.SINGLE,
            ingress=ingress,
            registries=[app.RegistryCredentialsArgs(server=registry, identity=identity_id)] if registry else None,
            secrets=[app.SecretArgs(name=_secret_name(variable), value=value) for variable, value in self._secrets.items()],
        )

    def _container(
        self,
        name: str,
        image: str,
        arguments: list[str],
        settings: Mapping[str, pulumi.Input[str]],
        cpu: float,
        memory_gib: float,
        probes: list[app.ContainerAppProbeArgs],
    ) -> app.ContainerArgs:
        return app.ContainerArgs(
            name=name,
            image=image,
            args=arguments,
            env=[
                app.EnvironmentVarArgs(name="VISION_ENGINE_DATA_DIR", value=DATA_DIR),
                *(app.EnvironmentVarArgs(name=variable, value=value) for variable, value in settings.items()),
                *(app.EnvironmentVarArgs(name=variable, secret_ref=_secret_name(variable)) for variable in self._secrets),
            ],
            resources=app.ContainerResourcesArgs(cpu=cpu, memory=f"{memory_gib:g}Gi"),
            volume_mounts=[app.VolumeMountArgs(volume_name="data", mount_path=DATA_DIR)],
            probes=probes,
        )


def _secret_name(variable: str) -> str:
    """`VISION_ENGINE_DATABASE_URL` → `database-url`."""
    return variable.removeprefix("VISION_ENGINE_").lower().replace("_", "-")


def _volume() -> app.VolumeArgs:
    return app.VolumeArgs(name="data", storage_type=app.StorageType.EMPTY_DIR)


def _http_probes() -> list[app.ContainerAppProbeArgs]:
    """The image's start loads libraries and brings the tables up to date; from then on an answer takes milliseconds."""
    asked = app.ContainerAppProbeHttpGetArgs(path="/healthz", port=PORT)
    return [
        _startup(asked),
        app.ContainerAppProbeArgs(
            type=app.Type.LIVENESS, http_get=asked, period_seconds=10, timeout_seconds=5, failure_threshold=6
        ),
        app.ContainerAppProbeArgs(
            type=app.Type.READINESS, http_get=asked, period_seconds=5, timeout_seconds=5, failure_threshold=3
        ),
    ]


def _worker_probes() -> list[app.ContainerAppProbeArgs]:
    asked = app.ContainerAppProbeHttpGetArgs(path="/healthz", port=HEALTH_PORT)
    return [
        _startup(asked),
        app.ContainerAppProbeArgs(
            type=app.Type.LIVENESS, http_get=asked, period_seconds=30, timeout_seconds=5, failure_threshold=6
        ),
    ]


def _startup(asked: app.ContainerAppProbeHttpGetArgs) -> app.ContainerAppProbeArgs:
    """Two minutes; Azure allows no more than ten failures."""
    return app.ContainerAppProbeArgs(
        type=app.Type.STARTUP, http_get=asked, period_seconds=12, timeout_seconds=5, failure_threshold=10
    )
