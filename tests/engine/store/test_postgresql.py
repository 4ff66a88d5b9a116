"""What PostgreSQL alone asks of the store: no transaction left open, and a server that was restarted meanwhile."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import make_url

from tests.postgresql import PostgreSQL
from tests.support.places import DOCS
from vision_customization.contract.enums import AnnotationKind, ModelKind
from vision_customization.contract.models import Artifact
from vision_customization.contract.wire import ErrorDetails
from vision_customization.contract.workers_query import WORKERS_QUERY
from vision_customization.engine.jobs.queue import (
    LEARNING_QUEUE,
    PREDICTING_QUEUE,
    READING_QUEUE,
    JobQueue,
    prepare_system_database,
)
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import NotFound, Store, TrainingOrder

pytestmark = pytest.mark.postgresql

CALLS: dict[str, Callable[[Store], object]] = {
    "an analyze call's look-up": lambda store: store.models.to_analyze("m"),
    "reading": lambda store: store.models.find("m"),
    "writing": lambda store: store.datasets.update("d", custom_properties={"k": "v"}),
    "ping": lambda store: store.ping(),
    "unfinished": lambda store: store.unfinished(),
    "a look at the content": lambda store: store.content.page(store.content.look("d").record.index, 0, 9),
}


@pytest.fixture
def settings(postgresql_database: str, tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, database_url=postgresql_database)


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    store = Store.open(settings)
    store.datasets.create("d", AnnotationKind.IMAGE_CLASSIFICATION, ["https://a.blob.core.windows.net/c/t.json"])
    order(store, "m")
    yield store
    store.close()


def order(store: Store, name: str) -> str:
    kind = ModelKind.GENERIC_CLASSIFIER
    return store.models.create(name, TrainingOrder(training_dataset_name="d", time_budget_in_hours=1, model_kind=kind)).id


def sessions(postgresql: PostgreSQL, settings: Settings) -> list[object]:
    """The states of the connections to the engine's database."""
    database = make_url(settings.database_url).database
    return [state for (state,) in postgresql.execute(f"SELECT state FROM pg_stat_activity WHERE datname = '{database}'")]


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_no_call_leaves_a_transaction_open(
    call: Callable[[Store], object], postgresql: PostgreSQL, settings: Settings, store: Store
) -> None:
    for _ in range(3):
        call(store)
    with pytest.raises(NotFound):
        store.models.to_analyze("none")
    assert set(sessions(postgresql, settings)) == {"idle"}


def test_after_a_restart_of_the_server_each_call_goes_on(postgresql: PostgreSQL, settings: Settings, store: Store) -> None:
    with JobQueue(settings) as queue:
        queue.enqueue_training(store.models.find("m").id)
        for call in CALLS.values():
            postgresql.restart()
            call(store)
        postgresql.restart()
        queue.enqueue_training(order(store, "second"))
        assert len(queue.statuses([f"training-{model}" for model in store.unfinished().models])) == 2


def test_each_job_that_waits_or_runs_asks_for_a_worker(postgresql: PostgreSQL, settings: Settings, store: Store) -> None:
    database = make_url(settings.database_url).database
    prepare_system_database(settings)

    def length() -> object:
        ((number,),) = postgresql.execute(WORKERS_QUERY, database=database)
        assert number == sum(len(ids) for ids in store.unfinished())
        return number

    assert length() == 1
    first, second = store.models.find("m").id, order(store, "second")
    assert length() == 2
    store.models.begin(first)
    store.models.begin(second)
    store.models.request_cancellation("second")
    assert length() == 2  # the one that is cancelled needs a worker for that
    store.models.cancel(second)
    store.models.finish(first, None, 1, Artifact(digest="ab", size_bytes=1))
    assert length() == 0
    evaluation = store.evaluations.create("m", "e", test_dataset_name="d")
    assert length() == 1
    store.evaluations.begin(evaluation.id)
    assert length() == 1
    store.evaluations.fail(evaluation.id, ErrorDetails(code="c", message="m"))
    assert length() == 0
    detector = store.models.create(
        "r", TrainingOrder(training_dataset_name="d", time_budget_in_hours=1, model_kind=ModelKind.GENERIC_DETECTOR)
    )
    store.models.finish(detector.id, None, 1, Artifact(digest="ab", size_bytes=1))
    run = store.runs.create("r", "r")
    assert length() == 1
    store.runs.begin(run.id)
    assert length() == 1
    store.runs.fail(run.id, ErrorDetails(code="c", message="m"))
    assert length() == 0
    batch = store.batch_predictions.create("r", "b", dataset_name="d")
    assert length() == 1
    store.batch_predictions.begin(batch.id)
    store.batch_predictions.request_cancellation("r", "b")
    assert length() == 1
    store.batch_predictions.cancel(batch.id)
    assert length() == 0
    index = store.content.look("d").record
    assert length() == 1
    store.content.begin(index.id)
    assert length() == 1
    store.datasets.delete("d")
    assert length() == 0
    inspection, _ = store.inspections.ask("d", {"index": 1})
    assert length() == 1
    store.inspections.begin(inspection.id)
    assert length() == 1
    store.inspections.finish(inspection.id, "{}")
    assert length() == 0


def test_eight_shards_that_wait_or_run_ask_for_a_worker(postgresql: PostgreSQL, settings: Settings, store: Store) -> None:
    database = make_url(settings.database_url).database

    def workers() -> object:
        ((number,),) = postgresql.execute(WORKERS_QUERY, database=database)
        return number

    with JobQueue(settings) as queue:
        for name, shards, wanted in (
            (READING_QUEUE, 7, 1),
            (PREDICTING_QUEUE, 2, 2),
            (LEARNING_QUEUE, 64, 2),
            (READING_QUEUE, 64, 10),
        ):
            names = [f"{name}-{shards}-{number}" for number in range(shards)]
            queue.enqueue_pieces(name, 1, dict.fromkeys(names, ("job", "embed", "keep_shard", False, ())))
            assert workers() == wanted, name
        taken = f"UPDATE dbos.workflow_status SET status = 'PENDING' WHERE queue_name = '{READING_QUEUE}' RETURNING 1"
        assert len(postgresql.execute(taken, database=database)) == 71
        assert workers() == 10, "what runs needs its workers still"


def test_the_documented_query_is_that_query() -> None:
    documentation = (DOCS / "engine.md").read_text()
    assert WORKERS_QUERY in " ".join(documentation.split())


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_each_way_to_write_the_url_is_the_same(scheme: str, settings: Settings, store: Store) -> None:
    url = settings.database_url.replace("postgresql+psycopg", scheme)
    again = Settings(data_dir=settings.data_dir, database_url=url)
    assert again.on_postgresql
    second = Store.open(again)
    assert second.models.find("m") == store.models.find("m")
    second.close()
    with JobQueue(again):
        assert not (settings.data_dir / "jobs.sqlite").exists()


def test_a_role_that_owns_nothing_but_the_database_is_enough(postgresql: PostgreSQL, tmp_path: Path) -> None:
    password = postgresql.create_user("engine")
    url = postgresql.url(postgresql.create_database(owner="engine"), "engine", password)
    settings = Settings(data_dir=tmp_path, database_url=url, token_key=SecretStr("A" * 43 + "="))
    store = Store.open(settings)
    store.check_token_key(settings)
    with JobQueue(settings) as queue:
        queue.enqueue_training(order(store, "m"))
    store.close()
