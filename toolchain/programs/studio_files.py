"""The files of others that the Studio serves, from pinned npm packages: htmx with its extension hx-csp, and the icons."""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path

from toolchain.errors import ToolchainError
from toolchain.places import Places
from toolchain.programs.icon_sprite import ICONS, file_of, sprite_of
from toolchain.programs.npm_package import NpmPackage, unpack
from toolchain.steps import Made, Step, digest_of, new_folder

HTMX = NpmPackage(
    name="htmx.org",
    version="4.0.1",
    integrity="sha512-oF7JgXhDW9UXCy/k1ZYFUQgzu/rm19ORWPSPNL91vPluB2PB9+MV55tyQdH/w7o2EAbTYUG5SDW1R60mdkdqGg==",
    licence="0BSD, by its LICENSE",
    files=("dist/htmx.min.js", "dist/ext/hx-csp.min.js"),
    sha256={
        "dist/htmx.min.js": "a0abb04f2f45a1f89d1d4844023245537e5e6014c87b144553e0607b4cc32130",
        "dist/ext/hx-csp.min.js": "a7e1e6711ae6c3e50ad300fba7936cbe8d07599cdae313414a179ddd6b26e143",
    },
)
FLUENT_ICONS = NpmPackage(
    name="@fluentui/svg-icons",
    version="1.1.343",
    integrity="sha512-+rlKFnM2MkAg2G0qMD3BM/K3jC+Jc+VAKgxE7x9cpCPDDNpwKaOSD0DntUkVXrZGOjBvfmID0DoRslsXbC8X5Q==",
    licence="MIT, by its package.json; Copyright (c) Microsoft Corporation",
    files=("package.json", *(file_of(icon) for icon in ICONS)),
)
"""20 kB of a tarball of 3 MB."""

SPRITE = "icons.svg"
NAMES = (*(Path(file).name for file in HTMX.files), SPRITE)
"""The names of the files, all in one folder."""
FOLDER = "engine/studio/static/vendor"
"""That folder, in the checkout. Git ignores it; the packages contain it."""


def write_files(places: Places, folder: Path) -> None:
    """Replace `folder` by one with exactly the files of `NAMES`.

    Raises:
        ToolchainError: a package can't be downloaded, or does not match its pinned digest.
    """
    scripts, drawings = unpack(HTMX, places), unpack(FLUENT_ICONS, places)
    sprite = sprite_of({icon: (drawings / file_of(icon)).read_text("utf-8") for icon in ICONS})
    with new_folder(folder) as new:
        for file in HTMX.files:
            shutil.copyfile(scripts / file, new / Path(file).name)
        (new / SPRITE).write_text(sprite, "utf-8")


def studio_step(places: Places) -> Step:
    """`engine/studio/static/vendor`."""
    folder = places.checkout / FOLDER

    def make() -> Made:
        write_files(places, folder)
        return Made(tuple(folder / name for name in NAMES), f"{HTMX.source}, {len(ICONS)} icons of {FLUENT_ICONS.source}")

    sources = digest_of(HTMX.key, FLUENT_ICONS.key, Path(__file__), Path(__file__).with_name("icon_sprite.py"), str(folder))
    return Step("studio", "Scripts and icons of the Studio (0BSD, MIT)", "5 s the first time", sources, make)


def check_files(folder: Path) -> None:
    """Raises ToolchainError if a folder does not have the files of `NAMES` in the versions that are pinned."""
    wrong = [name for name in NAMES if not (folder / name).is_file() or not _is_pinned(folder / name)]
    if wrong:
        raise ToolchainError(
            f"{folder} has no {', no '.join(wrong)} of the pinned version, and the Studio needs each of them.\n"
            "Run `make setup`, then try again."
        )


def _is_pinned(file: Path) -> bool:
    if file.name == SPRITE:
        return set(re.findall(r'<symbol id="([a-z-]+)"', file.read_text("utf-8"))) == set(ICONS)
    [expected] = [digest for path, digest in HTMX.sha256.items() if Path(path).name == file.name]
    return hashlib.sha256(file.read_bytes()).hexdigest() == expected
