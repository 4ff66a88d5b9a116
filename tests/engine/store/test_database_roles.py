"""The role that an administrator makes for the engine's identity, on a server that has Azure's functions."""

import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from psycopg import sql

from tests.postgresql import NOT_INSTALLED, PostgreSQL, binaries, running_postgresql
from vision_customization.engine.cli import main
from vision_customization.engine.jobs.queue import JobQueue
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store

pytestmark = pytest.mark.postgresql

ROLE = "vision-engine"
ADMINISTRATOR = "vision-database"
PRINCIPAL = "6c1d2fb0-8a5e-4f5c-9d4c-0a8f3ab3c001"

AZURE_FUNCTIONS = (
    "CREATE ROLE azure_pg_admin NOLOGIN",
    "CREATE TABLE public.principals (role name, kind text, object_id text, tenant_id text, is_mfa integer, is_admin integer)",
    """CREATE FUNCTION pg_catalog.pgaadauth_list_principals(only_admins boolean)
    RETURNS TABLE (rolename name, principaltype text, objectid text, tenantid text, ismfa integer, isadmin integer)
    LANGUAGE sql SECURITY DEFINER AS 'SELECT * FROM public.principals WHERE is_admin = 1 OR NOT only_admins'""",
    """CREATE FUNCTION pg_catalog.pgaadauth_create_principal_with_oid(
        role text, object_id text, kind text, is_admin boolean, is_mfa boolean)
    RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
        EXECUTE format('CREATE ROLE %I LOGIN PASSWORD %L', role, object_id);
        INSERT INTO public.principals VALUES (role, kind, object_id, '', is_mfa::integer, is_admin::integer);
        RETURN 'Created role for "' || role || '"';
    END $$""",
    "REVOKE EXECUTE ON FUNCTION pg_catalog.pgaadauth_create_principal_with_oid FROM PUBLIC",
    "GRANT EXECUTE ON FUNCTION pg_catalog.pgaadauth_create_principal_with_oid TO azure_pg_admin",
)
"""What Azure's server has beside PostgreSQL, as far as it is documented: the password of a role is its identity's object id."""


@pytest.fixture
def server() -> Iterator[PostgreSQL]:
    """A server as Azure makes it: the administrator is not a superuser, and owns neither the database nor its schema public."""
    if binaries() is None:
        pytest.skip(NOT_INSTALLED)
    with tempfile.TemporaryDirectory(prefix="postgresql-") as folder, running_postgresql(Path(folder)) as server:
        server.execute("SET allow_system_table_mods = on; " + "; ".join(AZURE_FUNCTIONS))
        server.create_user(ADMINISTRATOR, "token")
        server.execute(f'ALTER ROLE "{ADMINISTRATOR}" CREATEROLE CREATEDB')
        server.execute(f'GRANT azure_pg_admin TO "{ADMINISTRATOR}"')
        server.create_database("vision", owner="azure_pg_admin")
        server.execute("ALTER SCHEMA public OWNER TO azure_pg_admin", database="vision")
        yield server


def grant(server: PostgreSQL, role: str = ROLE, principal: str = PRINCIPAL, user: str = ADMINISTRATOR) -> tuple[int, str]:
    url = server.url("vision", user, "token")
    environment = {"VISION_ENGINE_DATABASE_URL": url}
    result = CliRunner().invoke(main, ["database", "grant", "--role", role, "--principal", principal], env=environment)
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
    assert 'REASSIGN OWNED BY "superuser" TO "vision-engine"' in said
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
