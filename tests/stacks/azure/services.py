"""Everything that Azure is beside its management plane, on this machine: identities, storage, roles, databases, containers."""

import json
import os
import secrets
import signal
import sys
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from unittest import mock

from tests.stacks.azure import directory
from tests.stacks.azure.authority import NAMES, Authority
from tests.stacks.azure.container_app import ContainerApp
from tests.stacks.azure.container_job import ContainerJob
from tests.stacks.azure.container_workload import Platform
from tests.stacks.azure.database import DatabaseServer
from tests.stacks.azure.directory import SharedFolder, write_scenario
from tests.stacks.azure.front import AZURE_HOST, Answer, Body, Call, Server
from tests.stacks.azure.identity import IdentityEndpoint
from tests.stacks.azure.management import ManagementEndpoint
from tests.stacks.azure.proxy import Proxy
from tests.stacks.azure.queues import QueueFront
from tests.stacks.azure.scale_rule import QueueRule, ScaleRule, StorageQueueRule, queue_length
from tests.stacks.azure.storage import StorageFront
from tests.stacks.azure.vault import resolved
from tests.stacks.azure.world import NOTE, SECRET_HEADER, Values, WorldFailure

CONTAINER_APP = "azure-native:app:ContainerApp"
JOB = "azure-native:app:Job"
DATABASE_SERVER = "azure-native:dbforpostgresql:Server"
DATABASE = "azure-native:dbforpostgresql:Database"
ADMINISTRATOR = "azure-native:dbforpostgresql:AdministratorsMicrosoftEntra"

Running = ContainerApp | ContainerJob | DatabaseServer


