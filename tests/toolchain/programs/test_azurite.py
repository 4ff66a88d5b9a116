"""Which Node.js Azurite asks for."""

import json
from pathlib import Path

import pytest

from toolchain.errors import ToolchainError
from toolchain.programs.azurite import least_node


def test_least_node(tmp_path: Path) -> None:
    package = tmp_path / "package.json"
    package.write_text(json.dumps({"engines": {"node": ">=22.0"}}))
    assert least_node(package) == (22, 0, 0)
    package.write_text(json.dumps({"engines": {"node": "any"}}))
    with pytest.raises(ToolchainError, match=r"engines\.node names no version"):
        least_node(package)
