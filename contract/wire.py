"""The wire types of Azure AI Vision's model customization, versions 2023-02-01-preview and 2023-04-01-preview.

Shared by the client and by the engine. Attribute names are snake case, the wire's are camel case; keys of a request are
matched without regard to case, because published clients disagree (`AnnotationKind`, `annotationKind`); keys of a reply are
exactly the contract's. Unknown keys are ignored.
"""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Generic, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    model_validator,
)
from pydantic.alias_generators import to_camel

from vision_customization.contract.limits import NAME_MAX_LENGTH, NAME_PATTERN
from vision_customization.contract.owners import MANAGED_BY_MAX_LENGTH, MANAGED_BY_PATTERN


def casefold_choice(choices: type[StrEnum]) -> BeforeValidator:
    """Accept an enum's value in any letter case, and without hyphens (`GenericClassifier`), as older clients send it."""
    by_folded = {choice.value.replace("-", "").casefold(): choice for choice in choices}

    def match(value: object) -> object:
        return by_folded.get(value.replace("-", "").casefold(), value) if isinstance(value, str) else value

    return BeforeValidator(match)


def _to_utc(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _to_timestamp(value: datetime) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"


Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=NAME_MAX_LENGTH)]
"""The name of a dataset, model, evaluation or run, as it appears in a path."""


ManagedBy = Annotated[str, StringConstraints(pattern=MANAGED_BY_PATTERN, max_length=MANAGED_BY_MAX_LENGTH)]
"""Extension: who manages a model or a published name, such as `pulumi:photos/dev`."""


Timestamp = Annotated[datetime, AfterValidator(_to_utc), PlainSerializer(_to_timestamp, return_type=str)]
"""ISO 8601, UTC, milliseconds, `Z`."""


class Wire(BaseModel):
    """A JSON object of the contract."""

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, validate_by_alias=True, extra="ignore", defer_build=True
    )

    @model_validator(mode="before")
    @classmethod
    def _match_keys_without_case(cls, data: Any) -> Any:  # noqa: ANN401 - pydantic hands over whatever was sent
        if not isinstance(data, dict):
            return data
        by_folded = {}
        for name, field in cls.model_fields.items():
            alias = field.alias or name
            by_folded[alias.casefold()] = alias
            by_folded[name.casefold()] = alias
        return {by_folded.get(key.casefold(), key) if isinstance(key, str) else key: value for key, value in data.items()}

    def to_wire(self) -> dict[str, Any]:
        """The object as JSON-ready values: camel case, without absent fields."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class ErrorDetails(Wire):
    """An error of a request or of a training. In a model or an evaluation, only these four keys are allowed: a published client
    raises on any other."""

    code: str
    message: str
    target: str | None = None
    details: list["ErrorDetails"] | None = None


class InnerError(Wire):
    code: str
    message: str
    innererror: "InnerError | None" = None


class RequestError(ErrorDetails):
    innererror: InnerError | None = Field(default=None, alias="innererror")


class ErrorResponse(Wire):
    """The body of every reply that is not a success."""

    error: RequestError


Item = TypeVar("Item")


class Page(Wire, Generic[Item]):
    """One page of a list; `next_link` is absent on the last."""

    value: list[Item]
    next_link: str | None = None
