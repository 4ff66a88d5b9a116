"""Several processes on one database, and the key that its SAS tokens are encrypted with."""

from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from vision_customization.engine.errors import SettingsError
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store


def opened(settings: Settings, **changes: object) -> Store:
    changed = settings.model_copy(update=changes)
    store = Store.open(changed)
    try:
        store.check_token_key(changed)
    finally:
        store.close()
    return store


def test_processes_of_one_key_share_a_database(settings: Settings, tmp_path: Path) -> None:
    key = SecretStr(Fernet.generate_key().decode())
    for folder in ("a", "b", "a"):
        opened(settings, data_dir=tmp_path / folder, token_key=key)


@pytest.mark.postgresql
def test_on_postgresql_a_process_with_another_key_is_told_at_its_start(postgresql_database: str, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "first", database_url=postgresql_database)
    opened(settings)
    opened(settings)
    with pytest.raises(SettingsError, match=r"another key than the one in \S+/second/token\.key\. .* VISION_ENGINE_TOKEN_KEY"):
        opened(settings, data_dir=tmp_path / "second")
    other = Fernet.generate_key().decode()
    with pytest.raises(SettingsError, match="another key than the one in VISION_ENGINE_TOKEN_KEY") as told:
        opened(settings, token_key=SecretStr(other))
    assert other not in str(told.value)
    shared = (tmp_path / "first" / "token.key").read_text().strip()
    opened(settings, data_dir=tmp_path / "third", token_key=SecretStr(shared))


def test_with_sqlite_a_lost_key_is_no_reason_not_to_start(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    opened(settings)
    (tmp_path / "token.key").unlink()
    opened(settings)
