"""`make smoke`: brings a stack up in Azure, uses it, takes it down, and looks for what is left. Says what each step took.

It destroys what it made, also after a failure and after Ctrl-C; with `--keep` it leaves everything. It begins with nothing: a
stack that has resources is refused, since the end would destroy them. `--clean` only takes down what an earlier run left.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.leftovers import AzureRefused, Made, Manager, made_by, purge, wait_until_gone
from toolchain.commands import duration, say
from toolchain.places import Places
from toolchain.stacks import show
from toolchain.stacks.local_state import is_local
from vision_customization.common.errors import VisionError
from vision_customization.customization.client.client import VisionClient

INTERRUPTED = 130

DELETION_SECONDS = 900.0
"""For how long resources may still be there after a destroy: Azure deletes some of them after it has answered that it did."""


class SmokeFailed(Exception):
    """A step did not do what it should. The message says what it did."""


@dataclass
class Smoke:
    """One run with one stack.

    Attributes:
        options: for `pulumi up`, such as the policy pack.
        manager: opens Azure Resource Manager as the deploying identity.
    """

    places: Places
    stack: str
    manager: Callable[[], Manager]
    options: Sequence[str] = ()
    keep: bool = False
    took: list[tuple[str, float, str]] = field(default_factory=list)

    def run(self) -> int:
        """Returns 0, 1 after a failure, or 130 after Ctrl-C."""
        if status := self._guarded(self._refuse_what_is_there):
            return status
        status = self._guarded(self._use)
        if self.keep:
            say(f"smoke: kept, as you asked. Take it down with `make down STACK={self.stack}`")
        else:
            status = self._guarded(self._remove) or status
        self._report(status)
        return status

    def clean(self) -> int:
        """Take down what a run left that was cut off, and the lock that it held. Returns as `run` does."""
        if status := self._guarded(self._refuse_this_machine):
            return status
        self._guarded(lambda: self._step("unlock", self._unlocked))
        status = self._guarded(self._remove)
        self._report(status)
        return status

    def _unlocked(self) -> str | None:
        """Some backends refuse to release a lock that nobody holds. One that stays makes `destroy` fail."""
        try:
            self._pulumi("cancel", "--yes")
        except SmokeFailed:
            return "no lock was released"
        return None

    def _use(self) -> None:
        """From nothing to a published model that answers."""
        self._step("up", lambda: self._pulumi("up", "--yes", "--suppress-outputs", *self.options))
        outputs = self._outputs()
        self._step("model", lambda: self._trained(outputs))
        self._step("analyze", lambda: self._analyzed(outputs))
        self._step("no changes", lambda: self._pulumi("preview", "--expect-no-changes", *self.options))
        self._step("no drift", lambda: self._pulumi("refresh", "--preview-only", "--expect-no-changes"))

    def _remove(self) -> int:
        """Run each step, also after one that failed, so that the report names what is left. Returns an exit status.

        What was made is read first: after a destroy the state no longer says it.
        """
        made, manager = made_by(self._exported()), self.manager()
        destroyed = self._guarded(lambda: self._step("destroy", lambda: self._pulumi("destroy", "--yes")))
        seconds = 0 if destroyed else DELETION_SECONDS  # what no destroy deletes does not go away
        gone = self._guarded(lambda: self._step("nothing left", lambda: self._gone(made, manager, seconds)))
        purged = self._guarded(lambda: self._step("purge", lambda: self._purged(made, manager)))
        return max(destroyed, gone, purged)

    def _refuse_this_machine(self) -> None:
        if is_local(self.places, self.stack):
            raise SmokeFailed(
                f"the stack {self.stack} runs on this machine, and a smoke test is for Azure. Name a stack whose platform is "
                "azure: make smoke STACK=smoke"
            )

    def _refuse_what_is_there(self) -> None:
        self._refuse_this_machine()
        resources = (self._exported().get("deployment") or {}).get("resources") or []
        there = [
            each
            for each in resources
            if each.get("id") and not each.get("external") and not str(each["type"]).startswith("pulumi:")
        ]
        if there:
            raise SmokeFailed(
                f"the stack {self.stack} has {len(there)} resources, which the end of this run would destroy. Use a "
                f"stack that is not deployed, or take it down first: make down STACK={self.stack}. If they are what "
                "a smoke test left that was cut off, and nobody updates the stack now, this destroys and purges all of them: "
                f"make smoke STACK={self.stack} CLEAN=1"
            )

    def _trained(self, outputs: Mapping[str, Any]) -> str:
        models = outputs.get("models") or {}
        bad = [name for name, model in models.items() if model.get("status") != "succeeded"]
        if not models or bad:
            raise SmokeFailed(f"not every model has succeeded: {', '.join(bad) or 'the stack declares none'}")
        return "; ".join(f"{name} {show.performance_text(model.get('performance'))}".strip() for name, model in models.items())

    def _analyzed(self, outputs: Mapping[str, Any]) -> str:
        models = outputs.get("models") or {}
        published = {name: model["publishedName"] for name, model in models.items() if model.get("publishedName")}
        if not published:
            raise SmokeFailed("the stack publishes no model, so none can be asked")
        with VisionClient(outputs["endpoint"], outputs["key"]) as client:
            return "; ".join(self._found(client, name, published_name) for name, published_name in published.items())

    def _found(self, client: VisionClient, name: str, published_name: str) -> str:
        """Ask a published model about an image of its test dataset; the answer must have a tag or an object."""
        image = show.image_to_try(self.places, self.stack, name)
        if image is None:
            raise SmokeFailed(f"no image to try {name} with: it has no evaluationDataset in this checkout")
        answer = client.analyze(published_name, (self.places.checkout / image).read_bytes()).custom_model_result
        tags = answer.tags_result.values if answer and answer.tags_result else []
        objects = answer.objects_result.values if answer and answer.objects_result else []
        if not tags and not objects:
            raise SmokeFailed(f"the published model {published_name} found nothing in {image}")
        return f"{published_name}: {tags[0].name if tags else f'{len(objects)} objects'}"

    def _gone(self, made: Made, manager: Manager, timeout_seconds: float) -> str:
        if there := wait_until_gone(made, manager, timeout_seconds=timeout_seconds):
            raise SmokeFailed(f"these are still there: {', '.join(there)}. Delete them by hand")
        return f"{len(made.resources)} resources are gone"

    def _purged(self, made: Made, manager: Manager) -> str:
        return f"purged: {', '.join(deleted.name for deleted in purge(made, manager)) or 'nothing'}"

    def _step(self, name: str, action: Callable[[], str | None]) -> None:
        """Run a step, and note what it took and what it says."""
        say(f"smoke: {name} …")
        begun, outcome = time.monotonic(), "failed"
        try:
            outcome = action() or "done"
        finally:
            self.took.append((name, time.monotonic() - begun, outcome))

    def _guarded(self, steps: Callable[[], int | None]) -> int:
        """Run steps, which may return an exit status. Returns one; what went wrong is printed."""
        try:
            return steps() or 0
        except KeyboardInterrupt:
            print("\nsmoke: interrupted", file=sys.stderr)
            return INTERRUPTED
        except (SmokeFailed, AzureRefused, VisionError) as error:
            print(f"smoke: {error}", file=sys.stderr)
            return 1
        except Exception:  # noqa: BLE001 - whatever it is, what was made must be taken down
            traceback.print_exc()
            return 1

    def _report(self, status: int) -> None:
        width = max((len(name) for name, _, _ in self.took), default=0)
        say("")
        for name, seconds, outcome in self.took:
            say(f"  {name.ljust(width)}  {duration(seconds):>12}  {outcome}")
        say(f"smoke: {'passed' if status == 0 else 'FAILED'} for stack {self.stack}")

    def _command(self, *arguments: str) -> list[str]:
        return [str(self.places.programs / "pulumi"), *arguments, "--stack", self.stack]

    def _pulumi(self, *arguments: str) -> None:
        """Run the CLI, which shows its own progress. It gets Ctrl-C, too, and ends by itself. Raises SmokeFailed."""
        with subprocess.Popen(self._command(*arguments, "--non-interactive"), cwd=self.places.checkout) as process:
            try:
                code = process.wait()
            except KeyboardInterrupt:
                process.wait()
                raise
        if code != 0:
            raise SmokeFailed(f"`pulumi {arguments[0]}` ended with exit status {code}; its output is above")

    def _read(self, *arguments: str) -> dict[str, Any]:
        done = subprocess.run(self._command(*arguments), cwd=self.places.checkout, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SmokeFailed(f"`pulumi {arguments[0]} {arguments[1]}` failed: {done.stderr.strip()}")
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def _outputs(self) -> dict[str, Any]:
        return self._read("stack", "output", "--json", "--show-secrets")

    def _exported(self) -> dict[str, Any]:
        return self._read("stack", "export")
