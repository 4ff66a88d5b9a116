"""Commands of the Azure CLI in the documentation that no test runs: they exist, with these options."""

import re
from pathlib import Path

import pytest

from tests.support.places import DOCS

OPTIONS = {
    "advanced-threat-protection-setting": {"--resource-group", "--server-name", "--state"},
    "list": {"--resource-group", "--query", "--output"},
    "list-skus": {"--location"},
    "microsoft-entra-admin": set(),
    "restart": {"--failover"},
    "restore": {"--resource-group", "--source-server", "--name", "--restore-time", "--geo-redundant-backup"},
    "stop": set(),
    "update": {"--resource-group", "--name", "--zonal-resiliency"},
}
"""Options of `az postgres flexible-server` in Azure CLI 2.88, as far as the pages use them: its `postgresql/_params.py`.
Version 2.87 removed `--high-availability` (release-notes-cli.md of azure-databases-docs)."""

PAGES = sorted(DOCS.glob("*.md"))
COMMAND = re.compile(r"az postgres flexible-server ([a-z-]+)([^`]*?)(?=`|\n *\n|\n *```|\n *az )")


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_commands_of_postgresql_have_only_options_that_azure_cli_has(page: Path) -> None:
    for command, rest in COMMAND.findall(page.read_text()):
        assert set(re.findall(r"--[a-z-]+", rest)) <= OPTIONS[command], f"az postgres flexible-server {command}{rest}"


def test_the_commands_are_found() -> None:
    assert {command for page in PAGES for command, _ in COMMAND.findall(page.read_text())} == OPTIONS.keys()
