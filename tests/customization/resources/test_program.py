"""A program of one's own, with Pulumi's engine played: what each resource sends, and what it offers."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pulumi
import pytest
from pulumi.runtime import mocks, settings

from vision_customization import (
    Dataset,
    Evaluation,
    ExistingWorkspace,
    Model,
    PromotedModel,
    PublishedModel,
    Service,
    TrainingContainer,
)

PERFORMANCE = {"accuracyTop1": 0.9, "tagPerformance": {"oak": {"accuracy": 0.8}}}


class Engine(mocks.Mocks):
    """Keeps what is sent to it, and answers with it and a performance."""

    def __init__(self) -> None:
        self.sent: dict[str, dict[str, Any]] = {}

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.sent[f"{args.typ.rpartition(':')[2]} {args.name}"] = args.inputs
        return args.name, {**args.inputs, "performance": PERFORMANCE, "model_name": "leaves-01234567", "digest": "d"}

    def call(self, _: mocks.MockCallArgs) -> dict[str, Any]:
        return {}


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    loops: list[asyncio.AbstractEventLoop] = []
    new_event_loop = asyncio.new_event_loop

    def kept() -> asyncio.AbstractEventLoop:
        loops.append(new_event_loop())
        return loops[-1]

    monkeypatch.setattr(asyncio, "new_event_loop", kept)  # Pulumi opens one for each of its threads, and closes none
    asyncio.set_event_loop(asyncio.new_event_loop())
    engine = Engine()
    mocks.set_mocks(engine)
    yield engine
    settings.reset_options()
    asyncio.set_event_loop(None)
    for loop in loops:
        loop.close()


def test_the_workspace_is_given_once_and_reaches_every_resource(engine: Engine) -> None:
    found: list[Any] = []

    @pulumi.runtime.test
    def program() -> pulumi.Output[None]:
        workspace = ExistingWorkspace(Service("https://engine.example", "k"), TrainingContainer("https://a/c", sas_token="s"))
        images, tests = (
            Dataset(
                name,
                workspace=workspace,
                annotation_kind="imageClassification",
                annotation_files=["train.json"],
                source="images",
            )
            for name in ("leaves", "leaves-test")
        )
        model = Model("leaves", training_dataset=images)
        evaluation = Evaluation("leaves", model=model, dataset=tests, require={"accuracyTop1": 0.9})
        PublishedModel("leaves", model=model, evaluations=[evaluation])
        promoted = PromotedModel(
            "trees",
            workspace=workspace,
            source="dev",
            source_service=Service("https://dev.example", "d"),
            model_name="trees-01234567",
            artifact_digest="a" * 64,
        )
        PublishedModel("trees", model=promoted)
        return pulumi.Output.all(model.performance, evaluation.performance).apply(found.extend)

    program()
    assert found == [PERFORMANCE, PERFORMANCE], "as JSON: a TypedDict is nothing that Pulumi converts to"
    assert len(engine.sent) == 7
    for name, inputs in engine.sent.items():
        assert inputs["endpoint"] == "https://engine.example"
        assert inputs["key"]["value"] == "k", "a secret"
        assert ("container_url" in inputs, "sas_token" in inputs) == (name.startswith("Dataset"),) * 2
        assert not {"workspace", "service", "container"} & set(inputs)
        owner = None if name.startswith("Evaluation") else "pulumi:project/stack"  # an evaluation belongs to its model
        assert inputs.get("managed_by") == owner
