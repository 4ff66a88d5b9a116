"""`make smoke` with a CLI that is played: which steps run, and what happens after a failure, Ctrl-C and with --keep.

tests/stacks/azure/test_environments.py runs it with the real CLI, on a played Azure.
"""

import json
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, Self

import pytest

from pipeline import smoke
from pipeline.smoke import Smoke
from tests.pipeline.test_leftovers import DELETED, EXPORTED, GROUP, STORAGE, FakeManager
from toolchain.places import Places

PLAYED = """\
#!{python}
import json, os, signal, sys, time
here = {folder!r}
arguments = sys.argv[1:]
with open(here + "/calls", "a") as calls:
    print(" ".join(arguments), file=calls)
told = json.load(open(here + "/told.json"))
if arguments[:2] == ["stack", "export"]:
    made = sum(line.startswith("up ") for line in open(here + "/calls"))
    print(json.dumps(told["made"] if made else told["before"]))
elif arguments[:2] == ["stack", "output"]:
    print(json.dumps(told["outputs"]))
elif arguments[0] == told.get("interrupted"):
    os.kill(os.getppid(), signal.SIGINT)
    time.sleep(0.5)
    sys.exit(1)
sys.exit(1 if arguments[0] == told.get("failing") else 0)
"""
OUTPUTS = {
    "endpoint": "https://engine.example.org",
    "key": "a-key",
    "models": {"textile": {"status": "succeeded", "publishedName": "textile", "performance": {"accuracyTop1": 0.95}}},
}


class FakeClient:
    found: ClassVar[list[str]] = []

    def __init__(self, endpoint: str, key: str) -> None:
        assert (endpoint, key) == ("https://engine.example.org", "a-key")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def analyze(self, name: str, image: bytes) -> Any:  # noqa: ANN401 - only what is read of it
        assert (name, image) == ("textile", b"an image")
        tags = SimpleNamespace(values=[SimpleNamespace(name=tag) for tag in self.found])
        return SimpleNamespace(custom_model_result=SimpleNamespace(tags_result=tags, objects_result=None))


Play = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Play:
    """Runs a smoke test; returns its exit status and the calls of the CLI without their common options."""
    program = tmp_path / ".venv" / "bin" / "pulumi"
    program.parent.mkdir(parents=True)
    program.write_text(PLAYED.format(python=sys.executable, folder=str(tmp_path)))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "image.png").write_bytes(b"an image")
    monkeypatch.setattr(smoke, "VisionClient", FakeClient)
    monkeypatch.setattr(FakeClient, "found", ["good"])
    monkeypatch.setattr("pipeline.smoke.show.image_to_try", lambda *_: Path("image.png"))

    def run(
        manager: FakeManager | None = None,
        *,
        keep: bool = False,
        clean: bool = False,
        **told: Any,  # noqa: ANN401
    ) -> tuple[int, list[str]]:
        (tmp_path / "told.json").write_text(json.dumps({"before": {}, "made": EXPORTED, "outputs": OUTPUTS, **told}))
        places = Places(tmp_path, tmp_path / "cache")
        test = Smoke(places, "dev", lambda: manager or FakeManager(), ["--policy-pack", "p"], keep)
        code = test.clean() if clean else test.run()
        calls = (tmp_path / "calls").read_text().splitlines()
        return code, [call.replace(" --non-interactive", "").replace(" --stack dev", "") for call in calls]

    return run


USE = [
    "stack export",
    "up --yes --suppress-outputs --policy-pack p",
    "stack output --json --show-secrets",
    "preview --expect-no-changes --policy-pack p",
    "refresh --preview-only --expect-no-changes",
]
REMOVE = ["stack export", "destroy --yes"]


def test_all_steps_in_order_and_nothing_is_left(play: Play, capsys: pytest.CaptureFixture[str]) -> None:
    manager = FakeManager(DELETED)
    assert play(manager) == (0, [*USE, *REMOVE])
    assert manager.there == set()
    said = capsys.readouterr().out
    assert "textile accuracyTop1 0.950" in said
    assert "textile: good" in said
    assert "3 resources are gone" in said
    assert "purged: vision-dev" in said
    assert "smoke: passed for stack dev" in said
    assert "a-key" not in said


