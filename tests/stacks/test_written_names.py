"""Names that YAML does not read as texts, in a stack's file as somebody wrote it and as Pulumi hands it over."""

import json
from pathlib import Path
from typing import Any

import pytest

from stacks.settings import SettingsError, read_settings
from stacks.written_names import is_read_otherwise, misread_keys
from tests.stacks.project import Project

PROJECT = "vision-customization"
WRITTEN = """
config:
  other:models:
    1.10: {{}}
  vision-customization:datasets:
    train: {{annotationKind: imageClassification, annotationFileUris: [https://h/c/1.json]{properties}}}
  vision-customization:models:
    {name}:
      trainingDataset: {dataset}
"""


def written(name: str = "leaves", dataset: str = "train", properties: str = "") -> str:
    return WRITTEN.format(name=name, dataset=dataset, properties=properties)


def config(name: str = "leaves", dataset: object = "train", **properties: str) -> dict[str, str]:
    """The configuration as Pulumi hands it over."""
    described: dict[str, Any] = {"annotationKind": "imageClassification", "annotationFileUris": ["https://h/c/1.json"]}
    if properties:
        described["customProperties"] = properties
    values = {"datasets": {"train": described}, "models": {name: {"trainingDataset": dataset}}}
    return {f"{PROJECT}:{key}": json.dumps(value) for key, value in values.items()}


@pytest.mark.parametrize(
    "name",
    [
        *("1.10", "1.1", "1", "10", "007", "0x1F", "0o17", "1e3", "1.5e-3", "1_000", ".5", "-1", "+1", "1.", ".inf", ".nan"),
        *("true", "False", "null", "~", "2026-11-28", "yes", "no", "on", "Off", "1:30"),
    ],
)
def test_what_is_not_read_as_a_text_must_be_in_quotes(name: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings(config("1.1"), "dev", written(name))
    assert str(refused.value) == (
        f"stacks/Pulumi.dev.yaml:8: vision-customization:models: YAML does not read {name} as a name: "
        f'put it in quotes, as in "{name}"'
    )
    for quote in ("'", '"'):
        if not name.startswith(("~", ".", "-", "+")) and ":" not in name:
            assert list(read_settings(config(name), "dev", written(f"{quote}{name}{quote}")).models) == [name]


@pytest.mark.parametrize("name", ["leaves", "v1.10", "1.10.0", "1-1", "e3", "1.1.", "yes-no", "truee", "0b"])
def test_what_is_read_as_a_text_needs_no_quotes(name: str) -> None:
    assert list(read_settings(config(name), "dev", written(name)).models) == [name]


def test_keys_below_are_names_too() -> None:
    text = written(properties=", customProperties: {1.10: a}")
    with pytest.raises(SettingsError, match=r"datasets.train.customProperties: YAML does not read 1.10 as a name"):
        read_settings(config(**{"1.1": "a"}), "dev", text)


def test_of_two_names_that_yaml_takes_for_one_both_are_named() -> None:
    text = f"config:\n  {PROJECT}:models:\n    1.1: {{}}\n    1.10: {{}}\n    '1.100': {{}}\n"
    assert misread_keys(text, PROJECT) == [(3, f"{PROJECT}:models", "1.1"), (4, f"{PROJECT}:models", "1.10")]


def test_a_name_in_another_place_than_a_key_is_explained() -> None:
    with pytest.raises(SettingsError, match=r"trainingDataset: must be a text, and YAML reads it as 1.1: put it in quotes"):
        read_settings(config(dataset=1.1), "dev", written(dataset="1.10"))


@pytest.mark.parametrize("text", [None, "", "config: {}", written("'1.10'"), "config: [", "- 1"])
def test_without_the_file_a_name_that_may_have_been_another_is_refused(text: str | None) -> None:
    """Of an environment of Pulumi ESC, for instance, or of another file."""
    with pytest.raises(SettingsError, match=r"1.1: YAML may have read another name as this. Put it in quotes, or use a letter"):
        read_settings(config("1.1"), "dev", text)
    assert list(read_settings(config("v1.1"), "dev", text).models) == ["v1.1"]


def test_a_name_is_what_it_looks_like() -> None:
    assert not is_read_otherwise("leaves")
    assert is_read_otherwise("")


@pytest.mark.stack
def test_by_the_real_cli(tmp_path: Path) -> None:
    project = Project.create(tmp_path, {"platform": "local"})
    file = tmp_path / "stacks" / "Pulumi.local.yaml"
    kept = file.read_text()
    models = f"  {PROJECT}:models:\n    1.10:\n      trainingDataset: train\n"
    datasets = f"  {PROJECT}:datasets:\n    train:\n      annotationKind: imageClassification\n      source: x\n"
    datasets += "      annotationFiles: [train.json]\n"
    file.write_text(kept.replace("config:\n", f"config:\n{datasets}{models}"))
    said = project.preview().failed().output
    assert f'{PROJECT}:models: YAML does not read 1.10 as a name: put it in quotes, as in "1.10"' in said
    file.write_text(file.read_text().replace("1.10:", '"1.10":'))
    assert "does not read" not in project.preview().output
