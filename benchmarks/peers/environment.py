"""The peers' own Python environment, in the cache folder: installed once for each requirements.txt, which pins all versions."""

import sys
from pathlib import Path

from toolchain.packages import NETWORK, find_uv
from toolchain.places import Places
from toolchain.steps import alone, digest_of, new_folder

REQUIREMENTS = Path(__file__).with_name("requirements.txt")


def ensure_environment(places: Places) -> Path:
    """The environment's Python, which runs the peers. The first call installs some 80 packages from the package index.

    Raises:
        ToolchainError: they cannot be installed; the message says why, and what to do.
    """
    version = ".".join(map(str, sys.version_info[:2]))
    folder = places.cache / "benchmarks" / f"peers-{digest_of(REQUIREMENTS, version)[:16]}"
    python = folder / "bin" / "python"
    with alone(folder.with_suffix(".lock")):
        if not python.exists():
            uv = find_uv(places)
            with new_folder(folder) as new:
                uv(
                    "venv",
                    "--quiet",
                    "--clear",
                    "--no-project",
                    "--relocatable",
                    "--python",
                    sys.executable,
                    new,
                    advice=NETWORK,
                )
                options = ("--quiet", "--require-hashes", "--compile-bytecode", "--python", new / "bin" / "python")
                uv("pip", "install", *options, "-r", REQUIREMENTS, advice=NETWORK)
    return python
