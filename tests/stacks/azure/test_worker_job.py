"""Trainings as executions of a Container Apps job: as the component declares it, on a simulated Azure, with PostgreSQL."""

import re
import signal
import time
from collections.abc import Iterator

import psutil
import psycopg
import pulumi
import pytest
import requests
from cryptography.fernet import Fernet

from tests.components.azure.played_engine import Engine
from tests.components.azure.played_engine import engine as pulumi_engine  # noqa: F401 - a fixture
from tests.engine.jobs.blob_server import BlobServer, serving_blobs
from tests.engine.jobs.drawn import Gate, coco, drawn_image
from tests.stacks.azure import world as told
from tests.stacks.azure.container_job import FAILED, RUNNING, SUCCEEDED, ContainerJob, Execution
from tests.stacks.azure.services import CONTAINER_APP, JOB, AzureWorld
from tests.stacks.azure.written_state import GROUP, IDENTITY
from tests.support.waiting import wait_until
from vision_customization.components.azure.args import EngineSize
from vision_customization.components.azure.engine_app import EngineApp, EngineAppArgs
from vision_customization.components.azure.place import Place
from vision_customization.contract.datasets import Authentication
from vision_customization.contract.enums import AnnotationKind, AuthenticationKind, ModelStatus
from vision_customization.customization.client.client import VisionClient
from vision_customization.engine.jobs.names import training_job

pytestmark = [pytest.mark.ci, pytest.mark.process, pytest.mark.postgresql, pytest.mark.usefixtures("deployer")]

TRAININGS, AT_ONCE, PER_TAG, SIDE = 20, 2, 3, 32
POLLING_SECONDS = 0.25
HELD = "training-7"
KEY = "the-key-of-these-trainings"
APP, WORKER = f"{GROUP}/providers/Microsoft.App/containerApps/engine", f"{GROUP}/providers/Microsoft.App/jobs/worker"


@pytest.fixture
def blobs() -> Iterator[BlobServer]:
    with serving_blobs() as blobs:
        yield blobs


@pytest.fixture
def engine(
    objects_url: str,
    database_url: str,
    blobs: BlobServer,
    pulumi_engine: Engine,  # noqa: F811 - the fixture
) -> Iterator[VisionClient]:
    """The engine as the component declares it, with workers as a job whose rule is asked often."""

    @pulumi.runtime.test
    def program() -> pulumi.Output[str]:
        args = EngineAppArgs(
            Place("rg", "eastus"),
            environment_id=f"{GROUP}/providers/Microsoft.App/managedEnvironments/apps",
            api_name="engine",
            worker_name="worker",
            image="registry/engine:1",
            identity_id=IDENTITY,
            settings={
                "AZURE_CLIENT_ID": "engine-client",
                "VISION_ENGINE_OBJECTS_URL": objects_url,
                "VISION_ENGINE_ALLOWED_HOSTS": blobs.netloc,
            },
            secrets={
                "VISION_ENGINE_KEYS": KEY,
                "VISION_ENGINE_DATABASE_URL": database_url,
                "VISION_ENGINE_TOKEN_KEY": Fernet.generate_key().decode(),
            },
            size=EngineSize(workers="job", max_workers=AT_ONCE),
        )
        return EngineApp("vision-engine", args).endpoint

    program()
    declared = pulumi_engine.declared
    declared["Job"]["configuration"]["eventTriggerConfig"]["scale"]["pollingInterval"] = POLLING_SECONDS
    outputs = told.apply(
        CONTAINER_APP, APP, declared["ContainerApp"], {"configuration": declared["ContainerApp"]["configuration"]}
    )
    told.apply(JOB, WORKER, declared["Job"], {})
    with VisionClient(f"https://{outputs['configuration']['ingress']['fqdn']}", KEY) as client:
        yield client
    told.remove(JOB, WORKER)
    told.remove(CONTAINER_APP, APP)


