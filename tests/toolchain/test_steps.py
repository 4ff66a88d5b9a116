"""A step is done once, and again when its sources change or its files are gone."""

from pathlib import Path

import pytest

from toolchain.commands import duration, run, run_with_progress
from toolchain.errors import ToolchainError
from toolchain.steps import Made, Step, alone, digest_of, do_steps, new_folder, replace_text


class Counted:
    """A step that counts how often it is done."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "made"
        self.times = 0

    def step(self, sources: str = "a") -> Step:
        return Step("counted", "Counts", "at once", sources, self.make)

    def make(self) -> Made:
        self.times += 1
        self.file.touch()
        return Made((self.file,))


def test_a_step_is_done_once(tmp_path: Path) -> None:
    counted = Counted(tmp_path)
    assert [do_steps([counted.step()], tmp_path / "stamps.json", tmp_path / "lock") for _ in range(3)] == [1, 0, 0]
    assert counted.times == 1


@pytest.mark.parametrize("change", ["sources", "file", "stamps"])
def test_a_step_is_done_again(tmp_path: Path, change: str) -> None:
    counted, stamps = Counted(tmp_path), tmp_path / "stamps.json"
    do_steps([counted.step()], stamps, tmp_path / "lock")
    if change == "file":
        counted.file.unlink()
    if change == "stamps":
        stamps.write_text("damaged")
    assert do_steps([counted.step("b" if change == "sources" else "a")], stamps, tmp_path / "lock") == 1


def test_where_all_is_done_another_set_up_is_not_waited_for(tmp_path: Path) -> None:
    counted, stamps, lock = Counted(tmp_path), tmp_path / "stamps.json", tmp_path / "lock"
    do_steps([counted.step()], stamps, lock)
    with alone(lock):
        assert do_steps([counted.step()], stamps, lock) == 0


def test_what_was_done_before_a_failure_stays_done(tmp_path: Path) -> None:
    counted, stamps = Counted(tmp_path), tmp_path / "stamps.json"

    def fail() -> Made:
        raise ToolchainError("no network")

    steps = [counted.step(), Step("fails", "Fails", "at once", "a", fail)]
    for _ in range(2):
        with pytest.raises(ToolchainError, match="no network"):
            do_steps(steps, stamps, tmp_path / "lock")
    assert counted.times == 1


def test_an_interrupted_folder_leaves_nothing_behind(tmp_path: Path) -> None:
    target = tmp_path / "cache" / "tool"

    def fill_half() -> None:
        with new_folder(target) as new:
            (new / "half").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fill_half()
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_new_folder_takes_the_former_ones_place(tmp_path: Path) -> None:
    for name in ("first", "second"):
        with new_folder(tmp_path / "tool") as new:
            (new / name).touch()
    assert [file.name for file in (tmp_path / "tool").iterdir()] == ["second"]
    assert [folder.name for folder in tmp_path.iterdir()] == ["tool"]


def test_digest_of(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    absent = digest_of(file)
    file.write_text("")
    empty = digest_of(file)
    file.write_text("a")
    assert len({absent, empty, digest_of(file), digest_of(file, "b"), digest_of("ab")}) == 5
    assert digest_of(file, "b") == digest_of("a", "b")


def test_replace_text_keeps_the_mode(tmp_path: Path) -> None:
    replace_text(tmp_path / "launcher", "#!/bin/sh\n", mode=0o755)
    assert (tmp_path / "launcher").stat().st_mode & 0o777 == 0o755
    assert [file.name for file in tmp_path.iterdir()] == ["launcher"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (9.9, "9.9 s"), (41.2, "41 s"), (59.7, "1 min 0 s"), (200, "3 min 20 s")]
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_failed_command_is_shown_with_its_last_words_and_advice(tmp_path: Path) -> None:
    command = ["sh", "-c", "echo broken >&2; exit 3"]
    for attempt in (
        lambda: run(command, advice="Do this."),
        lambda: run_with_progress(command, lambda *_: "", advice="Do this.", cwd=tmp_path, env={"PATH": "/usr/bin:/bin"}),
    ):
        with pytest.raises(ToolchainError, match=r"sh failed with exit status 3:\n    broken\nDo this\."):
            attempt()


def test_a_missing_command_is_a_clear_error() -> None:
    with pytest.raises(ToolchainError, match="no-such-program can't be started: No such file or directory"):
        run(["no-such-program"])


def test_run_with_progress_returns_the_output(tmp_path: Path) -> None:
    command = ["sh", "-c", "echo out; echo err >&2"]
    assert run_with_progress(command, lambda *_: "", advice="", cwd=tmp_path, env={"PATH": "/usr/bin:/bin"}) == "out\n"
