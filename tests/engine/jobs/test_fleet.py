"""Two API processes and two workers on one PostgreSQL database: nothing is lost, whichever of them dies, and only what the one
that died had in hand is done twice."""

import re
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.jobs.drawn import Gate, drawn_image
from tests.engine.jobs.fleet import Fleet, Member, running_fleet
from tests.postgresql import PostgreSQL
from tests.support.waiting import wait_until
from vision_customization.contract.enums import ModelStatus
from vision_customization.contract.models import Model
from vision_customization.customization.client.client import VisionClient
from vision_customization.customization.errors import NotFound
from vision_customization.engine.jobs.images.plan import SHARD_IMAGES
from vision_customization.engine.jobs.names import training_job

pytestmark = [pytest.mark.ci, pytest.mark.alone, pytest.mark.process, pytest.mark.postgresql]

TRAININGS = 20
SMALL_PER_TAG, LARGE_PER_TAG = 3, 20
LARGE = "large"
"""A dataset of two shards: its training is the one that is interrupted, between its finished and its unfinished steps."""

SERVE = ("serve", "--workers", "0", "--port", "0")
WORKER = ("worker", "--health-port", "0")
ONCE = (*WORKER, "--once")


@pytest.fixture
def fleet(tmp_path: Path, postgresql_database: str) -> Iterator[Fleet]:
    with running_fleet(tmp_path, postgresql_database) as fleet:
        yield fleet


@pytest.fixture
def gate(fleet: Fleet) -> Iterator[Gate]:
    """Holds, while it is shut, the training of the large dataset in its second shard."""
    gate = Gate(seconds=240)

    def before_reply(path: str) -> None:
        number = re.search(rf"/{LARGE}/\w+-(\d+)\.png", path)
        if number is not None and int(number[1]) >= SHARD_IMAGES // 2 + 1:
            gate.passed()

    fleet.blobs.before_reply = before_reply
    yield gate
    gate.open()


def asked(fleet: Fleet, name: str) -> dict[str, int]:
    """How often the blobs of a dataset were asked for, as the storage server saw it."""
    return dict(Counter(path.partition("?")[0] for path, _ in fleet.blobs.requests if f"/{name}/" in path))


def held_in_second_shard(gate: Gate, client: VisionClient, model: str) -> None:
    """Wait until a training's first shard is done, and the reading of the second is held."""
    assert gate.reached.wait(240)
    wait_until(lambda: _embedded(client.get_model(model)) == SHARD_IMAGES, "a shard is embedded", 240, every_seconds=0.2)
    time.sleep(0.5)  # the step is over once its progress is told and DBOS has noted its result


def _embedded(model: Model) -> int:
    return model.training_progress.images_embedded or 0 if model.training_progress else 0


def worker_of(fleet: Fleet, workers: list[Member], model: str) -> Member:
    """The worker that reads the second shard."""
    name = fleet.executor(model, "embed-0-1")
    (found,) = [worker for worker in workers if worker.name == name]
    return found


IN_HAND = 3
"""A worker reads two shards and a dataset's annotation files at a time."""


def done_once(fleet: Fleet, datasets: list[str], images: int) -> None:
    """The storage server was asked for each blob of the datasets once: nobody read one a second time, but for what the killed
    worker had in hand."""
    again = 0
    for dataset in datasets:
        requests = asked(fleet, dataset)
        assert len(requests) == images + 1
        assert set(requests.values()) <= {1, 2}
        again += 2 in requests.values()
    assert again < IN_HAND  # it had the large one in hand, too


