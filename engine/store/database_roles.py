"""A role of Azure Database for PostgreSQL for an identity that is not an administrator: what the engine itself needs.

Azure documents the functions at https://learn.microsoft.com/azure/postgresql/security/security-manage-entra-users. They are in
the database `postgres`, and only the server's Entra administrator may call them.
"""

from psycopg import errors, sql
from sqlalchemy import Connection, NullPool, create_engine, make_url
from sqlalchemy.exc import DBAPIError, OperationalError

from vision_customization.engine.errors import EngineError, SettingsError
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import database_login  # noqa: F401 - it hears of each new connection
from vision_customization.engine.store.database import unreachable

_PRINCIPALS_DATABASE = "postgres"
_LOCK = 0x766973726F6C  # "visrol": an arbitrary number, the same for every engine

_LETS_MAKE_TABLES = (
    "GRANT CONNECT, CREATE ON DATABASE {database} TO {role}",
    "GRANT USAGE, CREATE ON SCHEMA public TO {role}",
)
_TAKES_OVER = (
    "REVOKE {role} FROM {former}",  # of the last time: two roles can't be members of each other
    "GRANT {former}, {role} TO CURRENT_USER",
    "GRANT {former} TO {role}",
    *_LETS_MAKE_TABLES,
    "REASSIGN OWNED BY {former} TO {role}",
    "REVOKE {former} FROM {role}",
    "GRANT {role} TO {former}",
    "REVOKE {former}, {role} FROM CURRENT_USER",
)


class GrantFailed(EngineError):
    """The role can't be made, or can't be the engine's."""


def grant(settings: Settings, role: str, principal_id: str, former: str | None = None) -> list[str]:
    """Let an identity log in as `role`, and let the role make and own tables. Doing it twice has no further effect.

    Args:
        settings: their database is the engine's, and they log in as the server's Entra administrator.
        principal_id: object id (GUID) of the identity in Microsoft Entra.
        former: a role whose tables, and all else that it owns in the database, become those of `role`.

    Returns: a line for each step.

    Raises:
        SettingsError: the database is not PostgreSQL, or does not answer.
        GrantFailed: the login is not an administrator's, or the role is one, or others own the engine's tables.
    """
    if not settings.on_postgresql:
        raise SettingsError(
            "database_url is not PostgreSQL: roles exist only there. Set it to postgresql://ADMIN@HOST/DATABASE."
        )
    database = make_url(settings.database_url).database or ""
    try:
        with _connected(settings, _PRINCIPALS_DATABASE) as principals, _connected(settings, database) as connection:
            principals.exec_driver_sql("SELECT pg_advisory_lock(%s)", (_LOCK,))  # replicas start at the same time
            made = _principal(principals, role, principal_id)
            _check_no_administrator(principals, role)
            given = _give(connection, database, role, former)
    except OperationalError as error:
        raise SettingsError(unreachable(error)) from None
    except DBAPIError as error:
        raise GrantFailed(_reason(error, role)) from None
    return [made, *given]


def _connected(settings: Settings, database: str) -> Connection:
    url = make_url(settings.database_url).set(database=database)
    return create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 30}).connect()


