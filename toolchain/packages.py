"""The Python environment: uv, `.venv`, and the packages of requirements.lock."""

from __future__ import annotations

import ast
import os
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from toolchain.commands import probe, run
from toolchain.errors import ToolchainError
from toolchain.places import Places
from toolchain.steps import Made, Step, digest_of, new_folder
from toolchain.versions import read_version, will_do

LEAST_UV = (0, 5, 0)
PYTHONS = ">=3.11,<3.14"
LOCKED, LOWEST, NEWEST = "locked", "lowest", "newest"
CHOICES = (LOCKED, LOWEST, NEWEST)
"""The values of VISION_DEPENDENCIES: requirements.lock, or the oldest or newest packages that pyproject.toml allows."""
LEAST_SQLITE = (3, 37, 0)
"""The same value as in the engine; a test compares the two."""

# The uv environment variables for pip's settings.
_UV_NAMES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "cert": "SSL_CERT_FILE",
}
_PIP_SETTING = re.compile(r"^[\w:]+\.([\w-]+)=('.*'|\".*\")$")


def settings_from_pip(pip_config: str, environ: Mapping[str, str]) -> dict[str, str]:
    """The settings with which uv uses pip's index, except those that are already set for uv.

    Args:
        pip_config: what `pip config list` prints.
        environ: the environment that uv would run in.
    """
    if environ.get("UV_DEFAULT_INDEX") or environ.get("UV_INDEX_URL"):
        return {}
    found = (match.groups() for match in map(_PIP_SETTING.match, pip_config.splitlines()) if match)
    settings = {_UV_NAMES[name]: " ".join(str(ast.literal_eval(value)).split()) for name, value in found if name in _UV_NAMES}
    return {name: value for name, value in settings.items() if value and not environ.get(name)}


class Uv:
    """The uv program and the environment that it runs in."""

    def __init__(self, program: Path) -> None:
        self.program = program
        config = probe([sys.executable, "-m", "pip", "config", "list"]) or ""
        self.environ = {**os.environ, **settings_from_pip(config, os.environ), "UV_NO_PROGRESS": "1"}
        # Ignore an active environment.
        self.environ.pop("VIRTUAL_ENV", None)

    def __call__(self, *arguments: str | Path, advice: str, cwd: Path | None = None) -> str:
        return run([self.program, *arguments], env=self.environ, advice=advice, cwd=cwd)


NETWORK = "Is the package index reachable? For a mirror, set pip's index-url or UV_DEFAULT_INDEX; see docs/setup.md."


def find_uv(places: Places) -> Uv:
    """uv from PATH; else the pinned version, which pip installs into the cache once.

    Raises:
        ToolchainError: there is no uv, and no pip to install it with.
    """
    on_path = shutil.which("uv")
    if on_path and will_do(read_version(probe([on_path, "--version"])), LEAST_UV):
        return Uv(Path(on_path))
    lock = places.locks / "uv.txt"
    folder = places.cache / "uv" / digest_of(lock)[:16]
    program = folder / "bin" / "uv"
    if not program.exists():
        with new_folder(folder) as new:
            _install_uv(lock, new)
    return Uv(program)


def _install_uv(lock: Path, folder: Path) -> None:
    options = [
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--require-hashes",
        "-r",
        str(lock),
        "--target",
        str(folder),
    ]
    if probe([sys.executable, "-m", "pip", "--version"]):
        run([sys.executable, "-m", "pip", *options], advice=NETWORK)
        return
    pip = folder.parent / "venv" / "bin" / "pip"
    if probe([sys.executable, "-m", "venv", pip.parents[1]], timeout_seconds=120) is None:
        raise ToolchainError(
            f"There is no uv here, and {sys.executable} has neither pip nor venv to install it with.\n"
            "Install one of them: uv (https://docs.astral.sh/uv), or your system's python3-pip or python3-venv package."
        )
    run([pip, *options], advice=NETWORK)


