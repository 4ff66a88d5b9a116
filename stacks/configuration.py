"""A stack's configuration as Pulumi holds it, and its secrets, which stay secret in the state.

The program needs the settings while it declares resources, so it reads them as they are. What `pulumi config set --secret` set
is marked again where it becomes an input of a resource.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import yaml  # type: ignore[import-untyped]
from pulumi.runtime import get_config, get_config_env, get_config_secret_keys_env

from stacks.settings import PROJECT, structured

KEYS = ("platform", "local", "azure", "datasets", "models")

WITHIN_CHARACTERS = 6
"""A secret of as many characters is also found within longer texts; a shorter one only where it is the whole text."""


@dataclass(frozen=True)
class Configuration:
    """`values`: `project:key` → text, structured values as JSON. `written`: the text of the stack's file, if it was found."""

    values: Mapping[str, str]
    secret_keys: frozenset[str]
    written: str | None

    def secrets(self) -> frozenset[str]:
        """The texts that are secret: of each secret key the values that the file has encrypted; all texts without a file."""
        document = yaml.safe_load(self.written) if self.written is not None else None
        config = document.get("config") if isinstance(document, Mapping) else None
        found: set[str] = set()
        for key in self.secret_keys & self.values.keys():
            value = structured(self.values[key])
            kept = config.get(key) if isinstance(config, Mapping) else None
            found |= set(_texts(value) if kept is None else _encrypted(kept, value))
        return frozenset(found - {""})


def read_configuration(stack: str) -> Configuration:
    """The configuration of the running program, also of keys that it does not know, so that it can refuse them."""
    names = {f"{PROJECT}:{key}" for key in KEYS} | {key for key in get_config_env() if key.startswith(f"{PROJECT}:")}
    values = {name: value for name in sorted(names) if (value := get_config(name)) is not None}
    return Configuration(values, frozenset(get_config_secret_keys_env()), _written(stack))


def keep_secret(secrets: frozenset[str]) -> None:
    """Mark every input of a resource that holds one of these texts as secret, and so what Pulumi derives from it."""
    if not secrets:
        return

    def mark(args: pulumi.ResourceTransformArgs) -> pulumi.ResourceTransformResult:
        props = {
            name: pulumi.Output.secret(value) if any(holds(text, secrets) for text in _texts(value)) else value
            for name, value in dict(args.props).items()
        }
        return pulumi.ResourceTransformResult(props, args.opts)

    pulumi.runtime.register_resource_transform(mark)


def holds(text: str, secrets: frozenset[str]) -> bool:
    """Whether a text is one of the secrets, or has a longer one within it."""
    return any(text == secret or (len(secret) >= WITHIN_CHARACTERS and secret in text) for secret in secrets)


def _written(stack: str) -> str | None:
    """The stack's file: in the folder that Pulumi.yaml names, or beside it, where Pulumi's operator looks."""
    for folder in ("stacks", "."):
        try:
            return Path(folder, f"Pulumi.{stack}.yaml").read_text("utf-8")
        except OSError:
            continue
    return None


def _encrypted(kept: Any, value: Any) -> Iterator[str]:  # noqa: ANN401 - JSON
    """The texts in `value` at the places that are encrypted in the file, where they are `secure: …`."""
    if isinstance(kept, Mapping):
        if set(kept) == {"secure"}:
            yield from _texts(value)
        elif isinstance(value, Mapping):
            for name, below in kept.items():
                yield from _encrypted(below, value.get(str(name)))
    elif isinstance(kept, list) and isinstance(value, list):
        for below, item in zip(kept, value, strict=False):
            yield from _encrypted(below, item)


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401 - JSON, or the inputs of a resource
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for below in value.values():
            yield from _texts(below)
    elif isinstance(value, list | tuple):
        for below in value:
            yield from _texts(below)
