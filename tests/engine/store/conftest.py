"""Stores to test with: every test that takes `store` runs on SQLite and, where it is installed, on PostgreSQL."""

import os
import pwd
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from engine.settings import Settings
from engine.store import Store


def _as_other_user() -> dict[str, object]:
    """PostgreSQL refuses to run as root: then it runs as the first user of this list that there is."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    pytest.skip("PostgreSQL does not run as root, and there is no other user")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """URL of an empty PostgreSQL server of its own, on a Unix socket, gone after the tests."""
    if shutil.which("initdb") is None or shutil.which("pg_ctl") is None:
        pytest.skip("PostgreSQL is not installed (initdb, pg_ctl)")
    user = _as_other_user()
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        if user:
            os.chown(folder, user["user"], user["group"])  # type: ignore[arg-type]
        data = f"{folder}/data"
        quiet = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder, **user}
        subprocess.run(["initdb", "-D", data, "-U", "engine", "-A", "trust", "--no-sync"], **quiet)
        options = f"-k {folder} -c listen_addresses='' -c fsync=off"
        subprocess.run(["pg_ctl", "-D", data, "-o", options, "-l", f"{folder}/log", "-w", "start"], **quiet)
        try:
            yield f"postgresql+psycopg://engine@/postgres?host={folder}"
        finally:
            subprocess.run(["pg_ctl", "-D", data, "-m", "immediate", "-w", "stop"], **quiet)


@pytest.fixture
def postgresql_database(postgresql: str) -> str:
    """URL of a new database."""
    name = f"d{uuid.uuid4().hex}"
    with psycopg.connect(postgresql.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return postgresql.replace("/postgres?", f"/{name}?")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.process)])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    url = "" if request.param == "sqlite" else request.getfixturevalue("postgresql_database")
    return Settings.from_environment({}, data_dir=tmp_path, database_url=url)


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    store = Store.open(settings)
    yield store
    store.close()
