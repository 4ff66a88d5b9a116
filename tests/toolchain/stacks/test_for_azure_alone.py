"""Commands that are for stacks in Azure alone refuse other names before anything is made."""

import subprocess

import pytest

from tests.support.places import CHECKOUT


@pytest.mark.parametrize("target", ["bootstrap", "smoke"])
@pytest.mark.parametrize(
    ("stack", "says"),
    [
        ("a-mistyped-name", "stacks/Pulumi.a-mistyped-name.yaml does not exist. Name a stack that has a file."),
        ("local", "is for stacks in Azure. Name one: make "),
        ("dev", None),
    ],
)
def test_what_make_runs_first(target: str, stack: str, says: str | None) -> None:
    recipe = subprocess.run(
        ["make", "--dry-run", target, f"STACK={stack}"], cwd=CHECKOUT, capture_output=True, text=True, check=True
    ).stdout
    (line,) = [line for line in recipe.splitlines() if "stacks.stack create" in line]
    before = line.partition(".venv/bin/python")[0]
    assert ("exit 1;" in before) is (says is not None)
    assert says is None or says in before
