"""What the launcher sets for the Pulumi CLI, and what of the user's it leaves alone."""

import json
import os
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.waiting import wait_until
from toolchain.launcher import (
    backend_folder,
    current_login,
    ignored_passphrase,
    local_settings,
    own_backend,
    project_backend,
    release_dead_locks,
    restore_cut_states,
    seconds_of,
    settings_for,
    settle_pending_operations,
)
from toolchain.launcher import (
    locked as hold_lock,
)

CHECKOUT = Path("/checkout")
OURS = "file:///checkout/.vision/pulumi"
OUR_PASSPHRASE = "/checkout/.vision/passphrase"


def settings(
    environ: Mapping[str, str], command: str = "up", *, login: str = "", names_backend: bool = False
) -> dict[str, str]:
    return settings_for(
        environ, [command], CHECKOUT, [Path("/env/bin"), Path("/cli")], login=login, names_backend=names_backend
    )


STATE = {"PULUMI_BACKEND_URL": "azblob://pulumi?storage_account=state"}
WHO = {"ARM_CLIENT_ID": "client", "ARM_TENANT_ID": "tenant"}
AZURE_WHO = {"AZURE_CLIENT_ID": "client", "AZURE_TENANT_ID": "tenant"}


@pytest.mark.parametrize(
    ("environ", "signs_in_with"),
    [
        # As azure-native: `az login`, and not the managed identity that the machine has beside it.
        ({}, {"AZURE_TOKEN_CREDENTIALS": "dev"}),
        ({"IDENTITY_ENDPOINT": "http://169.254.169.254"}, {"AZURE_TOKEN_CREDENTIALS": "dev"}),
        # GitHub: azure/login has signed `az` in as the same identity.
        ({**WHO, "ARM_USE_OIDC": "true", "ACTIONS_ID_TOKEN_REQUEST_URL": "u"}, {"AZURE_TOKEN_CREDENTIALS": "dev"}),
        # GitLab: a file.
        (
            {**WHO, "ARM_USE_OIDC": "true", "ARM_OIDC_TOKEN_FILE_PATH": "/token"},
            {**AZURE_WHO, "AZURE_FEDERATED_TOKEN_FILE": "/token", "AZURE_TOKEN_CREDENTIALS": "prod"},
        ),
        (
            {**WHO, "ARM_CLIENT_SECRET": "secret"},
            {**AZURE_WHO, "AZURE_CLIENT_SECRET": "secret", "AZURE_TOKEN_CREDENTIALS": "prod"},
        ),
        ({**WHO, "ARM_USE_MSI": "true"}, {"AZURE_CLIENT_ID": "client", "AZURE_TOKEN_CREDENTIALS": "prod"}),
        ({"ARM_USE_MSI": "true"}, {"AZURE_TOKEN_CREDENTIALS": "prod"}),
        # What the user says of the state stays.
        ({"ARM_USE_MSI": "true", "AZURE_TOKEN_CREDENTIALS": "dev"}, {"AZURE_TOKEN_CREDENTIALS": "dev"}),
        ({"AZURE_CLIENT_SECRET": "mine"}, {"AZURE_CLIENT_SECRET": "mine"}),
        ({"ARM_USE_DEFAULT_AZURE_CREDENTIAL": "true"}, {}),
    ],
)
def test_a_state_in_azure_is_the_deploying_identitys(environ: dict[str, str], signs_in_with: dict[str, str]) -> None:
    found = settings({**STATE, **environ})
    assert {name: value for name, value in found.items() if name.startswith("AZURE_")} == signs_in_with
    elsewhere = settings({"PULUMI_BACKEND_URL": "s3://states", **environ})
    assert {name: value for name, value in elsewhere.items() if name not in environ and name.startswith("AZURE_")} == {}


