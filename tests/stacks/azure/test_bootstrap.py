"""`make bootstrap`: what a stack with a private network creates before its deployer has a way into the network."""

import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stacks.azure.environment import BOOTSTRAP, WithoutServices
from tests.stacks.azure.services import AzureWorld
from tests.stacks.shapes import write_dataset
from tests.support.places import CHECKOUT

pytestmark = [pytest.mark.stack, pytest.mark.process]

DATASET = {"annotationKind": "imageClassification", "annotationFiles": ["shapes.json"], "source": "shapes"}


def bootstrap_options(stack: str) -> list[str]:
    """The last options of `pulumi up` in `make bootstrap`: those after the policy pack, whose environment this test has not."""
    recipe = subprocess.run(
        ["make", "--dry-run", "bootstrap", f"STACK={stack}"], cwd=CHECKOUT, capture_output=True, text=True, check=True
    ).stdout
    (line,) = [line for line in recipe.splitlines() if "pulumi up" in line]
    words = shlex.split(line)
    return words[words.index("--policy-pack-config") + 2 :]


@pytest.fixture
def prod(tmp_path: Path) -> Iterator[WithoutServices]:
    with AzureWorld(tmp_path / "azure") as world:
        write_dataset(tmp_path / "shapes", "shapes.json", {"circle": range(3), "square": range(3)})
        prod = WithoutServices.of(tmp_path, "prod", world, {"shapes": DATASET}, textile={})
        model = {"trainingDataset": "shapes", "evaluationDataset": "shapes", "publish": True}
        prod.configure({**prod.config(), "models": {"shapes": model}})
        yield prod


def test_everything_but_what_needs_the_network_is_created(prod: WithoutServices) -> None:
    options = bootstrap_options("prod")
    assert tuple(options) == BOOTSTRAP
    prod.bootstrap().succeeded()
    state = prod.state()
    for created in (
        "network:PrivateEndpoint::vision-net-blob",
        "app:ContainerApp::vision-engine-api",
        "privatedns:PrivateRecordSet",
    ):
        assert created in state
    for waits in ("vision:BlobAccess", "vision:Dataset", "vision:Model", "vision:PublishedModel"):
        assert waits not in state
    # Somebody who lost the connection runs it again.
    prod.preview("--expect-no-changes", *options).succeeded()
