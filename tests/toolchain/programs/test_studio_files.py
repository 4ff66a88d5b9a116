"""The files of others that the Studio serves: fetched as a step of set-up, complete, and in the pinned versions."""

from pathlib import Path

import pytest

from toolchain.errors import ToolchainError
from toolchain.places import Places, find_places
from toolchain.programs import studio_files
from toolchain.programs.icon_sprite import ICONS, file_of
from toolchain.programs.npm_package import NpmPackage
from toolchain.programs.studio_checks import AXE, TYPESCRIPT
from toolchain.programs.studio_files import FLUENT_ICONS, FOLDER, HTMX, NAMES, check_files, studio_step
from toolchain.setup import set_up, steps
from toolchain.steps import is_done, read_stamps

ICON = '<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20" viewBox="0 0 20 20"><path d="M1 1h2z"/></svg>'


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """A checkout with nothing in it, and packages whose files are not the real ones."""

    def unpack(package: NpmPackage, places: Places) -> Path:
        folder = tmp_path / "npm" / package.key
        for name in package.files:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(ICON if name.endswith(".svg") else name)
        return folder

    monkeypatch.setattr(studio_files, "unpack", unpack)
    return Places(tmp_path / "checkout", tmp_path / "cache")


def test_the_step_fetches_each_file_once(places: Places) -> None:
    folder = places.checkout / FOLDER
    folder.mkdir(parents=True)
    (folder / "of-an-older-version.js").touch()
    set_up(places, azure=False, only="studio")
    assert {file.name for file in folder.iterdir()} == set(NAMES)
    stamps = places.state / "setup.json"
    assert is_done(studio_step(places), read_stamps(stamps))
    (folder / NAMES[0]).unlink()
    assert not is_done(studio_step(places), read_stamps(stamps))
    set_up(places, azure=False, only="studio")
    assert (folder / NAMES[0]).read_text() == HTMX.files[0]


def test_a_step_that_does_not_exist_is_named_with_the_choices(places: Places) -> None:
    with pytest.raises(ToolchainError, match=r"no step 'stduio'; choose from packages, azurite, studio, "):
        set_up(places, azure=False, only="stduio")


def test_what_checks_the_studio_is_only_set_up_for_development(places: Places) -> None:
    assert "studio-checks" not in [step.name for step in steps(places, azure=False)]
    assert "studio-checks" in [step.name for step in steps(places, azure=True)]


def test_files_that_are_missing_or_of_another_version_are_named(places: Places) -> None:
    folder = places.checkout / FOLDER
    with pytest.raises(
        ToolchainError, match=r"(?s)no htmx\.min\.js, no hx-csp\.min\.js, no icons\.svg of the pinned .*make setup"
    ):
        check_files(folder)
    set_up(places, azure=False, only="studio")  # all icons, but scripts that are not the pinned ones
    with pytest.raises(ToolchainError, match=r"has no htmx\.min\.js, no hx-csp\.min\.js of the pinned version"):
        check_files(folder)


@pytest.mark.parametrize("package", [HTMX, FLUENT_ICONS, TYPESCRIPT, AXE], ids=lambda package: package.name)
def test_each_package_is_pinned_and_states_its_licence(package: NpmPackage) -> None:
    assert package.integrity.startswith("sha512-")
    assert package.licence
    assert set(package.sha256) <= set(package.files)


def test_the_notice_names_what_the_packages_contain() -> None:
    notice = (find_places().checkout / "NOTICE").read_text("utf-8")
    for package in (HTMX, FLUENT_ICONS):
        assert f"npm {package.name} {package.version}" in notice
    assert {file_of(icon) for icon in ICONS} <= set(FLUENT_ICONS.files)