def interrupted_and_finished(fleet: Fleet, model: Model) -> None:
    """The large training went on after its last finished step: of its first shard nothing was read or embedded twice."""
    requests = asked(fleet, LARGE)
    first = [f"/account/{LARGE}/{tag}-{number}.png" for tag in ("red", "green") for number in range(SHARD_IMAGES // 2)]
    assert requests[f"/account/{LARGE}/annotations.json"] == 1
    assert {requests[path] for path in first} == {1}
    assert _embedded(model) == 2 * LARGE_PER_TAG


def test_twenty_trainings_all_end_once_though_a_worker_is_killed_and_never_comes_back(fleet: Fleet, gate: Gate) -> None:
    *apis, first_worker, second_worker = fleet.start_all(SERVE, SERVE, WORKER, WORKER)
    workers = [first_worker, second_worker]
    clients = [fleet.client(api) for api in apis]
    names = [LARGE if number == 5 else f"small-{number}" for number in range(TRAININGS)]
    gate.shut()
    for number, name in enumerate(names):
        per_tag = LARGE_PER_TAG if name == LARGE else SMALL_PER_TAG
        fleet.register(clients[number % 2], name, per_tag, first_seed=100 * number)
        clients[number % 2].create_model(name, training_dataset_name=name)

    held_in_second_shard(gate, clients[0], LARGE)
    killed = worker_of(fleet, workers, LARGE)
    killed.end(signal.SIGKILL)
    gate.open()

    written: dict[str, int] = {}

    def all_have_ended() -> bool:
        models = list(clients[0].list_models())
        for model in models:
            if model.status is ModelStatus.SUCCEEDED:
                written.setdefault(model.name, fleet.artifact(model.name).stat().st_mtime_ns)
        return all(model.status.final for model in models)

    wait_until(all_have_ended, "all trainings end", 480, every_seconds=0.5)

    models = list(clients[0].list_models())
    assert models == list(clients[1].list_models())
    assert [model.name for model in models] == names
    assert {model.status for model in models} == {ModelStatus.SUCCEEDED}, [model.error for model in models]
    assert {name: fleet.artifact(name).stat().st_mtime_ns for name in names} == written
    assert len(list((fleet.objects / "models").iterdir())) == TRAININGS
    assert not any((fleet.objects / "jobs").iterdir())
    done_once(fleet, [name for name in names if name != LARGE], 2 * SMALL_PER_TAG)
    interrupted_and_finished(fleet, clients[0].get_model(LARGE))
    (survivor,) = [worker for worker in workers if worker is not killed]
    assert fleet.executor(LARGE) == survivor.name
    assert "OfTheFleet" not in "".join(member.log + member.out for member in fleet.members)

    # What is done through one API, the other knows at once.
    image = drawn_image(0, 900)
    for name in names[:2]:
        clients[0].publish_model("live", name)
        answer = clients[1].analyze("live", image).custom_model_result
        assert answer == clients[0].analyze(name, image).custom_model_result
    clients[1].delete_model(names[1])
    for call in (lambda: clients[0].get_model(names[1]), lambda: clients[0].analyze("live", image)):
        with pytest.raises(NotFound):
            call()

    # And when one is gone, the other goes on.
    apis[0].end(signal.SIGKILL)
    clients[1].create_model("after", training_dataset_name=LARGE)
    assert clients[1].wait_for_model("after", timeout_seconds=240).status is ModelStatus.SUCCEEDED
    assert len(list(clients[1].list_models())) == TRAININGS


def test_a_worker_that_is_told_to_stop_leaves_its_job_to_another_and_a_lost_database_ends_it(
    fleet: Fleet, gate: Gate, postgresql: PostgreSQL
) -> None:
    api, *workers = fleet.start_all(SERVE, WORKER, WORKER)
    client = fleet.client(api)
    gate.shut()
    fleet.register(client, LARGE, LARGE_PER_TAG, first_seed=0)
    client.create_model(LARGE, training_dataset_name=LARGE)
    held_in_second_shard(gate, client, LARGE)
    told = worker_of(fleet, workers, LARGE)
    assert told.end(signal.SIGTERM) == 0
    gate.open()
    client.wait_for_model(LARGE, timeout_seconds=240)
    interrupted_and_finished(fleet, client.get_model(LARGE))

    (survivor,) = [worker for worker in workers if worker is not told]
    assert survivor.healthy
    postgresql.restart()
    assert survivor.process.wait(60) == 1
    assert "has lost its lock" in survivor.log
    wait_until(lambda: api.healthy, "the engine is well", 60)
    assert [model.name for model in client.list_models()] == [LARGE]


def test_workers_of_one_job_lose_nothing_though_they_are_killed_or_told_to_stop(fleet: Fleet, gate: Gate) -> None:
    api, idle = fleet.start_all(SERVE, ONCE)
    client = fleet.client(api)
    assert idle.process.wait(60) == 0
    assert f"worker {idle.name} has no more to do: it took no job" in idle.log

    for name, per_tag in ((LARGE, LARGE_PER_TAG), ("small", SMALL_PER_TAG)):
        fleet.register(client, name, per_tag, first_seed=500)
    gate.shut()
    client.create_model(LARGE, training_dataset_name=LARGE)
    (killed,) = fleet.start_all(ONCE)
    held_in_second_shard(gate, client, LARGE)
    client.create_model("small", training_dataset_name="small")
    killed.end(signal.SIGKILL)

    (told,) = fleet.start_all(ONCE)
    wait_until(lambda: fleet.executor(LARGE) == told.name, "another goes on with the older one", 60)
    assert told.end(signal.SIGTERM) == 0

    gate.open()
    (third,) = fleet.start_all(ONCE)
    assert third.process.wait(240) == 0
    interrupted_and_finished(fleet, client.get_model(LARGE))
    assert f"it took {training_job(fleet.model_id(LARGE))}" in third.log
    assert client.get_model("small").status is ModelStatus.NOT_STARTED, "one job for each"

    (fourth,) = fleet.start_all(ONCE)
    assert fourth.process.wait(240) == 0
    assert {model.status for model in client.list_models()} == {ModelStatus.SUCCEEDED}
