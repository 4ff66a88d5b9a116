"""A stack's file, `Pulumi.<stack>.yaml`: where it is, and adding a model to it while its comments stay."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from vision_customization.common.errors import VisionError
from vision_customization.contract.enums import ModelKind
from vision_customization.customization.program.stack_entry import StackEntry

FOLDER_KEY = "stackConfigDir"
"""The key of Pulumi.yaml that names the folder of the stacks' files; by default they are beside it."""

HEADER = "# What this stack holds: datasets, models and their gates. `vision new` adds to it, and so can you.\n"


class StackFileInvalid(VisionError):
    """A project's or a stack's file is not the YAML that Pulumi needs. The message names file and line."""


@dataclass(frozen=True)
class Project:
    """A Pulumi project: its folder, its name, and the folder of its stacks' files."""

    folder: Path
    name: str
    stack_folder: Path

    @classmethod
    def read(cls, folder: Path) -> Project:
        """The project whose Pulumi.yaml is in `folder`. Raises StackFileInvalid."""
        file = folder / "Pulumi.yaml"
        described = _load(file, _text(file))
        name = described.get("name")
        if not isinstance(name, str):
            raise StackFileInvalid(f"{file}: has no `name`")
        return cls(folder, name, folder / str(described.get(FOLDER_KEY) or ""))

    def stack_file(self, stack: str) -> Path:
        return self.stack_folder / f"Pulumi.{stack}.yaml"

    def stacks(self) -> list[str]:
        """The names of the stacks that have a file, sorted."""
        return sorted(file.name.split(".", 1)[1].removesuffix(".yaml") for file in self.stack_folder.glob("Pulumi.*.yaml"))

    def source_of(self, folder: Path) -> str:
        """A folder as a stack's file names it: relative to the program if it is inside the project, else absolute."""
        absolute, here = folder.resolve(), self.folder.resolve()
        return absolute.relative_to(here).as_posix() if absolute.is_relative_to(here) else str(absolute)


class Declared(StrEnum):
    """What `declare` did to a stack's file."""

    ADDED = "added"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


def check_use(project: Project, stack: str, name: str, source: str, annotation_kind: str) -> None:
    """Raises StackFileInvalid if another model's datasets of another kind, in any stack's file, have their labels in the folder
    `source`, which the labels of model `name` would replace."""
    for other in dict.fromkeys((stack, *project.stacks())):
        file = project.stack_file(other)
        config = _load(file, _text(file)).get("config") if file.exists() else None
        datasets = config.get(f"{project.name}:datasets") if isinstance(config, Mapping) else None
        for dataset, declared in datasets.items() if isinstance(datasets, Mapping) else ():
            if not isinstance(declared, Mapping) or (other == stack and dataset in (f"{name}-train", f"{name}-test")):
                continue
            if declared.get("source") == source and declared.get("annotationKind") != annotation_kind:
                raise StackFileInvalid(
                    f"{file}: the dataset {dataset} has its labels in {source}, for {declared.get('annotationKind')}. "
                    "Name another folder for these with --output"
                )


def check_entry(file: Path, project: str, entry: StackEntry) -> None:
    """Find out whether `declare` can write the entry; nothing is written.

    Raises:
        StackFileInvalid: the file is not YAML, its form is not that of a stack's file, or it has a model of this name that has
            datasets of other names or is of another kind.
    """
    with_entry(_text(file) if file.exists() else None, file, project, entry)


def declare(file: Path, project: str, entry: StackEntry) -> Declared:
    """Add models and their datasets to a stack's file, or update where the labels are.

    Comments and all other settings stay, also those of a model that is there already, such as its gate and its time budget.
    Only a dataset to evaluate on that is new is used, with its gate.

    Raises:
        StackFileInvalid: as `check_entry`.
    """
    former = _text(file) if file.exists() else None
    text = with_entry(former, file, project, entry)
    if text == former:
        return Declared.UNCHANGED
    there = _load(file, former or "").get("config") or {}
    known = there.get(f"{project}:models") or {}
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.draft")
    draft.write_text(text, "utf-8")
    draft.replace(file)
    return Declared.CHANGED if any(name in known for name in entry["models"]) else Declared.ADDED


