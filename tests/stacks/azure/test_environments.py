"""The stacks dev, staging and prod through the real CLI: the program and the settings of this repository, on a played Azure.

dev trains; staging takes dev's very model, and prod staging's. The engines are real processes, with PostgreSQL and Azurite.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from policy.state import violations_of
from tests.stacks.azure.environment import Environment
from tests.stacks.azure.services import AzureWorld
from tests.stacks.shapes import draw, write_dataset
from tests.support.places import CHECKOUT, DOCS
from tests.support.waiting import wait_until
from vision_customization.customization.client.client import VisionClient

pytestmark = [
    pytest.mark.ci,
    pytest.mark.stack,
    pytest.mark.process,
    pytest.mark.postgresql,
]

ROLE_DELAY_SECONDS = 12
NOTHING_CHANGED = "--expect-no-changes"


def dataset(file: str) -> dict[str, Any]:
    return {"annotationKind": "imageClassification", "annotationFiles": [file], "source": "shapes"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzureWorld]:
    with pytest.MonkeyPatch.context() as patch, AzureWorld(tmp_path_factory.mktemp("azure")) as world:
        patch.setenv("VISION_ENGINE_ROLE_WAIT_SECONDS", "40")  # one test waits for a role that does not come
        yield world


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("environments")
    for file, numbers in (("train.json", range(10)), ("test.json", range(1000, 1010))):
        write_dataset(folder / "shapes", file, {"circle": numbers, "square": numbers})
    # One square among the circles: no model is perfect on it, so a gate can be out of reach.
    draw("square", 4000).save(folder / "shapes" / "images" / "circle-1009.png")
    return folder


@pytest.fixture(scope="module")
def dev(folder: Path, world: AzureWorld) -> Environment:
    """`dev`, whose roles come to work some seconds after they are assigned."""
    datasets = {"textile-train": dataset("train.json"), "textile-test": dataset("test.json")}
    dev = Environment.of(folder, "dev", world, datasets, textile={"require": {"accuracyTop1": 0.6}})
    dev.azure.scenario(roleDelaySeconds=ROLE_DELAY_SECONDS)
    up = dev.up().succeeded().output
    waited = re.search(r"'Storage Blob Data Contributor' works for the deploying identity \(after (\d+) s\)", up)
    assert waited is not None
    assert int(waited[1]) >= 5
    assert "'Storage Blob Data Reader' works for the engine (after" in up
    dev.azure.scenario(roleDelaySeconds=None)
    return dev


@pytest.fixture(scope="module")
def staging(dev: Environment, world: AzureWorld) -> Environment:
    """`staging`, with workers as a job."""
    gate = {"require": {"accuracyTop1": 0.7}}
    staging = Environment.of(dev.folder, "staging", world, {"textile-test": dataset("test.json")}, textile=gate)
    config = staging.config()
    config["azure"]["engine"]["workers"] = "job"
    staging.configure(config)
    staging.up().succeeded()
    return staging


@pytest.fixture(scope="module")
def prod(staging: Environment, world: AzureWorld) -> Environment:
    gate = {"require": {"accuracyTop1": 0.8}}
    prod = Environment.of(staging.folder, "prod", world, {"textile-test": dataset("test.json")}, textile=gate)
    prod.bootstrap().succeeded()
    prod.up().succeeded()
    return prod


@pytest.fixture(params=["dev", "staging", "prod"], scope="module")
def environment(request: pytest.FixtureRequest) -> Environment:
    found: Environment = request.getfixturevalue(request.param)
    return found


def client(environment: Environment) -> VisionClient:
    outputs = environment.outputs()
    return VisionClient(outputs["endpoint"], outputs["key"])


@pytest.fixture
def trusting(world: AzureWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process trusts the certificates of the played Azure."""
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, str(world.authority.ca_file))