def _principal(connection: Connection, role: str, principal_id: str) -> str:
    principals = connection.exec_driver_sql("SELECT * FROM pg_catalog.pgaadauth_list_principals(false)")
    known = {str(row[0]): str(row[2]) for row in principals}  # by their documented places: rolename, principalType, objectId
    if known.get(role, "").lower() == principal_id.lower():
        return f"The role '{role}' is that of the identity {principal_id} already."
    if connection.exec_driver_sql("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).first() is None:
        connection.exec_driver_sql(
            "SELECT pg_catalog.pgaadauth_create_principal_with_oid(%s, %s, 'service', false, false)", (role, principal_id)
        )
        return f"The role '{role}' was made for the identity {principal_id}."
    # A role that has no identity yet, or whose identity was made again under the same name.
    _run(
        connection,
        sql.SQL('SECURITY LABEL FOR "pgaadauth" ON ROLE {} IS {}').format(
            sql.Identifier(role), sql.Literal(f"aadauth,oid={principal_id},type=service")
        ),
    )
    return f"The role '{role}' is that of the identity {principal_id} now."


def _check_no_administrator(connection: Connection, role: str) -> None:
    query = (
        "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR EXISTS (SELECT 1 FROM pg_roles AS above"
        " WHERE above.rolname = 'azure_pg_admin' AND pg_has_role(role.oid, above.oid, 'MEMBER'))"
        " FROM pg_roles AS role WHERE rolname = %s"
    )
    if connection.exec_driver_sql(query, (role,)).scalar():
        raise GrantFailed(
            f"The role '{role}' is an administrator of the server, which the engine must not be. Name another role."
        )


def _give(connection: Connection, database: str, role: str, former: str | None) -> list[str]:
    """Let the role make tables, and make what `former` owns in the database its own, in one transaction.

    `former` becomes a member of the role, so that an engine that logs in as it again has its tables. To hand them over, the
    administrator must be a member of both roles, and the new owner of the former one. PostgreSQL lets it make them members
    since it manages roles; on Azure, also of roles that are administrators themselves ("Improved control for azure_pg_admin" in
    https://learn.microsoft.com/azure/postgresql/security/security-access-control).
    """
    owner = _owner_of_tables(connection)
    if owner not in (None, role, former):
        raise GrantFailed(
            f"The engine's tables belong to the role '{owner}', so '{role}' could not migrate them. "
            f"Take them over by running this command again with --from '{owner}'."
        )
    takes = former not in (None, role) and _owns_anything(connection, former)
    names = {"database": sql.Identifier(database), "role": sql.Identifier(role), "former": sql.Identifier(former or role)}
    statements = _TAKES_OVER if takes else () if _may_make_tables(connection, database, role) else _LETS_MAKE_TABLES
    for statement in ("BEGIN", *statements, "COMMIT"):
        _run(connection, sql.SQL(statement).format(**names))
    taken = [f"The role '{role}' owns what the role '{former}' owned in the database '{database}'."] if takes else []
    return [*taken, f"The role '{role}' may make tables in the database '{database}'."]


def _owns_anything(connection: Connection, role: str | None) -> bool:
    query = "SELECT EXISTS (SELECT 1 FROM pg_class JOIN pg_roles ON pg_roles.oid = relowner WHERE rolname = %s)"
    return bool(connection.exec_driver_sql(query, (role,)).scalar())


def _may_make_tables(connection: Connection, database: str, role: str) -> bool:
    query = (
        "SELECT has_database_privilege(%s, %s, 'CONNECT') AND has_database_privilege(%s, %s, 'CREATE')"
        " AND has_schema_privilege(%s, 'public', 'CREATE')"
    )
    return bool(connection.exec_driver_sql(query, (role, database, role, database, role)).scalar())


def _owner_of_tables(connection: Connection) -> str | None:
    query = "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = to_regclass('public.alembic_version')"
    owner: str | None = connection.exec_driver_sql(query).scalar()
    return owner


def _run(connection: Connection, statement: sql.Composed) -> None:
    connection.exec_driver_sql(statement.as_string().replace("%", "%%"))


def _reason(error: DBAPIError, role: str) -> str:
    if isinstance(error.orig, errors.UndefinedFunction):
        return (
            "The server does not know pgaadauth_list_principals: Microsoft Entra authentication is not enabled there. "
            "Enable it on an Azure Database for PostgreSQL, and run this command again."
        )
    if isinstance(error.orig, errors.InsufficientPrivilege):
        return (
            f"The role of database_url may not make the role '{role}', or give it what others own: it is not the server's "
            f"Entra administrator ({str(error.orig).splitlines()[0]}). Log in as that administrator."
        )
    return f"The server refused the role '{role}': {str(error.orig).splitlines()[0]}"