def packages_step(places: Places) -> Step:
    """`.venv` with exactly the packages of requirements.lock, and this project as an editable install."""
    wanted = os.environ.get("VISION_PYTHON") or PYTHONS
    lock = places.checkout / "requirements.lock"
    choice = os.environ.get("VISION_DEPENDENCIES") or LOCKED

    def make() -> Made:
        if choice not in CHOICES:
            raise ToolchainError(f"VISION_DEPENDENCIES must be one of {', '.join(CHOICES)}, not {choice!r}.")
        uv = find_uv(places)
        # Its scripts name their interpreter by path, so a moved checkout needs a new environment.
        if not _fits(places, wanted):
            uv(
                *("venv", "--quiet", "--clear", "--no-project", "--python", wanted, places.environment),
                advice=f"This project runs on Python 3.11 to 3.13 (looked for: {wanted}). Install one of them,\n"
                "or name one: VISION_PYTHON=/path/to/python3.12 make setup",
            )
        check_sqlite(places.python)
        # If Python may not write bytecode, as in many containers, each preview would compile packages again: over a second.
        compiled = ("--compile-bytecode",) if sys.dont_write_bytecode else ()
        chosen = lock if choice == LOCKED else _resolved(uv, places, choice)
        uv("pip", "sync", "--quiet", "--require-hashes", *compiled, "--python", places.python, chosen, advice=NETWORK)
        # uv takes ` #` in a path for the start of a comment.
        editable = ("--no-deps", "--editable", ".")
        uv("pip", "install", "--quiet", "--python", places.python, *editable, advice=NETWORK, cwd=places.checkout)
        version = read_version(probe([places.python, "--version"]))
        return Made((places.python, places.programs / "vision"), f"Python {'.'.join(map(str, version or ()))}")

    return Step(
        "packages",
        "Python packages of requirements.lock into .venv",
        "20 s to 2 min, depending on the network",
        digest_of(
            lock, places.checkout / "pyproject.toml", str(places.checkout), wanted, *(() if choice == LOCKED else (choice,))
        ),
        make,
    )


def _resolved(uv: Uv, places: Places, choice: str) -> Path:
    """The oldest or newest packages that pyproject.toml allows, as of today, for the Python of `.venv`.

    Development-only packages are always the newest that fit: users don't have them.
    """
    project, file = places.checkout / "pyproject.toml", places.state / f"requirements-{choice}.txt"
    least = file.with_name("requirements-least.txt")
    file.parent.mkdir(parents=True, exist_ok=True)

    def resolve(target: Path, *options: str | Path) -> None:
        form = ("--quiet", "--generate-hashes", "--no-emit-index-url", "--python", places.python)
        uv("pip", "compile", project, "--extra", "engine", "--extra", "samples", *form, *options, "-o", target, advice=NETWORK)

    if choice == LOWEST:
        resolve(least, "--resolution", "lowest-direct")
        resolve(file, "--group", "dev", "--constraints", least)
    else:
        resolve(file, "--group", "dev", "--upgrade")
    return file


def check_sqlite(python: Path) -> None:
    """Raises ToolchainError if a Python has no SQLite, or a version that is too old for the engine."""
    found = read_version(probe([python, "-c", "import sqlite3; print(sqlite3.sqlite_version)"]))
    if will_do(found, LEAST_SQLITE):
        return
    has = f"SQLite {'.'.join(map(str, found))}" if found else "no SQLite (module sqlite3)"
    raise ToolchainError(
        f"{python.resolve()} has {has}, but the engine needs {'.'.join(map(str, LEAST_SQLITE))} or later.\n"
        "Use another Python: `uv python install 3.12` installs one with a current SQLite. To use it, run "
        "VISION_PYTHON=/path/to/python3.12 make setup."
    )


def azure_step(places: Places) -> Step:
    """The additional packages of the Azure stacks: 400 MB that the local platform does not need."""
    lock = places.checkout / "requirements-azure.lock"
    sources = digest_of(lock, str(places.environment))

    def make() -> Made:
        uv = find_uv(places)
        compiled = ("--compile-bytecode",) if sys.dont_write_bytecode else ()
        uv("pip", "install", "--quiet", "--require-hashes", *compiled, "--python", places.python, "-r", lock, advice=NETWORK)
        found = sorted(places.environment.glob("lib/python*/site-packages/pulumi_azure_native/__init__.py"))
        return Made((*found,), "pulumi-azure-native")

    return Step("azure", "Packages of the Azure stacks into .venv", "1 min, depending on the network", sources, make)


def _fits(places: Places, wanted: str) -> bool:
    """Whether `.venv` was created in this place, with a suitable Python."""
    activate = places.programs / "activate"
    version = read_version(probe([places.python, "--version"]))
    return (
        wanted == PYTHONS
        and will_do(version, (3, 11))
        and not will_do(version, (3, 14))
        and activate.exists()
        and str(places.environment) in activate.read_text()
    )
