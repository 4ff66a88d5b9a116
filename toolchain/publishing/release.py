"""What a release is made of: `make dist` builds the packages, `make release-notes` takes its notes from the CHANGELOG."""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from toolchain.commands import say
from toolchain.errors import ToolchainError
from toolchain.packages import NETWORK, find_uv
from toolchain.places import Places, find_places
from toolchain.programs.studio_files import FOLDER, check_files
from toolchain.publishing.repository import address, with_absolute_links


def version_of(places: Places) -> str:
    """The project's version, which stands in pyproject.toml alone."""
    found = re.search(r'^version = "(.+)"$', (places.checkout / "pyproject.toml").read_text(), re.MULTILINE)
    if found is None:
        raise ToolchainError('pyproject.toml has no line `version = "…"`.')
    return found[1]


def check_tag(tag: str, version: str) -> None:
    """Raises ToolchainError where a tag is not that of the version."""
    if tag != f"v{version}":
        raise ToolchainError(
            f"The tag is {tag}, and pyproject.toml has the version {version}. "
            f"Set the version, commit, and tag that commit v{version}."
        )


def build(places: Places, folder: Path) -> None:
    """The source archive, and the wheel built from it, in `folder`, with the build backend that is pinned.

    Raises:
        ToolchainError: files that set-up fetches are missing, or the build failed.
    """
    check_files(places.checkout / FOLDER)
    shutil.rmtree(folder, ignore_errors=True)
    locked = ("--build-constraints", places.locks / "build.txt", "--require-hashes")
    find_uv(places)("build", "--quiet", *locked, "--out-dir", folder, places.checkout, advice=NETWORK)
    for file in sorted(folder.glob("vision_customization-*")):
        say(f"{file}  {file.stat().st_size / 1000:.0f} kB")


def notes_of(changelog: str, version: str) -> str:
    """The section of a version in a text in the format of Keep a Changelog.

    Raises:
        ToolchainError: there is none, or it is empty.
    """
    found = re.search(rf"^## \[?{re.escape(version)}\]?(?: [^\n]*)?\n(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    if found is None or not found[1].strip():
        raise ToolchainError(f"CHANGELOG.md has nothing under `## {version}`: rename the section `## Unreleased` to it.")
    return found[1].strip() + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m toolchain.publishing.release", description=__doc__)
    parser.add_argument("part", choices=("dist", "notes"))
    parser.add_argument("--tag", default="", help="the tag that is released, such as v1.2.3: it must be that of the version")
    options = parser.parse_args(arguments)
    places = find_places()
    try:
        version = version_of(places)
        if options.tag:
            check_tag(options.tag, version)
        if options.part == "dist":
            build(places, places.checkout / "dist")
        else:
            notes = notes_of((places.checkout / "CHANGELOG.md").read_text("utf-8"), version)
            url = address()
            print(with_absolute_links(notes, f"v{version}", url) if url else notes, end="")
    except ToolchainError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
