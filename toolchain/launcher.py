"""Becomes the Pulumi CLI, with what this checkout's local stack needs; what the user has set or logged in to stays.

`.venv/bin/pulumi` runs this file alone, isolated from the rest, so it imports nothing but the standard library.
"""

from __future__ import annotations

import json
import os
import re
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

# These are about the login itself: a backend of ours would hide the one that they are about.
LOGIN_COMMANDS = ("login", "logout")


def current_login(environ: Mapping[str, str], home: Path) -> str:
    """The backend that the user has logged in to with the CLI, or an empty text."""
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
    """The file backend of a checkout and its passphrase."""
    state = checkout / ".vision"
    return {
        "PULUMI_BACKEND_URL": f"file://{state / 'pulumi'}",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(state / "passphrase"),
    }


def settings_for(
    environ: Mapping[str, str],
    arguments: Sequence[str],
    checkout: Path,
    programs: Sequence[Path],
    *,
    login: str,
    names_backend: bool,
) -> dict[str, str]:
    """The CLI's environment: what is set stays, what is not set is what this checkout needs.

    Args:
        environ: the environment so far.
        arguments: the CLI's arguments.
        checkout: the folder of the project.
        programs: folders to put first on PATH, in order: those of the environment and of the CLI.
        login: the backend that the user has logged in to, or an empty text.
        names_backend: whether Pulumi.yaml names a backend.
    """
    ours: dict[str, str] = {"PULUMI_SKIP_UPDATE_CHECK": "1"}
    command = next((argument for argument in arguments if not argument.startswith("-")), "")
    if command not in LOGIN_COMMANDS and not own_backend(environ, login, names_backend):
        ours.update(local_settings(checkout))
        if environ.get("PULUMI_CONFIG_PASSPHRASE") is not None:
            del ours["PULUMI_CONFIG_PASSPHRASE_FILE"]
    path = os.pathsep.join([*map(str, programs), environ.get("PATH", "")])
    return {**ours, **environ, "PATH": path}


def is_running(pid: int) -> bool:
    """Whether a process of this machine has this number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def release_dead_locks(backend: str) -> None:
    """Remove the locks of updates of this machine that were killed: the next update would refuse to run."""
    for file in Path(backend.removeprefix("file://")).glob(".pulumi/locks/**/*.json"):
        try:
            lock = json.loads(file.read_text())
            if lock["hostname"] == socket.gethostname() and not is_running(int(lock["pid"])):
                file.unlink()
        except (OSError, ValueError, TypeError, KeyError):
            continue  # being written or removed by another, or none of ours


def main(arguments: Sequence[str]) -> None:
    """`launcher.py <the real CLI> <its arguments>`; does not return."""
    cli, rest = Path(arguments[0]), arguments[1:]
    if not cli.exists():
        sys.exit(f"{cli} is gone: `make setup` gets the Pulumi CLI again.")
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
    if backend == local_settings(checkout)["PULUMI_BACKEND_URL"]:
        release_dead_locks(backend)
    os.execve(cli, ["pulumi", *rest], environ)  # noqa: S606 - it must be this process that becomes the CLI


if __name__ == "__main__":
    main(sys.argv[1:])
