"""Arguments of components: from a Python program as a dataclass, from a program in another language as a dictionary."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, get_args, get_type_hints

Args = TypeVar("Args")


def args_of(kind: type[Args], given: Args | Mapping[str, Any]) -> Args:
    """`given` as the dataclass `kind`, its fields that are dataclasses included.

    Raises:
        TypeError: a field has no value and no default, or there is no such field.
    """
    if not isinstance(given, Mapping):
        return given
    hints = get_type_hints(kind)
    nested = {field.name: found for field in fields(kind) if (found := _dataclass_in(hints[field.name]))}  # type: ignore[arg-type]
    return kind(**{name: args_of(nested[name], value) if name in nested else value for name, value in given.items()})


def _dataclass_in(hint: Any) -> type | None:  # noqa: ANN401 - a type, or a union of types
    """The dataclass that a field of this type holds, also where it may be None."""
    return next((kind for kind in (hint, *get_args(hint)) if isinstance(kind, type) and is_dataclass(kind)), None)