def order_training(client: VisionClient, blobs: BlobServer, name: str) -> None:
    """Of the same images as the others, at an address of its own: each reads them, and the first computes their features."""
    entries = []
    for tag, tag_name in enumerate(("red", "green")):
        for number in range(PER_TAG):
            path = f"/account/{name}/{tag_name}-{number}.png"
            entries.append((blobs.put(path, drawn_image(tag, number, SIDE)), tag_name))
    annotations = blobs.put(f"/account/{name}/annotations.json", coco(entries, ["red", "green"], SIDE))
    client.register_dataset(
        name,
        annotation_kind=AnnotationKind.IMAGE_CLASSIFICATION,
        annotation_file_uris=[annotations],
        authentication=Authentication(kind=AuthenticationKind.SAS, sas_token="sv=1&sig=OfTheTest"),
    )
    client.create_model(name, training_dataset_name=name)


def log(execution: Execution) -> str:
    return "".join(replica.log_file.read_text() for replica in execution.replicas)


def worker_of(database_url: str, model: str) -> str | None:
    """The name of the worker that has a model's training."""
    query = "SELECT executor_id FROM dbos.workflow_status JOIN models ON workflow_uuid = %s || models.id WHERE models.name = %s"
    with psycopg.connect(database_url) as connection:
        row = connection.execute(query, [training_job(""), model]).fetchone()
    return row[0] if row else None


def took(execution: Execution) -> str:
    """The job of the engine that an execution took, as it says at its end."""
    found = re.search(r"has no more to do: it took (\S+)\"", log(execution))
    return found[1] if found else ""


def test_twenty_trainings_have_an_execution_each_though_one_is_killed(
    world: AzureWorld, engine: VisionClient, blobs: BlobServer, database_url: str
) -> None:
    gate, begun, at_most, killed = Gate(seconds=120), time.monotonic(), 0, ""
    blobs.before_reply = lambda path: gate.passed() if f"/{HELD}/" in path and ".png" in path else None
    gate.shut()
    for number in range(TRAININGS):
        order_training(engine, blobs, f"training-{number}")
    found = world.job(WORKER)
    assert found is not None
    job: ContainerJob = found

    def running() -> list[Execution]:
        return [execution for execution in job.executions() if execution.status == RUNNING]

    def all_have_ended() -> bool:
        nonlocal at_most, killed
        at_most = max(at_most, len(running()))
        if gate.reached.is_set() and not killed:
            worker = worker_of(database_url, HELD)
            (victim,) = [execution for execution in running() if f"worker {worker} takes jobs" in log(execution)]
            psutil.Process(victim.replicas[-1].process.pid).send_signal(signal.SIGKILL)
            killed = victim.name
            gate.open()
        return all(model.status.final for model in engine.list_models())

    wait_until(all_have_ended, lambda: f"all trainings end: {summary(job)}", 300, every_seconds=0.2)
    wait_until(lambda: not running(), "the last executions end", 60, every_seconds=0.2)
    time.sleep(4 * POLLING_SECONDS)  # the rule is asked again, and starts nothing

    print(
        f"\n{TRAININGS} trainings in {time.monotonic() - begun:.0f} s, at most {at_most} executions at once",
        summary(job),
        sep="\n",
    )
    assert {model.status for model in engine.list_models()} == {ModelStatus.SUCCEEDED}
    executions = job.executions()
    assert at_most == AT_ONCE
    assert [execution.name for execution in executions if execution.status == FAILED] == [killed]
    succeeded = [execution for execution in executions if execution.status == SUCCEEDED]
    assert len(executions) == len(succeeded) + 1
    assert sorted(map(took, succeeded)) == sorted({took(execution) for execution in succeeded})
    assert len(succeeded) == TRAININGS, "one for each training"
    assert job.processes() == [], "none is left"
    assert requests.get(f"{engine.endpoint}/healthz", timeout=60).status_code == 200


def summary(job: ContainerJob) -> str:
    return "\n".join(
        f"{execution.name}: {execution.status}, {took(execution) or 'no training'}" for execution in job.executions()
    )
