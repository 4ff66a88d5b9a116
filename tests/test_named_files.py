"""The Python files that the documentation and the docstrings name exist."""

import ast
import re
from pathlib import Path

import pytest

from tests.support.places import CHECKOUT, DOCS

PRODUCT = (
    "benchmarks",
    "common",
    "components",
    "contract",
    "customization",
    "engine",
    "examples",
    "pipeline",
    "policy",
    "stacks",
    "toolchain",
)
FILES = [path for folder in (*PRODUCT, "tests") for path in sorted((CHECKOUT / folder).rglob("*.py"))]
PATHS = {"__main__.py", *(path.relative_to(CHECKOUT).as_posix() for path in FILES)}
NAMES = {Path(path).name for path in PATHS}

PAGES = [*(CHECKOUT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")), *sorted(DOCS.rglob("*.md"))]


def docstrings(source: str) -> str:
    """Those of modules, classes and functions, and those below attributes."""
    nodes = (node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Expr))
    return "\n".join(node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str))


def missing(text: str) -> list[str]:
    """The files in backticks that do not exist: a path is one from the top of the checkout, a mere name any file's."""
    named = re.findall(r"`([\w./-]+\.py)`", text)
    return [name for name in named if name not in (PATHS if "/" in name else NAMES)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(CHECKOUT).as_posix())
def test_the_files_that_a_page_names_exist(page: Path) -> None:
    assert missing(page.read_text("utf-8")) == []


@pytest.mark.parametrize("folder", PRODUCT)
def test_the_files_that_docstrings_name_exist(folder: str) -> None:
    for path in (CHECKOUT / folder).rglob("*.py"):
        assert missing(docstrings(path.read_text("utf-8"))) == [], path


def test_what_does_not_exist_is_found() -> None:
    assert missing("`engine/cli.py`, `cli.py`, `engine/nothing.py`, `nothing.py`, `*.py`") == [
        "engine/nothing.py",
        "nothing.py",
    ]
    assert docstrings('"""Module."""\nA = 1\n"""Of A."""\ndef f():\n    """Of f."""\n') == "Module.\nOf A.\nOf f."
