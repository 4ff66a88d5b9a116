"""docs/cli.md documents every command and every option, and every command teaches with an example."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tests.customization.cli.answers import DATASET, EVALUATION, model, photos
from tests.customization.cli.ran import Vision
from tests.customization.fake_service import Answer, FakeService
from tests.customization.samples import MakeFolder, encoded
from tests.support.places import DOCS
from vision_customization.customization.cli.program import vision as program

PAGE = (DOCS / "cli.md").read_text("utf-8")
EVERYWHERE = {"--endpoint", "--key", "--stack", "--help", "-h"}


def commands(group: click.Group = program, path: str = "vision") -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


COMMANDS = dict(commands())
GROUPS = {f"vision {name}": command for name, command in program.commands.items() if isinstance(command, click.Group)}
SHORT_HELP_MAX = 45
"""As much as `vision --help` shows of each command on a line of 80 characters."""

SHOWN = [line for block in re.findall(r"^```console\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE) for line in block.splitlines()]


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
    assert documented - EVERYWHERE == options(COMMANDS[name]) - EVERYWHERE
    assert documented <= options(COMMANDS[name])


@pytest.mark.parametrize("option", sorted(EVERYWHERE))
def test_options_of_every_command_are_documented_once(option: str) -> None:
    assert f"`{option}" in PAGE


def test_no_command_is_documented_that_is_not_there() -> None:
    assert set(re.findall(r"^## `(vision [a-z -]+)`", PAGE, re.MULTILINE)) == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_teaches_with_an_example(name: str) -> None:
    text = COMMANDS[name].help or ""
    assert "Example" in text
    assert re.search(rf"^ +{name}\b", text, re.MULTILINE)
    for parameter in COMMANDS[name].params:
        assert isinstance(parameter, click.Argument) or getattr(parameter, "help", None), parameter.name


@pytest.mark.parametrize(
    "variable",
    [
        "VISION_ENDPOINT",
        "VISION_KEY",
        "VISION_CONTAINER",
        "VISION_STORAGE_KEY",
        "VISION_SOURCE_STORAGE_KEY",
        "VISION_CACHE_DIR",
        "VISION_CUSTOMVISION_ENDPOINT",
        "VISION_CUSTOMVISION_KEY",
    ],
)
def test_every_variable_is_documented(variable: str) -> None:
    assert f"{variable}`" in PAGE


def test_what_comes_out_of_an_exported_model_is_told_for_each_kind() -> None:
    for text in (section("vision export"), COMMANDS["vision export"].help or ""):
        told = " ".join(text.split())
        assert re.search("classifier (come|outputs|returns) probabilities", told)
        assert "boxes, scores and classes" in told
        assert "learning.md" in told
    assert re.search("^## Detectors$", (DOCS / "learning.md").read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("name", [*COMMANDS, *GROUPS])
def test_the_list_of_commands_shows_each_summary_whole(name: str) -> None:
    command = {**COMMANDS, **GROUPS}[name]
    assert command.short_help
    assert len(command.short_help) <= SHORT_HELP_MAX


def test_no_summary_is_cut_off() -> None:
    for group in (program, *GROUPS.values()):
        with click.Context(group, terminal_width=80, **program.context_settings) as context:
            assert "..." not in group.get_help(context).partition("Commands:")[2]


@pytest.mark.parametrize("line", [line.removeprefix("$ ") for line in SHOWN if line.startswith("$ vision")])
def test_each_command_line_that_is_shown_parses(line: str) -> None:
    arguments = shlex.split(line.partition(" > ")[0])[1:]
    command: click.Command = program
    while isinstance(command, click.Group):
        command = command.commands[arguments.pop(0)]
    # Raises for an option that there is not. A command keeps the help options of the first context that it sees.
    command.make_context(line, arguments, resilient_parsing=True, **program.context_settings).close()


def test_the_labels_of_other_tools_become_a_dataset_as_shown(vision: Vision, tmp_path: Path) -> None:
    photos(tmp_path)
    shown = [shlex.split(line)[2:] for line in SHOWN[:2]]
    assert [arguments[0] for arguments in shown] == ["convert", "check"]
    for arguments in shown:
        assert vision(*arguments).code == 0


def test_check_prints_what_is_shown(vision: Vision, dataset_folder: MakeFolder) -> None:
    folder = dataset_folder({"a": 10, "b": 10}, box=[0, 0, 1, 1])
    folder.document["annotations"][17]["bbox"] = [0.9, 0.1, 0.2, 0.3]
    folder.document["images"][3]["file_name"] = "images/4.jpg"
    folder.image(3).write_bytes(encoded(3, file_format="JPEG")[:-12])
    folder.write()
    start = SHOWN.index("$ vision check data/train.json", 5) + 1
    ran = vision("check", folder.path / "train.json")
    assert ran.code == 1
    bytes_left = re.compile(r"\(\d+ bytes")
    printed = [bytes_left.sub("(12 bytes", line) for line in (*ran.out.splitlines(), *ran.err.splitlines())]
    assert printed == SHOWN[start : start + 3]


def test_a_missed_gate_is_printed_as_shown(vision: Vision, service: FakeService) -> None:
    kinds = {"/evaluations/": EVALUATION, "/datasets/": DATASET}
    service.handler = lambda request: Answer(
        200, next((answer for kind, answer in kinds.items() if kind in request.path), model())
    )
    start = next(number for number, line in enumerate(SHOWN) if line.startswith("$ vision evaluate"))
    ran = vision(*shlex.split(SHOWN[start])[2:])
    assert (ran.out + ran.err).splitlines()[-1] == SHOWN[start + 2]
    assert [SHOWN[start + 3], str(ran.code)] == ["$ echo $?", SHOWN[start + 4]]