@pytest.mark.parametrize(
    ("told", "calls", "said"),
    [
        ({"failing": "up"}, [*USE[:2], *REMOVE], "`pulumi up` ended with exit status 1; its output is above"),
        ({"failing": "refresh"}, [*USE, *REMOVE], "`pulumi refresh` ended with exit status 1"),
        ({"failing": "destroy"}, [*USE, *REMOVE], "`pulumi destroy` ended with exit status 1"),
        ({"outputs": {"models": {"a": {"status": "failed"}}}}, [*USE[:3], *REMOVE], "not every model has succeeded: a"),
        ({"outputs": {}}, [*USE[:3], *REMOVE], "not every model has succeeded: the stack declares none"),
    ],
)
def test_a_failure_takes_down_what_was_made(
    play: Play, capsys: pytest.CaptureFixture[str], told: dict[str, Any], calls: list[str], said: str
) -> None:
    assert play(**told) == (1, calls)
    captured = capsys.readouterr()
    assert f"smoke: {said}" in captured.err
    assert "smoke: FAILED for stack dev" in captured.out


def test_a_model_that_finds_nothing_has_failed(
    play: Play, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeClient, "found", [])
    assert play() == (1, [*USE[:3], *REMOVE])
    assert "the published model textile found nothing in image.png" in capsys.readouterr().err


def test_an_error_that_nobody_expected_takes_down_what_was_made(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    def fall_over(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(FakeClient, "analyze", fall_over)
    assert play() == (1, [*USE[:3], *REMOVE])


def test_ctrl_c_takes_down_what_was_made(play: Play, capsys: pytest.CaptureFixture[str]) -> None:
    assert play(interrupted="up") == (130, [*USE[:2], *REMOVE])
    assert "smoke: interrupted" in capsys.readouterr().err


@pytest.mark.parametrize("told", [{}, {"failing": "cancel"}])
def test_clean_takes_down_what_a_run_left_that_was_cut_off(
    play: Play, capsys: pytest.CaptureFixture[str], told: dict[str, Any]
) -> None:
    """It releases the lock of the killed update first; some backends say that there is none."""
    manager = FakeManager(DELETED)
    assert play(manager, clean=True, before=EXPORTED, **told) == (0, ["cancel --yes", *REMOVE])
    assert manager.there == set()
    assert "smoke: passed for stack dev" in capsys.readouterr().out


def test_clean_fails_where_something_is_left(play: Play, capsys: pytest.CaptureFixture[str]) -> None:
    manager = FakeManager(GROUP)
    assert play(manager, clean=True, before=EXPORTED, failing="destroy") == (1, ["cancel --yes", *REMOVE])
    assert f"these are still there: {GROUP}" in capsys.readouterr().err


def test_keep_leaves_everything(play: Play, capsys: pytest.CaptureFixture[str]) -> None:
    assert play(keep=True, failing="refresh") == (1, USE)
    assert "make down STACK=dev" in capsys.readouterr().out


def test_a_stack_that_is_deployed_is_left_alone(play: Play, capsys: pytest.CaptureFixture[str]) -> None:
    assert play(before=EXPORTED) == (1, USE[:1])
    assert "the stack dev has 4 resources, which the end of this run would destroy" in capsys.readouterr().err


def test_models_alone_are_left_alone_too(play: Play) -> None:
    model = {"type": "pulumi-python:dynamic/vision:Model", "id": "textile-1"}
    before = {"deployment": {"resources": [{"type": "pulumi:pulumi:Stack"}, model]}}
    assert play(before=before) == (1, USE[:1])


@pytest.mark.parametrize("clean", [False, True])
def test_a_stack_on_this_machine_is_left_alone(
    play: Play, tmp_path: Path, capsys: pytest.CaptureFixture[str], clean: bool
) -> None:
    """Its end would destroy what `make up` made here."""
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks" / "Pulumi.dev.yaml").write_text("config:\n  vision-customization:platform: local\n")
    (tmp_path / "calls").touch()
    assert play(clean=clean) == (1, [])
    assert "the stack dev runs on this machine" in capsys.readouterr().err


def test_what_is_left_is_named(play: Play, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.smoke.DELETION_SECONDS", 0)
    assert play(FakeManager(GROUP))[0] == 1
    assert f"these are still there: {GROUP}. Delete them by hand" in capsys.readouterr().err


@pytest.mark.parametrize(("ending", "status"), [("failing", 1), ("interrupted", 130)])
def test_what_a_failed_destroy_leaves_is_named_at_once(
    play: Play, capsys: pytest.CaptureFixture[str], ending: str, status: int
) -> None:
    """Nothing else would name it: Pulumi's output says which deletion failed, and not what it left."""
    manager = FakeManager(GROUP, STORAGE, DELETED)
    assert play(manager, **{ending: "destroy"}) == (status, [*USE, *REMOVE])
    captured = capsys.readouterr()
    assert f"these are still there: {GROUP}, {STORAGE}. Delete them by hand" in captured.err
    assert "purged: vision-dev" in captured.out
    assert manager.there == {GROUP, STORAGE}