@pytest.mark.parametrize(
    ("environ", "login", "backend", "passphrase_file"),
    [
        # Nothing set: the checkout's own.
        ({}, "", OURS, OUR_PASSPHRASE),
        # A backend, a token or a login of the user's stays, and no passphrase of ours comes with it.
        ({"PULUMI_BACKEND_URL": "s3://states"}, "", "s3://states", None),
        ({"PULUMI_ACCESS_TOKEN": "pul-x"}, "", None, None),
        ({}, "https://api.pulumi.com", None, None),
        # Our backend has our passphrase: one in the environment is that of another project.
        ({"PULUMI_CONFIG_PASSPHRASE": ""}, "", OURS, OUR_PASSPHRASE),
        ({"PULUMI_CONFIG_PASSPHRASE_FILE": "/mine"}, "", OURS, OUR_PASSPHRASE),
        # A backend that the user names has the user's, even if it is ours.
        ({"PULUMI_BACKEND_URL": OURS, "PULUMI_CONFIG_PASSPHRASE_FILE": "/mine"}, "", OURS, "/mine"),
        ({"PULUMI_BACKEND_URL": OURS, "PULUMI_CONFIG_PASSPHRASE": "x"}, "", OURS, None),
    ],
)
def test_backend_and_passphrase(environ: dict[str, str], login: str, backend: str | None, passphrase_file: str | None) -> None:
    found = settings(environ, login=login)
    assert found.get("PULUMI_BACKEND_URL") == backend
    assert found.get("PULUMI_CONFIG_PASSPHRASE_FILE") == passphrase_file
    used = passphrase_file is None
    assert found.get("PULUMI_CONFIG_PASSPHRASE") == (environ.get("PULUMI_CONFIG_PASSPHRASE") if used else None)


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({}, None),
        ({"PULUMI_CONFIG_PASSPHRASE": "ours"}, None),
        ({"PULUMI_CONFIG_PASSPHRASE_FILE": "OTHER"}, "PULUMI_CONFIG_PASSPHRASE_FILE"),
        ({"PULUMI_CONFIG_PASSPHRASE_FILE": "/missing"}, None),
        ({"PULUMI_CONFIG_PASSPHRASE": ""}, "PULUMI_CONFIG_PASSPHRASE"),
        ({"PULUMI_CONFIG_PASSPHRASE": "theirs", "PULUMI_CONFIG_PASSPHRASE_FILE": "OURS"}, "PULUMI_CONFIG_PASSPHRASE"),
        ({"PULUMI_CONFIG_PASSPHRASE": "theirs", "PULUMI_BACKEND_URL": "s3://states"}, None),
    ],
)
def test_a_passphrase_that_is_not_used_is_named(tmp_path: Path, environ: dict[str, str], said: str | None) -> None:
    ours, other = tmp_path / ".vision" / "passphrase", tmp_path / "other"
    ours.parent.mkdir()
    ours.write_text("ours\n")
    other.write_text("theirs")
    environ = {name: {"OURS": str(ours), "OTHER": str(other)}.get(value, value) for name, value in environ.items()}
    used = settings_for(environ, ["up"], tmp_path, [], login="", names_backend=False)
    line = ignored_passphrase(environ, used)
    assert line is None if said is None else line and line.startswith(f"{said} in the environment is not used: ")
    assert line is None or (str(ours) in line and "theirs" not in line)


@pytest.mark.parametrize("name", ["plain", "a%2Fb", "#1", "what?", "two words", "Möbel", "100%", "it's"])
def test_the_address_of_the_state_leads_to_its_folder(name: str) -> None:
    checkout = Path("/work", name)
    assert backend_folder(local_settings(checkout)["PULUMI_BACKEND_URL"]) == checkout / ".vision" / "pulumi"


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
    ("environ", "expected", "of_grpc"),
    [
        ({}, None, None),
        ({"NO_PROXY": "corp"}, "corp", None),
        ({"HTTP_PROXY": ""}, None, None),
        ({"ALL_PROXY": "http://proxy"}, "127.0.0.1,localhost,::1", "127.0.0.1,localhost,::1"),
        (
            {"https_proxy": "http://proxy", "NO_PROXY": "corp, localhost"},
            "corp,localhost,127.0.0.1,::1",
            "corp,localhost,127.0.0.1,::1",
        ),
        # gRPC does not know `*`, and other programs know it only alone.
        ({"HTTP_PROXY": "http://proxy", "no_proxy": "*"}, "*", "*,127.0.0.1,localhost,::1"),
        # gRPC asks this variable first.
        (
            {"http_proxy": "http://proxy", "no_proxy": "::1", "no_grpc_proxy": "corp"},
            "::1,127.0.0.1,localhost",
            "corp,127.0.0.1,localhost,::1",
        ),
    ],
)
def test_no_proxy_comes_between_pulumis_parts(environ: dict[str, str], expected: str | None, of_grpc: str | None) -> None:
    found = settings(environ)
    assert (found.get("NO_PROXY"), found.get("no_grpc_proxy")) == (expected, of_grpc)
    assert of_grpc is None or found["no_proxy"] == expected


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
        # Of another machine: somebody's.
        ({"pid": dead_process(), "hostname": "another"}, False),
        # The number is another program's now.
        ({"pid": os.getpid(), "hostname": socket.gethostname()}, True),
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