def group(environment: Environment) -> str:
    return next(
        id_
        for id_ in environment.azure.resources("resources:ResourceGroup")
        if id_.lower().endswith(f"/vision-{environment.stack}")
    )


def of_stack(environment: Environment, resource_type: str) -> str:
    """The id of the one resource of that type in the environment's group."""
    (found,) = [id_ for id_ in environment.azure.resources(resource_type) if id_.lower().startswith(group(environment).lower())]
    return found


def test_nothing_changes_by_itself(environment: Environment) -> None:
    environment.preview(NOTHING_CHANGED).succeeded()
    environment.refresh("--preview-only", NOTHING_CHANGED).succeeded()


@pytest.mark.usefixtures("trusting")
def test_the_published_model_answers(environment: Environment) -> None:
    image = (environment.folder / "shapes" / "images" / "circle-1000.png").read_bytes()
    with client(environment) as caller:
        result = caller.analyze("textile", image)
    assert result.custom_model_result is not None
    assert result.custom_model_result.tags_result is not None
    assert result.custom_model_result.tags_result.values[0].name == "circle"


@pytest.mark.usefixtures("trusting")
def test_a_model_is_trained_once_and_promoted(dev: Environment, staging: Environment, prod: Environment) -> None:
    artifacts = {stack.stack: stack.outputs()["models"]["textile"]["artifactDigest"] for stack in (dev, staging, prod)}
    assert len(set(artifacts.values())) == 1, artifacts
    for promoted in (staging, prod):
        with client(promoted) as caller:
            assert [dataset.name for dataset in caller.list_datasets()] == ["textile-test"]
            (model,) = caller.list_models()
            # It was told what it was trained from; nothing was trained here.
            assert model.training_progress is None
            assert model.name == dev.outputs()["models"]["textile"]["name"]


def test_drift_is_found_and_put_right(environment: Environment) -> None:
    account = of_stack(environment, "storage:StorageAccount")
    environment.azure.change(account, "allowBlobPublicAccess", value=True)
    try:
        found = environment.refresh("--preview-only", "--diff", NOTHING_CHANGED).failed().output
        assert "StorageAccount" in found
        assert "allowBlobPublicAccess" in found
        environment.refresh(previewed=True).succeeded()
        environment.up().succeeded()
    finally:
        outputs = environment.azure.resources("storage:StorageAccount")[account]["inputs"]
    assert outputs["allowBlobPublicAccess"] is False


def test_an_update_changes_what_it_says(environment: Environment) -> None:
    config = environment.config()
    config["azure"]["logRetentionDays"] = 120
    environment.configure(config)
    preview = environment.preview("--diff").succeeded().output
    assert "retentionInDays" in preview
    environment.up(previewed=True).succeeded()
    workspace = of_stack(environment, "operationalinsights:Workspace")
    assert environment.azure.resources()[workspace]["inputs"]["retentionInDays"] == 120


def test_the_policies_are_kept(environment: Environment) -> None:
    """By the stack as it is deployed, `protect` and dependencies included."""
    exported = environment.run("stack", "export", "--stack", environment.stack).succeeded().output
    config = json.loads((CHECKOUT / "policy" / "config" / f"{environment.stack}.json").read_text())
    assert [str(violation) for violation in violations_of(json.loads(exported), config) if violation.level == "mandatory"] == []


def test_the_estimate_counts_what_is_there(environment: Environment) -> None:
    """`make cost` runs the program with mocks: it declares the very resources that the update has made."""
    program = (
        "import sys; from pathlib import Path; from pipeline.declared import declared_resources; "
        "print(*sorted(f'{one.type} {one.name}' for one in declared_resources(sys.argv[1], Path(sys.argv[2]))), sep='\\n')"
    )
    command = [sys.executable, "-c", program, environment.stack, str(environment.folder)]
    declared = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout.splitlines()
    exported = json.loads(environment.run("stack", "export", "--stack", environment.stack).succeeded().output)
    made = [
        f"{one['type'].removeprefix('azure-native:')} {one['urn'].rsplit('::', 1)[-1]}"
        for one in exported["deployment"]["resources"]
        if one["type"].startswith("azure-native:")
    ]
    assert declared == sorted(made)


