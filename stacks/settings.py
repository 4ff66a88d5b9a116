"""The schema of a stack's file.

Every key is checked before anything is created: for an unknown key, the error lists the valid ones. A model that names a
dataset that the stack does not have is an error, too.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, ValidationError, field_validator, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from stacks.azure_settings import (
    AzureNameSettings,
    AzureSettings,
    DatabaseSizeSettings,
    EngineSizeSettings,
    EnvironmentSettings,
    ExistingGroupSettings,
    ExistingNetworkSettings,
    ExistingSettings,
    NetworkSettings,
    Settings,
)
from stacks.written_names import misread_keys, unproven
from vision_customization.contract.content_reference import digest_of_reference
from vision_customization.contract.datasets import AnnotationFileUris, CustomProperties
from vision_customization.contract.enums import AnnotationKind, ModelKind
from vision_customization.contract.gate import faults
from vision_customization.contract.limits import (
    ANNOTATION_FILES_MAX,
    DECLARED_NAME_MAX_LENGTH,
    NAME_PATTERN,
    TILES_MAX,
)
from vision_customization.contract.owners import MANAGED_BY, RESERVED
from vision_customization.contract.texts import NAME_RULE
from vision_customization.contract.training_rules import kind_mismatch, tiles_fault
from vision_customization.contract.training_time import budget_range_fault

PROJECT = "vision-customization"

DeclaredName = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=DECLARED_NAME_MAX_LENGTH)]
"""A dataset's or a model's name; a model's physical name also has a digest."""


class SettingsError(Exception):
    """A stack's file is invalid. The message has one line per fault."""


class DatasetSettings(Settings):
    """Labelled images: in a folder of this checkout, or in blob storage."""

    annotation_kind: AnnotationKind
    annotation_files: Annotated[list[str], Field(min_length=1, max_length=ANNOTATION_FILES_MAX)] | None = None
    """COCO files, relative to `source`."""
    source: str | None = None
    """The folder, relative to the program."""
    annotation_file_uris: AnnotationFileUris | None = None
    """COCO files in blob storage, instead of `source` and `annotationFiles`."""
    content: str | None = None
    """Instead of both: a version in the stack's own container, as `sha256:DIGEST`."""
    custom_properties: CustomProperties = Field(default={})
    delete_images: bool = False
    """When the dataset is deleted, delete its images from storage, too."""

    @field_validator("custom_properties")
    @classmethod
    def _owner_is_not_declared(cls, properties: dict[str, str]) -> dict[str, str]:
        if MANAGED_BY in properties:
            raise ValueError(RESERVED)
        return properties

    @field_validator("content")
    @classmethod
    def _content_is_a_digest(cls, content: str | None) -> str | None:
        if content is not None:
            digest_of_reference(content)
        return content

    @model_validator(mode="after")
    def _lies_in_one_place(self) -> Self:
        local = self.source is not None and self.annotation_files is not None
        places = (local, self.annotation_file_uris is not None, self.content is not None)
        if (self.source is None) != (self.annotation_files is None) or places.count(True) != 1:
            raise ValueError("set source and annotationFiles, or annotationFileUris, or content")
        return self