@pytest.mark.parametrize(("age_seconds", "released"), [(0, False), (3600, True)])
def test_a_lock_that_a_crash_has_cut_is_released(tmp_path: Path, age_seconds: int, released: bool) -> None:
    file = tmp_path / ".pulumi" / "locks" / "organization" / "project" / "local" / "0.json"
    file.parent.mkdir(parents=True)
    file.touch()
    then = time.time() - age_seconds
    os.utime(file, (then, then))
    release_dead_locks(f"file://{tmp_path}")
    assert file.exists() is not released


@pytest.mark.skipif(not Path("/proc").exists(), reason="only Linux tells the name of a process in a file")
def test_the_lock_of_an_update_that_runs_stays(tmp_path: Path) -> None:
    program = tmp_path / "pulumi"
    program.symlink_to("/bin/sleep")
    file = tmp_path / ".pulumi" / "locks" / "organization" / "project" / "local" / "0.json"
    file.parent.mkdir(parents=True)
    update = subprocess.Popen([program, "60"])
    try:
        wait_until(lambda: Path(f"/proc/{update.pid}/comm").read_text() == "pulumi\n", "the update has its name", 10)
        file.write_text(json.dumps({"pid": update.pid, "hostname": socket.gethostname()}))
        release_dead_locks(f"file://{tmp_path}")
        assert file.exists()
    finally:
        update.kill()
        update.wait()


def pending(kind: str, resource_type: str) -> dict[str, object]:
    return {"type": kind, "resource": {"type": resource_type, "urn": f"urn:pulumi:local::project::{resource_type}::name"}}


OURS_PENDING = [
    pending("creating", "pulumi-python:dynamic/vision:Model"),
    pending("updating", "pulumi-python:dynamic/vision:Dataset"),
    pending("deleting", "vision-customization:index:LocalWorkspace"),
]
OTHERS_PENDING = [
    pending("creating", "azure-native:storage:StorageAccount"),
    pending("creating", "pulumi-python:dynamic:Resource"),
]


@pytest.fixture
def stack_file(tmp_path: Path) -> Path:
    """A stack's state with pending operations of this project's resources and of others."""
    file = tmp_path / ".pulumi" / "stacks" / "project" / "local.json"
    file.parent.mkdir(parents=True)
    latest = {"manifest": {}, "resources": [1], "pending_operations": [*OURS_PENDING, *OTHERS_PENDING]}
    file.write_text(json.dumps({"version": 3, "checkpoint": {"stack": "local", "latest": latest}}))
    return file


def test_only_the_pending_operations_of_our_resources_are_settled(tmp_path: Path, stack_file: Path) -> None:
    settle_pending_operations(f"file://{tmp_path}")
    latest = {"manifest": {}, "resources": [1], "pending_operations": OTHERS_PENDING}
    assert json.loads(stack_file.read_text()) == {"version": 3, "checkpoint": {"stack": "local", "latest": latest}}
    assert not list(tmp_path.rglob("locks/**/*.json"))


def test_the_lock_of_a_launcher_that_runs_is_kept(tmp_path: Path) -> None:
    with hold_lock(tmp_path / ".pulumi", "project", "stack") as alone:
        assert alone
        release_dead_locks(f"file://{tmp_path}")
        assert [lock.name for lock in (tmp_path / ".pulumi").rglob("launcher-*.json")] == [f"launcher-{os.getpid()}.json"]
    assert not list((tmp_path / ".pulumi").rglob("launcher-*"))


