"""The queue that tells an autoscaler how many workers are needed: a real Azurite, and a real PostgreSQL that asks for them."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import requests
from azure.core.credentials import AccessToken

from tests.customization.azurite import ACCOUNT, Azurite, azurite
from tests.engine.store.test_postgresql import order
from tests.stacks.azure.authority import Authority
from tests.support.http_server import Handler, serving_http
from tests.support.waiting import wait_until
from vision_customization.contract.enums import AnnotationKind
from vision_customization.contract.errors import FailureCode
from vision_customization.contract.wire import ErrorDetails
from vision_customization.engine.errors import SettingsError
from vision_customization.engine.jobs import wanted_workers
from vision_customization.engine.jobs.queue import JobQueue
from vision_customization.engine.jobs.storage_queue import API_VERSION, Message, QueueUnavailable, StorageQueue
from vision_customization.engine.jobs.wanted_workers import WantedWorkers, balance
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store

AUDIENCE = "https://storage.azure.com"


class Tokens:
    """A credential that the authority vouches for."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority

    def get_token(self, *_scopes: str, **_: object) -> AccessToken:
        return AccessToken(*self._authority.token(object_id="engine", client_id="engine", tenant_id="t", audience=AUDIENCE))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def storage(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Azurite]:
    certificate = (authority.certificate_file, authority.key_file)
    with azurite(tmp_path_factory.mktemp("azurite"), certificate=certificate, service="queue") as storage:
        yield storage


