"""docs/stacks.md is the reference of the stack's file: every key is in it."""

from pathlib import Path

import pytest

from stacks.settings import DatasetSettings, LocalSettings, ModelSettings, Settings, StackSettings

REFERENCE = (Path(__file__).parents[2] / "docs" / "stacks.md").read_text()


@pytest.mark.parametrize("settings", [StackSettings, DatasetSettings, ModelSettings, LocalSettings])
def test_every_setting_is_documented(settings: type[Settings]) -> None:
    for name, field in settings.model_fields.items():
        assert f"| `{field.alias or name}` |" in REFERENCE
