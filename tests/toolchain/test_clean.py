"""Which stacks `make clean` refuses to lose."""

import json
from pathlib import Path

import pytest

from toolchain.clean import stacks_in_use


@pytest.mark.parametrize(
    ("resources", "in_use"),
    [(None, []), ([{"type": "pulumi:pulumi:Stack"}], []), ([{"type": "x", "custom": True}], ["local"])],
)
def test_stacks_in_use(tmp_path: Path, resources: list[dict[str, object]] | None, in_use: list[str]) -> None:
    file = tmp_path / ".pulumi" / "stacks" / "vision-customization" / "local.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"checkpoint": {"latest": None if resources is None else {"resources": resources}}}))
    assert stacks_in_use(tmp_path) == in_use


@pytest.mark.parametrize("content", ["", '{"checkpoint": {"lat', "[]"])
def test_a_state_that_is_cut_may_hold_a_stack_in_use(tmp_path: Path, content: str) -> None:
    file = tmp_path / ".pulumi" / "stacks" / "project" / "local.json"
    file.parent.mkdir(parents=True)
    file.write_text(content)
    assert stacks_in_use(tmp_path) == ["local"]
