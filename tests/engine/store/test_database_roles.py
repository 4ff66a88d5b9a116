"""The role that an administrator makes for the engine's identity, on a server that has Azure's functions."""

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from psycopg import sql

from tests.postgresql import NOT_INSTALLED, PostgreSQL, binaries, running_postgresql
from tests.stacks.azure.entra_roles import azure_functions
from vision_customization.contract.enums import AnnotationKind
from vision_customization.engine.cli import main
from vision_customization.engine.jobs.queue import JobQueue
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store, database_roles

pytestmark = pytest.mark.postgresql

ROLE = "vision-engine"
ADMINISTRATOR = "vision-database"
PRINCIPAL = "6c1d2fb0-8a5e-4f5c-9d4c-0a8f3ab3c001"


@pytest.fixture
def server() -> Iterator[PostgreSQL]:
    """A server as Azure makes it; the password of a role is its principal's object id.

    The administrator is not a superuser, and owns neither the database nor its schema public.
    """
    if binaries() is None:
        pytest.skip(NOT_INSTALLED)
    with tempfile.TemporaryDirectory(prefix="postgresql-") as folder, running_postgresql(Path(folder)) as server:
        server.execute(azure_functions("CREATE ROLE %1$I LOGIN PASSWORD %2$L"))
        server.create_user(ADMINISTRATOR, "token")
        server.execute(f'ALTER ROLE "{ADMINISTRATOR}" CREATEROLE CREATEDB')
        server.execute(f'GRANT azure_pg_admin TO "{ADMINISTRATOR}"')
        server.create_database("vision", owner="azure_pg_admin")
        server.execute("ALTER SCHEMA public OWNER TO azure_pg_admin", database="vision")
        yield server


def grant(
    server: PostgreSQL, *more: str, role: str = ROLE, principal: str = PRINCIPAL, user: str = ADMINISTRATOR
) -> tuple[int, str]:
    url = server.url("vision", user, "token")
    environment = {"VISION_ENGINE_DATABASE_URL": url}
    result = CliRunner().invoke(main, ["database", "grant", "--role", role, "--principal", principal, *more], env=environment)
    assert "token" not in result.output.replace("tokens", "")
    return result.exit_code, result.output


def test_the_engine_works_as_that_role_and_is_no_administrator(server: PostgreSQL, tmp_path: Path) -> None:
    status, said = grant(server)
    assert status == 0
    assert said.splitlines() == [
        f"The role '{ROLE}' was made for the identity {PRINCIPAL}.",
        f"The role '{ROLE}' may make tables in the database 'vision'.",
    ]
    settings = Settings(data_dir=tmp_path, database_url=server.url("vision", ROLE, PRINCIPAL))
    with closing(Store.open(settings)), JobQueue(settings) as queue:
        assert queue.running() == []
    ((*rights,),) = server.execute(
        f"SELECT rolsuper, rolcreaterole, rolcreatedb, pg_has_role('{ROLE}', 'azure_pg_admin', 'MEMBER')"
        f" FROM pg_roles WHERE rolname = '{ROLE}'"
    )
    assert rights == [False] * 4
    status, said = grant(server)
    assert status == 0
    assert f"is that of the identity {PRINCIPAL} already" in said


PASSWORD_ROLE = "vision"


