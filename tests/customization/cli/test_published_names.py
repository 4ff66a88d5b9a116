"""`vision models publish` with gates, `vision models history`, and who manages what."""

import pytest

from tests.customization.cli.answers import DATASET, STAMPS, WHEN, model
from tests.customization.cli.ran import Vision
from tests.customization.fake_service import Answer, FakeService

PUBLISHED = {"name": "live", "modelName": "m", **STAMPS}
OWNER = "pulumi:photos/dev"
SHOWN_OWNER = "the Pulumi stack `photos/dev`"


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        ([], {}),
        (["--require", "accuracyTop1=0.9"], {"require": {"accuracyTop1": 0.9}}),
        (
            ["--require", "accuracyTop1=0.9", "--require", "calibrationECE=0.1", "--evaluation", "e"],
            {"require": {"accuracyTop1": 0.9, "calibrationECE": 0.1}, "evaluation": "e"},
        ),
        (["--no-require"], {"require": {}}),
    ],
)
def test_a_gate_is_sent_only_if_it_is_given(
    vision: Vision, service: FakeService, options: list[str], sent: dict[str, object]
) -> None:
    service.handler = lambda _: Answer(200, PUBLISHED)
    assert vision("models", "publish", "live", "m", *options).code == 0
    assert service.received[0].json == {"modelName": "m", **sent}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--require", "accuracy=0.9"], "'accuracy' is not a metric; choose from"),
        (["--require", "accuracyTop1"], "must be like accuracyTop1=0.9"),
        (["--require", "accuracyTop1=0.9", "--no-require"], "pass either --require or --no-require"),
    ],
)
def test_a_gate_that_is_none_is_wrong_usage(vision: Vision, service: FakeService, options: list[str], said: str) -> None:
    ran = vision("models", "publish", "live", "m", *options)
    assert (ran.code, service.received) == (2, [])
    assert said in ran.err


@pytest.mark.parametrize(("code", "exit_code"), [("GateMissed", 1), ("InvalidRequest", 3)])
def test_a_missed_gate_is_an_answer_and_no_failure(vision: Vision, service: FakeService, code: str, exit_code: int) -> None:
    message = "The model 'm' does not pass the gate of 'live' by its own estimate: accuracyTop1 is 0.5000, below …"
    service.handler = lambda _: Answer(400, {"error": {"code": code, "message": message, "target": "require"}})
    ran = vision("models", "publish", "live", "m")
    assert ran.code == exit_code
    assert message in ran.err


HISTORY = [
    {"modelName": "n", "publishedDateTime": WHEN, "publishedBy": OWNER, "available": True},
    {"modelName": "m", "publishedDateTime": WHEN, "publishedBy": "API", "available": False},
    {"modelName": "l", "publishedDateTime": WHEN, "available": False},
]


def test_the_history_says_who_and_what_is_left(vision: Vision, service: FakeService) -> None:
    service.handler = lambda _: Answer(200, {"value": HISTORY})
    ran = vision("models", "history", "live")
    assert ran.code == 0
    rows = [" ".join(line.split()) for line in ran.out.splitlines()[-3:]]
    assert rows == [
        f"n 2026-01-13 20:46 {SHOWN_OWNER} yes",
        "m 2026-01-13 20:46 API no",
        "l 2026-01-13 20:46 – no",
    ]
    assert vision("models", "history", "live", "--json").json == HISTORY


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["models", "show", "m"], model(managedBy=OWNER)),
        (["datasets", "show", "cats"], {**DATASET, "customProperties": {"k": "v", "managedBy": OWNER}}),
    ],
)
def test_who_manages_it_is_shown(vision: Vision, service: FakeService, arguments: list[str], answer: dict[str, object]) -> None:
    service.handler = lambda _: Answer(200, answer)
    out = vision(*arguments).out
    assert f"managed by {SHOWN_OWNER}" in " ".join(out.split())
    assert "managedBy" not in out
