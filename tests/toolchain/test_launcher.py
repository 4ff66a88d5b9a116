"""What the launcher sets for the Pulumi CLI, and what of the user's it leaves alone."""

import json
import os
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from toolchain.launcher import current_login, own_backend, project_backend, release_dead_locks, settings_for

CHECKOUT = Path("/checkout")
OURS = "file:///checkout/.vision/pulumi"
OUR_PASSPHRASE = "/checkout/.vision/passphrase"


def settings(
    environ: Mapping[str, str], command: str = "up", *, login: str = "", names_backend: bool = False
) -> dict[str, str]:
    return settings_for(
        environ, [command], CHECKOUT, [Path("/env/bin"), Path("/cli")], login=login, names_backend=names_backend
    )


@pytest.mark.parametrize(
    ("environ", "login", "backend", "passphrase_file"),
    [
        # Nothing set: the checkout's own.
        ({}, "", OURS, OUR_PASSPHRASE),
        # A backend, a token or a login of the user's stays, and no passphrase of ours comes with it.
        ({"PULUMI_BACKEND_URL": "s3://states"}, "", "s3://states", None),
        ({"PULUMI_ACCESS_TOKEN": "pul-x"}, "", None, None),
        ({}, "https://api.pulumi.com", None, None),
        # A passphrase of the user's is used with our backend.
        ({"PULUMI_CONFIG_PASSPHRASE": ""}, "", OURS, None),
        ({"PULUMI_CONFIG_PASSPHRASE_FILE": "/mine"}, "", OURS, "/mine"),
    ],
)
def test_backend_and_passphrase(environ: dict[str, str], login: str, backend: str | None, passphrase_file: str | None) -> None:
    found = settings(environ, login=login)
    assert found.get("PULUMI_BACKEND_URL") == backend
    assert found.get("PULUMI_CONFIG_PASSPHRASE_FILE") == passphrase_file
    assert found.get("PULUMI_CONFIG_PASSPHRASE") == environ.get("PULUMI_CONFIG_PASSPHRASE")


def test_the_projects_own_backend_stays() -> None:
    assert "PULUMI_BACKEND_URL" not in settings({}, names_backend=True)


@pytest.mark.parametrize("command", ["login", "logout"])
def test_a_login_is_not_hidden_by_our_backend(command: str) -> None:
    assert "PULUMI_BACKEND_URL" not in settings({}, command)


def test_environment_comes_first_on_path_and_what_is_set_stays() -> None:
    found = settings({"PATH": "/usr/bin", "PULUMI_SKIP_UPDATE_CHECK": "0", "OTHER": "x"})
    assert found["PATH"] == os.pathsep.join(["/env/bin", "/cli", "/usr/bin"])
    assert (found["PULUMI_SKIP_UPDATE_CHECK"], found["OTHER"]) == ("0", "x")
    assert settings({})["PULUMI_SKIP_UPDATE_CHECK"] == "1"


@pytest.mark.parametrize(
    ("content", "login"),
    [
        ('{"current": "https://api.pulumi.com", "accounts": {}}', "https://api.pulumi.com"),
        ('{"current": ""}', ""),
        ("{}", ""),
        ("[]", ""),
        ("not json", ""),
        (None, ""),
    ],
)
def test_current_login(tmp_path: Path, content: str | None, login: str) -> None:
    if content is not None:
        (tmp_path / ".pulumi").mkdir()
        (tmp_path / ".pulumi" / "credentials.json").write_text(content)
    assert current_login({}, tmp_path) == login
    assert current_login({"PULUMI_HOME": str(tmp_path / ".pulumi")}, Path("/nowhere")) == login
    assert current_login({"PULUMI_CREDENTIALS_PATH": str(tmp_path / "empty")}, tmp_path) == ""


@pytest.mark.parametrize(
    ("text", "answer"),
    [("name: x\nbackend:\n  url: s3://states\n", True), ("name: x\ndescription: 'a backend: none'\n", False), (None, False)],
)
def test_project_backend(tmp_path: Path, text: str | None, answer: bool) -> None:
    file = tmp_path / "Pulumi.yaml"
    if text is not None:
        file.write_text(text)
    assert project_backend(file) is answer


def test_own_backend_needs_one_reason() -> None:
    assert not own_backend({}, "", names_backend=False)
    assert own_backend({}, "", names_backend=True)


def dead_process() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


@pytest.mark.parametrize(
    ("lock", "released"),
    [
        ({"pid": dead_process(), "hostname": socket.gethostname()}, True),
        # Alive, or of another machine: somebody's.
        ({"pid": os.getpid(), "hostname": socket.gethostname()}, False),
        ({"pid": dead_process(), "hostname": "another"}, False),
        # Not a lock as we know it.
        ({"process": 1}, False),
        ([], False),
    ],
)
def test_only_the_lock_of_a_dead_update_of_this_machine_is_released(tmp_path: Path, lock: object, released: bool) -> None:
    file = tmp_path / ".pulumi" / "locks" / "organization" / "project" / "local" / "0.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(lock))
    release_dead_locks(f"file://{tmp_path}")
    assert file.exists() is not released
