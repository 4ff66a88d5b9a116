"""A real PostgreSQL of the tests' own: a server of this machine's packages on a loopback port, gone when they are."""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import URL

SUPERUSER = "superuser"
NOT_INSTALLED = "PostgreSQL is not installed: initdb is neither on PATH nor in /usr/lib/postgresql (apt-get install postgresql)"

_DEBIAN = Path("/usr/lib/postgresql")
_UNPRIVILEGED = ("postgres", "nobody")
_SECONDS = 60
# Nothing here outlives the machine, so nothing waits for the disk. What was committed outlives the server all the same.
_SETTINGS = {"fsync": "off", "full_page_writes": "off", "unix_socket_directories": ""}


class PostgreSQL:
    """A server that asks everybody for a password. `start` and `stop` may be called again: its databases stay."""

    def __init__(self, binaries: Path, folder: Path, settings: Mapping[str, str], host: str) -> None:
        self.host = host
        self.user = SUPERUSER
        self.password = secrets.token_urlsafe(16)
        self._binaries = binaries
        self._data = folder / "data"
        self._log = folder / "log.txt"
        self._settings = {**_SETTINGS, **settings}
        self._account = _account()
        self._process: subprocess.Popen[bytes] | None = None
        if self._account:
            shutil.chown(folder, *self._account)
        password_file = folder / "password"
        password_file.write_text(self.password)
        password_file.chmod(0o600)
        if self._account:
            shutil.chown(password_file, *self._account)
        access = ["--username", SUPERUSER, "--auth", "scram-sha-256", "--pwfile", str(password_file)]
        self._run("initdb", "--pgdata", str(self._data), *access, "--encoding", "UTF8", "--locale", "C", "--no-sync")
        password_file.unlink()
        with socket.create_server((host, 0)) as free:
            self.port = int(free.getsockname()[1])

    @property
    def pid(self) -> int:
        """Of the process that the server's others are children of."""
        assert self._process is not None, "it does not run"
        return self._process.pid

    def url(self, database: str = "postgres", user: str = SUPERUSER, password: str | None = None) -> str:
        """For SQLAlchemy; without the driver (`+psycopg`), for everything else."""
        secret = self.password if password is None else password
        url = URL.create("postgresql+psycopg", user, secret, self.host, self.port, database)
        return url.render_as_string(hide_password=False)

    def create_user(self, name: str, password: str | None = None) -> str:
        """A role that may log in, and no more; its password."""
        password = password or secrets.token_urlsafe(16)
        self.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(name), sql.Literal(password)))
        return password

    def create_database(self, name: str = "", owner: str = SUPERUSER) -> str:
        """An empty database; its name, which is a new one unless it is given."""
        name = name or f"test_{secrets.token_hex(8)}"
        self.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(owner)))
        return name

    def execute(self, statement: sql.Composable | str, *, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run a statement as the superuser, outside of a transaction; its rows."""
        query = sql.SQL(statement) if isinstance(statement, str) else statement  # type: ignore[arg-type] - a test's own words
        url = self.url(database).replace("+psycopg", "")
        with psycopg.connect(url, autocommit=True, connect_timeout=_SECONDS) as connection:
            cursor = connection.execute(query)
            return cursor.fetchall() if cursor.description else []

    def start(self) -> None:
        settings = {"listen_addresses": self.host, "port": str(self.port), **self._settings}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._binaries / "postgres", "-D", self._data, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._data,
                **self._identity(),
            )
        deadline = time.monotonic() + _SECONDS
        while True:
            try:
                self.execute("SELECT 1")
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    self.stop()
                    raise RuntimeError(f"PostgreSQL does not start:\n{self._log.read_text()[-2000:]}") from None
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """End it at once, as a machine that fails does; what was committed is there at the next start."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGQUIT)
        try:
            process.wait(_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def restart(self) -> None:
        self.stop()
        self.start()

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._binaries / program, *arguments],
            cwd=self._data.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=2 * _SECONDS,
            check=False,
            **self._identity(),
        )
        if done.returncode:
            raise RuntimeError(f"{program} ended with {done.returncode}: {done.stderr[-2000:]}")

    def _identity(self) -> dict[str, object]:
        return {"user": self._account[0], "group": self._account[1], "extra_groups": []} if self._account else {}


def binaries() -> Path | None:
    """The folder of PostgreSQL's programs: the one on PATH, else Debian's newest; None where it is not installed."""
    if on_path := shutil.which("initdb"):
        return Path(on_path).resolve().parent
    installed = [folder for folder in _DEBIAN.glob("*/bin") if (folder / "initdb").exists()]
    return max(installed, key=lambda folder: float(folder.parent.name), default=None)


@contextmanager
def running_postgresql(
    folder: Path,
    *,
    settings: Mapping[str, str] | None = None,
    host: str = "127.0.0.1",
    certificate: tuple[Path, Path] | None = None,
) -> Iterator[PostgreSQL]:
    """A server whose data lie in `folder`, which a user without rights must be able to reach.

    Args:
        settings: of `postgresql.conf`.
        host: a loopback address.
        certificate: files of a certificate and of its key in PEM, which TLS is then offered with.

    Raises:
        FileNotFoundError: PostgreSQL is not installed.
    """
    place = binaries()
    if place is None:
        raise FileNotFoundError(NOT_INSTALLED)
    folder.mkdir(parents=True, exist_ok=True)
    server = PostgreSQL(place, folder, {**(settings or {}), **_tls(folder, certificate)}, host)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def _tls(folder: Path, certificate: tuple[Path, Path] | None) -> dict[str, str]:
    """The settings for TLS, with copies of the files that are the server's own: it takes no key that others may read."""
    if certificate is None:
        return {}
    copies = []
    for source, name in zip(certificate, ("server.crt", "server.key"), strict=True):
        copy = folder / name
        copy.write_bytes(source.read_bytes())
        copy.chmod(0o600)
        if account := _account():
            shutil.chown(copy, *account)
        copies.append(str(copy))
    return {"ssl": "on", "ssl_cert_file": copies[0], "ssl_key_file": copies[1]}


def _account() -> tuple[int, int] | None:
    """The user and group that the server runs as where the tests run as root, which PostgreSQL refuses; else None."""
    if os.geteuid() != 0:
        return None
    for name in _UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    raise RuntimeError(f"PostgreSQL does not run as root, and there is none of the users {', '.join(_UNPRIVILEGED)}")
