"""How the Pulumi CLI is chosen, downloaded and built; and that the one set up here runs."""

import hashlib
import io
import os
import subprocess
import tarfile
import tomllib
from pathlib import Path

import pytest

from toolchain.errors import NotHere, ToolchainError
from toolchain.places import Places, find_places
from toolchain.programs import pulumi_build, pulumi_cli, pulumi_release


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(checkout=tmp_path / "checkout", cache=tmp_path / "cache")


def install(folder: Path, version: str, names: tuple[str, ...] = (pulumi_cli.CLI, *pulumi_cli.COMPANIONS)) -> None:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_text(f"#!/bin/sh\necho v{version}\n")
        (folder / name).chmod(0o755)


def install_launcher(places: Places) -> None:
    install(places.programs, "3.259.0")
    (places.programs / "pulumi").write_text(pulumi_cli.launcher_script(places, Path("/cli/pulumi")))


@pytest.mark.parametrize(
    ("value", "ways"),
    [("", ("path", "release", "modules")), ("modules", ("modules",)), ("release, path", ("release", "path"))],
)
def test_ways_allowed(value: str, ways: tuple[str, ...]) -> None:
    assert pulumi_cli.ways_allowed({"VISION_PULUMI_FROM": value}) == ways


def test_an_unknown_way_is_answered_with_the_valid_ones() -> None:
    with pytest.raises(ToolchainError, match="names homebrew; valid are path, release, modules"):
        pulumi_cli.ways_allowed({"VISION_PULUMI_FROM": "path,homebrew"})


@pytest.mark.parametrize(
    ("version", "reason"),
    [("3.259.0", None), ("3.300.1", None), ("3.258.0", "3.259.0 or a later 3.x is needed"), ("4.0.0", "but 3.259.0")],
)
def test_cli_on_path(places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, reason: str | None) -> None:
    install_launcher(places)
    install(tmp_path / "theirs", version)
    monkeypatch.setenv("PATH", os.pathsep.join([str(places.programs), str(tmp_path / "theirs"), "/usr/bin", "/bin"]))
    if reason is None:
        assert pulumi_cli.cli_on_path().folder == tmp_path / "theirs"
    else:
        with pytest.raises(NotHere, match=reason):
            pulumi_cli.cli_on_path()


def test_a_checkouts_launcher_is_no_cli(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    install_launcher(places)
    monkeypatch.setenv("PATH", str(places.programs))
    with pytest.raises(NotHere, match="no `pulumi` on PATH"):
        pulumi_cli.cli_on_path()


def test_a_cli_without_its_language_host_will_not_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path / "theirs", "3.259.0", names=("pulumi",))
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path / "theirs"), "/usr/bin", "/bin"]))
    with pytest.raises(NotHere, match="no Python language host beside it"):
        pulumi_cli.cli_on_path()


def test_the_cached_cli_is_taken_before_any_network(places: Places) -> None:
    install(places.cache / "pulumi" / pulumi_cli.VERSION / "bin", pulumi_cli.VERSION)
    assert pulumi_cli.find_cli(places, ("release", "modules")).where == "3.259.0 from the cache"


def test_where_no_way_is_open_the_error_says_why_and_what_to_do(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(places.cache))
    with pytest.raises(ToolchainError) as raised:
        pulumi_cli.find_cli(places, ("path", "modules"))
    assert "path: no `pulumi` on PATH" in str(raised.value)
    assert "modules: no `go` on PATH" in str(raised.value)
    assert "install Go 1.25.11 or later" in str(raised.value)
    assert not list((places.cache / "pulumi" / pulumi_cli.VERSION).iterdir())


