"""The Azure CLI, as far as the documentation's steps need it: what it asks of Azure Resource Manager.

`install` puts it on PATH as `az`. An option that is not known here is refused, as by the real one.
"""

import argparse
import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

import requests
from azure.identity import DefaultAzureCredential

from tests.stacks.azure.authority import MANAGEMENT, MANAGEMENT_SCOPE
from tests.stacks.azure.subscription import Subscription
from tests.support.places import CHECKOUT

API_VERSION = "2023-05-01"


def install(folder: Path) -> Path:
    """A folder for PATH that holds `az`."""
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "az"
    python = shlex.quote(sys.executable)
    script.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(CHECKOUT))} exec {python} -P -m tests.stacks.azure.az "$@"\n')
    script.chmod(0o755)
    return folder


def parser() -> argparse.ArgumentParser:
    """As in https://learn.microsoft.com/cli/azure/storage, /keyvault and /provider."""
    az = argparse.ArgumentParser(prog="az", allow_abbrev=False)
    commands = az.add_subparsers(required=True)
    storage = commands.add_parser("storage").add_subparsers(required=True)
    accounts = storage.add_parser("account").add_subparsers(required=True).add_parser("list", allow_abbrev=False)
    accounts.add_argument("--resource-group", "-g", required=True)
    accounts.set_defaults(run=account_list)
    restore = storage.add_parser("blob").add_subparsers(required=True).add_parser("restore", allow_abbrev=False)
    restore.add_argument("--account-name", required=True)
    restore.add_argument("--resource-group", "-g", required=True)
    restore.add_argument("--time-to-restore", "-t", required=True)
    restore.add_argument("--blob-range", "-r", nargs=2, action="append", metavar=("START", "END"))
    restore.set_defaults(run=blob_restore)
    vaults = commands.add_parser("keyvault").add_subparsers(required=True)
    recover = vaults.add_parser("recover", allow_abbrev=False)
    recover.set_defaults(run=vault_recover)
    purge = vaults.add_parser("purge", allow_abbrev=False)
    purge.set_defaults(run=vault_purge)
    for command in (recover, purge):
        command.add_argument("--name", "-n", required=True)
        command.add_argument("--location", "-l", required=True)
    register = commands.add_parser("provider").add_subparsers(required=True).add_parser("register", allow_abbrev=False)
    register.add_argument("--namespace", "-n", required=True)
    register.add_argument("--wait", action="store_true")
    register.add_argument("--subscription")
    register.set_defaults(run=provider_register)
    for command in (accounts, restore, recover, purge, register):
        command.add_argument("--query")
        command.add_argument("--output", "-o", choices=["json", "tsv"], default="json")
    return az


def account_list(options: argparse.Namespace) -> Any:  # noqa: ANN401 - JSON
    return call("GET", f"/resourceGroups/{options.resource_group}/providers/Microsoft.Storage/storageAccounts")["value"]


def blob_restore(options: argparse.Namespace) -> Any:  # noqa: ANN401 - JSON
    account = f"/resourceGroups/{options.resource_group}/providers/Microsoft.Storage/storageAccounts/{options.account_name}"
    ranges = [{"startRange": first, "endRange": last} for first, last in options.blob_range or [("", "")]]
    return call("POST", f"{account}/restoreBlobRanges", {"timeToRestore": options.time_to_restore, "blobRanges": ranges})


def provider_register(options: argparse.Namespace) -> Any:  # noqa: ANN401 - JSON
    return call("POST", f"/providers/{options.namespace}/register")


def vault_recover(options: argparse.Namespace) -> Any:  # noqa: ANN401 - JSON
    found = call("GET", _deleted_vault(options))["properties"]
    body = {"location": found["location"], "properties": {"createMode": "recover"}}
    return call("PUT", "/".join(["", *found["vaultId"].split("/")[3:]]), body)


def vault_purge(options: argparse.Namespace) -> Any:  # noqa: ANN401 - JSON
    return call("POST", f"{_deleted_vault(options)}/purge")


def _deleted_vault(options: argparse.Namespace) -> str:
    return f"/providers/Microsoft.KeyVault/locations/{options.location}/deletedVaults/{options.name}"


def call(method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
    subscription = Subscription(Path(os.environ["AZURE_STAND_IN"])).scenario()["subscriptionId"]
    with DefaultAzureCredential() as credential:
        token = credential.get_token(MANAGEMENT_SCOPE).token
    answer = requests.request(
        method,
        f"{MANAGEMENT}/subscriptions/{subscription}{path}",
        params={"api-version": API_VERSION},
        headers={"Authorization": f"Bearer {token}"},
        json=body,
        timeout=60,
    )
    if not answer.ok:
        error = answer.json()["error"]
        sys.exit(f"({error['code']}) {error['message']}\nCode: {error['code']}\nMessage: {error['message']}")
    return answer.json()


def main() -> None:
    options = parser().parse_args()
    answer = options.run(options)
    if options.query == "[0].name":
        answer = answer[0]["name"]
    elif options.query:
        sys.exit(f"az: the stand-in knows the query [0].name, not {options.query}")
    print(answer if options.output == "tsv" else json.dumps(answer, indent=2))


if __name__ == "__main__":
    main()
