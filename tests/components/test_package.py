"""Pulumi's own analyzer reads the components: what a program in another language may give them, and gets of them."""

import pytest
from pulumi.provider.experimental.analyzer import Analyzer

from vision_customization.components.azure.workspace import AzureWorkspace
from vision_customization.components.local.workspace import LocalWorkspace


@pytest.mark.parametrize(
    ("component", "inputs", "outputs"),
    [
        (LocalWorkspace, {"dataDir", "enginePort", "storagePort"}, {"endpoint", "key", "containerUrl"}),
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
