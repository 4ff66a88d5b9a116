"""What a resource takes and gives, read from the source of the SDK: names on the wire, types, choices, what is required.

The source is read, not imported: a module of `pulumi_azure_native` takes up to a second to import, and a plugin starts with
each command.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What stands on the wire for a value that only the update will know (pulumi, sdk/go/common/resource/plugin/rpc.go)."""


@dataclass(frozen=True)
class Scalar:
    """A plain value: `string`, `integer`, `number`, `boolean` or `any`."""

    name: str


@dataclass(frozen=True)
class Choice:
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Items:
    item: "Shape"


@dataclass(frozen=True)
class Entries:
    """An object whose keys are the caller's."""

    value: "Shape"


@dataclass(frozen=True)
class Nested:
    """An object of a type of the SDK, looked up when it is met: the types are recursive."""

    file: str
    name: str


@dataclass(frozen=True)
class OneOf:
    shapes: tuple["Shape", ...]


Shape = Scalar | Choice | Items | Entries | Nested | OneOf

# Where the SDK is wrong: two enumerations of Azure have the same name, and it kept the one of another service.
CORRECTIONS: dict[tuple[str, str, str], Shape] = {
    ("monitor/_inputs.py", "ConditionArgs", "operator"): Choice(
        ("Equals", "GreaterThan", "GreaterThanOrEqual", "LessThan", "LessThanOrEqual")
    ),
    # The SDK has that of Microsoft.DBforPostgreSQL/serverGroupsv2; see models.tsp of flexible servers.
    ("dbforpostgresql/administrators_microsoft_entra.py", "AdministratorsMicrosoftEntraArgs", "principalType"): Choice(
        ("Unknown", "User", "Group", "ServicePrincipal")
    ),
}


@dataclass(frozen=True)
class Property:
    shape: Shape
    required: bool = False


@dataclass(frozen=True)
class Mismatch:
    path: str
    reason: str


@cache
def sdk_folder() -> Path:
    spec = find_spec("pulumi_azure_native")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("pulumi_azure_native is not installed: run `make setup-all`")
    return Path(next(iter(spec.submodule_search_locations)))


@cache
def source(file: str) -> str:
    """The text of a file of the SDK, such as `storage/_inputs.py`."""
    return (sdk_folder() / file).read_text()


def resource_file(resource_type: str) -> str:
    """`azure-native:storage:BlobContainer` is declared in `storage/blob_container.py`."""
    _, module, name = resource_type.split(":")
    return f"{module}/{re.sub(r'(?<=[a-z0-9])(?=[A-Z])', '_', name).lower()}.py"


@cache
def declaration(file: str, name: str) -> ast.ClassDef | None:
    """One class of a file; only its own lines are parsed, since some files have a million characters."""
    text = source(file)
    start = re.search(rf"^class {name}[:(]", text, re.MULTILINE)
    if start is None:
        return None
    end = re.compile(r"^(?:@|class |if |else)", re.MULTILINE).search(text, start.end())
    parsed = ast.parse(text[start.start() : end.start() if end else len(text)]).body[0]
    assert isinstance(parsed, ast.ClassDef)
    return parsed


@cache
def properties(file: str, name: str) -> dict[str, Property]:
    """The properties of a class, by their names on the wire."""
    found = declaration(file, name)
    if found is None:
        raise LookupError(f"the SDK has no class {name} in {file}")
    required = required_arguments(found)
    return {
        wire: Property(CORRECTIONS.get((file, name, wire)) or shape_of(function.returns, file), function.name in required)
        for function, wire in getters(found)
        if function.returns is not None
    }


def getters(declared: ast.ClassDef) -> Iterator[tuple[ast.FunctionDef, str]]:
    """Each property's function with its name on the wire, which `@pulumi.getter` gives."""
    for function in declared.body:
        if not isinstance(function, ast.FunctionDef):
            continue
        for decorator in function.decorator_list:
            text = ast.unparse(decorator)
            if text == "pulumi.getter":
                yield function, function.name
            elif isinstance(decorator, ast.Call) and text.startswith("pulumi.getter("):
                yield function, ast.literal_eval(decorator.keywords[0].value)


def required_arguments(declared: ast.ClassDef) -> set[str]:
    for function in declared.body:
        if isinstance(function, ast.FunctionDef) and function.name == "__init__":
            arguments = zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
            return {argument.arg for argument, default in arguments if default is None}
    return set()


def shape_of(annotation: ast.expr, file: str) -> Shape:
    """The shape that an annotation such as `pulumi.Input[Optional[Union[_builtins.str, 'Kind']]]` describes."""
    if isinstance(annotation, ast.Constant):
        return named_shape(str(annotation.value), file)
    if isinstance(annotation, ast.Subscript):
        outer = ast.unparse(annotation.value)
        inner = annotation.slice
        parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
        if outer in {"pulumi.Input", "pulumi.Output", "Optional"}:
            return shape_of(inner, file)
        if outer == "Sequence":
            return Items(shape_of(inner, file))
        if outer == "Mapping":
            return Entries(shape_of(parts[1], file))
        shapes = tuple(shape_of(part, file) for part in parts)
        # `Union[str, 'Kind']` is how the SDK writes an enumeration that may grow; Azure refuses others all the same.
        return next((shape for shape in shapes if isinstance(shape, Choice)), OneOf(shapes))
    scalars = {"_builtins.str": "string", "_builtins.int": "integer", "_builtins.float": "number", "_builtins.bool": "boolean"}
    return Scalar(scalars.get(ast.unparse(annotation), "any"))