@pytest.mark.parametrize(
    ("system", "machine", "bundle"),
    [
        ("Linux", "x86_64", "pulumi-v3.259.0-linux-x64.tar.gz"),
        ("Linux", "aarch64", "pulumi-v3.259.0-linux-arm64.tar.gz"),
        ("Darwin", "arm64", "pulumi-v3.259.0-darwin-arm64.tar.gz"),
        ("Linux", "riscv64", None),
    ],
)
def test_bundle_name(system: str, machine: str, bundle: str | None) -> None:
    if bundle:
        assert pulumi_release.bundle_name("3.259.0", system, machine) == bundle
    else:
        with pytest.raises(NotHere):
            pulumi_release.bundle_name("3.259.0", system, machine)


def release(digest: str | None = None) -> pulumi_release.Fetch:
    """A release on no network: one bundle and its checksums."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name in (pulumi_cli.CLI, *pulumi_cli.COMPANIONS):
            member = tarfile.TarInfo(f"pulumi/{name}")
            member.mode, member.size = 0o755, 4
            tar.addfile(member, io.BytesIO(b"true"))
    archive = packed.getvalue()
    digest = digest or hashlib.sha256(archive).hexdigest()
    names = [f"pulumi-v3.259.0-{platform}.tar.gz" for platform in ("linux-x64", "linux-arm64", "darwin-arm64", "darwin-x64")]
    checksums = "\n".join(f"{digest}  {name}" for name in names)
    return lambda url: checksums.encode() if url.endswith("checksums.txt") else archive


def test_the_bundle_is_unpacked(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    pulumi_release.fetch("3.259.0", tmp_path / "bin", release())
    assert pulumi_cli.is_complete(tmp_path / "bin")


def test_a_bundle_of_another_digest_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    with pytest.raises(ToolchainError, match="Do not use it"):
        pulumi_release.fetch("3.259.0", tmp_path / "bin", release(digest="0" * 64))
    assert not list((tmp_path / "bin").iterdir())


def test_checksums_without_the_bundle_are_refused() -> None:
    with pytest.raises(ToolchainError, match="do not name"):
        pulumi_release.checksum_of("pulumi-v3.259.0-linux-x64.tar.gz", "abc  other.tar.gz\n")


@pytest.mark.parametrize(
    ("version", "toolchain", "answer"),
    [
        ((1, 26, 8), "local", True),
        ((1, 25, 11), "local", True),
        ((1, 25, 3), "local", False),
        ((1, 25, 3), "auto", True),  # gets the toolchain that go.mod asks for
        ((1, 20, 0), "auto", False),
        (None, "auto", False),
    ],
)
def test_go_will_do(version: tuple[int, ...] | None, toolchain: str, answer: bool) -> None:
    assert pulumi_build.go_will_do(version, toolchain) is answer


def test_the_pins_agree() -> None:
    """The CLI, its Go module, the Python SDK and the least Go are named in several places."""
    places = find_places()
    go_mod = (places.toolchain / "programs" / "pulumi" / "cli" / "go.mod").read_text()
    assert f"github.com/pulumi/pulumi/pkg/v3 v{pulumi_cli.VERSION}" in go_mod
    assert f"\ngo {'.'.join(map(str, pulumi_build.LEAST_GO))}\n" in go_mod
    assert f"\npulumi=={pulumi_cli.VERSION} " in (places.checkout / "requirements.lock").read_text()


def test_who_installs_the_package_may_have_any_later_release() -> None:
    """A program of somebody else has other packages of Pulumi, which may need a newer one."""
    project = tomllib.loads((find_places().checkout / "pyproject.toml").read_text())["project"]
    [allowed] = [package for package in project["dependencies"] if package.startswith("pulumi>")]
    assert allowed == f"pulumi>={pulumi_cli.VERSION.removesuffix('.0')},<4"


def test_the_launchers_are_there_and_the_cli_says_its_version() -> None:
    places = find_places()
    if not (places.programs / "pulumi").exists():
        pytest.skip("this checkout was not set up by `make setup`")
    assert all(os.access(places.programs / name, os.X_OK) for name in (*pulumi_cli.COMPANIONS, "azurite-blob"))
    told = subprocess.run([places.programs / "pulumi", "version"], capture_output=True, text=True, check=True).stdout
    assert told.startswith("v3.")
