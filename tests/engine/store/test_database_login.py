"""An engine that logs in to PostgreSQL with tokens of its identity: over TLS, to a server that knows one token at a time."""

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from psycopg import sql
from pydantic import SecretStr
from sqlalchemy.exc import OperationalError

from tests.engine.jobs.drawn import CheapExtractor
from tests.postgresql import NOT_INSTALLED, PostgreSQL, binaries, running_postgresql
from tests.stacks.azure.authority import Authority
from tests.support.http_server import Handler, serving_http
from tests.support.waiting import wait_until
from vision_customization.engine.blobs.identity import ManagedIdentity
from vision_customization.engine.errors import SettingsError
from vision_customization.engine.jobs.process.liveness import open_locks
from vision_customization.engine.jobs.process.worker import Worker
from vision_customization.engine.jobs.queue import JobQueue
from vision_customization.engine.runtime.wakeups import PostgreSQLWakeups
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store, database_login

pytestmark = pytest.mark.postgresql

ROLE = "vision-engine"
CLIENT_ID = "00000000-0000-4000-8000-00000000e17a"
SECRET = "TOPSECRET"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def server(authority: Authority) -> Iterator[PostgreSQL]:
    """It offers TLS, and has a role whose password is the token of the day."""
    if binaries() is None:
        pytest.skip(NOT_INSTALLED)
    files = (authority.certificate_file, authority.key_file)
    with (
        tempfile.TemporaryDirectory(prefix="postgresql-") as folder,
        running_postgresql(Path(folder), certificate=files) as server,
    ):
        server.create_user(ROLE)
        yield server


class Tokens:
    """The identity endpoint of Container Apps: it issues one token until `rotate`, and the server knows that one alone."""

    def __init__(self, server: PostgreSQL) -> None:
        self.asked: list[dict[str, list[str]]] = []
        self.lifetime_seconds = 60  # so short that a client asks again each time
        self.status = 200
        self._server = server
        self._number = 0
        self.rotate()

    @property
    def token(self) -> str:
        return f"{SECRET}-{self._number}"

    def rotate(self) -> None:
        self._number += 1
        role, token = sql.Identifier(ROLE), sql.Literal(self.token)
        self._server.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, token))

    def answer(self, path: str) -> dict[str, object]:
        self.asked.append(parse_qs(urlsplit(path).query))
        if self.status != 200:
            return {"statusCode": self.status, "message": self.token}
        return {
            "access_token": self.token,
            "expires_on": str(int(time.time()) + self.lifetime_seconds),
            "resource": database_login.DATABASE_SCOPE.removesuffix("/.default"),
            "token_type": "Bearer",
        }


