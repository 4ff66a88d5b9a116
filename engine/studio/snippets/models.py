"""Code of models: their trainings, and the names that they are published under."""

from collections.abc import Mapping, Sequence

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


def training_snippets(
    origin: str, name: str, order: TrainingOrder, datasets: Sequence[DatasetRecord] = (), stack: Stack = API
) -> list[Snippet]:
    """Train a model, or wait for the same training if it exists; show it, and download its file.

    Args:
        datasets: those of the order that are registered, to declare them, too.
    """
    test, tiles = order.test_dataset_name, order.tiles
    arguments = [
        literal(name),
        f"training_dataset_name={literal(order.training_dataset_name)}",
        f"time_budget_in_hours={order.time_budget_in_hours}",
        f"model_kind=ModelKind.{order.model_kind.name}",
        *([f"test_dataset_name={literal(test)}"] if test else []),
        *([f"tiles={tiles}"] if tiles > 1 else []),
    ]
    listed = "\n".join(f"        {argument}," for argument in arguments)
    program = f"""\
try:
    client.create_model(
{listed}
    )
except AlreadyExists:
    pass  # wait for the one that exists
model = client.wait_for_model({literal(name)})
print(model.model_performance)"""
    options = [
        *("--dataset", order.training_dataset_name),
        *(("--test-dataset", test) if test else ()),
        *("--kind", order.model_kind.value, "--hours", str(order.time_budget_in_hours)),
        *(("--tiles", str(tiles)) if tiles > 1 else ()),
    ]
    parameters: dict[str, object] = {
        "trainingDatasetName": order.training_dataset_name,
        "timeBudgetInHours": order.time_budget_in_hours,
        "modelKind": order.model_kind.value,
        **({"tiles": tiles} if tiles > 1 else {}),
    }
    body: dict[str, object] = {"trainingParameters": parameters}
    if test:
        body["evaluationParameters"] = {"testDatasetName": test}
    path = segments("models", name)
    return [
        model_yaml(stack, name, order, datasets),
        client_program(origin, program, names=("AlreadyExists", "ModelKind")),
        commands(origin, vision("models", "train", name, *options), vision("models", "show", name), vision("export", name)),
        requests(request(origin, path, *sending("PUT", body)), request(origin, path)),
    ]


def published_snippets(
    origin: str,
    name: str,
    model_name: str,
    order: TrainingOrder,
    datasets: Sequence[DatasetRecord] = (),
    require: Mapping[str, float] | None = None,
    stack: Stack = API,
    evaluation: str | None = None,
) -> list[Snippet]:
    """Let a published name answer with a model.

    Args:
        order: that of the model, to declare it under the published name; its test dataset is the one that the gate judges.
        require: the gate that a stack holds it against.
        evaluation: the model's evaluation that the gate judges.
    """
    judged = f", evaluation={literal(evaluation)}" if evaluation else ""
    option = ("--evaluation", evaluation) if evaluation else ()
    body: dict[str, object] = {"modelName": model_name, **({"evaluation": evaluation} if evaluation else {})}
    program = f"""\
client.publish_model({literal(name)}, {literal(model_name)}{judged})
print(client.get_published_model({literal(name)}))"""
    path = segments("publishedmodels", name)
    return [
        model_yaml(stack, name, order, datasets, publish=True, require=require),
        client_program(origin, program),
        commands(origin, vision("models", "publish", name, model_name, *option)),
        requests(request(origin, path, *sending("PUT", body)), request(origin, path)),
    ]
