"""What set-up makes of the policy pack, and that make holds every stack but `local` to it."""

import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support.places import CHECKOUT
from toolchain.places import Places
from toolchain.programs import pulumi_cli
from toolchain.stacks.policy_pack import PLUGIN, RUNTIME, plugin_script, project_text


def test_the_pack_of_vision_differs_in_its_runtime_alone() -> None:
    text = (CHECKOUT / "policy" / "PulumiPolicy.yaml").read_text()
    ours, theirs = yaml.safe_load(project_text(text)), yaml.safe_load(text)
    assert ours.pop("runtime") == RUNTIME
    assert theirs.pop("runtime") == {"name": "python", "options": {"virtualenv": ".venv"}}
    assert ours == theirs
    assert PLUGIN.endswith(RUNTIME)


def test_the_plugin_survives_a_checkout_with_a_space(tmp_path: Path) -> None:
    places = Places(checkout=tmp_path / "my checkout", cache=tmp_path)
    python = places.checkout / "policy" / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\nprintf "%s|" "$@"\n')
    python.chmod(0o755)
    plugin = tmp_path / "plugin"
    plugin.write_text(plugin_script(places))
    plugin.chmod(0o755)
    told = subprocess.run([plugin, "127.0.0.1:1", "."], capture_output=True, text=True, check=True).stdout
    assert told == f"-u|-m|pulumi.policy|127.0.0.1:1|{places.checkout / 'policy'}|"


def test_the_pack_has_the_pulumi_of_the_project() -> None:
    assert f"pulumi=={pulumi_cli.VERSION}\n" in (CHECKOUT / "policy" / "requirements.in").read_text()


@pytest.mark.parametrize("target", ["up", "preview"])
@pytest.mark.parametrize(("stack", "config"), [("local", None), ("dev", "dev"), ("prod", "prod"), ("another", "prod")])
def test_make_holds_the_stacks_to_the_pack(target: str, stack: str, config: str | None) -> None:
    told = subprocess.run(
        ["make", "--dry-run", target, f"STACK={stack}"], cwd=CHECKOUT, capture_output=True, text=True, check=True
    ).stdout
    options = f"--policy-pack .vision/policy --policy-pack-config policy/config/{config}.json"
    assert (options in told) if config else ("--policy-pack" not in told)
