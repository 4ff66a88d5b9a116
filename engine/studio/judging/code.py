"""The Code of the pages about outcomes."""

import re
from collections.abc import Mapping
from urllib.parse import quote

from vision_customization.contract.estimates import MAIN_METRICS
from vision_customization.contract.limits import NAME_DIGEST_LENGTH
from vision_customization.engine.studio.judging.sources import Source
from vision_customization.engine.studio.snippets import Snippet, cli, curl, python, yaml

_DIGEST = re.compile(rf"-[0-9a-f]{{{NAME_DIGEST_LENGTH}}}$")
_PLAIN_YAML = re.compile(r"(?!(?i:y|n|yes|no|on|off|true|false|null)$)[A-Za-z][A-Za-z0-9._-]*$")
_FLAGS = ("unlabelled", "unanswered")


def judge_snippets(origin: str, source: Source) -> list[Snippet]:
    """Evaluating the model behind a gate, and asking for its outcomes."""
    model, evaluation = source.model.name, source.evaluation
    test = source.model.test_dataset_name if evaluation is None else evaluation.test_dataset_name
    dataset = test or "TEST-DATASET"
    of = _arguments(source)
    body = [
        f"outcomes = client.get_outcomes({of}, only=OutcomeFilter.WRONG)",
        "for outcome in outcomes.value:",
        "    print(outcome.file_name or outcome.image)",
        f"for tag in client.get_tag_outcomes({of}).tags:",
        "    print(tag.tag, tag.precision, tag.recall)",
    ]
    return [
        yaml(_gate(source, dataset)),
        _program(origin, "from vision_customization.contract.outcomes import OutcomeFilter", body),
        cli(f"vision evaluate {model} {dataset} --wrong 20 --confusion --report judge.html"),
        curl(origin, f"{_path(source)}/outcomes:tags"),
    ]


def pictures_snippets(origin: str, source: Source, query: Mapping[str, str]) -> list[Snippet]:
    """Asking for the outcomes that a list shows. `query` is that of `Selection.query`."""
    call, operation = ("get_threshold", "outcomes:threshold") if "threshold" in query else ("get_outcomes", "outcomes")
    arguments = [f"{name}={_value(name, value)}" for name, value in query.items()]
    body = [
        f"outcomes = client.{call}({', '.join([_arguments(source), *arguments])})",
        "for outcome in outcomes.value:",
        "    print(outcome.file_name or outcome.image)",
    ]
    imported = "from vision_customization.contract.outcomes import OutcomeFilter" if "only" in query else ""
    asked = {name: "true" if name in _FLAGS else quote(value, safe="") for name, value in query.items()}
    return [_program(origin, imported, body), curl(origin, f"{_path(source)}/{operation}", **asked)]


def comparison_snippets(origin: str, first: Source, second: Source) -> list[Snippet]:
    """Asking for the comparison of two models."""
    ours, theirs = (source.evaluation and source.evaluation.name for source in (first, second))
    names = {"evaluation_name": ours, "with_evaluation_name": theirs}
    arguments = [repr(first.model.name), repr(second.model.name)]
    arguments += [f"{key}={name!r}" for key, name in names.items() if name]
    body = [
        f"comparison = client.compare_models({', '.join(arguments)})",
        "print(comparison.only_first, comparison.only_second)",
    ]
    members = {"with_model": second.model.name, "evaluation": ours, "with_evaluation": theirs}
    query = {key: name for key, name in members.items() if name}
    return [_program(origin, "", body), curl(origin, f"models/{first.model.name}/outcomes:compare", **query)]


def evaluation_commands(first: str, second: str) -> Snippet:
    """How two models get outcomes on the same images."""
    return cli(*(f"vision evaluate {name} TEST-DATASET" for name in (first, second)))


def _arguments(source: Source) -> str:
    """Model and evaluation, as the client takes them."""
    names = [source.model.name, *([] if source.evaluation is None else [source.evaluation.name])]
    return ", ".join(repr(name) for name in names)


def _value(name: str, value: str) -> str:
    """A member of a selection's query as Python."""
    if name == "only":
        return f"OutcomeFilter.{value.upper()}"
    if name in _FLAGS:
        return "True"
    return value if name == "threshold" else repr(value)


def _path(source: Source) -> str:
    """Below `/computervision`."""
    own = f"models/{source.model.name}"
    return own if source.evaluation is None else f"{own}/evaluations/{source.evaluation.name}"


def _program(origin: str, imported: str, body: list[str]) -> Snippet:
    lines = ["import os", "", "from vision_customization import VisionClient", *([imported] if imported else []), ""]
    lines += [f'with VisionClient("{origin}", os.environ["VISION_KEY"]) as client:', *(f"    {line}" for line in body)]
    return python("\n".join(lines) + "\n")


def _gate(source: Source, dataset: str) -> str:
    """A model with a gate at what it reaches today, cut to two decimals."""
    wire = source.performance.to_wire()
    gates = [f"        {metric}: {int(100 * wire[metric]) / 100:.2f}\n" for metric in MAIN_METRICS if metric in wire]
    return (
        "config:\n"
        "  vision-customization:models:\n"
        f"    {_yaml(_DIGEST.sub('', source.model.name))}:\n"
        f"      trainingDataset: {_yaml(source.model.training_dataset_name)}\n"
        f"      evaluationDataset: {_yaml(dataset)}\n"
        + (f"      require:\n{gates[0]}" if gates else "")
        + "      publish: true\n"
    )


def _yaml(name: str) -> str:
    """A name, in quotes if YAML would read it as something else."""
    return name if _PLAIN_YAML.match(name) else f'"{name}"'
