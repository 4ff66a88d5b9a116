"""In which version of Azure's interfaces the program makes its resources."""

import ast
from collections.abc import Iterator

import pytest

from tests.stacks.azure import schema
from tests.support.places import CHECKOUT

PREVIEWS = {
    "app:ContainerApp": "2025-02-02-preview",
    "app:Job": "2025-02-02-preview",
    "app:ManagedEnvironment": "2025-02-02-preview",
    "authorization:RoleDefinition": "2022-05-01-preview",
    "monitor:ActionGroup": "2024-10-01-preview",
    "monitor:DiagnosticSetting": "2021-05-01-preview",
    "monitor:ScheduledQueryRule": "2025-01-01-preview",
}
"""The types whose only version in the package is a preview; docs/azure.md says what that means."""


def used_types() -> Iterator[str]:
    """The types of resources that the components make, such as `storage:StorageAccount`."""
    for file in sorted((CHECKOUT / "components" / "azure").glob("*.py")):
        tree = ast.parse(file.read_text())
        modules = {
            alias.asname or alias.name: alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module == "pulumi_azure_native"
            for alias in node.names
        }
        for node in ast.walk(tree):
            called = node.func if isinstance(node, ast.Call) else None
            if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and called.value.id in modules:
                module, name = modules[called.value.id], called.attr
                if name[0].isupper() and not name.endswith("Args"):
                    yield f"{module}:{name}"


USED = sorted(set(used_types()))


def test_types_are_found() -> None:
    assert {"storage:StorageAccount", "app:ContainerApp", "cognitiveservices:Account"} <= set(USED)


@pytest.mark.parametrize("resource_type", USED)
def test_a_preview_is_used_only_where_the_package_has_no_other_version(resource_type: str) -> None:
    """A module per version, such as `pulumi_azure_native.app.v20250701`, would be used instead of a preview."""
    version = schema.api_version(f"azure-native:{resource_type}")
    if not version.endswith("-preview"):
        assert resource_type not in PREVIEWS, "it is stable now: take it out of PREVIEWS, and out of docs/azure.md"
        return
    assert PREVIEWS.get(resource_type) == version
    module = schema.sdk_folder() / resource_type.partition(":")[0]
    assert not list(module.glob("v20*")), "the package has modules of other versions: use a stable one"


@pytest.mark.parametrize(("resource_type", "version"), sorted(PREVIEWS.items()))
def test_the_previews_are_documented(resource_type: str, version: str) -> None:
    documented = (CHECKOUT / "docs" / "azure.md").read_text()
    assert f"`{resource_type.partition(':')[2]}`" in documented
    assert version in documented
