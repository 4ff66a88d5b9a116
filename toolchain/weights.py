"""The pretrained networks, which the engine's own command downloads and converts into the cache."""

from __future__ import annotations

import os
from pathlib import Path

from toolchain.commands import run
from toolchain.packages import Uv, find_uv
from toolchain.places import Places
from toolchain.steps import Made, Step, digest_of

LICENCE = "licensed under Apache-2.0 and MIT; see NOTICE"


def pull_weights(uv: Uv, environment: Path, folder: Path) -> None:
    """Download missing files into `folder`. `environment` has the engine; if it has no pip, uv is used."""
    run(
        [environment / "bin" / "vision-engine", "weights", "pull", "--weights-dir", folder],
        env={**os.environ, **uv.environ, "UV": str(uv.program)},
        advice="The pretrained networks could not be downloaded; see docs/setup.md.",
    )


def weights_step(places: Places) -> Step:
    """`<cache>/weights`."""

    def make() -> Made:
        pull_weights(find_uv(places), places.environment, places.weights)
        return Made(tuple(sorted(file for file in places.weights.iterdir() if file.suffix in (".onnx", ".npz"))), LICENCE)

    # The tables name the checkpoints and number their conversions, which are part of the file names.
    tables = [places.checkout / "engine" / "learning" / "pretrained" / name for name in ("backbones.py", "nanodet_weights.py")]
    sources = digest_of(*tables, str(places.cache))
    return Step("weights", "Pretrained weights (230 MB)", "20 s to 1 min, depending on the network", sources, make)
