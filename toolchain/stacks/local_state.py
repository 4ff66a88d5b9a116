"""The local state of stacks in the checkout: backend, passphrase, and git's filter for the passphrase's salt."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from pathlib import Path

from toolchain.commands import probe, run
from toolchain.errors import ToolchainError
from toolchain.launcher import current_login, local_environment, own_backend, project_backend
from toolchain.places import Places
from toolchain.steps import Made, Step, digest_of, replace_text

STACK = "local"
NOT_SELECTED = (
    "Does .vision/passphrase hold the passphrase that the line `encryptionsalt` in stacks/Pulumi.local.yaml belongs to?\n"
    "If it was replaced, bring the former file back. Do not move .vision away while a stack is up: only the state in it\n"
    "knows the running processes."
)
_LOCAL = re.compile(r"""^\s*vision-customization:platform:\s*["']?local\b""", re.MULTILINE)


def stack_file(places: Places, stack: str) -> Path:
    return places.checkout / "stacks" / f"Pulumi.{stack}.yaml"


def is_local(places: Places, stack: str) -> bool:
    """Whether a stack's file says that its platform is this machine; the Makefile asks the same."""
    file = stack_file(places, stack)
    return file.exists() and _LOCAL.search(file.read_text()) is not None


def has_own_backend(places: Places) -> bool:
    """Whether the user's own login or settings choose the backend."""
    login = current_login(os.environ, Path.home())
    return own_backend(os.environ, login, project_backend(places.checkout / "Pulumi.yaml"))


def make_passphrase(file: Path) -> None:
    """Write a random passphrase that only its owner can read, unless one exists. The write is atomic."""
    if file.exists():
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as opened:
        opened.write(secrets.token_urlsafe(32))
        opened.flush()
        os.fsync(opened.fileno())
    draft.rename(file)


def without_stale_salt(text: str, stack: str, *, has_passphrase: bool) -> str:
    """The text of a stack's file, without the salt of a former passphrase, for a stack that does not exist yet.

    If the file holds secrets, the salt stays: with the former passphrase, it decrypts them.

    Raises:
        ToolchainError: it holds secrets, and their passphrase is missing.
    """
    salt = re.compile(r"^encryptionsalt:.*\n?", re.MULTILINE)
    if not (salt.search(text) and re.search(r"^\s+(- )?secure:", text, re.MULTILINE)):
        return salt.sub("", text)
    if has_passphrase:
        return text
    raise ToolchainError(
        f"stacks/Pulumi.{stack}.yaml holds secrets (`secure:`) of a passphrase that is not in .vision/passphrase.\n"
        "Bring that file back, or remove the secrets and the line `encryptionsalt`, and set the secrets again."
    )


def drop_stale_salt(places: Places, stack: str) -> None:
    """Remove the salt of a former passphrase from a stack's file, unless the checkout's backend has that stack.

    Raises:
        ToolchainError: the file holds secrets whose passphrase is missing.
    """
    file = stack_file(places, stack)
    if not file.exists() or made_stacks(places.state / "pulumi", stack):
        return
    text = file.read_text()
    fresh = without_stale_salt(text, stack, has_passphrase=(places.state / "passphrase").exists())
    if fresh != text:
        replace_text(file, fresh)


def ignore_salt(places: Places, stack: str = STACK) -> None:
    """Make git ignore the salt that Pulumi writes into a local stack's file: it belongs to this checkout's passphrase.

    `.gitattributes` names the filter; git reads a filter's command only from its own settings. Git reports a file of another
    size as modified without running the filter, so if the salt is the only difference, git has to check the file once.
    """
    git = ["git", "-C", str(places.checkout)]
    file = str(stack_file(places, stack).relative_to(places.checkout))
    if not shutil.which("git") or probe([*git, "ls-files", "--error-unmatch", file]) is None:
        return
    run([*git, "config", "--local", "filter.stack-salt.clean", "sed '/^encryptionsalt:/d'"])
    if probe([*git, "diff", "--quiet", "--", file]) is not None:
        probe([*git, "add", "--", file])


def made_stacks(backend: Path, stack: str = STACK) -> list[Path]:
    """The states of a stack in a file backend, if it was created."""
    return sorted(backend.glob(f".pulumi/stacks/*/{stack}.json"))


def select_stack(places: Places) -> None:
    """Select a stack unless one is selected: `local`, which is created if there is no other.

    Pulumi keeps the selection outside the checkout and by its path, so that a moved checkout has none.

    Raises:
        ToolchainError: the stack can't be created.
    """
    # Ignore the settings of other projects.
    environ = local_environment(os.environ, places.checkout)
    pulumi = [str(places.programs / "pulumi"), "-C", str(places.checkout), "--non-interactive", "stack"]
    made = [file.stem for file in made_stacks(places.state / "pulumi", "*")]
    selected = probe([*pulumi, "--show-name"], env=environ)
    if selected is not None and selected in made:
        return
    stack = STACK if STACK in made or not made else made[0]
    run([*pulumi, "select", "--create", stack], env=environ, advice=NOT_SELECTED)


def state_step(places: Places) -> Step:
    """`.vision` with passphrase, file backend and the stack `local`; users manage a backend of their own themselves."""
    own = has_own_backend(places)
    backend = places.state / "pulumi"

    def make() -> Made:
        if own:
            return Made((), "your own Pulumi login is used; `make up` creates the stack there")
        backend.mkdir(parents=True, exist_ok=True)
        passphrase = places.state / "passphrase"
        drop_stale_salt(places, STACK)
        make_passphrase(passphrase)
        select_stack(places)
        ignore_salt(places)
        return Made((passphrase, *made_stacks(backend, "*")), "file backend and passphrase in .vision")

    return Step(
        "state", "Local Pulumi backend and stack `local`", "3 s", digest_of("own" if own else "local", str(backend)), make
    )
