"""Everyday situations of a checkout and its stack, through the launcher and the real CLI, in the life of one stack."""

import json
import os
import re
import shlex
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.stacks.processes import processes_in
from tests.stacks.project import VENV_BIN, Outcome, Project
from tests.stacks.shapes import write_dataset
from tests.support.places import CHECKOUT
from vision_customization.customization.client.client import VisionClient

pytestmark = [pytest.mark.stack, pytest.mark.process]

CONFIG: dict[str, Any] = {
    "platform": "local",
    "datasets": {"shapes": {"annotationKind": "imageClassification", "annotationFiles": ["train.json"], "source": "shapes"}},
}
DEAD_PROXY = "http://127.0.0.1:9"
LAUNCHER = Path("toolchain", "launcher.py")


class Checkout(Project):
    """A project with a launcher of its own, which chooses backend and passphrase as in a checkout."""

    @property
    def environment(self) -> dict[str, str]:
        environment = {**super().environment, "PULUMI_CONFIG_PASSPHRASE": "of another project"}
        del environment["PULUMI_BACKEND_URL"]
        return {**environment, "http_proxy": DEAD_PROXY, "no_proxy": "*", "NO_PROXY": "*"}

    def command(self) -> list[str]:
        cli = shlex.split((VENV_BIN / "pulumi").read_text().splitlines()[-1])[-2]
        return [sys.executable, "-I", str(self.folder / LAUNCHER), cli]

    def state_folder(self) -> Path:
        return self.folder / ".vision" / "pulumi"

    def move(self, folder: Path) -> None:
        self.folder.rename(folder)
        self.folder = folder

    def client(self) -> VisionClient:
        outputs = self.outputs()
        return VisionClient(outputs["endpoint"], outputs["key"])


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A checkout below a folder whose name an address has to quote, with a stack that is up."""
    folder = tmp_path_factory.mktemp("situations") / "a%2Fb #1 Möbel?"
    (folder / LAUNCHER).parent.mkdir(parents=True)
    shutil.copy(CHECKOUT / LAUNCHER, folder / LAUNCHER)
    (folder / ".vision" / "pulumi").mkdir(parents=True)
    (folder / ".vision" / "passphrase").write_text("of this checkout")
    write_dataset(folder / "shapes", "train.json", {"circle": range(3), "square": range(3)}, side_px=60)
    checkout = Checkout.create(folder, CONFIG)
    checkout.up().succeeded()
    yield checkout
    checkout.destroy(previewed=True).succeeded()
    assert processes_in(checkout.folder.parent) == []


def unwrapped(outcome: Outcome) -> str:
    return re.sub(r"\s+", " ", outcome.output)


def test_the_state_is_in_the_checkout_with_the_checkouts_passphrase(checkout: Checkout) -> None:
    """Whatever the folder is called, whatever proxy the environment names, and whatever passphrase other projects have."""
    assert checkout.state_file().is_relative_to(checkout.folder / ".vision")
    preview = checkout.preview("--expect-no-changes").succeeded()
    assert "PULUMI_CONFIG_PASSPHRASE in the environment is not used" in preview.output
    assert str(checkout.folder / ".vision" / "passphrase") in preview.output


def test_an_update_settles_what_a_killed_one_left_pending(checkout: Checkout) -> None:
    file = checkout.state_file()
    state = json.loads(file.read_text())
    latest = state["checkpoint"]["latest"]
    [dataset] = [resource for resource in latest["resources"] if resource["type"].endswith("vision:Dataset")]
    latest["resources"].remove(dataset)
    latest["pending_operations"] = [{"resource": {**dataset, "outputs": {}}, "type": "creating"}]
    file.write_text(json.dumps(state))
    output = checkout.up().succeeded().output
    assert "pending" not in output
    assert "pending_operations" not in json.loads(checkout.state())["checkpoint"]["latest"]
    checkout.preview("--expect-no-changes").succeeded()


def test_a_moved_checkout_says_so_and_is_mended_by_an_update(checkout: Checkout) -> None:
    endpoint, former = checkout.outputs()["endpoint"], checkout.folder
    checkout.move(former.with_name("moved"))
    preview = checkout.preview().succeeded().output
    for service in ("storage", "engine"):
        assert f"it runs from another place, {former}/.vision/local/{service}, and will be restarted" in preview
    write_dataset(checkout.folder / "shapes", "train.json", {"circle": range(4), "square": range(3)}, side_px=60)
    assert "1 image uploaded" in checkout.up().succeeded().output
    assert checkout.outputs()["endpoint"] == endpoint
    assert processes_in(former) == []
    checkout.preview("--expect-no-changes").succeeded()


def test_a_renamed_stack_takes_its_data_along(checkout: Checkout) -> None:
    before = checkout.client().get_dataset("shapes").to_wire()
    checkout.run("stack", "rename", "renamed", "--stack", checkout.stack).succeeded()
    checkout.stack = "renamed"
    preview = checkout.preview().succeeded().output
    for service in ("storage", "engine"):
        assert f"its data moves from .vision/local/{service} to .vision/renamed/{service}" in preview
    checkout.up(previewed=True).succeeded()
    after = checkout.client().get_dataset("shapes").to_wire()
    assert after["customProperties"] == {"managedBy": "pulumi:vision-customization/renamed"}  # the owner's new name
    changed = {"customProperties", "eTag", "updatedDateTime"}
    assert {name: value for name, value in after.items() if name not in changed} == {
        name: value for name, value in before.items() if name not in changed
    }
    assert not (checkout.folder / ".vision" / "local").exists()
    checkout.refresh("--preview-only", "--expect-no-changes").succeeded()


def test_a_preview_lists_what_a_destroy_could_not_delete(checkout: Checkout) -> None:
    note = json.loads((checkout.folder / ".vision" / "renamed" / "engine" / "service.json").read_text())
    os.kill(note["pid"], signal.SIGKILL)
    assert "the local engine does not answer: it stays in the engine's data folder" in unwrapped(checkout.destroy().succeeded())
    assert "because the service did not answer: dataset 'shapes'." in unwrapped(checkout.preview().succeeded())
