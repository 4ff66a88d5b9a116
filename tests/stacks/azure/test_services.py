"""What runs in a resource's place: told by the plugin's process, and outliving it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
import requests

from tests.postgresql import binaries
from tests.stacks.azure import directory
from tests.stacks.azure import world as told
from tests.stacks.azure.container_job import FAILED, RUNNING
from tests.stacks.azure.queues import CONTRIBUTOR as QUEUE_CONTRIBUTOR
from tests.stacks.azure.scale_rule import QUEUE
from tests.stacks.azure.services import ADMINISTRATOR, CONTAINER_APP, DATABASE, DATABASE_SERVER, JOB, AzureWorld
from tests.stacks.azure.token_logins import AUDIENCE
from tests.stacks.azure.world import WorldFailure
from tests.stacks.azure.written_state import ACCOUNT, GROUP, IDENTITY, State
from tests.support.places import CHECKOUT
from tests.support.waiting import wait_until
from vision_customization.engine.jobs.queue import JobQueue
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("state", "deployer")]

APP = f"{GROUP}/providers/Microsoft.App/containerApps/engine"
SERVER = f"{GROUP}/providers/Microsoft.DBforPostgreSQL/flexibleServers/vision-db"
SECONDS = 240


def engine(key: str, *arguments: str, rotation: str = "1") -> dict[str, Any]:
    """A Container App as a program declares it."""
    asked = {"path": "/healthz", "port": 8080}
    return {
        "identity": {"type": "UserAssigned", "userAssignedIdentities": [IDENTITY]},
        "configuration": {
            "ingress": {"external": True, "targetPort": 8080},
            "secrets": [{"name": "keys", "value": key}],
        },
        "template": {
            "containers": [
                {
                    "image": "registry/engine",
                    "args": ["serve", "--host", "0.0.0.0", "--port", "8080", "--workers", "0", *arguments],
                    "env": [
                        {"name": "VISION_ENGINE_KEYS", "secretRef": "keys"},
                        {"name": "VISION_ENGINE_DATA_DIR", "value": "/data"},
                        {"name": "AZURE_CLIENT_ID", "value": "engine-client"},
                        {"name": "ROTATION_DIGEST", "value": rotation},
                    ],
                    "probes": [{"type": kind, "httpGet": asked} for kind in ("Startup", "Readiness", "Liveness")],
                }
            ],
            "scale": {"minReplicas": 1, "maxReplicas": 2},
        },
    }


def worker(connection: str, query: str) -> dict[str, Any]:
    return {
        "configuration": {"secrets": [{"name": "database-url", "value": connection}]},
        "template": {
            "containers": [
                {
                    "image": "registry/engine",
                    "args": ["worker"],
                    "env": [{"name": "VISION_ENGINE_DATABASE_URL", "secretRef": "database-url"}],
                }
            ],
            "scale": {
                "minReplicas": 0,
                "maxReplicas": 5,
                "cooldownPeriod": 1,
                "rules": [{**QUEUE, "custom": {**QUEUE["custom"], "metadata": {"query": query, "targetQueryValue": "1"}}}],
            },
        },
    }


@pytest.fixture
def app(world: AzureWorld) -> Iterator[str]:
    yield APP
    told.remove(CONTAINER_APP, APP)


def processes_of(world: AzureWorld) -> list[int]:
    app = world.app(APP)
    return app.processes() if app else []


def apply_in_a_process_of_its_own(inputs: dict[str, Any]) -> dict[str, Any]:
    """As the plugin does, which ends soon after."""
    code = "import json, sys\nfrom tests.stacks.azure import world\nprint(json.dumps(world.apply(*json.load(sys.stdin))))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps([CONTAINER_APP, APP, inputs, {"configuration": inputs["configuration"]}]),
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        timeout=2 * SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    outputs: dict[str, Any] = json.loads(done.stdout)
    return outputs


def test_an_app_answers_through_tls_and_changes_without_a_gap(world: AzureWorld, app: str) -> None:
    outputs = apply_in_a_process_of_its_own(engine("first"))
    url = f"https://{outputs['configuration']['ingress']['fqdn']}"
    assert url.startswith("https://127.0.0.2:")
    with requests.Session() as session:  # which trusts by REQUESTS_CA_BUNDLE
        assert session.get(f"{url}/healthz", timeout=SECONDS).status_code == 200
        models = f"{url}/computervision/models?api-version=2023-02-01-preview"

        def status(key: str) -> int:
            return session.get(models, headers={"Ocp-Apim-Subscription-Key": key}, timeout=SECONDS).status_code

        assert (status("first"), status("second")) == (200, 401)
        (first,) = processes_of(world)
        environment = psutil.Process(first).environ()
        assert environment["AZURE_CLIENT_ID"] == "engine-client"
        assert environment["IDENTITY_HEADER"] != world.identities.caller_header
        assert "AZURE_STAND_IN" not in environment

        told.apply(CONTAINER_APP, APP, engine("first"), {})
        assert processes_of(world) == [first]  # nothing changed, so nothing starts again

        with pytest.raises(WorldFailure, match=r"revision 'engine--0000002': the container exited") as failed:
            told.apply(CONTAINER_APP, APP, engine("first", "--threads", "none"), {})
        assert "--threads" in str(failed.value)
        assert status("first") == 200  # the old revision goes on

        told.apply(CONTAINER_APP, APP, engine("second"), {})
        assert (status("first"), status("second")) == (200, 401)  # a secret alone makes no revision
        assert processes_of(world) == [first]

        changed = told.apply(CONTAINER_APP, APP, engine("second", rotation="2"), {})
        assert f"https://{changed['configuration']['ingress']['fqdn']}" == url
        assert (status("first"), status("second")) == (401, 200)
        assert not psutil.pid_exists(first)

        (second,) = processes_of(world)
        psutil.Process(second).kill()
        wait_until(
            lambda: processes_of(world) not in ([], [second]),
            "the replica that was killed is replaced",
            SECONDS,
            every_seconds=0.1,
        )
        assert status("second") == 200
        (third,) = processes_of(world)
    told.remove(CONTAINER_APP, APP)
    assert not psutil.pid_exists(third)
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{url}/healthz", timeout=10)


ADMINISTRATOR_IDENTITY = f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/database"
QUEUE_ID = f"{ACCOUNT}/queueServices/default/queues/workers"
ENGINE, DATABASE_OWNER = "6c1d2fb0-8a5e-4f5c-9d4c-0a8f3ab3c001", "6c1d2fb0-8a5e-4f5c-9d4c-0a8f3ab3c002"


def engine_without_password(address: str, former: str = "vision") -> dict[str, Any]:
    """An API whose init container makes its role in the database, as the server's administrator."""
    app = engine("key")
    app["identity"]["userAssignedIdentities"].append(ADMINISTRATOR_IDENTITY)
    app["configuration"]["identitySettings"] = [{"identity": ADMINISTRATOR_IDENTITY, "lifecycle": "Init"}]
    entra = [{"name": "VISION_ENGINE_DATABASE_LOGIN", "value": "entra"}]
    app["template"]["initContainers"] = [
        {
            "name": "database-role",
            "args": ["database", "grant", "--role", "vision-engine", "--principal", ENGINE, "--from", former],
            "env": [
                *entra,
                {"name": "AZURE_CLIENT_ID", "value": "database-client"},
                {"name": "VISION_ENGINE_DATABASE_URL", "value": f"postgresql://vision-database@{address}/vision"},
            ],
        }
    ]
    app["template"]["containers"][0]["env"] += [
        *entra,
        {"name": "VISION_ENGINE_DATABASE_URL", "value": f"postgresql://vision-engine@{address}/vision"},
        {"name": "VISION_ENGINE_TOKEN_KEY", "value": "VGhlIGtleSBvZiBhIHRlc3Q6IDMyIGJ5dGVzIGluIGE="},
    ]
    return app