class AzureWorld:
    """Runs from its making to `stop`, for one folder of the plugin's stand-in; the scenario then tells where.

    Storage accounts and their containers need no word of the plugin: what stands in the state is served.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        shared = self._shared = SharedFolder(folder)
        self._closing = ExitStack()
        self.authority = Authority.create(folder / "authority")
        # KEDA's scalers run in this process. They verify PostgreSQL with the authorities of their system.
        self._closing.enter_context(mock.patch.dict(os.environ, PGSSLROOTCERT=str(self.authority.ca_file)))
        self.identities = IdentityEndpoint(shared, self.authority)
        self._closing.callback(self.identities.stop)
        self.storage = StorageFront(shared, self.authority, folder / "storage")
        self._closing.callback(self.storage.stop)
        self.queues = QueueFront(shared, self.authority, folder / "queues")
        self._closing.callback(self.queues.stop)
        self.management = ManagementEndpoint(shared, self.authority, self.storage.restore)
        self._closing.callback(self.management.stop)
        self.proxy = Proxy(dict.fromkeys(NAMES, (AZURE_HOST, self.management.port)))
        self._closing.callback(self.proxy.stop)
        self._platform = Platform(self.identities, self.authority, self.count)
        self._apps: dict[str, ContainerApp] = {}
        self._jobs: dict[str, ContainerJob] = {}
        self._servers: dict[str, DatabaseServer] = {}
        self._lock = threading.Lock()
        self._secret = secrets.token_urlsafe(16)
        self._told = Server(self._respond)
        self._closing.callback(self._told.stop)
        now = shared.directory()
        caller = {"objectId": directory.CALLER_OBJECT_ID, "clientId": directory.CALLER_CLIENT_ID}
        write_scenario(
            folder,
            {
                "subscriptionId": now.subscription_id,
                "tenantId": now.tenant_id,
                "caller": {**caller, **now.scenario.get("caller", {})},
                "storageEndpoint": self.storage.url,
                "queueEndpoint": self.queues.url,
                "identityEndpoint": self.identities.url,
                "caFile": str(self.authority.ca_file),
            },
        )
        note = folder / NOTE
        note.touch(mode=0o600)
        note.write_text(json.dumps({"url": self._told.url, "secret": self._secret}))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def environment(self) -> dict[str, str]:
        """For the deployer: the Pulumi CLI, the program and its providers. No other `AZURE_…` or `ARM_…` stands beside it."""
        return {
            "AZURE_STAND_IN": str(self.folder),
            "AZURE_STAND_IN_WORLD": "1",
            "ARM_USE_MSI": "true",
            "IDENTITY_ENDPOINT": self.identities.url,
            "IDENTITY_HEADER": self.identities.caller_header,
            "REQUESTS_CA_BUNDLE": str(self.authority.ca_file),
            "SSL_CERT_FILE": str(self.authority.ca_file),
            # Azure Resource Manager is asked at its own name; a call to any other name is refused.
            "HTTPS_PROXY": self.proxy.url,
            "https_proxy": self.proxy.url,
            "NO_PROXY": "127.0.0.1,127.0.0.2,localhost",
            "no_proxy": "127.0.0.1,127.0.0.2,localhost",
        }

    def app(self, id_: str) -> ContainerApp | None:
        with self._lock:
            return self._apps.get(id_.lower())

    def job(self, id_: str) -> ContainerJob | None:
        with self._lock:
            return self._jobs.get(id_.lower())

    def count(self, rule: ScaleRule) -> float:
        """What KEDA's scaler of a rule counts. Raises ScalerFailed."""
        if isinstance(rule, StorageQueueRule):
            return self.queues.count(rule)
        assert isinstance(rule, QueueRule)
        return queue_length(rule)

    def stop(self) -> None:
        """End all that runs, exactly that."""
        with self._lock:
            # What asks a database ends before it.
            running: list[Running] = [*self._apps.values(), *self._jobs.values(), *self._servers.values()]
            self._apps.clear()
            self._jobs.clear()
            self._servers.clear()
        for one in running:
            one.stop()
        self._closing.close()
        (self.folder / NOTE).unlink(missing_ok=True)

    def apply(self, type_: str, id_: str, inputs: Mapping[str, Any], outputs: Values) -> Values:
        """Raises WorldFailure."""
        if type_ == CONTAINER_APP:
            with self._lock:
                app = self._apps.get(id_.lower())
                if app is None:
                    app = ContainerApp(*self._place(id_), self._platform)
                    self._apps[id_.lower()] = app
            return _with_fqdn(outputs, app.apply(resolved(inputs, self._shared.directory()), outputs))
        if type_ == JOB:
            with self._lock:
                job = self._jobs.get(id_.lower())
                if job is None:
                    job = ContainerJob(*self._place(id_), self._platform)
                    self._jobs[id_.lower()] = job
            job.apply(inputs, outputs)
        if type_ == DATABASE_SERVER:
            server = self._servers.get(id_.lower()) or DatabaseServer(self.authority)
            with self._lock:
                self._servers[id_.lower()] = server
            server.apply(inputs)
            return {**outputs, "fullyQualifiedDomainName": server.address}
        if type_ in (DATABASE, ADMINISTRATOR):
            found = self._server_of(id_)
            if found is None:
                raise WorldFailure(404, "ParentResourceNotFound", f"The server of {id_} does not run.")
            if type_ == DATABASE:
                found.create_database(id_.rsplit("/", 1)[-1])
            else:
                found.add_administrator(inputs["principalName"], id_.rsplit("/", 1)[-1])
        return outputs

    def remove(self, type_: str, id_: str) -> None:
        if type_ in (CONTAINER_APP, JOB, DATABASE_SERVER):
            with self._lock:
                kept: dict[str, Any] = {CONTAINER_APP: self._apps, JOB: self._jobs, DATABASE_SERVER: self._servers}[type_]
                running: Running | None = kept.pop(id_.lower(), None)
            if running is not None:
                running.stop()
        elif type_ == DATABASE and (server := self._server_of(id_)):
            server.drop_database(id_.rsplit("/", 1)[-1])
        elif type_ == ADMINISTRATOR and (server := self._server_of(id_)):
            server.remove_administrator(id_.rsplit("/", 1)[-1])

    def _place(self, id_: str) -> tuple[str, Path]:
        """The name of an app or a job, and a new folder for it: one that is made again starts from nothing."""
        name = id_.rsplit("/", 1)[-1]
        return name, self.folder / "apps" / f"{name}-{secrets.token_hex(4)}"

    def _server_of(self, child_id: str) -> DatabaseServer | None:
        with self._lock:
            return self._servers.get(child_id.lower().rsplit("/", 2)[0])

    def _respond(self, call: Call, body: Body) -> Answer:
        if not secrets.compare_digest(call.headers.get(SECRET_HEADER.lower(), ""), self._secret):
            return _failure(WorldFailure(401, "Unauthorized", f"{SECRET_HEADER} is not the one of {NOTE}"))
        told = json.loads(body.read())
        try:
            if call.path == "/apply":
                return Answer.of(200, self.apply(told["type"], told["id"], told["inputs"], told["outputs"]))
            self.remove(told["type"], told["id"])
        except WorldFailure as failure:
            return _failure(failure)
        except Exception as error:  # noqa: BLE001 - the one who waits gets an answer, whatever it is
            return _failure(WorldFailure(500, "InternalServerError", f"{type(error).__name__}: {error}"))
        return Answer.of(200, {})


def _failure(failure: WorldFailure) -> Answer:
    return Answer.of(failure.status, {"status": failure.status, "code": failure.code, "message": failure.message})


def _with_fqdn(outputs: Values, fqdn: str | None) -> Values:
    configuration = outputs.get("configuration") or {}
    if fqdn is None:
        return outputs
    ingress = {**(configuration.get("ingress") or {}), "fqdn": fqdn}
    return {**outputs, "configuration": {**configuration, "ingress": ingress}, "latestRevisionFqdn": fqdn}


def main() -> None:
    """Serve a folder until a signal, to try a program by hand: prints what its environment must hold."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with AzureWorld(Path(sys.argv[1]).absolute()) as world:
        print(*(f"export {name}={value}" for name, value in world.environment().items()), sep="\n", flush=True)
        ended.wait()


if __name__ == "__main__":
    main()
