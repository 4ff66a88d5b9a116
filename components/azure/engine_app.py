"""EngineApp: the engine on Azure Container Apps, an API that scales with its calls and workers that scale with their queue."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_azure_native import app

from vision_customization.components.azure.args import EngineSize
from vision_customization.components.azure.database import DatabaseGrant
from vision_customization.components.azure.place import Place
from vision_customization.components.azure.storage import WorkerQueue
from vision_customization.contract.workers_query import WORKERS_QUERY

PORT = 8080
HEALTH_PORT = 8081
"""The port of a worker's health probe."""

DATA_DIR = "/data"

ROTATION = "ROTATION_DIGEST"
"""The environment variable that gives an app a new revision when one of its secrets changes."""

CONCURRENT_CALLS = 20
"""Concurrent calls per replica before another replica is started."""


@dataclass(frozen=True)
class EngineAppArgs:
    """The arguments of the engine's two apps.

    Attributes:
        environment_id: ARM id of the Container Apps environment.
        image: the engine's image, preferably with its digest.
        identity_id: ARM id of a user-assigned identity.
        settings: environment variables of both apps.
        api_settings: environment variables of the API alone.
        secrets: environment variables whose values are secrets; without `queue` also `VISION_ENGINE_DATABASE_URL`.
        grant: makes the engine's role in the database before the API starts; none if it logs in with a password.
        queue: has a message for each worker that is needed; without it, the autoscaler asks the database, with the password.
        registry: a registry that the identity may pull from; none for a public image.
        external: whether calls from outside the environment's network are allowed.
    """

    place: Place
    environment_id: pulumi.Input[str]
    api_name: str
    worker_name: str
    image: str
    identity_id: pulumi.Input[str]
    settings: Mapping[str, pulumi.Input[str]]
    secrets: Mapping[str, pulumi.Input[str]]
    api_settings: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    size: EngineSize = field(default_factory=EngineSize)
    grant: DatabaseGrant | None = None
    queue: WorkerQueue | None = None
    registry: str | None = None
    external: bool = True


