"""The edge, with a program in the CLI's place: options, exit status, last words, and where the Markdown lies."""

from pathlib import Path

import pytest

from pipeline.__main__ import main
from pipeline.run import run
from tests.pipeline.recordings import recorded
from toolchain.places import Places


@pytest.fixture
def places(tmp_path: Path) -> Places:
    places = Places(tmp_path, tmp_path / "cache")
    places.programs.mkdir(parents=True)
    return places


def install_cli(places: Places, script: str) -> None:
    program = places.programs / "pulumi"
    program.write_text(f'#!/bin/sh\necho "$@" >> {places.checkout}/asked\nfor log; do :; done\n{script}\n')
    program.chmod(0o755)


@pytest.mark.parametrize(
    ("kind", "asked", "log", "code", "said"),
    [
        ("preview", "preview --stack dev --diff --event-log", "images-added", 0, "**2 to update, 2 to replace**"),
        ("preview", "preview --stack dev --diff --event-log", "data-wrong", 255, "**The preview failed.**"),
        ("drift", "refresh --preview-only --expect-no-changes --stack dev --diff --event-log", "drift", 7, "**3 resources are"),
    ],
)
def test_the_exit_status_stays(places: Places, kind: str, asked: str, log: str, code: int, said: str) -> None:
    (places.checkout / "recorded").write_text("\n".join(recorded(log)))
    install_cli(places, f'cat {places.checkout}/recorded > "$log"; test "$PULUMI_DEBUG_COMMANDS" = true && exit {code}')
    assert run(kind, "dev", places, ["--diff"]) == code
    assert (places.checkout / "asked").read_text().startswith(asked)
    assert said in (places.state / "dev" / f"{kind}.md").read_text()


def test_a_cli_that_fails_before_its_engine_starts_is_quoted(places: Places, capfd: pytest.CaptureFixture[str]) -> None:
    install_cli(places, "echo hello; echo \"error: no stack named 'dev' found\" >&2; exit 255")
    assert run("preview", "dev", places) == 255
    captured = capfd.readouterr()
    assert "hello" in captured.out
    assert "As Markdown: .vision/dev/preview.md" in captured.out
    assert "error: no stack named 'dev' found" in captured.err
    assert "error: no stack named 'dev' found" in (places.state / "dev" / "preview.md").read_text()


def test_the_event_log_which_holds_secrets_is_gone(places: Places) -> None:
    install_cli(
        places, f'echo "$log" > {places.checkout}/where; stat -c %a "$(dirname "$log")" > {places.checkout}/mode; touch "$log"'
    )
    run("preview", "dev", places)
    assert not Path((places.checkout / "where").read_text().strip()).exists()
    assert (places.checkout / "mode").read_text().strip() == "700"


def test_what_is_meant_for_the_cli_reaches_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr("pipeline.__main__.run", lambda kind, stack, _places, rest: asked.extend([kind, stack, *rest]) or 0)
    options = ["--policy-pack", ".vision/policy", "--policy-pack-config", "policy/config/dev.json", "--diff", "--target=x"]
    assert main(["preview", "--stack", "dev", *options]) == 0
    assert asked == ["preview", "dev", *options]