def named_shape(name: str, file: str) -> Shape:
    module = file.split("/", maxsplit=1)[0]
    if name.startswith("outputs."):
        return Nested(f"{module}/outputs.py", name.removeprefix("outputs."))
    if name.endswith("Args"):
        return Nested(f"{module}/_inputs.py", name)
    if file.endswith("/outputs.py") and declaration(file, name):
        return Nested(file, name)
    found = declaration(f"{module}/_enums.py", name)
    if found is None:
        raise LookupError(f"the SDK has no type {name} for {file}")
    return Choice(tuple(ast.literal_eval(line.value) for line in found.body if isinstance(line, ast.Assign)))


def inputs(resource_type: str) -> dict[str, Property]:
    """What a resource takes."""
    file, name = resource_file(resource_type), resource_type.split(":")[2]
    return properties(file, f"{name}Args" if declaration(file, f"{name}Args") else f"{name}InitArgs")


def outputs(resource_type: str) -> dict[str, Property]:
    """What a resource gives; what Azure keeps for itself, such as a password, is not among it."""
    return properties(resource_file(resource_type), resource_type.split(":")[2])


def api_version(resource_type: str) -> str:
    found = re.search(r"Uses Azure REST API version ([\w-]+)", source(resource_file(resource_type)))
    return found[1] if found else ""


def mismatches(value: dict[str, Any], expected: dict[str, Property], path: str = "") -> list[Mismatch]:
    """Where an object is not what the SDK's types say."""
    found: list[Mismatch] = []
    for name, item in value.items():
        at = f"{path}.{name}" if path else name
        if name not in expected:
            found.append(Mismatch(at, f"there is no such property; the valid ones are {', '.join(sorted(expected))}"))
        elif item is not None:
            found += shape_mismatches(item, expected[name].shape, at)
    for name, prop in expected.items():
        if prop.required and value.get(name) is None:
            found.append(Mismatch(f"{path}.{name}" if path else name, "is required and missing"))
    return found


def shape_mismatches(value: object, shape: Shape, path: str) -> list[Mismatch]:
    if value == UNKNOWN:
        return []
    match shape:
        case Scalar(name):
            return [] if is_scalar(value, name) else [wrong_type(path, name, value)]
        case Choice(values):
            choices = ", ".join(map(str, values))
            return [] if value in values else [Mismatch(path, f"{value!r} is not valid; the choices are {choices}")]
        case Items(item):
            if not isinstance(value, list):
                return [wrong_type(path, "list", value)]
            return [
                found for index, element in enumerate(value) for found in shape_mismatches(element, item, f"{path}[{index}]")
            ]
        case Entries(item):
            if not isinstance(value, dict):
                return [wrong_type(path, "object", value)]
            return [found for key, element in value.items() for found in shape_mismatches(element, item, f"{path}.{key}")]
        case Nested(file, name):
            if not isinstance(value, dict):
                return [wrong_type(path, f"object ({name.removesuffix('Args')})", value)]
            return mismatches(value, properties(file, name), path)
        case OneOf(shapes):
            return min((shape_mismatches(value, option, path) for option in shapes), key=len)


def is_scalar(value: object, name: str) -> bool:
    if isinstance(value, bool):
        return name in {"any", "boolean"}
    if isinstance(value, int | float):
        return name in {"any", "number"} or (name == "integer" and float(value).is_integer())
    return name == "any" or (name == "string" and isinstance(value, str))


def wrong_type(path: str, expected: str, value: object) -> Mismatch:
    names = {str: "string", bool: "boolean", int: "integer", float: "number", list: "list", dict: "object"}
    return Mismatch(path, f"a value of type {expected} is expected, not {names.get(type(value), type(value).__name__)}")


def projected(value: object, shape: Shape, missing: object = None) -> object:
    """The part of an input that the response has too: what is written and never read again falls away.

    `missing` stands for what only the response has; None leaves it out.
    """
    match shape:
        case Nested(file, name) if isinstance(value, dict):
            known = properties(file, name)
            unsaid = {} if missing is None else dict.fromkeys(known, missing)
            return unsaid | {key: projected(item, known[key].shape, missing) for key, item in value.items() if key in known}
        case Items(item) if isinstance(value, list):
            return [projected(element, item, missing) for element in value]
        case Items() if isinstance(value, dict):
            return sorted(value)  # and the other way round
        case Entries(item) if isinstance(value, dict):
            return {key: projected(element, item, missing) for key, element in value.items()}
        case Entries():
            return missing  # the ids of an identity are a list in a request, and an object in the response
    return value
