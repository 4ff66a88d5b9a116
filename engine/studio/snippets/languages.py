"""The languages of snippets, and how each quotes a text: shell, Python, YAML, and the query of a URL."""

import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from textwrap import indent
from typing import Any
from urllib.parse import quote, urlencode

from vision_customization.contract.limits import API_VERSION

Snippet = tuple[str, str]
"""A language's name, and the text."""

KEY = "VISION_KEY"
"""The variable that has the engine's key, as `vision` reads it."""

_BINARY = '-H "Content-Type: application/octet-stream"'
_YAML_11_BOOLEANS = frozenset({"y", "n"})


def curl(origin: str, path: str, *options: str, **query: str | None) -> Snippet:
    """A call of the REST API, see `request`."""
    return "curl", request(origin, path, *options, **query) + "\n"


def requests(*texts: str) -> Snippet:
    """Several calls of the REST API, from `request`, and comments."""
    return "curl", "\n".join(texts) + "\n"


def cli(*commands: str) -> Snippet:
    """Commands of `vision`."""
    return "CLI", "\n".join(commands) + "\n"


def commands(origin: str, *texts: str) -> Snippet:
    """Commands of `vision`, from `vision`, that ask this engine."""
    return cli(f"export VISION_ENDPOINT={shlex.quote(origin)}", *texts)


def python(text: str) -> Snippet:
    """A program with the client."""
    return "Python", text


def yaml(text: str) -> Snippet:
    """A part of a stack's file."""
    return "YAML", text


def request(origin: str, path: str, *options: str, **query: str | None) -> str:
    """A call of curl. The key comes from the variable VISION_KEY.

    Args:
        path: below `/computervision`, from `segments`; may have a variable of the shell in it.
        options: curl's, as they are written in a shell: `sending`, `sending_file`.
        query: besides the version, `model_name` for `model-name`; what is None is left out.
    """
    given = {"api_version": API_VERSION, **query}
    parameters = urlencode(
        {name.replace("_", "-"): value for name, value in given.items() if value is not None}, quote_via=quote
    )
    # In double quotes, a shell would read these characters of an address.
    host = quote(origin, safe=":/[]")
    lines = [f'curl "{host}/computervision/{path}?{parameters}"', f'-H "Ocp-Apim-Subscription-Key: ${KEY}"', *options]
    return " \\\n  ".join(lines)


def segments(*parts: str) -> str:
    """A path of the API, from parts that may have any characters."""
    return "/".join(quote(part, safe="") for part in parts)


def sending(method: str, body: Mapping[str, object]) -> tuple[str, ...]:
    """curl's options to send JSON."""
    return f"-X {method}", '-H "Content-Type: application/json"', f"-d {shlex.quote(json.dumps(body))}"


def sending_file(method: str, path: str) -> tuple[str, ...]:
    """curl's options to send a file as it is."""
    return f"-X {method}", _BINARY, f"--data-binary {shlex.quote(f'@{path}')}"


def vision(*words: str) -> str:
    """A command of `vision`."""
    return shlex.join(("vision", *words))


def literal(text: str) -> str:
    """A text as Python writes it, in double quotes if it has nothing to escape."""
    return f'"{text}"' if text.isprintable() and not re.search(r'["\\]', text) else repr(text)


def client_program(
    origin: str, body: str, *, after: str = "", names: Iterable[str] = (), standard: Iterable[str] = (), own: Iterable[str] = ()
) -> Snippet:
    """A program with the client.

    Args:
        body: what is done with `client`; not indented.
        after: what is done afterwards.
        names: imported beside the client.
        standard: lines that import from the standard library, beside `os`.
        own: further lines that import from this package.
    """
    imported = ", ".join(sorted({*names, "VisionClient"}))
    imports = ["import os", *standard, "", f"from vision_customization import {imported}", *own]
    client = f'with VisionClient({literal(origin)}, os.environ["{KEY}"]) as client:'
    end = ["", after] if after else []
    return python("\n".join([*imports, "", client, indent(body, "    "), *end]) + "\n")


def stack_file(
    project: str, sections: Mapping[str, Mapping[str, object]], *, above: Sequence[str] = (), below: str = ""
) -> Snippet:
    """A part of a stack's file: `datasets`, `models`. Empty sections are left out.

    Args:
        project: the name in the program's Pulumi.yaml.
        above: remarks at the start, a line each.
        below: YAML of the last entry of the last section; its lines are indented, and are comments.
    """
    import yaml as pyyaml  # type: ignore[import-untyped]

    # Quotes more than PyYAML does: Pulumi's reader takes `1e3` and `0x1f` for numbers.
    dumper: Any = type("_Dumper", (pyyaml.SafeDumper,), {})
    dumper.add_representer(
        str,
        lambda dumper, text: dumper.represent_scalar(
            "tag:yaml.org,2002:str",
            text,
            style='"' if text[:1].isdigit() or text.lower() in _YAML_11_BOOLEANS else None,
        ),
    )
    config = {f"{project}:{name}": section for name, section in sections.items() if section}
    written = str(pyyaml.dump({"config": config}, Dumper=dumper, sort_keys=False, allow_unicode=True, width=1000))
    return yaml("".join(f"# {line}\n" for line in above) + written + indent(below, " " * 6 + "# "))