@pytest.mark.usefixtures("trusting")
def test_a_rotated_key_is_the_engines_with_the_update(dev: Environment) -> None:
    outputs = dev.outputs()

    def status(key: str) -> int:
        models = f"{outputs['endpoint']}/computervision/models?api-version=2023-04-01-preview"
        return requests.get(models, headers={"Ocp-Apim-Subscription-Key": key}, timeout=60).status_code

    former = outputs["key"]
    dev.run("up", "--yes", "--stack", "dev", "--replace", "**vision-engine-key").succeeded()
    key = dev.outputs()["key"]
    assert key != former
    assert (status(former), status(key)) == (401, 200)
    dev.preview(NOTHING_CHANGED).succeeded()


def test_no_secret_leaves_its_place(dev: Environment, staging: Environment, prod: Environment) -> None:
    for environment in (dev, staging, prod):
        key = environment.outputs()["key"]
        assert key not in environment.state()
        assert "administratorLoginPassword" not in environment.state()  # there is none
        assert all(key not in printed for printed in dev.printed + staging.printed + prod.printed)
        logs = list((environment.azure.folder / "apps").rglob("log.txt"))
        assert logs
        assert all(key not in log.read_text() for log in logs)


@pytest.mark.parametrize(("module", "page"), [("policy.report", "azure-prod.md"), ("policy.controls", "azure-controls.md")])
def test_the_table_of_prod_is_the_documented_one(prod: Environment, module: str, page: str) -> None:
    """Every resource of prod and its security-relevant properties; every control, beside the defaults of AVM."""
    exported = prod.folder / "prod.json"
    exported.write_text(prod.run("stack", "export", "--stack", "prod").succeeded().output)
    table = subprocess.run(
        [sys.executable, "-m", module, str(exported)], cwd=CHECKOUT, capture_output=True, text=True, check=True
    ).stdout
    documented = DOCS / page
    if os.environ.get("VISION_WRITE_DOCS"):
        intro, _, _ = documented.read_text().partition(f"\n{table[table.index('|') :].splitlines()[0]}")
        documented.write_text(f"{intro}\n{table[table.index('|') :]}")
    assert table[table.index("|") :].strip() in documented.read_text()


@pytest.mark.usefixtures("trusting")
def test_a_training_without_its_role_says_who_lacks_what_and_where(dev: Environment) -> None:
    """The engine's right to read is taken away: refresh sees it, a training fails and names it, and an update gives it back."""
    (reads,) = [
        id_
        for id_, found in dev.azure.resources("authorization:RoleAssignment").items()
        if "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1" in found["inputs"]["roleDefinitionId"]
        and found["inputs"]["principalId"] == engine_principal(dev)
        and "/vision-dev/" in id_.lower()
    ]
    dev.azure.remove(reads)
    with client(dev) as caller:
        caller.create_model("without-role", training_dataset_name="textile-train")
        model = caller.wait_for_model("without-role", timeout_seconds=400, raise_on_failure=False)
        caller.delete_model("without-role")
    assert model.error is not None
    for part in ("identity", "Storage Blob Data Reader", "training"):
        assert part in model.error.message
    drift = dev.refresh("--preview-only", NOTHING_CHANGED).failed().output
    assert "engine-reads" in drift
    dev.refresh().succeeded()
    dev.up().succeeded()
    dev.preview(NOTHING_CHANGED).succeeded()


def engine_principal(environment: Environment) -> str:
    (identity,) = [
        id_
        for id_ in environment.azure.resources("managedidentity:UserAssignedIdentity")
        if id_.endswith(f"/vision-{environment.stack}-engine")
    ]
    principal: str = environment.azure.resources()[identity]["outputs"]["principalId"]
    return principal


