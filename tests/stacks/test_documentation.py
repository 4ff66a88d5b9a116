"""docs/stacks.md and docs/azure.md are the reference of the stack's file: every key is in them. Their examples are valid."""

import re
import textwrap
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from stacks import azure_settings
from stacks.azure_settings import AzureSettings, Settings
from stacks.settings import DatasetSettings, LocalSettings, ModelSettings, StackSettings
from tests.support.places import DOCS


def _is_settings(found: object) -> bool:
    return isinstance(found, type) and issubclass(found, Settings) and found is not Settings


@pytest.mark.parametrize(
    ("page", "settings"),
    [
        *(("stacks.md", settings) for settings in (StackSettings, DatasetSettings, ModelSettings, LocalSettings)),
        *(("azure.md", settings) for settings in vars(azure_settings).values() if _is_settings(settings)),
    ],
)
def test_every_setting_is_documented(page: str, settings: type[Settings]) -> None:
    reference = (DOCS / page).read_text()
    for name, field in settings.model_fields.items():
        assert f"| `{field.alias or name}` |" in reference


def _examples_of_azure() -> Iterator[tuple[str, dict[str, Any]]]:
    """Page and settings of each example of the key `azure`, whose ids are shortened."""
    for page in sorted(DOCS.glob("*.md")):
        for block in re.findall(r"^ *```yaml\n(.*?)^ *```", page.read_text(), re.MULTILINE | re.DOTALL):
            document = yaml.safe_load(
                textwrap.dedent(block).replace("/…/", "/<id>/resourceGroups/spoke/providers/Microsoft.Network/")
            )
            config = document.get("config", document) if isinstance(document, dict) else {}
            if "vision-customization:azure" in config:
                yield page.name, config["vision-customization:azure"]


EXAMPLES = list(_examples_of_azure())


@pytest.mark.parametrize(("page", "settings"), EXAMPLES, ids=[f"{page}-{n}" for n, (page, _) in enumerate(EXAMPLES)])
def test_every_example_of_azure_is_valid(page: str, settings: dict[str, Any]) -> None:
    AzureSettings.model_validate({"image": "contoso.azurecr.io/engine:1", **settings})


def test_the_examples_of_azure_are_found() -> None:
    assert {page for page, _ in EXAMPLES} >= {"azure.md", "azure-database.md", "azure-network.md", "azure-restore.md"}


def test_what_prebuilt_features_lack_is_documented() -> None:
    """Where Azure has no captions, and when all of them end."""
    for pages in ("azure*.md", "rest.md"):
        text = " ".join(file.read_text() for file in sorted(DOCS.glob(pages)))
        assert re.search(r"[Cc]aptions\b.{,60} not available in West US 2", text), pages
        assert "Azure retires Image Analysis on 2028-09-25" in text, pages
