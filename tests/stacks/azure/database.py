"""A PostgreSQL flexible server: a real one of Debian's packages, over TLS only, with passwords, tokens of Entra, or both."""

import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from psycopg import sql

from tests.postgresql import SUPERUSER, running_postgresql
from tests.stacks.azure.authority import Authority
from tests.stacks.azure.entra_roles import ENTRA_ROLES, azure_functions
from tests.stacks.azure.front import AZURE_HOST
from tests.stacks.azure.postgresql import takes_passwords, takes_tokens
from tests.stacks.azure.token_logins import TokenLogins

ADMINISTRATORS = "azure_pg_admin"
_RIGHTS = "LOGIN CREATEDB CREATEROLE"
"""Of an administrator, beside being a member of `azure_pg_admin`: no superuser, as in Azure."""


class DatabaseServer:
    """Each server is one of its own, so that two stacks in one subscription may use the same names."""

    def __init__(self, authority: Authority) -> None:
        self._closing = ExitStack()
        # The server does not run as root, and must reach its folder.
        folder = Path(self._closing.enter_context(tempfile.TemporaryDirectory(prefix="azure-postgresql-")))
        folder.chmod(0o755)
        certificate = (authority.certificate_file, authority.key_file)
        self._server = self._closing.enter_context(running_postgresql(folder, host=AZURE_HOST, certificate=certificate))
        self._access = folder / "data" / "pg_hba.conf"
        self._logins = TokenLogins(authority, self._principal_of)
        self._closing.callback(self._logins.stop)
        self._administrator: str | None = None
        self._methods: tuple[bool, bool] | None = None
        self._server.execute(azure_functions())

    @property
    def address(self) -> str:
        return f"{AZURE_HOST}:{self._server.port}"

    def apply(self, inputs: Mapping[str, Any]) -> None:
        """Take the logins that it is declared with. Make its administrator with a password, or give it another password."""
        if takes_passwords(inputs):
            login, password = inputs["administratorLogin"], inputs["administratorLoginPassword"]
            verb = "ALTER" if self._administrator == login else "CREATE"
            make = sql.SQL(verb + f" ROLE {{}} {_RIGHTS} PASSWORD {{}}")
            self._server.execute(make.format(sql.Identifier(login), sql.Literal(password)))
            self._server.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(ADMINISTRATORS), sql.Identifier(login)))
            self._administrator = login
        self._admit(takes_passwords(inputs), takes_tokens(inputs))

    def add_administrator(self, role: str, object_id: str) -> None:
        """Make a principal of Entra an administrator."""
        make = sql.SQL(f"CREATE ROLE {{}} {_RIGHTS} IN ROLE {ADMINISTRATORS}, {ENTRA_ROLES}")
        if self._principal_of(role) is None:
            self._server.execute(make.format(sql.Identifier(role)))
            row = sql.SQL("INSERT INTO principals VALUES ({}, 'service', {}, '', 0, 1)")
            self._server.execute(row.format(sql.Literal(role), sql.Literal(object_id)))

    def remove_administrator(self, object_id: str) -> None:
        found = self._server.execute(sql.SQL("SELECT role FROM principals WHERE object_id = {}").format(sql.Literal(object_id)))
        for (role,) in found:
            self._server.execute(sql.SQL("ALTER ROLE {} NOLOGIN NOCREATEROLE NOCREATEDB").format(sql.Identifier(str(role))))
            self._server.execute(sql.SQL("DELETE FROM principals WHERE role = {}").format(sql.Literal(role)))

    def create_database(self, name: str) -> None:
        """Make it, unless it is there. Its owner is the administrator with a password, where there is one
        (https://github.com/cyrilgdn/terraform-provider-postgresql/issues/500); its schema is not its owner's
        (https://learn.microsoft.com/azure/postgresql/security/security-access-control#public-schema-ownership-changes-in-azure-database-for-postgresql)."""
        if not self._has(name):
            self._server.create_database(name, self._administrator or ADMINISTRATORS)
            self._server.execute(f"ALTER SCHEMA public OWNER TO {ADMINISTRATORS}", database=name)

    def drop_database(self, name: str) -> None:
        self._server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def stop(self) -> None:
        self._closing.close()

    def _admit(self, passwords: bool, tokens: bool) -> None:
        """Take these logins from now on; a change restarts Azure's server, which ends all connections
        (https://learn.microsoft.com/azure/postgresql/security/security-entra-concepts#frequently-asked-questions)."""
        if self._methods == (passwords, tokens):
            return
        lines = [f"hostssl all {SUPERUSER} 127.0.0.0/8 scram-sha-256"]
        lines.append(f"hostssl all +{ENTRA_ROLES} 127.0.0.0/8 {self._logins.access if tokens else 'reject'}")
        lines.append(f"hostssl all all 127.0.0.0/8 {'scram-sha-256' if passwords else 'reject'}")
        self._access.write_text("\n".join(lines) + "\n")
        self._server.execute("SELECT pg_reload_conf()")
        if self._methods is not None:
            self._server.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename IS NOT NULL AND pid <> pg_backend_pid()"
            )
        self._methods = passwords, tokens

    def _principal_of(self, role: str) -> str | None:
        query = sql.SQL("SELECT object_id FROM principals WHERE role = {}").format(sql.Literal(role))
        return next((str(found) for (found,) in self._server.execute(query)), None)

    def _has(self, name: str) -> bool:
        return bool(self._server.execute(sql.SQL("SELECT 1 FROM pg_database WHERE datname = {}").format(sql.Literal(name))))
