"""docs/cli.md documents every command and every option, and every command teaches with an example."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from vision_customization.customization.cli.program import vision

PAGE = (Path(__file__).parents[3] / "docs" / "cli.md").read_text("utf-8")
EVERYWHERE = {"--endpoint", "--key", "--stack", "--help", "-h"}


def commands(group: click.Group = vision, path: str = "vision") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


COMMANDS = dict(commands())


def section(name: str) -> str:
    match = re.search(rf"^## `{re.escape(name)}`\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    assert match, f"docs/cli.md has no section `{name}`"
    return match[1]


def options(command: click.Command) -> set[str]:
    found = {option for parameter in command.params if isinstance(parameter, click.Option) for option in parameter.opts}
    found |= {option for parameter in command.params for option in parameter.secondary_opts}
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_documented(name: str) -> None:
    documented = set(re.findall(r"`(--?[a-z-]+)", section(name)))
    assert documented == options(COMMANDS[name]) - EVERYWHERE


@pytest.mark.parametrize("option", sorted(EVERYWHERE))
def test_options_of_every_command_are_documented_once(option: str) -> None:
    assert f"`{option}" in PAGE


def test_no_command_is_documented_that_is_not_there() -> None:
    assert set(re.findall(r"^## `(vision [a-z ]+)`", PAGE, re.MULTILINE)) == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_teaches_with_an_example(name: str) -> None:
    text = COMMANDS[name].help or ""
    assert "Example" in text
    assert re.search(rf"^ +{name}\b", text, re.MULTILINE)
    for parameter in COMMANDS[name].params:
        assert isinstance(parameter, click.Argument) or getattr(parameter, "help", None), parameter.name


@pytest.mark.parametrize(
    "variable", ["VISION_ENDPOINT", "VISION_KEY", "VISION_CONTAINER", "VISION_STORAGE_KEY", "VISION_CACHE_DIR"]
)
def test_every_variable_is_documented(variable: str) -> None:
    assert f"{variable}`" in PAGE


def test_what_comes_out_of_an_exported_model_is_told_for_each_kind() -> None:
    for text in (section("vision export"), COMMANDS["vision export"].help or ""):
        told = " ".join(text.split())
        assert "out of a classifier" in told
        assert "boxes, scores and classes" in told
        assert "learning.md" in told
    assert re.search("^## Detectors$", (Path(__file__).parents[3] / "docs" / "learning.md").read_text("utf-8"), re.MULTILINE)
