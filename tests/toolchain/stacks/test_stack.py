"""What is known of a stack, and what is said where the CLI can't tell."""

from pathlib import Path

import pytest

from toolchain.places import Places
from toolchain.stacks import stack

CLI = """#!/bin/sh
case "$*" in
    *"stack ls"*) {listed} ;;
    *"stack output"*) {outputs} ;;
esac
"""


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    places = Places(tmp_path, tmp_path / "cache")
    monkeypatch.setattr(stack, "find_places", lambda: places)
    return places


def cli(places: Places, listed: str, outputs: str = "echo '{}'") -> None:
    places.programs.mkdir(parents=True, exist_ok=True)
    program = places.programs / "pulumi"
    program.write_text(CLI.format(listed=listed, outputs=outputs))
    program.chmod(0o755)


@pytest.mark.parametrize(
    ("listed", "status"),
    [
        ("""echo '[{"name": "local"}]'""", 0),
        ("""echo '[{"name": "organization/project/local"}]'""", 0),
        ("""echo '[{"name": "prod"}]'""", 3),
        ("echo '[]'", 3),
        ("echo 'error: unexpected end of JSON input' >&2; exit 1", 2),
    ],
)
def test_whether_a_stack_exists(places: Places, capsys: pytest.CaptureFixture[str], listed: str, status: int) -> None:
    cli(places, listed)
    assert stack.main(["exists", "--stack", "local"]) == status
    if status == 2:
        said = capsys.readouterr().err
        assert "error: unexpected end of JSON input" in said
        assert "copies of it are in .vision/pulumi/.pulumi/backups" in said


def test_outputs_that_cannot_be_read_are_not_called_none(places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    listed = """echo '[{"name": "local"}]'"""
    cli(places, listed, "echo 'error: incorrect passphrase' >&2; exit 255")
    assert stack.main(["show"]) == 2
    assert "incorrect passphrase" in capsys.readouterr().err
    cli(places, listed)
    assert stack.main(["show"]) == 1
    assert "has no outputs yet" in capsys.readouterr().out
