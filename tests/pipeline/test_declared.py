"""`make cost`: the program of this repository, with mocks in place of Azure."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipeline.declared import NotInAzure, declared_resources
from tests.support.places import CHECKOUT, DOCS

PAGE = DOCS / "azure-cost.md"
PROGRAM = """\
import sys
from pathlib import Path
from pipeline.__main__ import cost
sys.exit(cost(sys.argv[1], Path(sys.argv[2])))
"""


WHERE = """\
import sys
from pathlib import Path
from pipeline.declared import declared_resources
for made in declared_resources(sys.argv[1], Path(sys.argv[2])):
    print(made.type, made.properties.get("resourceGroupName"))
"""


def cost(stack: str, checkout: Path = CHECKOUT, program: str = PROGRAM) -> subprocess.CompletedProcess[str]:
    """In a process of its own: Pulumi's mocks are global. No credential and no Azure are there to be asked."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PULUMI_", "ARM_", "AZURE_"))}
    return subprocess.run(
        [sys.executable, "-c", program, stack, str(checkout)],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("stack", ["dev", "staging", "prod"])
def test_the_documented_costs_are_what_the_command_prints(stack: str) -> None:
    """docs/azure-cost.md; VISION_WRITE_DOCS=1 writes them."""
    done = cost(stack)
    assert done.returncode == 0, done.stderr
    if os.environ.get("VISION_WRITE_DOCS"):
        head, mark, rest = PAGE.read_text().partition(f"<!-- cost {stack} -->\n")
        following = rest.find("\n###")
        PAGE.write_text(f"{head}{mark}\n{done.stdout}{rest[following:] if following >= 0 else ''}")
    assert f"\n{done.stdout.strip()}\n" in PAGE.read_text()


def checkout_with(tmp_path: Path, config: dict[str, object]) -> Path:
    (tmp_path / "stacks").mkdir()
    (tmp_path / "__main__.py").symlink_to(CHECKOUT / "__main__.py")
    text = yaml.safe_dump({"config": {f"vision-customization:{key}": value for key, value in config.items()}})
    (tmp_path / "stacks" / "Pulumi.mine.yaml").write_text(text)
    return tmp_path


def test_what_somebody_else_owns_is_not_counted(tmp_path: Path) -> None:
    """And a model of another stack needs neither that stack nor its state."""
    shared = "/subscriptions/s/resourceGroups/shared/providers"
    azure = {
        "image": "contoso.azurecr.io/engine:1",
        "engine": {"maxReplicas": 1},
        "resourceGroup": {"existing": "theirs"},
        "logWorkspace": {"existing": f"{shared}/Microsoft.OperationalInsights/workspaces/logs"},
        "identity": {"existing": f"{shared}/Microsoft.ManagedIdentity/userAssignedIdentities/engine"},
        "registry": "contoso.azurecr.io",
        "containerRegistry": {"existing": f"{shared}/Microsoft.ContainerRegistry/registries/contoso"},
        "vision": "none",
        "alertEmails": [{"secure": "v1:encrypted"}, {"secure": "v1:another"}],
    }
    config = {"platform": "azure", "azure": azure, "models": {"textile": {"promoteFrom": "elsewhere"}}}
    done = cost("mine", checkout_with(tmp_path, config))
    assert done.returncode == 0, done.stderr
    assert "| `vision-engine-api` (`app:ContainerApp`) | 1 × 1 vCPU and 2 GiB |" in done.stdout
    for theirs in ("operationalinsights:Workspace", "cognitiveservices:Account", "containerregistry"):
        assert theirs not in done.stdout


def test_all_is_made_in_the_group_that_is_given(tmp_path: Path) -> None:
    """From the stack's file to the arguments of each resource."""
    azure = {"image": "engine:1", "resourceGroup": {"existing": "theirs"}, "keyVault": True, "privateNetwork": True}
    done = cost("mine", checkout_with(tmp_path, {"platform": "azure", "azure": azure}), WHERE)
    assert done.returncode == 0, done.stderr
    types, groups = zip(*(line.split() for line in done.stdout.splitlines()), strict=True)
    assert "resources:ResourceGroup" not in types
    assert {"storage:StorageAccount", "dbforpostgresql:Server", "app:ContainerApp", "keyvault:Vault"} <= set(types)
    # Assignments and diagnostic settings have the id of what they are on instead.
    assert set(groups) == {"theirs", "None"}


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"platform": "local"}, "The stack mine runs on this machine, where nothing is billed"),
        ({"platform": "azure", "azure": {"studio": True}}, "vision-customization:azure.image: missing"),
        ({"platform": "azure", "azure": {"image": "i", "names": {"storageAccount": "No"}}}, "azure: "),
        (
            {"platform": "azure", "azure": {"image": "i", "identity": {"existing": {"secure": "v1:encrypted"}}}},
            "make cost can't decrypt settings, and puts texts in their place: azure.identity.existing. If one",
        ),
    ],
)
def test_what_has_no_cost_says_why(tmp_path: Path, config: dict[str, object], said: str) -> None:
    done = cost("mine", checkout_with(tmp_path, config))
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("text", "said"), [("", "runs on this machine"), ("config:\n", "runs on this machine"), ("config: [", "is not YAML")]
)
def test_a_file_without_settings(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks" / "Pulumi.mine.yaml").write_text(text)
    with pytest.raises(NotInAzure, match=said):
        declared_resources("mine", tmp_path)


def test_a_stack_without_a_file() -> None:
    done = cost("nowhere")
    assert done.returncode == 1
    assert "Pulumi.nowhere.yaml does not exist" in done.stderr


EXPORTED = """\
import asyncio, json, sys
from pathlib import Path
import pulumi
from pulumi.runtime.stack import run_pulumi_func
from pipeline.declared import declared_resources
declared_resources("dev", Path(sys.argv[1]))
exported = pulumi.runtime.get_root_resource().outputs["azure"]
asyncio.get_event_loop().run_until_complete(
    run_pulumi_func(lambda: pulumi.Output.from_input(exported).apply(lambda known: print(json.dumps(known)))))
"""


def test_a_stack_exports_what_others_need_as_documented() -> None:
    done = subprocess.run(
        [sys.executable, "-c", EXPORTED, str(CHECKOUT)], cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    exported = json.loads(done.stdout)
    assert exported["identityPrincipalId"]
    assert exported["storageAccountId"].startswith("/subscriptions/")
    table = (DOCS / "stacks.md").read_text().partition("| `azure.…` | value |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`(\w+)`(?=[^|]*\|[^|]*\|$)", table, re.MULTILINE)) == set(exported)
