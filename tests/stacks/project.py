"""A copy of the program in a folder of its own, with a stack, a backend and datasets that only one test knows."""

import copy
import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.support.places import CHECKOUT

VENV_BIN = Path(sys.executable).parent
TIMEOUT_SECONDS = 300


@dataclass(frozen=True)
class Outcome:
    """What the CLI printed, and how it ended."""

    code: int
    output: str

    def succeeded(self) -> "Outcome":
        assert self.code == 0, self.output
        return self

    def failed(self) -> "Outcome":
        assert self.code != 0, self.output
        return self


@dataclass
class Project:
    """The program with one stack. Several stacks may share a folder, and with it a backend."""

    folder: Path
    stack: str = "local"
    printed: list[str] = field(default_factory=list)
    _outputs: tuple[str, dict[str, Any]] | None = None

    @classmethod
    def create(cls, folder: Path, config: dict[str, Any], stack: str = "local") -> "Project":
        if not (folder / "Pulumi.yaml").exists():
            for name in ("Pulumi.yaml", "__main__.py"):
                shutil.copy(CHECKOUT / name, folder / name)
            (folder / ".venv").symlink_to(VENV_BIN.parent)
            (folder / "stacks").mkdir()
            for module in (CHECKOUT / "stacks").glob("*.py"):
                shutil.copy(module, folder / "stacks")
            cls(folder).state_folder().mkdir(parents=True, exist_ok=True)
        project = cls(folder, stack)
        project.configure(config)
        project.run("stack", "init", stack).succeeded()
        return project

    def configure(self, config: dict[str, Any]) -> None:
        """Write the stack's file, as a person would; what Pulumi itself keeps in it (the salt) stays."""
        path = self.folder / "stacks" / f"Pulumi.{self.stack}.yaml"
        kept = yaml.safe_load(path.read_text()) if path.exists() else {}
        kept["config"] = {f"vision-customization:{key}": value for key, value in config.items()}
        path.write_text(yaml.safe_dump(kept, sort_keys=False, allow_unicode=True))

    @property
    def environment(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("PULUMI_")},
            "PATH": f"{VENV_BIN}{os.pathsep}{os.environ['PATH']}",
            "VIRTUAL_ENV": str(VENV_BIN.parent),
            "PULUMI_HOME": str(self.folder / "home"),
            "PULUMI_BACKEND_URL": self.state_folder().as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": "a passphrase of this test",
            "PULUMI_SKIP_UPDATE_CHECK": "1",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",  # nothing is fetched: a local stack needs no plugin
            "NO_COLOR": "1",
        }

    def command(self) -> list[str]:
        return ["pulumi"]

    def state_folder(self) -> Path:
        """The folder of the file backend."""
        return self.folder / "state"

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """The CLI in a process group of its own, so that a test can kill it with all that it started."""
        return subprocess.Popen(
            [*self.command(), *arguments, "--non-interactive"],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, timeout_seconds: float = TIMEOUT_SECONDS) -> Outcome:
        process = self.start(*arguments)
        try:
            output, _ = process.communicate(timeout=timeout_seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGINT)  # the CLI ends its update then, and gives the stack's lock back
            output, _ = process.communicate(timeout=TIMEOUT_SECONDS)
            output += f"\nended after {timeout_seconds:.0f} seconds"
        self.printed.append(output)
        return Outcome(process.returncode, output)

    def up(self, timeout_seconds: float = TIMEOUT_SECONDS, *, previewed: bool = False) -> Outcome:
        """Args:
        previewed: do not preview it again: the test has just done so, or only prepares for what it tests.
        """
        skip = ("--skip-preview",) if previewed else ()
        return self.run("up", "--yes", *skip, "--stack", self.stack, timeout_seconds=timeout_seconds)

    def preview(self, *options: str) -> Outcome:
        return self.run("preview", "--stack", self.stack, *options)

    def refresh(self, *options: str, previewed: bool = False) -> Outcome:
        consent = () if "--preview-only" in options else ("--yes",)
        skip = ("--skip-preview",) if previewed else ()
        return self.run("refresh", *consent, *skip, "--stack", self.stack, *options)

    def destroy(self, *, previewed: bool = False) -> Outcome:
        skip = ("--skip-preview",) if previewed else ()
        return self.run("destroy", "--yes", *skip, "--stack", self.stack)

    def outputs(self) -> dict[str, Any]:
        """What the CLI says of the state as it is now; it is asked once for each state."""
        state = self.state()
        if self._outputs is None or self._outputs[0] != state:
            self._outputs = (state, self._outputs_now())
        return copy.deepcopy(self._outputs[1])

    def _outputs_now(self) -> dict[str, Any]:
        text = subprocess.run(
            [*self.command(), "stack", "output", "--json", "--show-secrets", "--stack", self.stack],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        outputs: dict[str, Any] = json.loads(text)
        return outputs

    def state_file(self) -> Path:
        return next((self.state_folder() / ".pulumi" / "stacks").rglob(f"{self.stack}.json"))

    def state(self) -> str:
        """The state file as it lies on disk."""
        return self.state_file().read_text()