class ModelSettings(Settings):
    model_kind: ModelKind = ModelKind.GENERIC_CLASSIFIER
    training_dataset: str | None = None
    promote_from: str | None = None
    """Instead of `trainingDataset`: the stack whose trained model is copied unchanged."""
    promote_model: DeclaredName | None = None
    """The model's name in that stack, if it differs."""
    evaluation_dataset: str | None = None
    time_budget_in_hours: Annotated[int, Field(ge=1)] = 1
    tiles: Annotated[int, Field(ge=1, le=TILES_MAX)] = 1
    """Detectors only: each image is enlarged this many times in both directions."""
    require: dict[str, float] = Field(default={})
    """The gate: the minimum (`calibrationECE`: maximum) of each metric on `evaluationDataset`."""
    publish: bool = False
    """Publish it under this model's name once it passes its gate."""

    @model_validator(mode="after")
    def _is_trained_or_promoted(self) -> Self:
        if (self.training_dataset is None) == (self.promote_from is None):
            raise ValueError("set either trainingDataset or promoteFrom")
        if self.promote_from is None and self.promote_model is not None:
            raise ValueError("promoteModel needs promoteFrom")
        of_training = {"model_kind", "time_budget_in_hours", "tiles"}
        decided_there = sorted(to_camel(name) for name in self.model_fields_set & of_training)
        if self.promote_from is not None and decided_there:
            raise ValueError(
                f"{' and '.join(decided_there)} cannot be set with promoteFrom, since stack '{self.promote_from}' trains the "
                "model"
            )
        return self

    @model_validator(mode="after")
    def _gate_is_judgeable(self) -> Self:
        # Only the stack that trained a promoted model knows its kind.
        if found := faults(self.require, self.model_kind if self.promote_from is None else None):
            raise ValueError(f"require: {'; '.join(found)}")
        if self.require and self.evaluation_dataset is None:
            raise ValueError("require needs an evaluationDataset")
        if fault := budget_range_fault(self.model_kind, self.time_budget_in_hours):
            raise ValueError(f"timeBudgetInHours {fault} (modelKind)")
        if fault := tiles_fault(self.model_kind, self.tiles):
            raise ValueError(f"tiles: {fault} (modelKind)")
        return self


class LocalSettings(Settings):
    """Platform `local`."""

    data_dir: str | None = None
    """The data folder of storage and engine; by default `.vision/<stack>`."""
    engine_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    storage_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Ports of 127.0.0.1; by default free ones."""
    custom_vision: bool = False
    """Also answer the prediction calls of Custom Vision's clients."""
    novel_samples: Annotated[int, Field(ge=0, le=10_000)] = 0
    """How many images that a classifier finds novel the engine keeps, for people to label; by default none."""
    novel_sample_days: Annotated[int, Field(ge=1, le=3650)] = 30
    """For how many days."""


class StackSettings(Settings):
    platform: Literal["local", "azure"] = "local"
    local: LocalSettings = LocalSettings()
    azure: AzureSettings | None = None
    datasets: dict[DeclaredName, DatasetSettings] = Field(default={})
    models: dict[DeclaredName, ModelSettings] = Field(default={})

    @field_validator("azure", mode="before")
    @classmethod
    def _nothing_is_declared(cls, azure: object) -> object:
        return azure or None  # Pulumi.yaml has an empty map as the default

    @property
    def has_studio(self) -> bool:
        """Whether the engine serves the Studio."""
        return self.platform == "local" or (self.azure is not None and self.azure.studio)

    @model_validator(mode="after")
    def _models_name_datasets(self) -> Self:
        known = ", ".join(self.datasets) or "none"
        for name, model in self.models.items():
            for role in ("training_dataset", "evaluation_dataset"):
                dataset = getattr(model, role)
                if dataset is not None and dataset not in self.datasets:
                    raise ValueError(f"models.{name}.{to_camel(role)} is '{dataset}'; the stack's datasets are: {known}")
        return self

    @model_validator(mode="after")
    def _models_fit_their_datasets(self) -> Self:
        for name, model in self.models.items():
            if model.promote_from is not None:  # only the stack that trained it knows its kind
                continue
            trained_from = self.datasets[model.training_dataset or ""].annotation_kind
            for role in ("training_dataset", "evaluation_dataset"):
                dataset = getattr(model, role)
                if dataset is None:
                    continue
                problem = kind_mismatch(
                    model.model_kind,
                    self.datasets[dataset].annotation_kind,
                    trained_from=trained_from,
                    model=f"model '{name}'",
                    dataset=f"dataset '{dataset}'",
                )
                if problem is not None:
                    raise ValueError(f"models.{name}.{to_camel(role)}: {problem} (modelKind)")
            if found := faults(model.require, model.model_kind, trained_from):
                raise ValueError(f"models.{name}: require: {'; '.join(found)}")
        return self

    @model_validator(mode="after")
    def _azure_is_described(self) -> Self:
        if self.platform == "azure" and self.azure is None:
            raise ValueError("platform 'azure' needs the key `azure`, at least with `image`: see docs/azure.md")
        return self

    def is_trained_on(self, dataset: str) -> bool:
        return any(model.training_dataset == dataset for model in self.models.values())


