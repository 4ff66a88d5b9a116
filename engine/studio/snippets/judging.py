"""Code of the pages about outcomes: evaluate behind a gate, list pictures, count at a threshold, compare two models."""

import math
from collections.abc import Mapping, Sequence

from vision_customization.contract.estimates import MAIN_METRICS
from vision_customization.engine.store import DatasetRecord, TrainingOrder
from vision_customization.engine.studio.judging.selection import Selection
from vision_customization.engine.studio.judging.sources import Source
from vision_customization.engine.studio.snippets.languages import (
    Snippet,
    client_program,
    commands,
    literal,
    request,
    requests,
    segments,
    vision,
)
from vision_customization.engine.studio.snippets.stacks import OTHER_DATASET, model_yaml, stack_of_model

WRONG_SHOWN = 20

_FILTER = "from vision_customization.contract.outcomes import OutcomeFilter"
_LISTED = """\
for outcome in page.value:
    print(outcome.file_name or outcome.image)"""


def judge_snippets(origin: str, source: Source, datasets: Sequence[DatasetRecord] = ()) -> list[Snippet]:
    """The model with a gate at what it reaches today; and how it does on each tag.

    Args:
        datasets: those that are registered, of the model and of the outcomes.
    """
    model = source.model
    stack = stack_of_model(model.name, model.managed_by)
    test = source.dataset if not source.is_estimate else OTHER_DATASET
    order = TrainingOrder(
        training_dataset_name=model.training_dataset_name,
        time_budget_in_hours=model.time_budget_in_hours,
        model_kind=model.model_kind,
        test_dataset_name=test,
        tiles=model.tiles,
    )
    program = f"""\
found = client.get_tag_outcomes({_place(source)})
for tag in found.tags:
    print(tag.tag, tag.precision, tag.recall)"""
    return [
        model_yaml(stack, model.name, order, datasets, require=_gate(source), publish=True),
        client_program(origin, program),
        commands(origin, vision("evaluate", model.name, test, "--wrong", str(WRONG_SHOWN), "--report", "judge.html")),
        requests(request(origin, f"{_path(source)}/outcomes:tags")),
    ]


def pictures_snippets(origin: str, source: Source, selection: Selection) -> list[Snippet]:
    """The outcomes that a list shows."""
    at = selection.threshold is not None
    arguments = [
        *([f"threshold={selection.threshold:g}"] if at else []),
        *([f"only=OutcomeFilter.{selection.only.name}"] if selection.only is not None else []),
        *(
            f"{name}={literal(value)}"
            for name, value in (("tag", selection.tag), ("label", selection.cell.label), ("answer", selection.cell.answer))
            if value is not None
        ),
        *(f"{flag}=True" for flag in ("unlabelled", "unanswered") if getattr(selection.cell, flag)),
    ]
    call, operation = ("get_threshold", "outcomes:threshold") if at else ("get_outcomes", "outcomes")
    program = f"page = client.{call}({', '.join([_place(source), *arguments])})\n{_LISTED}"
    query = {name: "true" if name in {"unlabelled", "unanswered"} else value for name, value in selection.query().items()}
    return [
        client_program(origin, program, own=[_FILTER] if selection.only is not None else []),
        requests(request(origin, f"{_path(source)}/{operation}", **query)),
    ]


def comparison_snippets(origin: str, first: Source, second: Source) -> list[Snippet]:
    """Two models on the images that both have answered."""
    ours, theirs = (source.evaluation.name if source.evaluation is not None else None for source in (first, second))
    named = {"evaluation_name": ours, "with_evaluation_name": theirs}
    arguments = [literal(first.model.name), literal(second.model.name)]
    arguments += [f"{name}={literal(evaluation)}" for name, evaluation in named.items() if evaluation is not None]
    program = f"""\
found = client.compare_models({", ".join(arguments)})
print("only the first is right:", found.only_first)
print("only the second is right:", found.only_second)
print("p =", found.p_value)"""
    query = {"with_model": second.model.name, "evaluation": ours, "with_evaluation": theirs}
    path = segments("models", first.model.name) + "/outcomes:compare"
    return [client_program(origin, program), requests(request(origin, path, **query))]


def evaluation_commands(origin: str, *models: str) -> Snippet:
    """How models get outcomes on the same images."""
    return commands(origin, *(vision("evaluate", name, OTHER_DATASET) for name in models))


def _place(source: Source) -> str:
    """Model and evaluation, as the client takes them."""
    names = [source.model.name, *([] if source.evaluation is None else [source.evaluation.name])]
    return ", ".join(literal(name) for name in names)


def _path(source: Source) -> str:
    evaluation = () if source.evaluation is None else ("evaluations", source.evaluation.name)
    return segments("models", source.model.name, *evaluation)


def _gate(source: Source) -> Mapping[str, float]:
    """The main metric as it is today, cut to two decimals."""
    wire = source.performance.to_wire()
    metric = next((name for name in MAIN_METRICS if name in wire), None)
    return {} if metric is None else {metric: math.floor(100 * wire[metric]) / 100}