class EngineApp(pulumi.ComponentResource):
    """The engine's API behind TLS, and its workers. Both run as one identity, and store nothing on their own disks."""

    endpoint: pulumi.Output[str]
    """`https://…`"""

    def __init__(self, name: str, args: EngineAppArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vision-customization:index:EngineApp", name, None, opts)
        self._name, self._args = name, args
        api = self._api()
        # The API's start makes the engine's role and its tables. A worker that comes before them ends, and starts again.
        self._worker(api)
        # `configuration` contains secrets, so Pulumi marks all of it secret; the host name is safe to unwrap.
        self.endpoint = pulumi.Output.unsecret(api.configuration).apply(
            lambda configuration: f"https://{configuration.ingress.fqdn}" if configuration and configuration.ingress else ""
        )
        self.register_outputs({"endpoint": self.endpoint})

    def _api(self) -> app.ContainerApp:
        size = self._args.size
        container = self._container(
            "engine",
            ["serve", "--host", "0.0.0.0", "--port", str(PORT), "--workers", "0"],  # noqa: S104
            {**self._args.settings, **self._args.api_settings},
            size.cpu,
            size.memory_gib,
            _http_probes(),
        )
        rule = app.ScaleRuleArgs(
            name="calls", http=app.HttpScaleRuleArgs(metadata={"concurrentRequests": str(CONCURRENT_CALLS)})
        )
        ingress = app.IngressArgs(
            external=self._args.external,
            target_port=PORT,
            transport=app.IngressTransportMethod.HTTP,
            allow_insecure=False,
        )
        grant = self._args.grant
        template = app.TemplateArgs(
            init_containers=[self._role_maker(grant)] if grant else None,
            containers=[container],
            scale=app.ScaleArgs(min_replicas=size.min_replicas, max_replicas=size.max_replicas, rules=[rule]),
            volumes=[_volume()],
        )
        return self._app("api", self._args.api_name, self._configuration(ingress, grant), template, grant=grant)

    def _role_maker(self, grant: DatabaseGrant) -> app.InitContainerArgs:
        """Makes the engine's role in the database. A role that is there already stays as it is."""
        return app.InitContainerArgs(
            name="database-role",
            image=self._args.image,
            args=list(grant.arguments),
            env=[app.EnvironmentVarArgs(name=variable, value=value) for variable, value in grant.settings.items()],
            resources=app.ContainerResourcesArgs(cpu=0.25, memory="0.5Gi"),
        )

    def _worker(self, api: app.ContainerApp) -> app.ContainerApp:
        size = self._args.size
        container = self._container(
            "worker",
            ["worker", "--host", "0.0.0.0", "--health-port", str(HEALTH_PORT)],  # noqa: S104
            self._args.settings,
            size.worker_cpu,
            size.worker_memory_gib,
            _worker_probes(),
        )
        rules = None if size.min_workers == size.max_workers else [self._worker_rule()]
        template = app.TemplateArgs(
            containers=[container],
            scale=app.ScaleArgs(min_replicas=size.min_workers, max_replicas=size.max_workers, rules=rules),
            # A running training step may finish; the next worker continues after it.
            termination_grace_period_seconds=120,
            volumes=[_volume()],
        )
        return self._app("worker", self._args.worker_name, self._configuration(None), template, after=[api])

    def _worker_rule(self) -> app.ScaleRuleArgs:
        """A worker for each that is needed, by a queue as the engine's identity, or by a query with the database's password."""
        queue = self._args.queue
        if queue is not None:
            return app.ScaleRuleArgs(
                name="jobs",
                azure_queue=app.QueueScaleRuleArgs(
                    account_name=queue.account_name, queue_name=queue.name, queue_length=1, identity=self._args.identity_id
                ),
            )
        database = app.ScaleRuleAuthArgs(secret_ref=_secret_name("VISION_ENGINE_DATABASE_URL"), trigger_parameter="connection")
        return app.ScaleRuleArgs(
            name="jobs",
            custom=app.CustomScaleRuleArgs(
                type="postgresql", metadata={"query": WORKERS_QUERY, "targetQueryValue": "1"}, auth=[database]
            ),
        )

    def _app(
        self,
        what: str,
        app_name: str,
        configuration: app.ConfigurationArgs,
        template: app.TemplateArgs,
        *,
        grant: DatabaseGrant | None = None,
        after: Sequence[pulumi.Resource] = (),
    ) -> app.ContainerApp:
        args = self._args
        return app.ContainerApp(
            f"{self._name}-{what}",
            container_app_name=app_name,
            resource_group_name=args.place.resource_group_name,
            environment_id=args.environment_id,
            location=args.place.location,
            identity=app.ManagedServiceIdentityArgs(
                type=app.ManagedServiceIdentityType.USER_ASSIGNED,
                user_assigned_identities=[args.identity_id, *([grant.identity_id] if grant else [])],
            ),
            configuration=configuration,
            template=template,
            tags=args.place.tags,
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(after)),
        )

    def _configuration(self, ingress: app.IngressArgs | None, grant: DatabaseGrant | None = None) -> app.ConfigurationArgs:
        args = self._args
        registry = app.RegistryCredentialsArgs(server=args.registry, identity=args.identity_id) if args.registry else None
        return app.ConfigurationArgs(
            active_revisions_mode=app.ActiveRevisionsMode.SINGLE,
            ingress=ingress,
            registries=[registry] if registry else None,
            # The main container, which decodes callers' images, never gets tokens of the database's administrator.
            identity_settings=[app.IdentitySettingsArgs(identity=grant.identity_id, lifecycle="Init")] if grant else None,
            secrets=[app.SecretArgs(name=_secret_name(variable), value=value) for variable, value in args.secrets.items()],
        )

    def _container(
        self,
        name: str,
        arguments: list[str],
        settings: Mapping[str, pulumi.Input[str]],
        cpu: float,
        memory_gib: float,
        probes: list[app.ContainerAppProbeArgs],
    ) -> app.ContainerArgs:
        args = self._args
        return app.ContainerArgs(
            name=name,
            image=args.image,
            args=arguments,
            env=[
                app.EnvironmentVarArgs(name="VISION_ENGINE_DATA_DIR", value=DATA_DIR),
                *(app.EnvironmentVarArgs(name=variable, value=value) for variable, value in settings.items()),
                *(app.EnvironmentVarArgs(name=variable, secret_ref=_secret_name(variable)) for variable in args.secrets),
                app.EnvironmentVarArgs(name=ROTATION, value=rotation_digest(args.secrets)),
            ],
            resources=app.ContainerResourcesArgs(cpu=cpu, memory=f"{memory_gib:g}Gi"),
            volume_mounts=[app.VolumeMountArgs(volume_name="data", mount_path=DATA_DIR)],
            probes=probes,
        )


