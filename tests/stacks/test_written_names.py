"""Names that YAML does not read as texts, in a stack's file as somebody wrote it and as Pulumi hands it over."""

import json
from pathlib import Path
from typing import Any

import pytest

from stacks.settings import SettingsError, read_settings
from stacks.written_names import Misread, misread_keys
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


# As Pulumi 3.259 hands each over.
READ = {
    "1.10": "1.1",
    "10.0": "10",
    "007": "7",
    "0x1F": "31",
    "0o17": "15",
    "0b11": "3",
    "1e3": "1000",
    "1.5e-3": "0.0015",
    "1_000": "1000",
    ".5": "0.5",
    "+1": "1",
    "1.": "1",
    ".inf": "+Inf",
    ".nan": "NaN",
    "~": "<nil>",
    "null": "<nil>",
    "True": "true",
    "2026-11-28": "2026-11-28 00:00:00 +0000 UTC",
}


@pytest.mark.parametrize(("name", "read"), READ.items())
def test_what_is_not_read_as_it_is_written_must_be_in_quotes(name: str, read: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings(config(read), "dev", written(name))
    assert str(refused.value) == (
        f"stacks/Pulumi.dev.yaml:8: vision-customization:models: YAML changes {name} when reading it. Put it in quotes"
    )


@pytest.mark.parametrize(
    "name", ["leaves", "v1.10", "1.10.0", "1-1", "1", "2026", "true", "yes", "no", "Off", "2024-05-01-leaves", "1.1", "1.1."]
)
@pytest.mark.parametrize("quote", ["", "'", '"'])
def test_what_is_read_as_it_is_written_needs_no_quotes(name: str, quote: str) -> None:
    assert list(read_settings(config(name), "dev", written(f"{quote}{name}{quote}")).models) == [name]


def test_keys_below_are_names_too() -> None:
    text = written(properties=", customProperties: {1.10: a}")
    with pytest.raises(SettingsError, match=r"datasets.train.customProperties: YAML changes 1.10 when reading it"):
        read_settings(config(**{"1.1": "a"}), "dev", text)


def test_of_two_names_that_yaml_takes_for_one_the_one_that_is_not_there_is_named() -> None:
    text = f"config:\n  {PROJECT}:models:\n    1.1: {{}}\n    1.10: {{}}\n    '1.100': {{}}\n"
    read = {"models": {"1.1": {}, "1.100": {}}}
    assert misread_keys(text, read, PROJECT) == [Misread(4, f"{PROJECT}:models", "1.10")]
    text = f"config:\n  {PROJECT}:models:\n    '1.1': {{}}\n    1.1: {{}}\n"
    assert misread_keys(text, {"models": {"1.1": {}}}, PROJECT) == [Misread(4, f"{PROJECT}:models", "1.1")]


def test_what_is_merged_or_secret_is_no_name() -> None:
    text = f"config:\n  {PROJECT}:models:\n    a: &a {{}}\n    b: {{<<: *a}}\n    c: {{secure: v1:x}}\n"
    assert misread_keys(text, {"models": {"a": {}, "b": {}, "c": "plain"}}, PROJECT) == []


def test_a_name_in_another_place_than_a_key_is_explained() -> None:
    with pytest.raises(SettingsError, match=r"trainingDataset: must be a string, but YAML reads it as 1.1. Put it in quotes"):
        read_settings(config(dataset=1.1), "dev", written(dataset="1.10"))


@pytest.mark.parametrize("text", [None, "", "config: {}", written("'1.10'"), "config: [", "- 1"])
def test_without_the_file_a_name_that_may_have_been_another_is_refused(text: str | None) -> None:
    """Of an environment of Pulumi ESC, for instance, or of another file."""
    with pytest.raises(SettingsError, match=r"1.1|does not read 1.10"):
        read_settings(config("1.1"), "dev", text)
    assert list(read_settings(config("v1.1"), "dev", None).models) == ["v1.1"]
    assert list(read_settings(config("2026"), "dev", None).models) == ["2026"]


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
    assert f"{PROJECT}:models: YAML changes 1.10 when reading it. Put it in quotes" in said
    file.write_text(file.read_text().replace("1.10:", '"1.10":'))
    assert "does not read" not in project.preview().output