def with_entry(text: str | None, file: Path, project: str, entry: StackEntry) -> str:
    """The text of a stack's file with the entry in it: see `declare`. `file` is named in errors only."""
    document = _load(file, text if text is not None else f"{HEADER}config:\n  {project}:platform: local\n")
    config = _mapping(document, "config", file)
    datasets = _mapping(config, f"{project}:datasets", file)
    models = _mapping(config, f"{project}:models", file)
    added = [name for name in entry["datasets"] if _existing(datasets, name) is None]
    for name, labels in entry["datasets"].items():
        _put(datasets, name, labels)
    for name, declared in entry["models"].items():
        there = _existing(models, name)
        if there is None:
            models[_quoted(name)] = _plain(declared)
        elif there.get("trainingDataset") != declared["trainingDataset"]:
            raise StackFileInvalid(
                f"{file}: models.{name} is there already, and is trained on {there.get('trainingDataset')!r}, not on "
                f"{declared['trainingDataset']!r}. Choose another name"
            )
        elif not _fits(kind := str(there.get("modelKind", ModelKind.GENERIC_CLASSIFIER)), declared["modelKind"]):
            raise StackFileInvalid(
                f"{file}: models.{name} is there already, and is a {kind}, but these labels are those of a "
                f"{declared['modelKind']}. Choose another name, or change its modelKind and its gate"
            )
        elif declared.get("evaluationDataset") in added and "evaluationDataset" not in there:
            there["evaluationDataset"] = _quoted(declared["evaluationDataset"])
            there.setdefault("require", _plain(declared.get("require", {})))
    written = io.StringIO()
    _yaml().dump(document, written)
    return written.getvalue()


def _fits(kind: str, wanted: str) -> bool:
    """Whether a model of a kind learns from the labels that an entry declares another kind for."""
    return kind == wanted or (kind, wanted) == (ModelKind.PRODUCT_RECOGNIZER, ModelKind.GENERIC_DETECTOR)


def _put(datasets: Any, name: str, labels: Mapping[str, Any]) -> None:  # noqa: ANN401
    """Write where the labels of a dataset are; its other settings stay."""
    there = _existing(datasets, name)
    if there is None:
        datasets[_quoted(name)] = _plain(labels)
        return
    for key in {"annotationFiles", "annotationFileUris", "content", "source"} - labels.keys():
        there.pop(key, None)
    for key, value in labels.items():
        if there.get(key) != value:
            there[key] = _plain(value)


def _plain(value: Any) -> Any:  # noqa: ANN401 - what YAML can hold
    """The same for YAML's writer: text in quotes where it needs them, lists on one line."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return _flow(_plain(inner) for inner in value)
    return _quoted(value) if isinstance(value, str) else value


def _existing(declared: Any, name: str) -> Any:  # noqa: ANN401
    """The mapping below a name; None if it has none."""
    found = declared.get(name)
    return found if isinstance(found, Mapping) else None


def _mapping(document: Any, key: str, file: Path) -> Any:  # noqa: ANN401 - a mapping that keeps its comments
    found = document.get(key)
    if found is None:
        found = document[key] = _yaml().map()
    if not isinstance(found, Mapping):
        raise StackFileInvalid(f"{file}: {key}: must be a map of keys and values")
    return found


def _quoted(text: str) -> str:
    """Text in quotes if a YAML reader could take it for something else than text (`007`, `yes`, `1e3`)."""
    import yaml  # type: ignore[import-untyped]
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    try:
        plain = yaml.safe_load(text) == text and not text[:1].isdigit()
    except yaml.YAMLError:
        plain = False
    return str(text) if plain else DoubleQuotedScalarString(text)


def _flow(items: Iterable[str]) -> Any:  # noqa: ANN401
    """A list on one line: `[train.json]`."""
    found = _yaml().seq(items)
    found.fa.set_flow_style()
    return found


def _yaml() -> Any:  # noqa: ANN401 - ruamel's reader has no types of its own
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096  # long lines stay as they are
    return yaml


def _text(file: Path) -> str:
    """Raises StackFileInvalid."""
    try:
        return file.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise StackFileInvalid(f"{file}: is not UTF-8 text: byte {error.start} is 0x{error.object[error.start]:02x}") from None


def _load(file: Path, text: str) -> Any:  # noqa: ANN401
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        document = _yaml().load(text)
    except MarkedYAMLError as error:
        place = f"{file}:{error.problem_mark.line + 1}" if error.problem_mark else str(file)
        raise StackFileInvalid(f"{place}: is not YAML: {error.problem}") from None
    except YAMLError as error:
        raise StackFileInvalid(f"{file}: is not YAML: {error}") from None
    if document is None:
        document = _yaml().map()
    if not isinstance(document, Mapping):
        raise StackFileInvalid(f"{file}: must be a map of keys and values")
    return document
