"""A stack of this repository as it stands in stacks/, on a subscription that is played."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.leftovers import ResourceManager
from pipeline.smoke import Smoke
from tests.stacks.azure.services import AzureWorld
from tests.stacks.azure.stand_in import Azure
from tests.stacks.project import Outcome, Project
from tests.support.places import CHECKOUT
from toolchain.places import Places
from vision_customization.common.deploying_identity import deploying_credential

PREFIX = "vision-customization:"

BOOTSTRAP = ("--exclude-dependents", "--exclude", "**BlobAccess**")


@dataclass
class Environment(Project):
    """`dev`, `staging` or `prod`: the settings of its file; only where Azure and the images are is a test's own."""

    world: AzureWorld | None = None

    @classmethod
    def of(cls, folder: Path, stack: str, world: AzureWorld, datasets: Mapping[str, Any], **models: Any) -> "Environment":  # noqa: ANN401
        """Args:
        datasets: in place of the file's.
        models: name → keys that are set in place of the file's.
        """
        config = declared(stack)
        config["azure"] |= {"roleTimeoutMinutes": 2}
        config["datasets"] = dict(datasets)
        for name, keys in models.items():
            config["models"][name] |= keys
        Project.create(folder, config, stack)
        return cls(folder, stack, world=world)

    @property
    def azure(self) -> Azure:
        assert self.world is not None
        return Azure(self.world.folder)

    @property
    def environment(self) -> dict[str, str]:
        assert self.world is not None
        inherited = {name: value for name, value in super().environment.items() if not name.startswith(("AZURE_", "ARM_"))}
        return inherited | self.azure.environment() | self.world.environment()

    def bootstrap(self) -> Outcome:
        """As `make bootstrap`, whose options these are (test_bootstrap.py compares)."""
        return self.run("up", "--yes", "--stack", self.stack, *BOOTSTRAP)

    def smoke(self) -> int:
        """`make smoke` with this environment, in this process; returns its exit status."""
        with pytest.MonkeyPatch.context() as patch:
            for name in [name for name in os.environ if name.startswith(("AZURE_", "ARM_", "PULUMI_"))]:
                patch.delenv(name)
            for name, value in self.environment.items():
                patch.setenv(name, value)
            places = Places(self.folder, self.folder / "cache")
            return Smoke(places, self.stack, lambda: ResourceManager(deploying_credential())).run()

    def config(self) -> dict[str, Any]:
        """The stack's settings now, to be changed and given to `configure`."""
        return _config(self.folder / "stacks" / f"Pulumi.{self.stack}.yaml")


class WithoutServices(Environment):
    """Nothing runs behind the resources, as for a deployer who can't reach them; what is created takes seconds."""

    @property
    def environment(self) -> dict[str, str]:
        return {name: value for name, value in super().environment.items() if name != "AZURE_STAND_IN_WORLD"}


def declared(stack: str) -> dict[str, Any]:
    """The settings of a stack of this repository."""
    return _config(CHECKOUT / "stacks" / f"Pulumi.{stack}.yaml")


def _config(file: Path) -> dict[str, Any]:
    return {key.removeprefix(PREFIX): value for key, value in yaml.safe_load(file.read_text())["config"].items()}