@pytest.fixture
def tokens(server: PostgreSQL, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tokens]:
    tokens = Tokens(server)

    class Endpoint(Handler):
        def do_GET(self) -> None:  # noqa: N802 - the base's name
            body = json.dumps(tokens.answer(self.path)).encode()
            self.answer(tokens.status, body, {"Content-Type": "application/json"})

    with serving_http(Endpoint) as port:
        for name in ("MSI_ENDPOINT", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_CLIENT_SECRET"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://127.0.0.1:{port}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "header")
        monkeypatch.setenv("AZURE_CLIENT_ID", CLIENT_ID)
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
        monkeypatch.setattr(database_login, "identity", ManagedIdentity())
        yield tokens


@pytest.fixture
def settings(server: PostgreSQL, tmp_path: Path) -> Settings:
    database = server.create_database(owner=ROLE)
    url = f"postgresql://{ROLE}@{server.host}:{server.port}/{database}"
    return Settings(data_dir=tmp_path, database_url=url, database_login="entra", threads=1)


def backends(server: PostgreSQL, settings: Settings) -> list[object]:
    """Process ids of the server's ends of the engine's connections."""
    database = urlsplit(settings.database_url).path[1:]
    query = sql.SQL("SELECT pid FROM pg_stat_activity WHERE datname = {} AND usename = {}")
    return [pid for (pid,) in server.execute(query.format(sql.Literal(database), sql.Literal(ROLE)))]


def drop_connections(server: PostgreSQL, settings: Settings) -> None:
    for pid in backends(server, settings):
        server.execute(sql.SQL("SELECT pg_terminate_backend({})").format(sql.Literal(pid)))


def test_every_connection_of_a_worker_and_an_api_goes_on_after_a_rotation(
    server: PostgreSQL, tokens: Tokens, settings: Settings
) -> None:
    """Store, locks, DBOS's pools and its check of the database, wake-ups: all of them log in, again and again."""
    with closing(Store.open(settings)) as store, JobQueue(settings) as queue:
        worker = Worker(settings, CheapExtractor(before=lambda _images: None), pauses_seconds=(0.01,))
        worker.start()
        try:
            woken: list[float] = []
            queue.wakeups.subscribe(lambda: woken.append(time.monotonic()))
            lives = len(backends(server, settings))
            assert lives >= 5
            tokens.rotate()
            assert worker.look() is False, "connections from before the rotation go on"
            store.ping()
            opened = len(tokens.asked)
            heard = len(woken)
            drop_connections(server, settings)  # as a restart of the server does
            store.ping()
            assert queue.running() == []
            wait_until(lambda: len(woken) > heard, lambda: "LISTEN is not back", 30)
            assert len(tokens.asked) > opened
        finally:
            worker.stop()
    assert {query["resource"][0] for query in tokens.asked} == {"https://ossrdbms-aad.database.windows.net"}
    assert {query["client_id"][0] for query in tokens.asked} == {CLIENT_ID}


def test_locks_and_wakeups_take_the_token_of_their_time(server: PostgreSQL, tokens: Tokens, settings: Settings) -> None:
    locks = open_locks(settings)
    first = locks.take("first")
    assert first is not None
    wakeups = PostgreSQLWakeups(settings.database_url)
    woken: list[bool] = []
    wakeups.subscribe(lambda: woken.append(True))
    wait_until(lambda: len(woken) == 1, lambda: "it does not listen", 30)
    tokens.rotate()
    assert first.held(), "a live connection goes on"
    wakeups.wake()
    wait_until(lambda: len(woken) >= 2, lambda: "a live connection goes on", 30)
    second = locks.take("second")  # on a connection of its own
    assert second is not None
    drop_connections(server, settings)
    assert not first.held()
    so_far = len(woken)
    wait_until(lambda: len(woken) > so_far, lambda: "it does not listen again", 30)
    wakeups.close()
    for lock in (first, second):
        lock.release()
    locks.close()


def test_a_token_is_kept_until_shortly_before_it_expires(tokens: Tokens, settings: Settings) -> None:
    tokens.lifetime_seconds = 3600
    with closing(Store.open(settings)) as store:
        for _ in range(5):
            store.database.engine.dispose()
            store.ping()
    assert len(tokens.asked) == 1


def refuse(tokens: Tokens, _: pytest.MonkeyPatch) -> None:
    tokens.status = 400


def have_no_identity(_: Tokens, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IDENTITY_ENDPOINT")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (refuse, f"The engine gets no token for its managed identity ({CLIENT_ID})"),
        (have_no_identity, "VISION_ENGINE_DATABASE_LOGIN is 'entra', and the engine has no managed identity here."),
    ],
)
def test_without_a_token_the_error_says_why(
    fault: Callable[[Tokens, pytest.MonkeyPatch], None],
    said: str,
    tokens: Tokens,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fault(tokens, monkeypatch)
    with pytest.raises(SettingsError) as refused:
        Store.open(settings)
    assert said in str(refused.value)
    assert SECRET not in str(refused.value)


def test_a_running_engine_waits_for_a_token_as_for_a_server_that_does_not_answer(tokens: Tokens, settings: Settings) -> None:
    with closing(Store.open(settings)) as store:
        store.database.engine.dispose()
        tokens.status = 400
        with pytest.raises(OperationalError, match="gets no token") as refused:  # /healthz answers 503 to it
            store.ping()
        assert SECRET not in str(refused.value)
        tokens.status = 200
        store.ping()


def test_a_token_that_the_server_refuses_is_in_no_error(server: PostgreSQL, tokens: Tokens, settings: Settings) -> None:
    server.execute(sql.SQL("ALTER ROLE {} PASSWORD 'another'").format(sql.Identifier(ROLE)))
    with pytest.raises(SettingsError, match="Check VISION_ENGINE_DATABASE_URL") as refused:
        Store.open(settings)
    assert tokens.token not in repr(refused.value)
    with closing(PostgreSQLWakeups(settings.database_url)) as wakeups, pytest.raises(OperationalError) as failed:
        wakeups._engine.connect()
    assert tokens.token not in f"{failed.value!r}{failed.value}"


def test_a_token_goes_to_no_server_whose_certificate_nobody_vouches_for(
    tokens: Tokens, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(Authority.create(tmp_path / "another").ca_file))
    refused = pytest.raises(OperationalError, match="certificate verify failed")
    with closing(PostgreSQLWakeups(settings.database_url)) as wakeups, refused:
        wakeups._engine.connect()
    monkeypatch.delenv("SSL_CERT_FILE")
    refused = pytest.raises(OperationalError, match="certificate verify failed")  # Mozilla's authorities, not none
    with closing(PostgreSQLWakeups(settings.database_url)) as wakeups, refused:
        wakeups._engine.connect()


def test_a_login_by_password_verifies_with_the_same_authorities(
    server: PostgreSQL, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """libpq alone refuses `verify-full` without a file of authorities."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PGSSLROOTCERT", raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
    settings = Settings(data_dir=tmp_path, database_url=f"{server.url(server.create_database())}?sslmode=verify-full")
    with closing(Store.open(settings)) as store, JobQueue(settings) as queue:
        store.ping()
        assert queue.running() == []
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(SettingsError, match="its certificate cannot be verified"):
        Store.open(settings)
    monkeypatch.setenv("PGSSLROOTCERT", str(authority.ca_file))
    Store.open(settings).close()


def test_a_token_goes_to_no_server_without_tls(postgresql: PostgreSQL, tokens: Tokens, tmp_path: Path) -> None:
    url = f"postgresql://{ROLE}@{postgresql.host}:{postgresql.port}/postgres"
    settings = Settings(data_dir=tmp_path, database_url=url, database_login="entra")
    refused = pytest.raises(OperationalError, match="does not support SSL")
    with closing(PostgreSQLWakeups(settings.database_url)) as wakeups, refused:
        wakeups._engine.connect()


def test_the_roots_of_azures_servers_are_among_the_usual_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """https://learn.microsoft.com/azure/postgresql/security/security-tls names the two."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    bundle = Path(database_login.trusted_roots()).read_text()
    for root in ("DigiCert Global Root G2", "Microsoft RSA Root Certificate Authority 2017"):
        assert f'# Label: "{root}"' in bundle


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "needs PostgreSQL"),
        ("sqlite:///engine.sqlite", "needs PostgreSQL"),
        (f"postgresql://role:{SECRET}@host/db", "takes no password"),
        (f"postgresql://role@host/db?password={SECRET}", "takes no password"),
        ("postgresql://host/db", "needs a role"),
        ("postgresql://role@host/db?sslmode=require", "needs sslmode=verify-full"),
    ],
)
def test_what_does_not_fit_the_login_is_refused(url: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=said) as refused:
        Settings.from_environment({}, data_dir=tmp_path, database_url=url, database_login="entra")
    assert SECRET not in str(refused.value)


def test_a_child_process_logs_in_alike(tmp_path: Path) -> None:
    url = "postgresql://role%40x@host/db?sslrootcert=%2Ffile&application_name=a%20b"
    settings = Settings(data_dir=tmp_path, database_url=url, database_login="entra", token_key=SecretStr("A" * 43 + "="))
    assert Settings.from_environment(settings.to_environment()).database_url == settings.database_url
    assert "sslrootcert=%2Ffile&application_name=a%20b&sslmode=verify-full" in settings.database_url
