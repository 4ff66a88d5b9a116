"""How the engine logs in to PostgreSQL: it verifies the server, and the password of a connection may be a token of Entra.

The server looks at a token when a connection begins, so connections that exist go on after it has expired. Azure documents
this login at https://learn.microsoft.com/azure/postgresql/security/security-connect-with-managed-identity.
"""

import os
from pathlib import Path
from typing import Any

from sqlalchemy import Dialect, Engine, event

from vision_customization.engine.blobs.identity import Identity, ManagedIdentity, NoToken
from vision_customization.engine.settings import LOGIN_PARAMETER

DATABASE_SCOPE = "https://ossrdbms-aad.database.windows.net/.default"

VERIFYING_MODES = ("verify-ca", "verify-full")

identity: Identity = ManagedIdentity()
"""Whose tokens they are; it keeps a token until shortly before it expires."""


@event.listens_for(Engine, "do_connect")
def _log_in(dialect: Dialect, _record: object, arguments: list[Any], parameters: dict[str, Any]) -> Any:  # noqa: ANN401
    """Open a connection whose server is verified with authorities that exist, and with a token where the URL says so.

    It hears of all engines of SQLAlchemy, because DBOS makes its own. Raises psycopg.OperationalError, as if the server did not
    answer, so that callers try again later.
    """
    ours = {}
    if parameters.get("sslmode") in VERIFYING_MODES and not _names_authorities(parameters):
        ours["sslrootcert"] = trusted_roots()
    if parameters.get(LOGIN_PARAMETER) == "entra":
        ours["password"] = _token()
    if not ours:
        return None
    # A copy: SQLAlchemy keeps the parameters for the engine's next connection, which takes the token of its own time.
    others = {name: value for name, value in parameters.items() if name != LOGIN_PARAMETER}
    return dialect.connect(*arguments, **others, **ours)


def _names_authorities(parameters: dict[str, Any]) -> bool:
    """Whether libpq knows of a file: https://www.postgresql.org/docs/current/libpq-ssl.html#LIBQ-SSL-CERTIFICATES."""
    return "sslrootcert" in parameters or "PGSSLROOTCERT" in os.environ or Path("~/.postgresql/root.crt").expanduser().exists()


def trusted_roots() -> str:
    """The file of the certificate authorities that may vouch for a server: `SSL_CERT_FILE`, else Mozilla's, as for https.

    Azure's servers have DigiCert Global Root G2 and Microsoft RSA Root CA 2017
    (https://learn.microsoft.com/azure/postgresql/security/security-tls#root-cas-used-by-azure-database-for-postgresql).
    """
    from requests.utils import DEFAULT_CA_BUNDLE_PATH  # Mozilla's

    return os.environ.get("SSL_CERT_FILE") or DEFAULT_CA_BUNDLE_PATH


def _token() -> str:
    from psycopg import OperationalError  # an engine with SQLite does without

    try:
        token = identity.token(DATABASE_SCOPE)
    except NoToken as error:
        raise OperationalError(str(error)) from error
    if token is None:
        reason = NoToken(
            "VISION_ENGINE_DATABASE_LOGIN is 'entra', and the engine has no managed identity here. "
            "Run it in Azure with an identity, or log in with a password."
        )
        raise OperationalError(str(reason)) from reason
    return token
