"""What `from vision_customization import …` offers, and what an import of it leaves alone."""

import ast
import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.places import CHECKOUT, DOCS

PAGES = [CHECKOUT / "README.md", *sorted(DOCS.rglob("*.md"))]
SHOWN = [
    (alias.name, str(node.module))
    for page in PAGES
    for block in re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    for node in ast.walk(ast.parse(block))
    if isinstance(node, ast.ImportFrom)
    for alias in node.names
]
PACKAGES = ["vision_customization", "vision_customization.customization"]

LOADED = """
import importlib, json, sys
module = importlib.import_module(sys.argv[1])
for name in sys.argv[2:]:
    getattr(module, name)
print(json.dumps(sorted(sys.modules)))
"""


def loaded(package: str, *names: str) -> set[str]:
    """The modules that a fresh interpreter has after it has used these names of a package."""
    done = subprocess.run([sys.executable, "-c", LOADED, package, *names], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("package", PACKAGES)
def test_each_export_is_what_its_home_defines(package: str) -> None:
    module = importlib.import_module(package)
    for name in module.__all__:
        exported = getattr(module, name)
        assert exported.__name__ == name
        assert exported is getattr(importlib.import_module(exported.__module__), name)
    assert set(module.__all__) <= set(dir(module))


@pytest.mark.parametrize("package", PACKAGES)
def test_a_type_checker_sees_the_same_names(package: str) -> None:
    module = importlib.import_module(package)
    tree = ast.parse(Path(str(module.__file__)).read_text("utf-8"))
    [guarded] = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    seen: set[str] = set()
    for node in guarded.body:
        assert isinstance(node, ast.ImportFrom)
        names = {alias.name for alias in node.names}
        seen |= set(importlib.import_module(str(node.module)).__all__) if names == {"*"} else names
    assert seen == set(module.__all__)


@pytest.mark.parametrize("package", PACKAGES)
def test_an_unknown_name_is_an_attribute_error(package: str) -> None:
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'VisionClinet'"):
        importlib.import_module(package).VisionClinet  # noqa: B018


@pytest.mark.parametrize("package", PACKAGES)
def test_the_package_alone_imports_nothing_else(package: str) -> None:
    rooms = {name for name in loaded(package) if name.startswith("vision_customization.")}
    assert rooms <= {"vision_customization.customization"}


@pytest.mark.parametrize("package", PACKAGES)
def test_the_client_needs_neither_pulumi_nor_the_engine(package: str) -> None:
    found = loaded(package, "VisionClient", "NotFound", "ModelKind")
    assert "vision_customization.customization.client.client" in found
    for unwanted in ("pulumi", "grpc", "numpy", "vision_customization.engine", "vision_customization.components"):
        assert unwanted not in found


@pytest.mark.parametrize(("name", "module"), sorted(set(SHOWN)))
def test_what_the_documentation_imports_is_there(name: str, module: str) -> None:
    exec(f"from {module} import {name}", {})
