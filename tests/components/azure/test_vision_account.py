"""The Vision account as it is declared, with Pulumi's engine played."""

from typing import Any

import pulumi
import pytest

from tests.components.azure.played_engine import Engine
from vision_customization.components.azure.place import Place
from vision_customization.components.azure.vision_account import VisionAccount, VisionAccountArgs

PLACE = Place("vision-dev", "eastus")


@pytest.mark.parametrize(
    ("hosts", "properties"),
    [
        (
            ["visiondev.blob.core.windows.net"],
            {"restrictOutboundNetworkAccess": True, "allowedFqdnList": ["visiondev.blob.core.windows.net"]},
        ),
        (None, {"restrictOutboundNetworkAccess": False}),
    ],
)
def test_images_are_read_from_named_hosts(engine: Engine, hosts: list[str] | None, properties: dict[str, Any]) -> None:
    @pulumi.runtime.test
    def program() -> pulumi.Output[str]:
        args = VisionAccountArgs(PLACE, "vision-dev", "vision-dev-123456", image_hosts=hosts)
        return VisionAccount("vision-vision", args).endpoint

    program()
    declared = engine.declared["Account"]["properties"]
    assert declared["disableLocalAuth"] is True
    names = ("restrictOutboundNetworkAccess", "allowedFqdnList")
    assert {name: declared[name] for name in names if name in declared} == properties
