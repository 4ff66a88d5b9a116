"""The sample datasets of the examples. Existing files stay: they may have been changed on purpose."""

from __future__ import annotations

import shutil

from toolchain.commands import run
from toolchain.places import Places
from toolchain.programs.npm_package import NpmPackage, unpack
from toolchain.steps import Made, Step, digest_of

FLUENT_EMOJI = NpmPackage(
    name="@lobehub/fluent-emoji-3d",
    version="1.1.0",
    integrity="sha512-Wlq2lVStTnr8BDpIJ0pEnTKO4LuDxxqTEhTvRtD1DLRF0me7ogeRQjKoehDHXuVJ2Qaecgl5wRBv60lUAG3h7g==",
    licence="MIT, by its package.json and README; the pictures are Microsoft's Fluent Emoji: MIT",
    files=(
        *("README.md", "package.json"),
        *(
            f"assets/{code}.webp"
            for code in (
                *("1f33d", "1f346", "1f34a", "1f34b", "1f34c", "1f34e", "1f34f", "1f350", "1f353", "1f35e", "1f369"),
                *("1f36f", "1f951", "1f955", "1f956", "1f95b", "1f966", "1f96b", "1f9c0", "1f9c3", "1f9c5", "1f9c8", "1fad1"),
            )
        ),
    ),
)
"""The pictures that `examples.detection` draws its scenes from: 0.1 MB of a tarball of 16 MB."""


def textile_step(places: Places) -> Step:
    """`examples/textile`: the dataset of the stack `local`."""
    folder = places.checkout / "examples" / "textile"

    def make() -> Made:
        run([places.python, "-m", "examples.textile", "--to", folder], cwd=places.checkout)
        return Made((folder / "train.json", folder / "test.json"), "examples/textile")

    return Step("samples", "Sample dataset (MIT)", "2 s", str(folder), make)


def detection_step(places: Places) -> Step:
    """`examples/detection`: the dataset of the stack `detection`."""
    folder = places.checkout / "examples" / "detection"

    def make() -> Made:
        objects = folder / "objects"
        shutil.copytree(unpack(FLUENT_EMOJI, places) / "assets", objects, dirs_exist_ok=True)
        run([places.python, "-m", "examples.detection", "--to", folder], cwd=places.checkout)
        return Made((folder / "train.json", folder / "test.json", objects), "examples/detection")

    sources = digest_of(str(folder), FLUENT_EMOJI.key)
    return Step("detection", "Sample dataset for detection (16 MB, MIT)", "30 s", sources, make)


STEPS = {"local": textile_step, "detection": detection_step}
"""The step that creates each stack's datasets."""
