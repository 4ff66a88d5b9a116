"""docs/azure.md as somebody reads it who has an empty subscription: each command of its steps, in order, on a played Azure."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.stacks.azure.az import install
from tests.stacks.azure.catalog import CATALOG
from tests.stacks.azure.environment import Environment
from tests.stacks.azure.services import AzureWorld
from tests.stacks.project import VENV_BIN
from tests.stacks.shapes import write_dataset
from tests.support.clone import clone_into
from tests.support.places import DOCS
from vision_customization.components.azure.registration import ALWAYS, FOR_APPS_IN_NETWORKS

PAGE = (DOCS / "azure.md").read_text()
STEPS = PAGE.partition("\n## The steps\n")[2].partition("\n## ")[0]
COMMANDS = ("az", "make", "pulumi", ".", "curl")
NAMESPACES = sorted({kind.arm_type.partition("/")[0] for kind in CATALOG.values()} - ALWAYS | {FOR_APPS_IN_NETWORKS})
# Set-up is the README's test, and without Pulumi's own bundle no policy pack can be loaded.
MAKE = """\
#!/bin/sh
exec {make} -o setup "$@" POLICY=
"""
AZ = """\
#!/bin/sh
echo "$@" >> {folder}/az-calls
case "$1" in login | account) ;; *) exec {az} "$@" ;; esac
"""
TIMEOUT_SECONDS = 600


def command_blocks(markdown: str) -> list[str]:
    """The blocks whose every line that begins a command begins one of those; not the pictures."""
    blocks = re.findall(r"^```(?:sh|bash)?\n(.*?)^```", markdown, re.MULTILINE | re.DOTALL)
    return [block for block in blocks if block.split()[0] in COMMANDS]


def test_the_steps_have_commands_from_login_to_call() -> None:
    firsts = [block.split("\n", 1)[0] for block in command_blocks(STEPS)]
    assert firsts[:3] == ["az login", "make setup STACK=dev", "make up STACK=dev"]
    assert any(first.startswith("curl --fail") for first in firsts)
    assert "`make down STACK=dev`" in STEPS
    assert "`pulumi stack rm dev --preserve-config`" in STEPS


@pytest.mark.ci
@pytest.mark.stack
@pytest.mark.process
@pytest.mark.postgresql
@pytest.mark.timeout(TIMEOUT_SECONDS)
def test_the_commands_of_the_page_work_in_order(tmp_path: Path) -> None:
    folder = tmp_path / "clone"
    clone_into(folder)
    with AzureWorld(tmp_path / "azure") as world:
        dev = environment_in(folder, world)
        dev.azure.scenario(notRegistered=NAMESPACES)
        script = "\n".join(
            ["set -euo pipefail", *command_blocks(STEPS), "make down STACK=dev", "pulumi stack rm --yes --preserve-config dev"]
        ).replace("<subscription>", world_subscription(world))
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=folder,
            env={
                **dev.environment,
                "PATH": f"{folder / 'commands'}{os.pathsep}{dev.environment['PATH']}",
                "CURL_CA_BUNDLE": str(world.authority.ca_file),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=TIMEOUT_SECONDS - 60,
        )
        assert done.returncode == 0, done.stdout
        assert '"tagsResult"' in done.stdout
        assert (folder / "az-calls").read_text().startswith("login\naccount set --subscription ")
        assert dev.azure.resources() == {}


def environment_in(folder: Path, world: AzureWorld) -> Environment:
    """The stack dev as the clone has it, with images that are drawn, and `make` and `az` as they can be here."""
    for file, numbers in (("train.json", range(10)), ("test.json", range(1000, 1010))):
        write_dataset(folder / "shapes", file, {"circle": numbers, "square": numbers})
    shutil.copy(folder / "shapes" / "images" / "circle-1000.png", folder / "image.jpg")
    (folder / ".venv").symlink_to(VENV_BIN.parent)
    commands = folder / "commands"
    commands.mkdir()
    for name, text in (
        ("make", MAKE.format(make=shutil.which("make"))),
        ("az", AZ.format(folder=folder, az=install(folder / "played") / "az")),
    ):
        (commands / name).write_text(text)
        (commands / name).chmod(0o755)
    state = Environment(folder, "dev", world=world).state_folder()
    state.mkdir()
    names = {"textile-train": "train.json", "textile-test": "test.json"}
    datasets = {
        name: {"annotationKind": "imageClassification", "annotationFiles": [file], "source": "shapes"}
        for name, file in names.items()
    }
    dev = Environment.of(folder, "dev", world, datasets, textile={"require": {"accuracyTop1": 0.6}})
    # The page makes the stack.
    dev.run("stack", "rm", "--yes", "--preserve-config", "dev").succeeded()
    return dev


def world_subscription(world: AzureWorld) -> str:
    subscription: str = Environment(world.folder, "dev", world=world).azure.subscription.scenario()["subscriptionId"]
    return subscription
