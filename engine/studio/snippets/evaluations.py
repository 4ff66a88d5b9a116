"""Code of evaluations."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

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