@pytest.mark.parametrize("owns_database", [True, False])
def test_the_tables_of_a_password_are_handed_over(server: PostgreSQL, tmp_path: Path, owns_database: bool) -> None:
    """They and those of DBOS are of the server's administrator with a password, as in a stack with `login: password`."""
    server.create_user(PASSWORD_ROLE, "password")
    server.execute(f'ALTER ROLE "{PASSWORD_ROLE}" CREATEROLE CREATEDB')
    server.execute(f'GRANT azure_pg_admin TO "{PASSWORD_ROLE}"')
    if owns_database:
        server.execute(f'ALTER DATABASE vision OWNER TO "{PASSWORD_ROLE}"')
    before = Settings(data_dir=tmp_path, database_url=server.url("vision", PASSWORD_ROLE, "password"))
    with closing(Store.open(before)) as store, JobQueue(before):
        store.datasets.create("d", AnnotationKind.IMAGE_CLASSIFICATION, ["https://a.blob.core.windows.net/c/t.json"])
    status, said = grant(server)
    assert status == 1
    assert "Take them over by running this command again with --from 'vision'." in said
    status, said = grant(server, "--from", PASSWORD_ROLE)
    assert status == 0, said
    assert f"The role '{ROLE}' owns what the role '{PASSWORD_ROLE}' owned in the database 'vision'." in said
    owners = "SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class WHERE relkind IN ('r', 'S') AND oid >= 16384"
    assert server.execute(owners, database="vision") == [(ROLE,)]
    members = "SELECT member::regrole::text FROM pg_auth_members WHERE roleid::regrole::text LIKE '%vision%'"
    assert server.execute(members) == [(PASSWORD_ROLE,)], "the administrator is a member of none afterwards"
    settings = Settings(data_dir=tmp_path, database_url=server.url("vision", ROLE, PRINCIPAL))
    with closing(Store.open(settings)) as store, JobQueue(settings) as queue:
        assert [dataset.name for dataset in store.datasets.page(0, 9)] == ["d"]
        assert queue.running() == []
        with store.database.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE models ADD COLUMN migrated text")
    status, said = grant(server, "--from", PASSWORD_ROLE)
    assert status == 0, said
    assert "owns what" not in said
    # Back to the password, and forth again.
    with closing(Store.open(before)) as store, JobQueue(before):
        assert [dataset.name for dataset in store.datasets.page(0, 9)] == ["d"]
        with store.database.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE models DROP COLUMN migrated")
            connection.exec_driver_sql("CREATE TABLE later (name text)")
    status, said = grant(server, "--from", PASSWORD_ROLE)
    assert status == 0, said
    assert "owns what" in said
    assert server.execute(owners, database="vision") == [(ROLE,)]


def test_replicas_that_start_together_make_one_role(server: PostgreSQL) -> None:
    settings = Settings(database_url=server.url("vision", ADMINISTRATOR, "token"))
    with ThreadPoolExecutor(4) as replicas:
        said = list(replicas.map(lambda _: database_roles.grant(settings, ROLE, PRINCIPAL), range(4)))
    assert sum("was made for the identity" in lines[0] for lines in said) == 1


def test_a_name_may_have_any_characters(server: PostgreSQL) -> None:
    name = "a%s\"b'"
    assert grant(server, role=name)[0] == 0
    found = sql.SQL("SELECT has_database_privilege({}, 'vision', 'CREATE')").format(sql.Literal(name))
    assert server.execute(found) == [(True,)]


def test_a_role_of_another_identity_is_given_to_this_one(server: PostgreSQL) -> None:
    """No server but Azure's has the label's provider, which is where the statement gets to."""
    grant(server)
    status, said = grant(server, principal=PRINCIPAL.replace("6", "7"))
    assert status == 1
    assert 'security label provider "pgaadauth" is not loaded' in said


def test_what_is_wrong_is_named(server: PostgreSQL) -> None:
    server.create_user("nobody", "token")
    status, said = grant(server, user="nobody")
    assert status == 1
    assert "it is not the server's Entra administrator" in said
    server.execute(f"INSERT INTO principals VALUES ('{ADMINISTRATOR}', 'service', '{PRINCIPAL}', '', 0, 1)")
    status, said = grant(server, role=ADMINISTRATOR)
    assert status == 1
    assert f"'{ADMINISTRATOR}' is an administrator of the server" in said
    server.execute("CREATE TABLE alembic_version (version_num text)", database="vision")
    status, said = grant(server)
    assert status == 1
    assert "Take them over by running this command again with --from 'superuser'." in said
    status, said = grant(server, "--from", "superuser")
    assert status == 1
    assert "it is not the server's Entra administrator (" in said
    server.execute(sql.SQL("DROP FUNCTION pg_catalog.pgaadauth_list_principals"))
    status, said = grant(server)
    assert status == 1
    assert "Microsoft Entra authentication is not enabled there" in said


def test_a_server_that_does_not_answer_and_a_database_without_roles(tmp_path: Path) -> None:
    def said(url: str) -> str:
        arguments = ["database", "grant", "--role", ROLE, "--principal", PRINCIPAL]
        result = CliRunner().invoke(main, arguments, env={"VISION_ENGINE_DATABASE_URL": url})
        assert result.exit_code == 1
        return result.output

    assert "The database cannot be opened (OperationalError)" in said("postgresql://admin:TOPSECRET@127.0.0.1:1/vision")
    assert "TOPSECRET" not in said("postgresql://admin:TOPSECRET@127.0.0.1:1/vision")
    assert "database_url is not PostgreSQL" in said(f"sqlite:///{tmp_path}/engine.sqlite")