def rotation_digest(secrets: Mapping[str, pulumi.Input[str]]) -> pulumi.Output[str]:
    """A digest of all secrets together, which is not a secret itself.

    Container Apps starts nothing again when only secrets change, since they are outside of a revision: "Adding, removing, or
    changing secrets doesn't generate new revisions" (https://learn.microsoft.com/azure/container-apps/manage-secrets). An
    environment variable is part of the revision.

    SHA-256, cut to 64 bits. It is safe to show: the secrets are keys of 32 random bytes, or contain one, and it covers all of
    them at once. So nobody finds one of them by trying, nor can check a guess of one without all others.
    """
    together = pulumi.Output.all(**{name: pulumi.Output.from_input(value) for name, value in secrets.items()})
    digest = together.apply(lambda values: hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16])
    return pulumi.Output.unsecret(digest)


def _secret_name(variable: str) -> str:
    """`VISION_ENGINE_DATABASE_URL` → `database-url`."""
    return variable.removeprefix("VISION_ENGINE_").lower().replace("_", "-")


def _volume() -> app.VolumeArgs:
    return app.VolumeArgs(name="data", storage_type=app.StorageType.EMPTY_DIR)


def _http_probes() -> list[app.ContainerAppProbeArgs]:
    """Probes with time limits: the start loads libraries and migrates the tables; after that, an answer takes milliseconds.

    Liveness does not ask the database: a restart of every replica does not mend a database that fails over."""
    ready = app.ContainerAppProbeHttpGetArgs(path="/healthz", port=PORT)
    alive = app.ContainerAppProbeHttpGetArgs(path="/livez", port=PORT)
    return [
        _startup(alive),
        app.ContainerAppProbeArgs(
            type=app.Type.LIVENESS, http_get=alive, period_seconds=10, timeout_seconds=5, failure_threshold=6
        ),
        app.ContainerAppProbeArgs(
            type=app.Type.READINESS, http_get=ready, period_seconds=5, timeout_seconds=5, failure_threshold=3
        ),
    ]


def _worker_probes() -> list[app.ContainerAppProbeArgs]:
    return [
        _startup(app.ContainerAppProbeHttpGetArgs(path="/healthz", port=HEALTH_PORT)),
        app.ContainerAppProbeArgs(
            type=app.Type.LIVENESS,
            http_get=app.ContainerAppProbeHttpGetArgs(path="/livez", port=HEALTH_PORT),
            period_seconds=30,
            timeout_seconds=5,
            failure_threshold=6,
        ),
    ]


def _startup(asked: app.ContainerAppProbeHttpGetArgs) -> app.ContainerAppProbeArgs:
    """A startup probe of two minutes; Azure allows at most ten failures."""
    return app.ContainerAppProbeArgs(
        type=app.Type.STARTUP, http_get=asked, period_seconds=12, timeout_seconds=5, failure_threshold=10
    )
