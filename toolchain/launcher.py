"""Becomes the Pulumi CLI, with the settings that this checkout's local stack needs; the user's own settings and login stay.

`.venv/bin/pulumi` runs only this file, isolated from the rest, so it imports only the standard library.
"""

from __future__ import annotations

import calendar
import contextlib
import json
import os
import re
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote

# These commands concern the login itself: our backend would hide the user's.
LOGIN_COMMANDS = ("login", "logout")

PROXIES = ("ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "grpc_proxy")
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")

CUT_LOCK_SECONDS = 60
"""A lock that is not JSON for this long was truncated by a crash."""

LAUNCHER_LOCK = "launcher-"
"""The start of the name of the launcher's own locks, which a running Python holds and not a CLI."""

PASSPHRASES = ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE")

ARM_TO_AZURE = {
    "ARM_CLIENT_ID": "AZURE_CLIENT_ID",
    "ARM_TENANT_ID": "AZURE_TENANT_ID",
    "ARM_CLIENT_SECRET": "AZURE_CLIENT_SECRET",
    "ARM_CLIENT_CERTIFICATE_PATH": "AZURE_CLIENT_CERTIFICATE_PATH",
    "ARM_CLIENT_CERTIFICATE_PASSWORD": "AZURE_CLIENT_CERTIFICATE_PASSWORD",
    "ARM_OIDC_TOKEN_FILE_PATH": "AZURE_FEDERATED_TOKEN_FILE",
}
"""Variables of azure-native, and those of azidentity that mean the same."""

ADOPTING = ("pulumi-python:dynamic/vision:", "vision-customization:", "pulumi:")
"""The types of this project's resources, whose create takes over what an interrupted one has made, and of those that are
only in the state."""


def current_login(environ: Mapping[str, str], home: Path) -> str:
    """The backend that the user has logged in to with the CLI, or an empty string."""
    folder = Path(environ.get("PULUMI_CREDENTIALS_PATH") or environ.get("PULUMI_HOME") or home / ".pulumi")
    try:
        credentials = json.loads((folder / "credentials.json").read_text())
    except (OSError, ValueError):
        return ""
    current = credentials.get("current") if isinstance(credentials, dict) else None
    return current if isinstance(current, str) else ""


def project_backend(project_file: Path) -> bool:
    """Whether the project names a backend of its own."""
    try:
        return re.search(r"^backend:", project_file.read_text(), re.MULTILINE) is not None
    except OSError:
        return False


def own_backend(environ: Mapping[str, str], login: str, names_backend: bool) -> bool:
    """Whether the user works with a backend of their own, by environment, login or project."""
    return bool(environ.get("PULUMI_BACKEND_URL") or environ.get("PULUMI_ACCESS_TOKEN") or login or names_backend)


def local_settings(checkout: Path) -> dict[str, str]:
    """The file backend of a checkout, as a URL in which the folder's name is quoted, and its passphrase."""
    state = checkout / ".vision"
    return {
        "PULUMI_BACKEND_URL": (state / "pulumi").as_uri(),
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(state / "passphrase"),
    }


def local_environment(environ: Mapping[str, str], checkout: Path) -> dict[str, str]:
    """The environment with the file backend and the passphrase of a checkout, in place of any that are set."""
    kept = {name: value for name, value in environ.items() if name not in PASSPHRASES}
    return {**kept, **local_settings(checkout)}


def backend_folder(backend: str) -> Path:
    """The folder of a file backend's URL."""
    return Path(unquote(backend.removeprefix("file://").partition("?")[0]))


def settings_for(
    environ: Mapping[str, str],
    arguments: Sequence[str],
    checkout: Path,
    programs: Sequence[Path],
    *,
    login: str,
    names_backend: bool,
) -> dict[str, str]:
    """The CLI's environment: existing variables stay, missing ones are set for this checkout.

    The checkout's own backend always has the checkout's own passphrase: one in the environment is usually that of another
    project.

    Args:
        environ: the environment so far.
        arguments: the CLI's arguments.
        checkout: the folder of the project.
        programs: folders to put first on PATH, in order: those of the environment and of the CLI.
        login: the backend that the user has logged in to, or an empty string.
        names_backend: whether Pulumi.yaml names a backend.
    """
    ours: dict[str, str] = {"PULUMI_SKIP_UPDATE_CHECK": "1"}
    command = next((argument for argument in arguments if not argument.startswith("-")), "")
    if command not in LOGIN_COMMANDS and not own_backend(environ, login, names_backend):
        environ = local_environment(environ, checkout)
    path = os.pathsep.join([*map(str, programs), environ.get("PATH", "")])
    return {**ours, **backend_identity(environ), **environ, **loopback_without_proxy(environ), "PATH": path}


def backend_identity(environ: Mapping[str, str]) -> dict[str, str]:
    """Variables with which the CLI signs in to a state in Azure Blob Storage, and to a key in Key Vault, as the identity that
    azure-native deploys as (`common/deploying_identity.py`).

    The CLI uses azidentity's DefaultAzureCredential, which takes the machine's own managed identity before `az login`.
    AZURE_TOKEN_CREDENTIALS restricts it: `prod` to variables, federated tokens and managed identities, `dev` to `az login`.
    """
    if not environ.get("PULUMI_BACKEND_URL", "").startswith("azblob:") or environ.get("AZURE_TOKEN_CREDENTIALS"):
        return {}
    if environ.get("ARM_USE_DEFAULT_AZURE_CREDENTIAL") == "true":
        return {}
    given = {ours: environ[theirs] for theirs, ours in ARM_TO_AZURE.items() if environ.get(theirs)}
    signs_in = any(environ.get(name) for name in ("ARM_CLIENT_CERTIFICATE_PATH", "ARM_CLIENT_SECRET"))
    federated = environ.get("ARM_USE_OIDC") == "true"
    if signs_in or (federated and "ARM_OIDC_TOKEN_FILE_PATH" in environ):
        return {**given, "AZURE_TOKEN_CREDENTIALS": "prod"}
    if not federated and environ.get("ARM_USE_MSI") == "true":
        client = {"AZURE_CLIENT_ID": environ["ARM_CLIENT_ID"]} if environ.get("ARM_CLIENT_ID") else {}
        return {**client, "AZURE_TOKEN_CREDENTIALS": "prod"}
    if any(environ.get(name) for name in ARM_TO_AZURE.values() if name not in ("AZURE_CLIENT_ID", "AZURE_TENANT_ID")):
        return {}
    return {"AZURE_TOKEN_CREDENTIALS": "dev"}


def ignored_passphrase(environ: Mapping[str, str], used: Mapping[str, str]) -> str | None:
    """What to say of a passphrase in the environment that is not the one in use; None if there is none, or if it is the same.

    Args:
        environ: the environment so far.
        used: the CLI's environment.
    """
    given = passphrase_of(environ)
    if given is None or given == passphrase_of(used):
        return None
    [name, *_] = [name for name in PASSPHRASES if name in environ]
    return (
        f"{name} in the environment is not used: the state of this checkout's stacks has a passphrase of its own, in "
        f"{used[PASSPHRASES[1]]}. To use another one, name the backend, too; see docs/setup.md."
    )


def passphrase_of(environ: Mapping[str, str]) -> str | None:
    """The passphrase that the CLI takes from an environment; None if it finds none."""
    value, file = (environ.get(name) for name in PASSPHRASES)
    if value is not None or not file:
        return value
    content = read_or_nothing(Path(file))
    return None if content is None else content.decode(errors="replace").strip()


def loopback_without_proxy(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that exclude this machine's own addresses from a proxy in the environment.

    Pulumi's processes communicate there by gRPC, which uses a proxy by default. gRPC has a variable of its own, because it
    does not know `*`, which other programs know only alone.
    """
    if not any(environ.get(name) for name in PROXIES):
        return {}
    given = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    everything = "*" in map(str.strip, given.split(","))
    direct = dict.fromkeys(("NO_PROXY", "no_proxy"), given if everything else with_loopback(given))
    return {**direct, "no_grpc_proxy": with_loopback(environ.get("no_grpc_proxy") or given)}


def with_loopback(hosts_text: str) -> str:
    """A list of hosts, separated by commas, with this machine's own addresses."""
    hosts = [host.strip() for host in hosts_text.split(",") if host.strip()]
    return ",".join([*hosts, *(host for host in LOOPBACK_HOSTS if host not in hosts)])


def is_running(pid: int) -> bool:
    """Whether a process on this machine has this id."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def is_pulumi(pid: int) -> bool:
    """Whether a Pulumi CLI on this machine has this process id. After a reboot, another program may have it."""
    if not is_running(pid):
        return False
    try:
        return "pulumi" in Path(f"/proc/{pid}/comm").read_text()
    except OSError:  # not on Linux
        return True


def release_dead_locks(backend: str) -> None:
    """Remove the locks of updates that were killed on this machine: otherwise the next update would refuse to run."""
    for file in backend_folder(backend).glob(".pulumi/locks/**/*.json"):
        try:
            lock = json.loads(file.read_text())
            holds = is_running if file.name.startswith(LAUNCHER_LOCK) else is_pulumi
            if lock["hostname"] == socket.gethostname() and not holds(int(lock["pid"])):
                file.unlink()
        except ValueError:
            # Another process is writing it, or a power loss truncated it.
            with contextlib.suppress(OSError):
                if time.time() - file.stat().st_mtime > CUT_LOCK_SECONDS:
                    file.unlink()
        except (OSError, TypeError, KeyError):
            continue  # another process is removing it, or it is not ours


def snapshot_seconds(content: bytes) -> float | None:
    """When a state was saved, in seconds since 1970; 0 for a stack without resources, None if it is not a state."""
    try:
        latest = json.loads(content)["checkpoint"]["latest"]
        return seconds_of(latest["manifest"]["time"]) if latest else 0.0
    except (ValueError, TypeError, KeyError):
        return None


def seconds_of(time_text: str) -> float:
    """An RFC 3339 time, which Pulumi writes in the machine's own zone, in seconds since 1970."""
    found = re.fullmatch(r"(.{19})(\.[0-9]+)?(Z|([-+])([0-9]{2}):([0-9]{2}))", time_text)
    if found is None:
        raise ValueError(time_text)
    day, fraction, _, sign, hours, minutes = found.groups()
    seconds = calendar.timegm(time.strptime(day, "%Y-%m-%dT%H:%M:%S")) + float(fraction or 0)
    offset = 3600 * int(hours or 0) + 60 * int(minutes or 0)
    return seconds + offset if sign == "-" else seconds - offset


def read_or_nothing(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except OSError:  # removed meanwhile, or not readable for us
        return None


def restore_cut_states(backend: str, now: str) -> list[str]:
    """Replace each stack's state that a crash has truncated by its newest copy; returns what was done, as lines of text.

    Pulumi keeps copies: the state before the last one beside it, and one per update. A slightly older state does no harm here:
    the resources take over existing objects. The truncated file is kept, with `now` in its name.
    """
    folder = backend_folder(backend) / ".pulumi"
    lines = []
    meta = folder / "meta.yaml"
    if meta.exists() and not meta.read_bytes().strip(b"\0 \n"):
        replace(meta, b"version: 1\n")
        lines.append(f"{meta} was empty, as after a crash. It was restored to `version: 1`.")
    for file in sorted(folder.glob("stacks/*/*.json")):
        content = read_or_nothing(file)
        if content is None or snapshot_seconds(content) is not None:
            continue
        project, stack = file.parent.name, file.stem
        copies = [file.with_name(f"{file.name}.bak"), *folder.glob(f"backups/{project}/{stack}/*.json")]
        copies += folder.glob(f"history/{project}/{stack}/*.checkpoint.json")
        found = [(copy, read_or_nothing(copy) or b"") for copy in copies]
        whole = [(taken, str(copy), text) for copy, text in found if (taken := snapshot_seconds(text)) is not None]
        if not whole:
            lines.append(
                f"The state of stack {stack}, {file}, is truncated, as after a crash, and no complete copy of it exists."
            )
            continue
        taken, copy, text = max(whole)
        damaged = folder / "damaged" / f"{project}-{stack}-{now}.json"
        damaged.parent.mkdir(exist_ok=True)
        damaged.write_bytes(content)
        replace(file, text)
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(taken)) if taken else "an empty stack"
        lines.append(
            f"The state of stack {stack} was truncated, as after a crash. It was restored to that of {when}, from "
            f"{copy}; the truncated file is {damaged}. `pulumi refresh` compares it with the real resources."
        )
    return lines


@contextlib.contextmanager
def locked(folder: Path, project: str, stack: str) -> Iterator[bool]:
    """Lock a stack of a file backend as the CLI does; False if another process has locked it."""
    locks = folder / "locks" / "organization" / project / stack
    lock = locks / f"{LAUNCHER_LOCK}{os.getpid()}.json"
    locks.mkdir(parents=True, exist_ok=True)
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    content = {"pid": os.getpid(), "username": "", "hostname": socket.gethostname(), "timestamp": now}
    lock.write_text(json.dumps(content))
    try:
        yield list(locks.glob("*.json")) == [lock]
    finally:
        lock.unlink(missing_ok=True)


def settle_pending_operations(backend: str) -> None:
    """Remove the pending operations on this project's own resources, which killed updates left in the stacks' states.

    The CLI keeps those of a create for ever, and every update warns of them. These resources need no record of them: their
    create takes over what exists, and an update or a delete is repeated.
    """
    folder = backend_folder(backend) / ".pulumi"
    for file in sorted(folder.glob("stacks/*/*.json")):
        if not pending_of_ours(read_or_nothing(file) or b""):
            continue
        with locked(folder, file.parent.name, file.stem) as alone:
            content = read_or_nothing(file) or b""
            if not alone or not pending_of_ours(content):
                continue
            state = json.loads(content)
            latest = state["checkpoint"]["latest"]
            latest["pending_operations"] = [found for found in latest["pending_operations"] if not is_ours(found)]
            replace(file, json.dumps(state, indent=4).encode())


def pending_of_ours(content: bytes) -> bool:
    """Whether a state has pending operations on this project's own resources."""
    try:
        return any(map(is_ours, json.loads(content)["checkpoint"]["latest"]["pending_operations"]))
    except (ValueError, TypeError, KeyError):
        return False


def is_ours(operation: Mapping[str, Mapping[str, str]]) -> bool:
    return operation["resource"]["type"].startswith(ADOPTING)


def replace(file: Path, content: bytes) -> None:
    """Write a file atomically, so that it is complete even after a crash."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    with draft.open("wb") as written:
        written.write(content)
        written.flush()
        os.fsync(written.fileno())
    draft.replace(file)


def main(arguments: Sequence[str]) -> None:
    """`launcher.py <the real CLI> <its arguments>`; does not return."""
    cli, rest = Path(arguments[0]), arguments[1:]
    if not cli.exists():
        sys.exit(f"{cli} is missing. `make setup` installs the Pulumi CLI again.")
    checkout = Path(__file__).resolve().parents[1]
    environ = settings_for(
        os.environ,
        rest,
        checkout,
        [Path(sys.prefix) / "bin", cli.parent],
        login=current_login(os.environ, Path.home()),
        names_backend=project_backend(checkout / "Pulumi.yaml"),
    )
    backend = environ.get("PULUMI_BACKEND_URL", "")
    if backend.startswith("file://") and backend_folder(backend) == checkout / ".vision" / "pulumi":
        release_dead_locks(backend)
        said = restore_cut_states(backend, time.strftime("%Y%m%dT%H%M%S"))
        with contextlib.suppress(OSError):  # it only spares a warning
            settle_pending_operations(backend)
        if ignored := ignored_passphrase(os.environ, environ):
            said.append(ignored)
        for line in said:
            print(line, file=sys.stderr)
    os.execve(cli, ["pulumi", *rest], environ)  # noqa: S606 - it must be this process that becomes the CLI


if __name__ == "__main__":
    main(sys.argv[1:])