def read_settings(config: Mapping[str, str], stack: str, written: str | None = None) -> StackSettings:
    """A stack's settings.

    Args:
        config: its configuration as Pulumi read it: `project:key` → text, structured values as JSON.
        written: the text of its file, if there is one.

    Raises:
        SettingsError: with one line per fault.
    """
    values = {key.removeprefix(f"{PROJECT}:"): value for key, value in config.items() if key.startswith(f"{PROJECT}:")}
    parsed = {key: structured(value) for key, value in values.items()}
    file = f"stacks/Pulumi.{stack}.yaml"
    if misread := misread_keys(written, parsed, PROJECT) if written is not None else []:
        lines = [f"{found.place}: YAML changes {found.written} when reading it. Put it in quotes" for found in misread]
        raise SettingsError("\n".join(f"{file}:{found.line}: {line}" for found, line in zip(misread, lines, strict=True)))
    try:
        settings = StackSettings.model_validate(parsed)
    except ValidationError as error:
        lines = [_explain(fault) for fault in error.errors()]
        raise SettingsError("\n".join(f"{file}: {line}" for line in lines)) from None
    if doubtful := unproven((*settings.datasets, *settings.models), written):
        raise SettingsError(
            f"{file}: {', '.join(doubtful)}: YAML may have changed this name when reading it. Put it in quotes, or use a "
            "letter in it"
        )
    return settings


def structured(value: str) -> Any:  # noqa: ANN401 - whatever JSON holds
    """A value of the configuration, which Pulumi gives as JSON if it is not a text."""
    try:
        return json.loads(value)
    except ValueError:
        return value


def _explain(fault: ErrorDetails) -> str:
    """One fault as `path: what is wrong`, with the valid keys if a key is unknown."""
    place = ".".join(str(part) for part in fault["loc"] if part != "[key]")
    where = f"{PROJECT}:{place}" if place else PROJECT
    if fault["type"] == "extra_forbidden":
        return f"{where}: unknown key; valid here: {', '.join(_valid_keys(fault['loc']))}"
    if fault["type"] == "missing":
        return f"{where}: missing"
    if fault["type"] == "string_pattern_mismatch":
        return f"{where}: {NAME_RULE}"
    if fault["type"] in ("model_type", "dict_type"):
        return f"{where}: must be a map of keys and values, not {fault['input']!r}"
    if fault["type"] == "string_type":
        return f"{where}: must be a string, but YAML reads it as {json.dumps(fault['input'])}. Put it in quotes"
    if fault["type"] == "value_error":
        return f"{where}: {fault['ctx']['error']}"
    return f"{where}: {fault['msg']}, not {fault['input']!r}"


def _valid_keys(location: tuple[int | str, ...]) -> list[str]:
    shape: type[Settings] = StackSettings
    for part in location[:-1]:
        shape = _SHAPES.get(str(part), shape)
    return [field.alias or name for name, field in shape.model_fields.items()]


_SHAPES: dict[str, type[Settings]] = {
    "datasets": DatasetSettings,
    "models": ModelSettings,
    "local": LocalSettings,
    "azure": AzureSettings,
    "names": AzureNameSettings,
    "engine": EngineSizeSettings,
    "database": DatabaseSizeSettings,
    "resourceGroup": ExistingGroupSettings,
    "containerRegistry": ExistingSettings,
    "logWorkspace": ExistingSettings,
    "identity": ExistingSettings,
    "network": NetworkSettings,
    "existing": ExistingNetworkSettings,
    "environment": EnvironmentSettings,
}
"""The settings class of the values below each key."""
