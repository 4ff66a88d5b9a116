"""`make lock`: pins packages by version and digest, without the address of any index, so that the locks work behind mirrors."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from toolchain.commands import say
from toolchain.errors import ToolchainError
from toolchain.packages import NETWORK, find_uv
from toolchain.places import find_places
from toolchain.programs.azurite import NPM, find_node
from toolchain.programs.pulumi_cli import VERSION

_FORM = ("--universal", "--generate-hashes", "--no-emit-index-url", "--no-annotate", "--custom-compile-command", "make lock")

# Packages that the project needs but its engine does not: the image omits them and their dependencies.
NOT_OF_THE_ENGINE = ("pulumi",)

SHARED_WITH_PEERS = ("numpy", "onnxruntime", "pillow")
"""What the benchmark's peers compute with: of the engine's versions, so that only the serving differs."""


def main() -> int:
    places = find_places()
    uv = find_uv(places)

    def compile_lock(source: Path, lock: Path, *options: str) -> None:
        uv("pip", "compile", "--quiet", source, *_FORM, *options, "-o", lock, advice=NETWORK)
        say(f"{lock.relative_to(places.checkout)} is up to date")

    try:
        groups = ("--extra", "engine", "--extra", "heif", "--extra", "samples", "--group", "dev", "--upgrade")
        project, lock = places.checkout / "pyproject.toml", places.checkout / "requirements.lock"
        with tempfile.TemporaryDirectory(prefix="vision-lock-") as folder:
            pinned = Path(folder) / "pinned.txt"
            # The package allows more versions than the one that the tests run with.
            pinned.write_text(f"pulumi=={VERSION}")
            compile_lock(project, lock, *groups, "--constraints", str(pinned))
            compile_lock(project, lock.with_name("requirements-azure.lock"), "--extra", "azure", "--constraints", str(lock))
            excludes = Path(folder) / "excludes.txt"
            excludes.write_text("\n".join(NOT_OF_THE_ENGINE))
            engine = ("--extra", "engine", "--constraints", str(lock), "--excludes", str(excludes))
            compile_lock(project, lock.with_name("requirements-engine.lock"), *engine)
            shared = Path(folder) / "shared.txt"
            shared.write_text(pins_of(lock.read_text(), SHARED_WITH_PEERS))
            peers = places.checkout / "benchmarks" / "peers" / "requirements.in"
            compile_lock(peers, peers.with_suffix(".txt"), "--python-version", "3.11", "--constraints", str(shared))
        for source in sorted(places.locks.glob("*.in")):
            # The oldest Python that set-up supports.
            compile_lock(source, source.with_suffix(".txt"), "--python-version", "3.9")
        pack = places.checkout / "policy" / "requirements.in"
        compile_lock(pack, pack.with_suffix(".txt"), "--python-version", "3.11")
        install = ("install", "--package-lock-only", "--loglevel=error")
        find_node(places).npm_run(*install, cwd=places.toolchain / "programs" / "azurite", advice=NPM)
        say("toolchain/programs/azurite/package-lock.json is up to date")
    except ToolchainError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def pins_of(lock: str, names: Sequence[str]) -> str:
    """The lines `name==version` of a lock file, without digests, of these packages."""
    pins = [line.removesuffix("\\").strip() for line in lock.splitlines() if line.partition("==")[0] in names]
    return "\n".join(pins)


if __name__ == "__main__":
    sys.exit(main())
