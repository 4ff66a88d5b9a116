"""The passphrase of a checkout, and the salt of a former one."""

from pathlib import Path

import pytest

from toolchain.errors import ToolchainError
from toolchain.places import Places
from toolchain.stacks.local_state import drop_stale_salt, make_passphrase, select_stack, without_stale_salt


def test_the_passphrase_is_secret_and_stays(tmp_path: Path) -> None:
    file = tmp_path / ".vision" / "passphrase"
    make_passphrase(file)
    first = file.read_text()
    make_passphrase(file)
    assert file.read_text() == first
    assert len(first) >= 32
    assert file.stat().st_mode & 0o777 == 0o600


SALT = "encryptionsalt: v1:abc=:v1:def\n"


SECRET = "config:\n  a:b:\n    secure: v1:x\n"


@pytest.mark.parametrize(
    ("text", "has_passphrase", "without"),
    [
        ("config:\n  a:b: c\n" + SALT, False, "config:\n  a:b: c\n"),
        (SALT + "config: {}\n", True, "config: {}\n"),
        ("config: {}\n", False, "config: {}\n"),
        (SECRET, False, SECRET),  # of a cloud's key: no passphrase is in it
        (SECRET + SALT, True, SECRET + SALT),
    ],
)
def test_without_stale_salt(text: str, has_passphrase: bool, without: str) -> None:
    assert without_stale_salt(text, "local", has_passphrase=has_passphrase) == without


def test_secrets_of_a_lost_passphrase_are_not_made_unreadable() -> None:
    with pytest.raises(ToolchainError, match=r"stacks/Pulumi\.mine\.yaml holds secrets"):
        without_stale_salt(SECRET + SALT, "mine", has_passphrase=False)


def test_only_a_stack_that_is_not_made_loses_its_salt(tmp_path: Path) -> None:
    places = Places(tmp_path, tmp_path / "cache")
    drop_stale_salt(places, "mine")
    file = tmp_path / "stacks" / "Pulumi.mine.yaml"
    file.parent.mkdir()
    file.write_text(SALT + "config: {}\n")
    made = places.state / "pulumi" / ".pulumi" / "stacks" / "vision-customization" / "mine.json"
    made.parent.mkdir(parents=True)
    made.touch()
    drop_stale_salt(places, "mine")
    assert SALT in file.read_text()
    made.unlink()
    drop_stale_salt(places, "mine")
    assert file.read_text() == "config: {}\n"


CLI = """#!/bin/sh
case "$*" in
    *--show-name*) {shown} ;;
    *) echo "$PULUMI_CONFIG_PASSPHRASE|$PULUMI_CONFIG_PASSPHRASE_FILE|$*" >> "$0.log" ;;
esac
"""


@pytest.mark.parametrize(
    ("made", "shown", "selected"),
    [
        ([], "exit 1", "local"),
        # Pulumi remembers it from a state that is gone.
        ([], "echo local", "local"),
        (["local", "mine"], "echo mine", None),
        # The checkout was moved: Pulumi remembers nothing of it.
        (["detection", "local"], "exit 1", "local"),
        # The stack `local` was renamed before.
        (["mine"], "exit 1", "mine"),
    ],
)
def test_a_stack_is_selected_unless_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: list[str], shown: str, selected: str | None
) -> None:
    """With the checkout's passphrase, whatever the environment has."""
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "of another project")
    places = Places(tmp_path / "a%2Fb", tmp_path / "cache")
    stacks = places.state / "pulumi" / ".pulumi" / "stacks" / "project"
    for folder in (stacks, places.programs):
        folder.mkdir(parents=True)
    for stack in made:
        (stacks / f"{stack}.json").touch()
    program = places.programs / "pulumi"
    program.write_text(CLI.format(shown=shown))
    program.chmod(0o755)
    select_stack(places)
    log = Path(f"{program}.log")
    assert log.exists() == (selected is not None)
    if selected is not None:
        command = f"-C {places.checkout} --non-interactive stack select --create {selected}"
        assert log.read_text() == f"|{places.state / 'passphrase'}|{command}\n"
