"""The Pulumi CLI: from PATH, from the cache, from Pulumi's release, or built from its Go modules, in this order."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from toolchain.commands import probe, say
from toolchain.errors import NotHere, ToolchainError
from toolchain.places import Places
from toolchain.programs import pulumi_build, pulumi_release
from toolchain.steps import Made, Step, digest_of, new_folder, replace_text
from toolchain.versions import Version, read_version, shown, will_do

# The Python SDK in requirements.lock has the same version.
VERSION = "3.259.0"
LEAST: Version = (3, 259, 0)

CLI = "pulumi"
COMPANIONS = ("pulumi-language-python", "pulumi-language-python-exec", "pulumi-resource-pulumi-python")
WAYS = ("path", "release", "modules")


@dataclass(frozen=True)
class PulumiCli:
    """A folder with the CLI and its Python language host."""

    folder: Path
    where: str


def ways_allowed(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The ways to get the CLI, in the order to try: `VISION_PULUMI_FROM`, comma-separated, else all.

    Raises:
        ToolchainError: it names a way that does not exist.
    """
    asked = tuple(way.strip() for way in environ.get("VISION_PULUMI_FROM", "").split(",") if way.strip())
    unknown = [way for way in asked if way not in WAYS]
    if unknown:
        raise ToolchainError(f"VISION_PULUMI_FROM names {', '.join(unknown)}; valid are {', '.join(WAYS)}, comma-separated")
    return asked or WAYS


def is_launcher(program: Path) -> bool:
    """Whether a program is a launcher (of this or another checkout), and not the CLI itself."""
    try:
        with program.open("rb") as file:
            # Checkouts of other versions have their launcher at this path, too: do not move it.
            return b"/toolchain/launcher.py" in file.read(4096)
    except OSError:
        return False


def path_without_launchers(path: str) -> str:
    """PATH without the environments of checkouts: a launcher must not find itself or another launcher."""
    return os.pathsep.join(entry for entry in path.split(os.pathsep) if entry and not is_launcher(Path(entry) / CLI))


def is_complete(folder: Path) -> bool:
    return all(os.access(folder / name, os.X_OK) for name in (CLI, *COMPANIONS))


def cli_on_path() -> PulumiCli:
    """The user's own CLI on PATH.

    Raises:
        NotHere: it is missing, too old, of another major version, or can't run Python programs.
    """
    found = shutil.which(CLI, path=path_without_launchers(os.environ.get("PATH", "")))
    if not found:
        raise NotHere("no `pulumi` on PATH")
    # A link (Homebrew, asdf) leads to the folder with the language host.
    folder = Path(found).resolve().parent
    version = read_version(probe([found, "version"], env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "1"}))
    if not will_do(version, LEAST, same_major=True):
        raise NotHere(f"{found} is {shown(version)}, but {VERSION} or a later 3.x is needed")
    if not is_complete(folder):
        raise NotHere(f"{found} has no Python language host beside it")
    return PulumiCli(folder, f"{shown(version)} from PATH")


def _cached(places: Places, where: str) -> PulumiCli:
    return PulumiCli(places.cache / "pulumi" / VERSION / "bin", f"{VERSION} {where}")


def _get(way: str, places: Places) -> PulumiCli:
    if way == "path":
        return cli_on_path()
    cached = _cached(places, "from Pulumi's release" if way == "release" else "built from its Go modules")
    with new_folder(cached.folder) as new:
        if way == "release":
            pulumi_release.fetch(VERSION, new)
        else:
            pulumi_build.build(VERSION, places.toolchain / "programs" / "pulumi", new)
        if not is_complete(new):
            raise ToolchainError(f"the Pulumi CLI {way} lacks one of {', '.join((CLI, *COMPANIONS))}")
        version = read_version(probe([new / CLI, "version"], env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "1"}))
        if not will_do(version, LEAST, same_major=True):
            raise ToolchainError(f"the Pulumi CLI {way} reports version {shown(version)}, expected {VERSION}")
    return cached


def find_cli(places: Places, ways: tuple[str, ...]) -> PulumiCli:
    """The CLI by the first way that works; a CLI installed earlier comes from the cache.

    Raises:
        ToolchainError: no way works; the message says why for each.
    """
    reasons: list[str] = []
    cached = _cached(places, "from the cache")
    for way in ways:
        if way != "path" and is_complete(cached.folder):
            return cached
        try:
            return _get(way, places)
        except NotHere as reason:
            reasons.append(f"{way}: {reason}")
            say(f"        skipping {reasons[-1]}")
    why = "\n".join(f"  - {reason}" for reason in reasons)
    raise ToolchainError(
        f"The Pulumi CLI can't be installed here:\n{why}\nDo one of the following, then run `make setup` again: "
        f"install the CLI {VERSION} or later (https://www.pulumi.com/docs/install), let this machine reach get.pulumi.com, "
        f"or install Go {shown(pulumi_build.LEAST_GO)} or later (https://go.dev/dl) and make a Go module proxy reachable."
    )


def launcher_script(places: Places, cli: Path) -> str:
    """The text of `.venv/bin/pulumi`."""
    words = (places.python, "-I", places.toolchain / "launcher.py", cli)
    return f'#!/bin/sh\nexec {" ".join(shlex.quote(str(word)) for word in words)} "$@"\n'


def pulumi_step(places: Places) -> Step:
    """Install the CLI, and in `.venv/bin` a launcher that sets this checkout's environment and becomes the CLI."""
    launcher = places.programs / CLI
    ways = ways_allowed(os.environ)

    def make() -> Made:
        cli = find_cli(places, ways)
        for name in COMPANIONS:
            link = places.programs / name
            link.unlink(missing_ok=True)
            link.symlink_to(cli.folder / name)
        replace_text(launcher, launcher_script(places, cli.folder / CLI), mode=0o755)
        return Made((launcher, *(places.programs / name for name in COMPANIONS), cli.folder / CLI), cli.where)

    modules = [
        places.toolchain / "programs" / "pulumi" / part / name for part in ("cli", "language") for name in ("go.mod", "go.sum")
    ]
    return Step(
        "pulumi",
        "Pulumi CLI",
        "at once from PATH or the cache, 1 min from its release, else 4 to 8 min to build on two cores",
        digest_of(VERSION, *modules, Path(__file__), ",".join(ways), str(places.environment), str(places.cache)),
        make,
    )
