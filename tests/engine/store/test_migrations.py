"""The tables as migrated, and two engines that start at once."""

import subprocess
import sys
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from vision_customization.contract.enums import AnnotationKind, ModelKind
from vision_customization.contract.models import Artifact
from vision_customization.engine.errors import SettingsError
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store, TrainingOrder
from vision_customization.engine.store.database import Database, _alembic
from vision_customization.engine.store.tables import Table

OPEN = (
    "from vision_customization.engine.settings import Settings; from vision_customization.engine.store import Store; "
    "Store.open(Settings.from_environment()).close()"
)


def test_migrations_make_the_tables_that_the_code_has(store: Store) -> None:
    with store.database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Table.metadata) == []


def test_opening_twice_changes_nothing(settings: Settings) -> None:
    for _ in range(2):
        store = Store.open(settings)
        with store.database.engine.connect() as connection:
            assert connection.execute(text("SELECT version_num FROM alembic_version")).all() == [("0017",)]
        store.close()


def test_a_token_kept_before_its_scopes_were_is_for_where_its_files_lay(settings: Settings) -> None:
    store = Store.open(settings)
    uris = ["https://a.blob.core.windows.net/c/1.json", "https://a.blob.core.windows.net/c/2.json", "no address"]
    for name, token in (("sas", SecretStr("sig=1")), ("open", None)):
        store.datasets.create(name, AnnotationKind.IMAGE_CLASSIFICATION, uris, sas_token=token)
    with store.database._writing_engine.begin() as connection:
        command.downgrade(_alembic(connection), "0001")
    store.database.migrate()
    assert [record.sas_scopes for record in store.datasets.page(0, 9)] == [("https://a.blob.core.windows.net/c",), ()]
    store.close()


def test_a_model_of_an_engine_that_knew_no_tiles_has_one(settings: Settings) -> None:
    store = Store.open(settings)
    store.models.create(
        "m", TrainingOrder(training_dataset_name="d", time_budget_in_hours=1, model_kind=ModelKind.GENERIC_DETECTOR, tiles=3)
    )
    with store.database._writing_engine.begin() as connection:
        command.downgrade(_alembic(connection), "0004")
    store.database.migrate()
    assert store.models.find("m").tiles == 1
    store.close()


def test_the_history_of_a_name_that_an_older_engine_published_begins_with_its_present_model(settings: Settings) -> None:
    store = Store.open(settings)
    for name in ("m", "gone"):
        order = TrainingOrder(training_dataset_name="d", time_budget_in_hours=1, model_kind=ModelKind.GENERIC_CLASSIFIER)
        store.models.finish(store.models.create(name, order).id, None, 1, Artifact(digest="ab", size_bytes=1))
        store.published.publish(f"live-{name}", name, by="ada", require={})
    store.models.delete("gone")
    moved = {name: store.published.find(f"live-{name}").updated for name in ("m", "gone")}
    with store.database._writing_engine.begin() as connection:
        command.downgrade(_alembic(connection), "0006")
    store.database.migrate()
    for name, model_id in (("m", store.models.find("m").id), ("gone", None)):
        [entry] = store.published.history(f"live-{name}")
        assert (entry.model_name, entry.model_id, entry.published) == (name, model_id, moved[name])
        assert (entry.published_by, entry.reason, entry.available) == (None, None, name == "m")
    assert (store.models.find("m").managed_by, store.published.find("live-m").require) == (None, {})
    store.close()


@pytest.mark.process
def test_several_processes_open_at_once(settings: Settings) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", OPEN], env=settings.to_environment(), stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    outcomes = [(process.communicate(timeout=120)[1], process.returncode) for process in processes]
    assert outcomes == [("", 0)] * 4


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("nonsense", "database_url is not a URL"),
        ("mysql://u:secret@h/d", "expected sqlite or postgresql"),
        ("sqlite://", "Name a file"),
        ("postgresql://u:secret@127.0.0.1:1/d", "Check VISION_ENGINE_DATABASE_URL"),
    ],
)
def test_a_database_that_cannot_be_opened(url: str, expected: str, tmp_path: object) -> None:
    with pytest.raises(SettingsError, match=expected) as caught:
        Store.open(Settings.from_environment({}, data_dir=tmp_path, database_url=url))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (OperationalError("PRAGMA", None, OSError()), SettingsError),
        (RuntimeError(), RuntimeError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_a_store_that_does_not_open_leaves_no_connection(
    raised: BaseException, expected: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[Database] = []

    def migrate(_database: Database) -> None:
        raise raised

    monkeypatch.setattr(Database, "migrate", migrate)
    monkeypatch.setattr(Database, "close", lambda database: closed.append(database))
    with pytest.raises(expected):
        Store.open(Settings(data_dir=tmp_path))
    assert len(closed) == 1