@pytest.fixture
def queue(storage: Azurite, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[StorageQueue]:
    """An empty queue of the account."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.ca_file))
    url = f"{storage.url}/{ACCOUNT}/workers-{time.monotonic_ns()}"
    token = Tokens(authority).get_token().token
    made = requests.put(url, headers={"Authorization": f"Bearer {token}", "x-ms-version": API_VERSION}, timeout=30)
    assert made.status_code == 201, made.text
    with closing(StorageQueue(url, Tokens(authority), "the engine's identity")) as queue:
        yield queue


@pytest.mark.process
def test_a_queue_has_as_many_messages_as_are_needed(queue: StorageQueue) -> None:
    for needed in (0, 3, 3, 1, 40, 0, 0, 2):
        balance(queue, needed)
        assert queue.count() == needed


@pytest.mark.process
def test_a_message_that_another_process_has_taken_counts_and_stays(queue: StorageQueue) -> None:
    balance(queue, 2)
    (taken,) = queue.take(1)
    assert queue.count() == 2
    balance(queue, 0)
    assert queue.count() == 1  # which comes back to the others, or is deleted by its taker
    queue.delete(taken)
    queue.delete(taken)
    assert queue.count() == 0


@pytest.mark.process
def test_messages_never_expire(queue: StorageQueue) -> None:
    queue.put()
    answer = queue._send("GET", "/messages?peekonly=true").text()
    assert "<ExpirationTime>Fri, 31 Dec 9999" in answer


def test_what_the_service_counts_too_many_is_not_waited_for() -> None:
    class Stale:
        taken = 0

        def count(self) -> int:
            return 5

        def put(self) -> None:
            pytest.fail("nothing is missing")

        def take(self, most: int) -> list[Message]:
            self.taken += most
            return []

        def delete(self, message: Message) -> None:
            pytest.fail("there is none")

    stale = Stale()
    balance(stale, 1)
    assert stale.taken == 4


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (403, "AuthorizationPermissionMismatch", "the engine's identity needs the role Storage Queue Data Contributor on it"),
        (403, "AuthorizationFailure", "the network rules of the storage account do not let the engine's identity in"),
        (404, "QueueNotFound", "answers 404 QueueNotFound."),
    ],
)
def test_a_refusal_says_who_lacks_what(
    status: int, code: str, said: str, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refusing(Handler):
        def do_GET(self) -> None:  # noqa: N802 - the base's name
            assert self.headers["Authorization"].startswith("Bearer ")
            self.answer(status, b"", {"x-ms-error-code": code})

    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.ca_file))
    with (
        serving_http(Refusing, context=authority.server_context()) as port,
        closing(StorageQueue(f"https://127.0.0.1:{port}/a/workers", Tokens(authority), "the engine's identity")) as queue,
        pytest.raises(QueueUnavailable) as refused,
    ):
        queue.count()
    assert said in str(refused.value)
    assert "Bearer" not in str(refused.value)


def test_a_token_is_sent_over_tls_alone(authority: Authority) -> None:
    with (
        closing(StorageQueue("http://127.0.0.1:1/a/workers", Tokens(authority), "the engine's identity")) as queue,
        pytest.raises(QueueUnavailable, match="cannot be used as the engine's identity"),
    ):
        queue.count()


@pytest.fixture
def settings(postgresql_database: str, queue: StorageQueue, tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, database_url=postgresql_database, worker_queue=queue.url)


@pytest.mark.process
@pytest.mark.postgresql
class TestWantedWorkers:
    def test_it_follows_the_jobs_of_the_database(
        self, settings: Settings, queue: StorageQueue, authority: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A job that is queued wakes it; one that ends does not, so it looks by itself."""
        monkeypatch.setattr(wanted_workers, "LOOK_SECONDS", 1.0)
        with closing(Store.open(settings)) as store, JobQueue(settings) as jobs:
            balance(queue, 3)  # of processes that died
            store.datasets.create("d", AnnotationKind.IMAGE_CLASSIFICATION, ["https://a.blob.core.windows.net/c/t.json"])
            wanted = WantedWorkers(settings, StorageQueue(queue.url, Tokens(authority), "it"), jobs.wakeups)
            wanted.start()
            wait_until(lambda: queue.count() == 0, "what others left is taken away", 30)
            monkeypatch.setattr(wanted_workers, "LOOK_SECONDS", 600.0)
            time.sleep(1.5)
            model = order(store, "m")
            jobs.enqueue_training(model)
            wait_until(lambda: queue.count() == 1, "a worker is asked for", 30)
            store.models.fail(model, ErrorDetails(code=FailureCode.UNKNOWN, message="its end"))
            jobs.wakeups.wake()
            wait_until(lambda: queue.count() == 0, "no worker is asked for", 30)
            wanted.stop()

    def test_several_processes_put_no_message_twice(
        self, settings: Settings, queue: StorageQueue, authority: Authority
    ) -> None:
        with closing(Store.open(settings)) as store, JobQueue(settings) as jobs:
            store.datasets.create("d", AnnotationKind.IMAGE_CLASSIFICATION, ["https://a.blob.core.windows.net/c/t.json"])
            processes = [
                WantedWorkers(settings, StorageQueue(queue.url, Tokens(authority), "it"), jobs.wakeups) for _ in range(4)
            ]
            for number in range(3):
                order(store, f"m{number}")
                threads = [threading.Thread(target=process.look) for process in processes]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join(60)
                assert queue.count() == number + 1
            for process in processes:
                process.stop()

    def test_the_queue_is_counted_again_after_a_while(
        self, settings: Settings, queue: StorageQueue, authority: Authority, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with closing(Store.open(settings)), JobQueue(settings) as jobs:
            wanted = WantedWorkers(settings, StorageQueue(queue.url, Tokens(authority), "it"), jobs.wakeups)
            wanted.look()
            queue.put()
            wanted.look()
            assert queue.count() == 1  # nothing has changed, so it did not count
            monkeypatch.setattr(wanted_workers, "COUNT_SECONDS", 0.0)
            wanted.look()
            assert queue.count() == 0
            wanted.stop()

    def test_without_a_right_it_says_so_and_goes_on(
        self, settings: Settings, queue: StorageQueue, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(wanted_workers, "LOOK_SECONDS", 0.2)
        tries = []

        def refuse() -> int:
            tries.append(1)
            raise QueueUnavailable("it lacks a role")

        monkeypatch.setattr(queue, "count", refuse)
        with closing(Store.open(settings)), JobQueue(settings) as jobs:
            wanted = WantedWorkers(settings, queue, jobs.wakeups)
            wanted.start()
            wait_until(lambda: len(tries) >= 3, "it tries again", 30)
            wanted.stop()
        assert caplog.text.count("it lacks a role") == 1


def test_an_engine_without_an_identity_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("IDENTITY_ENDPOINT", "MSI_ENDPOINT", "AZURE_FEDERATED_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    settings = Settings(
        data_dir=tmp_path, database_url="postgresql://e@h/d", worker_queue="https://a.queue.core.windows.net/workers/"
    )
    assert settings.worker_queue == "https://a.queue.core.windows.net/workers"
    with pytest.raises(SettingsError, match=r"has no managed identity to use https://a\.queue\.core\.windows\.net/workers"):
        WantedWorkers.open(settings, None)  # type: ignore[arg-type] - it is not reached