@pytest.mark.parametrize("locked", [True, False])
def test_a_state_that_needs_nothing_or_is_in_use_stays(tmp_path: Path, stack_file: Path, locked: bool) -> None:
    lock = tmp_path / ".pulumi" / "locks" / "organization" / "project" / "local" / "0.json"
    lock.parent.mkdir(parents=True)
    if locked:
        lock.touch()
    else:
        settle_pending_operations(f"file://{tmp_path}")
    (stack_file.parent / "new.json").write_text('{"checkpoint": {"latest": null}}')
    (stack_file.parent / "cut.json").write_text("")
    before = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in stack_file.parent.iterdir()}
    settle_pending_operations(f"file://{tmp_path}")
    assert {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in stack_file.parent.iterdir()} == before
    assert list(lock.parent.iterdir()) == ([lock] if locked else [])


def state(number: int) -> bytes:
    manifest = {"time": f"2026-11-28T10:00:0{number}Z"}
    return json.dumps({"version": 3, "checkpoint": {"latest": {"manifest": manifest, "number": number}}}).encode()


CUT = (b"", state(9)[:40], bytes(100), b"[]")


@pytest.mark.parametrize("cut", CUT)
@pytest.mark.parametrize(
    ("copies", "expected"),
    [
        # After an update the history has what the file had; while one runs, the copy beside the file is the newest.
        ({"bak": state(1), "history": state(2), "backup": state(2)}, state(2)),
        ({"bak": state(4), "history": state(2), "backup": state(2)}, state(4)),
        ({"bak": b"", "history": state(2)[:30], "backup": state(1)}, state(1)),
        ({"bak": state(3)}, state(3)),
        ({"bak": b""}, None),
        ({}, None),
    ],
)
def test_a_state_that_a_crash_has_cut_is_its_newest_copy_again(
    tmp_path: Path, cut: bytes, copies: dict[str, bytes], expected: bytes | None
) -> None:
    folder = tmp_path / ".pulumi"
    places = {
        "bak": folder / "stacks" / "project" / "local.json.bak",
        "history": folder / "history" / "project" / "local" / "local-2.checkpoint.json",
        "backup": folder / "backups" / "project" / "local" / "local.2.json",
    }
    file, other = (folder / "stacks" / "project" / name for name in ("local.json", "other.json"))
    for path in (*places.values(), file):
        path.parent.mkdir(parents=True, exist_ok=True)
    for name, content in copies.items():
        places[name].write_bytes(content)
    file.write_bytes(cut)
    other.write_bytes(state(5))
    (tmp_path / ".pulumi" / "meta.yaml").write_text("version: 1\n")
    [line] = restore_cut_states(f"file://{tmp_path}", "now")
    assert other.read_bytes() == state(5)
    if expected is None:
        assert file.read_bytes() == cut
        assert line == f"The state of stack local, {file}, is truncated, as after a crash, and no complete copy of it exists."
        return
    damaged = folder / "damaged" / "project-local-now.json"
    assert (file.read_bytes(), damaged.read_bytes()) == (expected, cut)
    assert line.startswith("The state of stack local was truncated, as after a crash. It was restored to that of 2026-11-28 ")
    assert f"the truncated file is {damaged}" in line
    assert restore_cut_states(f"file://{tmp_path}", "later") == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.25Z", 0.25),
        ("1970-01-01T01:00:00.123456789+01:00", 0.123456789),
        ("1969-12-31T19:30:00-04:30", 0),
    ],
)
def test_the_time_of_a_state(text: str, seconds: float) -> None:
    assert seconds_of(text) == pytest.approx(seconds)


def test_at_the_end_of_summer_time_the_later_state_is_the_later_one() -> None:
    assert seconds_of("2026-10-25T02:10:00+01:00") > seconds_of("2026-10-25T02:50:00+02:00")


def test_a_new_stack_is_not_cut(tmp_path: Path) -> None:
    file = tmp_path / ".pulumi" / "stacks" / "project" / "local.json"
    file.parent.mkdir(parents=True)
    file.write_text('{"version": 3, "checkpoint": {"stack": "local", "latest": null}}')
    assert restore_cut_states(f"file://{tmp_path}", "now") == []


@pytest.mark.parametrize(("content", "written"), [(b"", True), (bytes(11), True), (b"version: 1\n", False)])
def test_an_empty_version_of_the_backend_is_written_again(tmp_path: Path, content: bytes, written: bool) -> None:
    meta = tmp_path / ".pulumi" / "meta.yaml"
    meta.parent.mkdir()
    meta.write_bytes(content)
    assert len(restore_cut_states(f"file://{tmp_path}", "now")) == written
    assert meta.read_bytes() == b"version: 1\n"
