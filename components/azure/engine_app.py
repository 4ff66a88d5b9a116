"""EngineApp: the engine on Azure Container Apps, an API that scales with its calls and workers that scale with their queue.

The workers are an app, whose replicas the platform adds and removes, or an event-driven job, whose executions each take one job
of the engine and end by themselves.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_azure_native import app

from vision_customization.components.azure.args import EngineSize
from vision_customization.components.azure.database import DatabaseGrant
from vision_customization.components.azure.key_vault import once_readable, secret_name
from vision_customization.components.azure.place import Place
from vision_customization.components.azure.storage import WorkerQueue
from vision_customization.components.azure.worker_profiles import CONSUMPTION, PROFILES, profile_name
from vision_customization.contract.workers_query import WORKERS_QUERY

PORT = 8080
HEALTH_PORT = 8081
"""The port of a worker's health probe."""

DATA_DIR = "/data"

ROTATION = "ROTATION_DIGEST"
"""The environment variable that gives an app a new revision when one of its secrets changes."""

CONCURRENT_CALLS = 20
"""Concurrent calls per replica before another replica is started."""

POLLING_SECONDS = 30
"""How often the platform asks how many workers are needed."""

RETRIES = 0
"""Of an execution that failed: the query still counts its job, so the platform starts another at its next look."""


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
        secret_urls: where Key Vault has the value of a secret, by its variable; the identity must be able to read it there.
        readable_minutes: for how long the apps are tried again until it is.
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
    secret_urls: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    readable_minutes: float = 30
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
        self._child = pulumi.ResourceOptions(parent=self)
        if args.secret_urls:
            readable = once_readable(f"{name}-secrets", args.readable_minutes)
            self._child = pulumi.ResourceOptions.merge(self._child, readable)
        api = self._api()
        # The API's start makes the engine's role and its tables. A worker that comes before them ends, and starts again.
        if args.size.workers == "job":
            self._worker_job(api)
        else:
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
            _http_probes(size.self_test),
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
        rules = [self._worker_rule()] if size.follows_jobs else None
        template = app.TemplateArgs(
            containers=[
                self._worker_container(["--host", "0.0.0.0", "--health-port", str(HEALTH_PORT)], _worker_probes())  # noqa: S104
            ],
            scale=app.ScaleArgs(min_replicas=size.min_workers, max_replicas=size.max_workers, rules=rules),
            # A running training step may finish; the next worker continues after it.
            termination_grace_period_seconds=120,
            volumes=[_volume()],
        )
        profile = profile_name(size.worker_profile)
        return self._app("worker", self._args.worker_name, self._configuration(None), template, profile=profile, after=[api])

    def _worker_rule(self) -> app.ScaleRuleArgs:
        """A worker for each that is needed: by a queue as the engine's identity, or by a query with the database's password."""
        queue = self._args.queue
        if queue is None:
            custom = app.CustomScaleRuleArgs(type="postgresql", metadata=_counting(), auth=[_database()])
            return app.ScaleRuleArgs(name="jobs", custom=custom)
        return app.ScaleRuleArgs(
            name="jobs",
            azure_queue=app.QueueScaleRuleArgs(
                account_name=queue.account_name, queue_name=queue.name, queue_length=1, identity=self._args.identity_id
            ),
        )

    def _job_rule(self) -> app.JobScaleRuleArgs:
        """The same rule for a job."""
        queue = self._args.queue
        if queue is None:
            return app.JobScaleRuleArgs(name="jobs", type="postgresql", metadata=_counting(), auth=[_database()])
        metadata = {"accountName": queue.account_name, "queueName": queue.name, "queueLength": "1"}
        return app.JobScaleRuleArgs(name="jobs", type="azure-queue", metadata=metadata, identity=self._args.identity_id)

    def _worker_job(self, api: app.ContainerApp) -> app.Job:
        args, size = self._args, self._args.size
        return app.Job(
            f"{self._name}-worker-job",
            job_name=args.worker_name,
            resource_group_name=args.place.resource_group_name,
            environment_id=args.environment_id,
            location=args.place.location,
            workload_profile_name=profile_name(size.worker_profile),
            identity=self._identity(),
            configuration=app.JobConfigurationArgs(
                trigger_type=app.TriggerType.EVENT,
                event_trigger_config=app.JobConfigurationEventTriggerConfigArgs(
                    parallelism=1,
                    replica_completion_count=1,
                    scale=app.JobScaleArgs(
                        min_executions=0,
                        max_executions=size.max_workers,
                        polling_interval=POLLING_SECONDS,
                        rules=[self._job_rule()],
                    ),
                ),
                replica_timeout=size.worker_timeout_hours * 3600,
                replica_retry_limit=RETRIES,
                registries=self._registries(),
                # Not by a URL of Key Vault: behind a private endpoint, a job can't read it (azure-container-apps#1804).
                secrets=[app.SecretArgs(name=secret_name(variable), value=value) for variable, value in args.secrets.items()],
            ),
            template=app.JobTemplateArgs(containers=[self._worker_container(["--once"], [])], volumes=[_volume()]),
            tags=args.place.tags,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[api]),
        )

    def _worker_container(self, arguments: list[str], probes: list[app.ContainerAppProbeArgs]) -> app.ContainerArgs:
        size = self._args.size
        gpu = PROFILES[size.worker_profile]
        cpu, memory_gib = (gpu.cpu, gpu.memory_gib) if gpu else (size.worker_cpu, size.worker_memory_gib)
        return self._container("worker", ["worker", *arguments], self._args.settings, cpu, memory_gib, probes)

    def _app(
        self,
        what: str,
        app_name: str,
        configuration: app.ConfigurationArgs,
        template: app.TemplateArgs,
        *,
        profile: str = CONSUMPTION,
        grant: DatabaseGrant | None = None,
        after: Sequence[pulumi.Resource] = (),
    ) -> app.ContainerApp:
        """`profile` is named even if it is Azure's own choice: without a name, Azure has refused more than 2 cores
        (https://github.com/microsoft/azure-container-apps/issues/1075).
        """
        args = self._args
        return app.ContainerApp(
            f"{self._name}-{what}",
            container_app_name=app_name,
            resource_group_name=args.place.resource_group_name,
            environment_id=args.environment_id,
            location=args.place.location,
            workload_profile_name=profile,
            identity=self._identity(grant),
            configuration=configuration,
            template=template,
            tags=args.place.tags,
            opts=pulumi.ResourceOptions.merge(self._child, pulumi.ResourceOptions(depends_on=list(after))),
        )

    def _configuration(self, ingress: app.IngressArgs | None, grant: DatabaseGrant | None = None) -> app.ConfigurationArgs:
        return app.ConfigurationArgs(
            active_revisions_mode=app.ActiveRevisionsMode.SINGLE,
            ingress=ingress,
            registries=self._registries(),
            # The main container, which decodes callers' images, never gets tokens of the database's administrator.
            identity_settings=[app.IdentitySettingsArgs(identity=grant.identity_id, lifecycle="Init")] if grant else None,
            secrets=[self._secret(variable, value) for variable, value in self._args.secrets.items()],
        )

    def _identity(self, grant: DatabaseGrant | None = None) -> app.ManagedServiceIdentityArgs:
        return app.ManagedServiceIdentityArgs(
            type=app.ManagedServiceIdentityType.USER_ASSIGNED,
            user_assigned_identities=[self._args.identity_id, *([grant.identity_id] if grant else [])],
        )

    def _registries(self) -> list[app.RegistryCredentialsArgs] | None:
        args = self._args
        return [app.RegistryCredentialsArgs(server=args.registry, identity=args.identity_id)] if args.registry else None

    def _secret(self, variable: str, value: pulumi.Input[str]) -> app.SecretArgs:
        args = self._args
        url = args.secret_urls.get(variable)
        if url is not None:
            return app.SecretArgs(name=secret_name(variable), key_vault_url=url, identity=args.identity_id)
        return app.SecretArgs(name=secret_name(variable), value=value)

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
                *(app.EnvironmentVarArgs(name=variable, secret_ref=secret_name(variable)) for variable in args.secrets),
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