def with_identities(state: State) -> None:
    state.add(directory.IDENTITY, IDENTITY, outputs={"principalId": ENGINE, "clientId": "engine-client"})
    owner = {"principalId": DATABASE_OWNER, "clientId": "database-client"}
    state.add(directory.IDENTITY, ADMINISTRATOR_IDENTITY, outputs=owner)


BY_TOKEN = {"authConfig": {"activeDirectoryAuth": "Enabled", "passwordAuth": "Disabled"}}
BY_PASSWORD = {"administratorLogin": "vision", "administratorLoginPassword": "a first: password"}


@pytest.mark.postgresql
@pytest.mark.skipif(binaries() is None, reason="PostgreSQL is not installed")
def test_an_engine_without_a_password_on_a_server_that_had_one(
    world: AzureWorld, app: str, state: State, tmp_path: Path
) -> None:
    with_identities(state)
    address = told.apply(DATABASE_SERVER, SERVER, BY_PASSWORD, {})["fullyQualifiedDomainName"]
    verify = f"sslmode=verify-full&sslrootcert={world.authority.ca_file}"

    def connected(role: str, password: str) -> psycopg.Connection[Any]:
        return psycopg.connect(f"postgresql://{role}@{address}/vision?{verify}", password=password, autocommit=True)

    try:
        told.apply(DATABASE, f"{SERVER}/databases/vision", {}, {})
        url = f"postgresql://vision:a%20first%3A%20password@{address}/vision?{verify}"
        before = Settings(data_dir=tmp_path, database_url=url)
        with closing(Store.open(before)), JobQueue(before):  # an engine of an earlier version has made its tables
            pass
        with connected("vision", "a first: password") as connection:
            told.apply(DATABASE_SERVER, SERVER, BY_TOKEN, {})
            with pytest.raises(psycopg.OperationalError):  # the server was restarted
                connection.execute("SELECT 1")
        told.apply(ADMINISTRATOR, f"{SERVER}/administrators/{DATABASE_OWNER}", {"principalName": "vision-database"}, {})
        with pytest.raises(psycopg.OperationalError, match=r"rejects|reject"):
            connected("vision", "a first: password")
        wrong = engine_without_password(address)
        wrong["configuration"]["identitySettings"][0]["lifecycle"] = "Main"
        with pytest.raises(WorldFailure, match=r"(?s)init container database-role exited with 1\n.*gets no token"):
            told.apply(CONTAINER_APP, APP, wrong, {})
        fqdn = told.apply(CONTAINER_APP, APP, engine_without_password(address), {})["latestRevisionFqdn"]
        assert requests.get(f"https://{fqdn}/healthz", timeout=SECONDS).status_code == 200

        (running,) = processes_of(world)
        own = psutil.Process(running).environ()

        def token(client_id: str) -> requests.Response:
            """What the main container gets."""
            query = {"api-version": "2019-08-01", "resource": AUDIENCE, "client_id": client_id}
            headers = {"X-IDENTITY-HEADER": own["IDENTITY_HEADER"]}
            return requests.get(own["IDENTITY_ENDPOINT"], params=query, headers=headers, timeout=30)

        assert token("database-client").status_code == 400
        granted = token("engine-client").json()["access_token"]
        with connected("vision-engine", granted) as connection:
            row = connection.execute(
                "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR pg_has_role('azure_pg_admin', 'MEMBER')"
                " FROM pg_roles WHERE rolname = current_user"
            ).fetchone()
            assert row == (False,)
            owners = connection.execute("SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname IN ('public', 'dbos')")
            assert owners.fetchall() == [("vision-engine",)]
        with pytest.raises(psycopg.OperationalError, match="LDAP authentication failed"):
            connected("vision-database", granted)  # another one's role
        other, _ = world.authority.token(object_id=ENGINE, client_id="c", tenant_id="t", audience="https://storage.azure.com")
        with pytest.raises(psycopg.OperationalError, match="LDAP authentication failed"):
            connected("vision-engine", other)  # a token for another service
    finally:
        told.remove(CONTAINER_APP, APP)
        told.remove(DATABASE_SERVER, SERVER)


