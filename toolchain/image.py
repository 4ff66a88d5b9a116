"""Create the content of the engine's image in a folder: an environment with only the engine, and its pretrained weights.

The Dockerfile runs this, one part per layer, and a test runs the same commands. A bare `python3` is enough.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from toolchain.errors import ToolchainError
from toolchain.packages import NETWORK, Uv, find_uv
from toolchain.places import Places, find_places
from toolchain.weights import pull_weights

LOCK = "requirements-engine.lock"


def install_packages(uv: Uv, places: Places, folder: Path) -> None:
    """Create an environment in `folder` with only the packages that the engine needs, checked by digest."""
    uv("venv", "--quiet", "--no-project", "--python", sys.executable, folder, advice="")
    lock = places.checkout / LOCK
    uv("pip", "install", "--quiet", "--require-hashes", "--python", folder / "bin" / "python", "-r", lock, advice=NETWORK)


def install_engine(uv: Uv, places: Places, folder: Path) -> None:
    """Install this project, built with `locks/build.txt`, and compile everything: the folder is read-only later."""
    # In the image, the files have other modification times.
    uv.environ["PYC_INVALIDATION_MODE"] = "UNCHECKED_HASH"
    uv(
        *("pip", "install", "--quiet", "--no-deps", "--compile-bytecode", "--python", folder / "bin" / "python"),
        *("--build-constraints", places.locks / "build.txt", "--require-build-hashes", places.checkout),
        advice=NETWORK,
    )


def install_weights(uv: Uv, _places: Places, folder: Path) -> None:
    """Download the pretrained backbones to `weights`, verified by digest."""
    pull_weights(uv, folder, folder / "weights")


PARTS = {"packages": install_packages, "engine": install_engine, "weights": install_weights}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m toolchain.image")
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--to", dest="folder", type=Path, required=True, help="the folder; it stays where it is made")
    options = parser.parse_args(arguments)
    places = find_places()
    try:
        PARTS[options.part](find_uv(places), places, Path(os.path.abspath(options.folder)))  # noqa: PTH100 - links stay
    except ToolchainError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