def _counting() -> dict[str, str]:
    """KEDA's scaler runs the query: https://keda.sh/docs/latest/scalers/postgresql/"""
    return {"query": WORKERS_QUERY, "targetQueryValue": "1"}


def _database() -> app.ScaleRuleAuthArgs:
    """By password: with an identity, Container Apps loses the rule's metadata, and the scaler fails.

    https://github.com/microsoft/azure-container-apps/issues/1786
    """
    return app.ScaleRuleAuthArgs(secret_ref=secret_name("VISION_ENGINE_DATABASE_URL"), trigger_parameter="connection")


def _volume() -> app.VolumeArgs:
    return app.VolumeArgs(name="data", storage_type=app.StorageType.EMPTY_DIR)


def _http_probes(self_test: bool) -> list[app.ContainerAppProbeArgs]:
    """Probes with time limits: the start loads libraries and migrates the tables; after that, an answer takes milliseconds.

    A new revision gets traffic once all its replicas have passed startup and readiness, until then the old one answers:
    https://learn.microsoft.com/azure/container-apps/revisions#zero-downtime-deployment

    Liveness does not ask the database: a restart of every replica does not mend a database that fails over."""
    ready = app.ContainerAppProbeHttpGetArgs(path="/healthz", port=PORT)
    alive = app.ContainerAppProbeHttpGetArgs(path="/livez", port=PORT)
    tested = app.ContainerAppProbeHttpGetArgs(path="/selftest", port=PORT)
    return [
        _startup(tested, timeout_seconds=10) if self_test else _startup(alive),
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


def _startup(asked: app.ContainerAppProbeHttpGetArgs, timeout_seconds: int = 5) -> app.ContainerAppProbeArgs:
    """A startup probe of two minutes; Azure allows at most ten failures."""
    return app.ContainerAppProbeArgs(
        type=app.Type.STARTUP, http_get=asked, period_seconds=12, timeout_seconds=timeout_seconds, failure_threshold=10
    )
