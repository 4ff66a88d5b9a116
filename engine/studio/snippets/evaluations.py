"""Code of evaluations, and of what a model answered for each image."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from vision_customization.contract.outcomes import OutcomeFilter
from vision_customization.engine.store import DatasetRecord, TrainingOrder
from vision_customization.engine.studio.snippets.languages import (
    Snippet,
    client_program,
    commands,
    literal,
    request,
    requests,
    segments,
    sending,
    vision,
)
from vision_customization.engine.studio.snippets.stacks import API, Stack, model_yaml

WRONG_SHOWN = 20


def evaluation_snippets(
    origin: str,
    model_name: str,
    name: str,
    dataset_name: str,
    order: TrainingOrder,
    datasets: Sequence[DatasetRecord] = (),
    require: Mapping[str, float] | None = None,
    stack: Stack = API,
) -> list[Snippet]:
    """Evaluate a model on a dataset, or wait for the evaluation `name` if it exists, and hold it against a gate.

    Args:
        order: that of the model, to declare it with the evaluation.
        require: the gate, metric by metric.
    """
    gate = [word for metric, value in (require or {}).items() for word in ("--require", f"{metric}={value:g}")]
    program = f"""\
try:
    client.create_evaluation({literal(model_name)}, {literal(name)}, test_dataset_name={literal(dataset_name)})
except AlreadyExists:
    pass  # wait for the one that exists
evaluation = client.wait_for_evaluation({literal(model_name)}, {literal(name)})
print(evaluation.model_performance)"""
    path = segments("models", model_name, "evaluations", name)
    body = {"evaluationParameters": {"testDatasetName": dataset_name}}
    return [
        model_yaml(stack, model_name, replace(order, test_dataset_name=dataset_name), datasets, require=require),
        client_program(origin, program, names=("AlreadyExists",)),
        commands(origin, vision("evaluate", model_name, dataset_name, *gate)),
        requests(request(origin, path, *sending("PUT", body)), request(origin, path)),
    ]


def outcome_snippets(
    origin: str,
    model_name: str,
    evaluation_name: str | None = None,
    dataset_name: str | None = None,
    *,
    only: OutcomeFilter | None = None,
    tag: str | None = None,
) -> list[Snippet]:
    """What a model answered for each image of an evaluation, or of its own estimate.

    Args:
        dataset_name: the evaluation's dataset. The command line evaluates again to list pictures, so that it needs one.
    """
    place = [literal(model_name), *([literal(evaluation_name)] if evaluation_name is not None else [])]
    selection = [
        *([f"only=OutcomeFilter.{only.name}"] if only is not None else []),
        *([f"tag={literal(tag)}"] if tag is not None else []),
    ]
    program = f"""\
page = client.get_outcomes({", ".join([*place, *selection])})
print(page.count, "images")
for outcome in page.value:
    print(outcome.file_name or outcome.image, "right" if outcome.right else "wrong")"""
    own = ["from vision_customization.contract.outcomes import OutcomeFilter"] if only is not None else []
    evaluation = () if evaluation_name is None else ("evaluations", evaluation_name)
    path = segments("models", model_name, *evaluation, "outcomes")
    listed = ("evaluate", model_name, dataset_name or "", "--wrong", str(WRONG_SHOWN), "--confusion")
    return [
        client_program(origin, program, own=own),
        *([commands(origin, vision(*listed))] if dataset_name is not None else []),
        requests(request(origin, path, only=None if only is None else only.value, tag=tag)),
    ]
