"""Which stack an example is, and what of it the Makefile does where the stack lives on this machine."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.places import CHECKOUT
from toolchain.places import Places, find_places
from toolchain.samples import STEPS
from toolchain.setup import steps
from toolchain.stacks.local_state import is_local


def make(*arguments: str, folder: Path = CHECKOUT) -> "subprocess.CompletedProcess[str]":
    """What `make` would run, not run."""
    environ = {name: value for name, value in os.environ.items() if name not in ("STACK", "EXAMPLE", "MAKEFLAGS", "MAKELEVEL")}
    return subprocess.run(["make", "-n", *arguments], cwd=folder, env=environ, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("arguments", "stack"),
    [
        ((), "local"),
        (("EXAMPLE=textile",), "local"),
        (("EXAMPLE=detection",), "detection"),
        (("STACK=detection",), "detection"),
        (("STACK=prod",), "prod"),
    ],
)
def test_the_stack_of_an_example(arguments: tuple[str, ...], stack: str) -> None:
    for target in ("up", "down", "preview", "show"):
        planned = make(target, *arguments)
        assert planned.returncode == 0, planned.stderr
        assert set(re.findall(r"--stack (\S+)", planned.stdout)) == {stack}
        local = stack != "prod"
        assert ("--azure" in planned.stdout, "--policy-pack" in planned.stdout) == (
            not local,
            not local and target in ("up", "preview"),
        )


def test_an_example_that_there_is_not_is_named_with_those_that_there_are() -> None:
    planned = make("up", "EXAMPLE=textiles")
    assert planned.returncode != 0
    assert "there is no example textiles; choose from detection textile" in planned.stderr


@pytest.mark.parametrize(
    ("platform", "local"),
    [
        ("  vision-customization:platform: local\n", True),
        ('  vision-customization:platform: "local"\n', True),
        ("  vision-customization:platform: azure # not local\n", False),
        ("  # vision-customization:platform: local\n", False),
        ("", False),
    ],
)
def test_the_makefile_and_the_toolchain_agree_on_what_is_local(platform: str, local: bool, tmp_path: Path) -> None:
    shutil.copy(CHECKOUT / "Makefile", tmp_path)
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples" / "textile.py").touch()
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks" / "Pulumi.mine.yaml").write_text(f"config:\n{platform}")
    assert is_local(Places(tmp_path, tmp_path), "mine") is local
    assert ("--azure" in make("setup", "STACK=mine", folder=tmp_path).stdout) is not local
    assert not is_local(Places(tmp_path, tmp_path), "nowhere")


@pytest.mark.parametrize("stack", sorted(STEPS))
def test_the_salt_of_the_local_stacks_that_come_with_the_project_is_not_committed(stack: str) -> None:
    assert f"stacks/Pulumi.{stack}.yaml filter=stack-salt" in (CHECKOUT / ".gitattributes").read_text().splitlines()
    assert is_local(find_places(), stack)


@pytest.mark.parametrize(
    ("stack", "samples"), [("local", {"samples"}), ("detection", {"samples", "detection"}), ("dev", {"samples"})]
)
def test_only_the_stack_that_needs_it_makes_a_dataset(stack: str, samples: set[str]) -> None:
    names = [step.name for step in steps(find_places(), stack=stack, azure=False)]
    assert {"samples", "detection"} & set(names) == samples
    assert len(names) == len(set(names))


INTERNAL = {"python"}
"""Targets that only others call."""


def test_help_has_a_line_for_each_target_and_room_for_each_name() -> None:
    text = (CHECKOUT / "Makefile").read_text()
    targets = {name for names in re.findall(r"^\.PHONY: (.+)$", text, re.MULTILINE) for name in names.split()}
    told = subprocess.run(["make", "help"], cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    lines = re.findall(r"^  make (\S+)( +)(\S.*)$", told, re.MULTILINE)
    assert {name for name, _, _ in lines} == targets - INTERNAL
    assert len({len(name) + len(space) for name, space, _ in lines}) == 1
    assert all(len(words) < 100 for _, _, words in lines)


FAKE = """#!/bin/sh
echo "$(basename "$0") $*" >> "$LOG"
case "$*" in *toolchain.stacks.stack*) exit "$EXISTS" ;; *destroy*) exit "$DESTROYED" ;; esac
"""


@pytest.mark.parametrize(
    ("exists", "destroyed", "status", "calls"),
    [
        (0, 0, 0, ["exists", "destroy", "leftovers"]),
        (0, 1, 2, ["exists", "destroy"]),
        # There is no such stack: nothing to destroy.
        (3, 0, 0, ["exists", "leftovers"]),
        # Nobody knows what there is: what runs is stopped, and the failure is not kept quiet.
        (2, 0, 2, ["exists", "leftovers"]),
        (1, 0, 2, ["exists", "leftovers"]),
    ],
)
def test_down_never_says_that_it_destroyed_what_it_could_not_see(
    exists: int, destroyed: int, status: int, calls: list[str], tmp_path: Path
) -> None:
    shutil.copy(CHECKOUT / "Makefile", tmp_path)
    for folder in ("examples", ".venv/bin", "stacks"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "examples" / "textile.py").touch()
    for name in ("python", "pulumi"):
        program = tmp_path / ".venv" / "bin" / name
        program.write_text(FAKE)
        program.chmod(0o755)
    log = tmp_path / "log"
    environ = {**os.environ, "LOG": str(log), "EXISTS": str(exists), "DESTROYED": str(destroyed)}
    done = subprocess.run(
        ["make", "down", "PYTHON=true"], cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stderr
    said = log.read_text()
    assert re.findall(r"exists|destroy|leftovers", said) == calls
