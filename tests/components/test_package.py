"""Pulumi's own analyzer reads the components: what a program in another language may give them, and gets of them."""

import re
import subprocess
import sys
from importlib.metadata import version

import pytest
from pulumi.provider.experimental.analyzer import Analyzer

from tests.support.places import CHECKOUT
from vision_customization.components.azure.workspace import AzureWorkspace
from vision_customization.components.local.workspace import LocalWorkspace


@pytest.mark.parametrize(
    ("component", "inputs", "outputs"),
    [
        (LocalWorkspace, {"dataDir", "enginePort", "storagePort", "customVision"}, {"endpoint", "key", "containerUrl"}),
        (
            AzureWorkspace,
            {"base", "image", "location", "alertEmails", "engine", "database", "tags"},
            {"endpoint", "key", "containerUrl", "visionEndpoint", "resourceGroup"},
        ),
    ],
)
def test_the_analyzer_accepts_it(component: type, inputs: set[str], outputs: set[str]) -> None:
    found = Analyzer("vision-customization").analyze([component])["component_definitions"][component.__name__]
    assert inputs <= set(found.inputs)
    assert set(found.outputs) == outputs


def test_the_plugin_starts_beside_the_packages_of_azure() -> None:
    """As Pulumi's language host runs it: `python plugin`, whose folder comes first on Python's path."""
    program = (
        "import runpy, sys; sys.path.insert(0, 'plugin'); runpy.run_path('plugin', run_name='plugin'); "
        "import azure.identity, azure.storage.blob"
    )
    subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, check=True, timeout=60)


def test_the_plugin_installs_its_own_version() -> None:
    required = (CHECKOUT / "plugin" / "requirements.txt").read_text()
    assert re.search(r"^vision-customization\[engine,azure\]==(\S+)$", required, re.MULTILINE)[1] == version(
        "vision-customization"
    )  # type: ignore[index]
