"""The stack's configuration, and that what somebody set as a secret stays one in the state."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from stacks.configuration import Configuration, holds, read_configuration
from stacks.settings import PROJECT, StackSettings
from tests.stacks.azure.stand_in import Azure
from tests.stacks.project import VENV_BIN, Project
from tests.support.places import CHECKOUT

SECURE = {"secure": "v1:abc"}
AZURE = f"{PROJECT}:azure"
SECRET = "ada@contoso.example"

PROGRAM = """\
import pulumi
from copied import Copied
from pulumi_azure_native import resources

from stacks.configuration import keep_secret, read_configuration
from stacks.settings import structured

configuration = read_configuration(pulumi.get_stack())
keep_secret(configuration.secrets())
azure = structured(configuration.values["vision-customization:azure"])
[email] = azure["alertEmails"]
tags = {"owner": email, "url": f"mailto:{email}", "plain": azure["tags"]["plain"]}
group = resources.ResourceGroup("group", resource_group_name="vision", location="eastus", tags=tags)
copied = Copied("copied", {"text": email, "later": group.name.apply(lambda name: name + email)})
pulumi.export("tags", group.tags)
pulumi.export("text", copied.text)
pulumi.export("group", group.name)
"""
COPIED = """\
import pulumi
from pulumi import dynamic


class Provider(dynamic.ResourceProvider):
    def create(self, props):
        return dynamic.CreateResult("it", props)


class Copied(dynamic.Resource, module="vision", name="Copied"):
    text: pulumi.Output[str]
    later: pulumi.Output[str]

    def __init__(self, name, props):
        super().__init__(Provider(), name, props)
"""


class Program(Project):
    """A program of two resources, one of them dynamic, that takes its settings as ours does."""

    @classmethod
    def make(cls, folder: Path) -> "Program":
        for name, text in (("__main__.py", PROGRAM), ("copied.py", COPIED)):
            (folder / name).write_text(text)
        shutil.copy(CHECKOUT / "Pulumi.yaml", folder)
        shutil.copytree(CHECKOUT / "stacks", folder / "stacks", ignore=shutil.ignore_patterns("*.yaml", "__pycache__"))
        (folder / ".venv").symlink_to(VENV_BIN.parent)
        (folder / "state").mkdir()
        program = cls(folder)
        program.configure({"azure": {"tags": {"plain": "in the open"}}})
        program.run("stack", "init", "local").succeeded()
        return program

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | Azure(self.folder / "azure").environment()

    def set(self, *arguments: str) -> None:
        self.run("config", "set", "--stack", self.stack, *arguments).succeeded()


@pytest.mark.stack
def test_a_secret_in_a_structured_setting_stays_secret_in_the_state(tmp_path: Path) -> None:
    program = Program.make(tmp_path)
    program.set("--secret", "--path", f"{AZURE}.alertEmails[0]", SECRET)
    assert SECRET not in (tmp_path / "stacks" / "Pulumi.local.yaml").read_text()
    preview = program.preview("--diff").succeeded().output
    up = program.up().succeeded().output
    assert SECRET not in preview + up
    state = program.state()
    assert SECRET not in state
    assert "in the open" in json.dumps(program.outputs()["tags"])
    assert program.outputs()["text"] == SECRET
    shown = program.run("stack", "output", "--json", "--stack", "local").succeeded().output
    assert (json.loads(shown)["text"], json.loads(shown)["group"]) == ("[secret]", "vision")
    program.preview("--expect-no-changes").succeeded()
    program.destroy().succeeded()


@pytest.mark.stack
def test_pulumi_refuses_what_its_project_file_does_not_allow(tmp_path: Path) -> None:
    program = Program.make(tmp_path)
    program.configure({"models": "text"})
    assert f"configuration key '{PROJECT}:models' must be of type 'object'" in program.preview().failed().output


def test_the_project_file_lists_every_key_with_a_default_that_the_program_takes() -> None:
    declared = yaml.safe_load((CHECKOUT / "Pulumi.yaml").read_text())["config"]
    assert set(declared) == {f"{PROJECT}:{name}" for name in StackSettings.model_fields}
    assert all(entry["description"].endswith(".") for entry in declared.values())
    defaults = {key.partition(":")[2]: entry["default"] for key, entry in declared.items()}
    assert StackSettings.model_validate(defaults) == StackSettings()


@pytest.mark.parametrize(
    ("kept", "value", "secret"),
    [
        (SECURE, "all of it", {"all of it"}),
        ({"tags": {"owner": SECURE, "plain": "b"}}, {"tags": {"owner": "a", "plain": "b"}}, {"a"}),
        ({"alertEmails": ["a", SECURE]}, {"alertEmails": ["a", "b"]}, {"b"}),
        # A key that YAML reads as a number is text to Pulumi.
        ({1.5: SECURE}, {"1.5": "a"}, {"a"}),
        ({"names": "in the open"}, {"names": "in the open"}, set()),
        # Without the file, nobody can say which: all texts.
        (None, {"tags": {"owner": "a"}, "emails": ["b"], "number": 3}, {"a", "b"}),
    ],
)
def test_what_is_secret(kept: Any, value: Any, secret: set[str]) -> None:  # noqa: ANN401 - JSON
    text = value if isinstance(value, str) else json.dumps(value)
    written = None if kept is None else yaml.safe_dump({"config": {AZURE: kept}})
    assert Configuration({AZURE: text}, frozenset({AZURE}), written).secrets() == secret
    assert Configuration({AZURE: text}, frozenset(), written).secrets() == frozenset()


@pytest.mark.parametrize(
    ("text", "secret", "found"),
    [
        ("hunter2", "hunter2", True),
        ("https://a:hunter2@b", "hunter2", True),
        ("eastus", "us", False),
        ("us", "us", True),
        ("something else", "hunter2", False),
    ],
)
def test_texts_that_hold_a_secret(text: str, secret: str, found: bool) -> None:
    assert holds(text, frozenset({secret})) is found


def test_a_configuration_has_what_is_set_and_what_is_unknown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Also where Pulumi's operator puts the file, beside Pulumi.yaml."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Pulumi.dev.yaml").write_text("config: {}")
    given = {f"{PROJECT}:platform": "azure", f"{PROJECT}:modelz": "{}", "azure-native:location": "eastus"}
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(given))
    monkeypatch.setenv("PULUMI_CONFIG_SECRET_KEYS", json.dumps([f"{PROJECT}:modelz"]))
    found = read_configuration("dev")
    assert found.values == {f"{PROJECT}:platform": "azure", f"{PROJECT}:modelz": "{}"}
    assert found.secret_keys == {f"{PROJECT}:modelz"}
    assert found.written == "config: {}"
    assert read_configuration("prod").written is None