def test_workers_follow_the_messages_of_a_queue_that_their_identity_may_read(
    world: AzureWorld, app: str, state: State, tmp_path: Path
) -> None:
    with_identities(state)
    state.add(directory.QUEUE, QUEUE_ID)
    rule = {"accountName": "visiontraining", "queueName": "workers", "queueLength": 1, "identity": IDENTITY}
    workers = worker(f"sqlite:///{tmp_path}/engine.sqlite", "")
    workers["identity"] = {"type": "UserAssigned", "userAssignedIdentities": [IDENTITY]}
    workers["template"]["scale"]["rules"] = [{"name": "jobs", "azureQueue": rule}]
    token, _ = world.authority.token(object_id=ENGINE, client_id="c", tenant_id="t", audience="https://storage.azure.com")
    headers = {"Authorization": f"Bearer {token}", "x-ms-version": "2024-08-04"}
    messages = f"{world.queues.url}/visiontraining/workers/messages"

    def put() -> int:
        body = "<QueueMessage><MessageText>worker</MessageText></QueueMessage>"
        return requests.post(messages, data=body, headers=headers, timeout=60).status_code

    told.apply(CONTAINER_APP, APP, workers, {})
    assert put() == 403
    said = lambda: "".join(file.read_text() for file in (world.folder / "apps").rglob("scale.txt"))  # noqa: E731
    wait_until(lambda: "403 AuthorizationPermissionMismatch" in said(), "the scaler is refused", 30)
    assert processes_of(world) == []
    state.assign(QUEUE_CONTRIBUTOR, ENGINE, QUEUE_ID)
    assert put() == 201
    wait_until(lambda: len(processes_of(world)) == 1, "a worker comes", SECONDS, every_seconds=0.1)
    assert requests.delete(messages, headers=headers, timeout=60).status_code == 204
    wait_until(lambda: processes_of(world) == [], "the worker goes", SECONDS, every_seconds=0.1)
    assert requests.get(messages, headers={"x-ms-version": "2024-08-04"}, timeout=60).status_code == 403


