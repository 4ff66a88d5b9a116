"""docs/stacks.md and docs/azure.md are the reference of the stack's file: every key is in them."""

import pytest

from stacks import azure_settings
from stacks.azure_settings import Settings
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
