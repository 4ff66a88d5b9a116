"""A PostgreSQL flexible server: a real one of Debian's packages, over TLS only."""

import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from psycopg import sql

from tests.postgresql import running_postgresql
from tests.stacks.azure.authority import Authority
from tests.stacks.azure.front import AZURE_HOST


class DatabaseServer:
    """Each server is one of its own, so that two stacks in one subscription may use the same names."""

    def __init__(self, authority: Authority) -> None:
        self._closing = ExitStack()
        # The server does not run as root, and must reach its folder.
        folder = Path(self._closing.enter_context(tempfile.TemporaryDirectory(prefix="azure-postgresql-")))
        folder.chmod(0o755)
        certificate = (authority.certificate_file, authority.key_file)
        self._server = self._closing.enter_context(running_postgresql(folder, host=AZURE_HOST, certificate=certificate))
        access = folder / "data" / "pg_hba.conf"
        access.write_text(access.read_text().replace("\nhost ", "\nhostssl "))
        self._server.execute("SELECT pg_reload_conf()")
        self._administrator: str | None = None

    @property
    def address(self) -> str:
        return f"{AZURE_HOST}:{self._server.port}"

    def apply(self, inputs: Mapping[str, Any]) -> None:
        """Make its administrator, or give it another password: no superuser, as in Azure."""
        login, password = inputs["administratorLogin"], inputs["administratorLoginPassword"]
        verb = "ALTER" if self._administrator == login else "CREATE"
        self._server.execute(
            sql.SQL(verb + " ROLE {} LOGIN CREATEDB CREATEROLE PASSWORD {}").format(
                sql.Identifier(login), sql.Literal(password)
            )
        )
        self._administrator = login

    def create_database(self, name: str) -> None:
        """Make it, unless it is there."""
        if not self._has(name):
            assert self._administrator is not None
            self._server.create_database(name, self._administrator)

    def drop_database(self, name: str) -> None:
        self._server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def stop(self) -> None:
        self._closing.close()

    def _has(self, name: str) -> bool:
        return bool(self._server.execute(sql.SQL("SELECT 1 FROM pg_database WHERE datname = {}").format(sql.Literal(name))))
