"""What the engine's image holds, made in a folder: an environment with the engine alone, and its pretrained weights.

The Dockerfile runs this, a part for each layer, and a test runs what the Dockerfile runs. A bare `python3` will do.
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
    """A new environment in `folder` with what the engine needs, checked by digest, and nothing that only others need."""
    uv("venv", "--quiet", "--no-project", "--python", sys.executable, folder, advice="")
    lock = places.checkout / LOCK
    uv("pip", "install", "--quiet", "--require-hashes", "--python", folder / "bin" / "python", "-r", lock, advice=NETWORK)


def install_engine(uv: Uv, places: Places, folder: Path) -> None:
    """This project, built by what `locks/build.txt` pins, and everything compiled: nobody may write here later."""
    # The files' times are another machine's by then.
    uv.environ["PYC_INVALIDATION_MODE"] = "UNCHECKED_HASH"
    uv(
        *("pip", "install", "--quiet", "--no-deps", "--compile-bytecode", "--python", folder / "bin" / "python"),
        *("--build-constraints", places.locks / "build.txt", "--require-build-hashes", places.checkout),
        advice=NETWORK,
    )


def install_weights(uv: Uv, _places: Places, folder: Path) -> None:
    """The pretrained backbones, verified by digest, in `weights`."""
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