def job(timeout_seconds: int, *arguments: str) -> dict[str, Any]:
    """A job that is started by hand, and tried twice."""
    return {
        "configuration": {"triggerType": "Manual", "replicaTimeout": timeout_seconds, "replicaRetryLimit": 1},
        "template": {"containers": [{"image": "registry/engine", "args": list(arguments)}]},
    }


def test_an_execution_is_tried_again_and_ends_at_its_time_limit_or_with_its_job(world: AzureWorld) -> None:
    id_ = f"{GROUP}/providers/Microsoft.App/jobs/worker"
    told.apply(JOB, id_, job(600, "worker", "--once", "--database-url", "nonsense"), {})
    found = world.job(id_)
    assert found is not None
    assert found.processes() == [], "nobody has started it"
    failed = found.start()
    wait_until(lambda: failed.status != RUNNING, "the execution ends", SECONDS, every_seconds=0.1)
    assert (failed.status, len(failed.replicas)) == (FAILED, 2)

    told.apply(JOB, id_, job(1, "serve", "--workers", "0"), {})
    late = found.start()
    wait_until(lambda: late.status != RUNNING, "the execution is ended", SECONDS, every_seconds=0.1)
    assert (late.status, found.processes()) == (FAILED, [])

    told.apply(JOB, id_, job(600, "serve", "--workers", "0"), {})
    pid = found.start().replicas[0].process.pid
    told.remove(JOB, id_)
    assert not psutil.pid_exists(pid)


def test_what_is_wrong_is_told_to_the_plugin(app: str, world: AzureWorld) -> None:
    with pytest.raises(WorldFailure, match="listens on 127") as failed:
        told.apply(CONTAINER_APP, APP, {**engine("key"), "template": {"containers": [{"args": ["serve"]}]}}, {})
    assert (failed.value.status, failed.value.code) == (400, "ContainerAppOperationError")
    with pytest.raises(WorldFailure, match="does not run"):
        told.apply(DATABASE, f"{SERVER}-none/databases/vision", {}, {})
    note = json.loads((world.folder / told.NOTE).read_text())
    assert requests.post(f"{note['url']}/apply", json={}, timeout=10).status_code == 401


@pytest.mark.postgresql
@pytest.mark.skipif(binaries() is None, reason="PostgreSQL is not installed")
def test_a_server_takes_tls_only_and_workers_follow_a_queue_in_it(world: AzureWorld, app: str) -> None:
    inputs = {"administratorLogin": "vision", "administratorLoginPassword": "a first: password"}
    address = told.apply(DATABASE_SERVER, SERVER, inputs, {})["fullyQualifiedDomainName"]
    url = f"postgresql://vision:second@{address}/vision"
    verified = f"{url}?sslmode=verify-full&sslrootcert={world.authority.ca_file}"
    try:
        told.apply(DATABASE, f"{SERVER}/databases/vision", {}, {})
        told.apply(DATABASE_SERVER, SERVER, {**inputs, "administratorLoginPassword": "second"}, {})
        told.apply(DATABASE, f"{SERVER}/databases/vision", {}, {})  # again, and nothing is lost
        with psycopg.connect(verified, autocommit=True) as connection:
            connection.execute("CREATE TABLE jobs (name text)")
            row = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
            assert row == (False,)
            with pytest.raises(psycopg.OperationalError, match="no encryption"):
                psycopg.connect(f"{url}?sslmode=disable")
            with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                psycopg.connect(f"{url.replace('second', 'first')}?sslmode=require")

            told.apply(CONTAINER_APP, APP, worker(f"{url}?sslmode=verify-full", "SELECT count(*) FROM jobs"), {})
            assert processes_of(world) == []
            connection.execute("INSERT INTO jobs SELECT 'job' FROM generate_series(1, 3)")
            wait_until(
                lambda: len(processes_of(world)) == 2, "two workers come", SECONDS, every_seconds=0.1
            )  # and no more on one machine
            names = "SELECT count(*) FROM pg_locks JOIN pg_stat_ssl USING (pid) WHERE ssl AND locktype = 'advisory'"
            wait_until(
                lambda: (connection.execute(names).fetchone() or (0,))[0] > 0,
                "a worker has logged in, with the authorities of SSL_CERT_FILE, and taken its name",
                SECONDS,
                every_seconds=0.1,
            )
            connection.execute("DELETE FROM jobs")
            wait_until(lambda: processes_of(world) == [], "the workers go", SECONDS, every_seconds=0.1)
        told.remove(DATABASE, f"{SERVER}/databases/vision")
        with pytest.raises(psycopg.OperationalError, match="does not exist"):
            psycopg.connect(verified)
    finally:
        told.remove(DATABASE_SERVER, SERVER)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(verified, connect_timeout=10)