@pytest.mark.parametrize(
    ("actions", "role"),
    [
        ({"actions": ["*"], "notActions": ["Microsoft.Authorization/*/Write"]}, "Role Based Access Control Administrator"),
        ({"actions": ["*/read"]}, "Contributor"),
    ],
)
def test_a_caller_without_rights_is_told_before_anything_is_made(
    tmp_path: Path, world: AzureWorld, actions: dict[str, list[str]], role: str
) -> None:
    fresh = Environment.of(tmp_path, "dev", world, {}, textile={})
    config = {**fresh.config(), "models": {}, "azure": {**fresh.config()["azure"], "name": "vision-none"}}
    fresh.configure(config)
    before = set(fresh.azure.resources())
    caller = fresh.azure.subscription.scenario().get("caller", {})
    fresh.azure.scenario(caller={**caller, **actions})
    try:
        refused = fresh.up().failed().output
    finally:
        fresh.azure.scenario(caller=caller)
    assert f"'{role}'" in refused
    assert "Nothing was created" in refused
    assert "Traceback" not in refused
    assert set(fresh.azure.resources()) == before


def test_what_holds_data_in_prod_is_protected(prod: Environment) -> None:
    refused = prod.destroy().failed().output
    assert "protected" in refused
    account = of_stack(prod, "storage:StorageAccount")
    locked = {lock["inputs"]["scope"] for lock in prod.azure.resources("authorization:ManagementLockByScope").values()}
    assert locked == {account, of_stack(prod, "dbforpostgresql:Server")}


def test_destroy_leaves_nothing(dev: Environment, staging: Environment, prod: Environment) -> None:
    """Last: the environments of this module are gone after it."""
    prod.run("state", "unprotect", "--all", "--yes", "--stack", "prod").succeeded()
    for environment in (prod, staging, dev):
        environment.destroy().succeeded()
    wait_until(
        lambda: dev.azure.resources() == {}, lambda: f"nothing is left of {dev.azure.resources()}", 30, every_seconds=0.5
    )


def test_a_deleted_vision_account_blocks_its_name_until_it_is_restored(dev: Environment) -> None:
    """Runs after the destroy of dev: its account is soft-deleted now."""
    assert any("CognitiveServices" in id_ for id_ in dev.azure.deleted())
    refused = dev.preview().failed().output
    assert "was deleted, which blocks its name for 48 hours. Set `azure.restore: true`" in refused
    assert "Traceback" not in refused
    declared = dev.config()
    declared["azure"]["restore"] = True
    config = declared | {"datasets": {}, "models": {}}
    dev.configure(config)
    dev.up().succeeded()
    # The next update takes the flag out of the account's request, where Azure would refuse it.
    config["azure"]["tags"] = {"owner": "somebody"}
    dev.configure(config)
    dev.up().succeeded()
    dev.preview(NOTHING_CHANGED).succeeded()
    dev.destroy().succeeded()
    del declared["azure"]["restore"]
    dev.configure(declared)
    with dev.azure.subscription.locked() as state:  # as `az cognitiveservices account purge`
        state.deleted = {id_: found for id_, found in state.deleted.items() if "/vision-dev/" not in id_}


def test_a_smoke_test_leaves_nothing(dev: Environment, capfd: pytest.CaptureFixture[str]) -> None:
    """`make smoke`, which purges the deleted account in the end."""
    status, said = dev.smoke(), capfd.readouterr().out
    assert status == 0, said
    steps = re.findall(r"^  (\S.*?)  +[\d.]+ (?:s|min)\b.*", said, re.MULTILINE)
    assert steps == ["up", "model", "analyze", "no changes", "no drift", "destroy", "nothing left", "purge"]
    assert "textile: circle" in said
    assert "purged: vision-dev" in said
    assert dev.azure.resources() == {}
    assert not [id_ for id_ in dev.azure.deleted() if "/vision-dev/" in id_]
