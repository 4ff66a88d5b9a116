import re
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import make_url

from tests.support.places import DOCS
from vision_customization.engine.errors import SettingsError
from vision_customization.engine.jobs.queue import system_database_url
from vision_customization.engine.settings import Settings, unknown_variables, variable_of
from vision_customization.engine.store.sqlite_file import database_file

DOCUMENTATION = DOCS / "engine.md"


def test_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("VISION_CACHE_DIR", str(tmp_path / "cache"))
    settings = Settings.from_environment({})
    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 8080, 1)
    assert settings.data_dir == tmp_path / "data" / "vision-engine"
    assert settings.database_url == f"sqlite:///{tmp_path}/data/vision-engine/engine.sqlite"
    assert settings.weights_dir == tmp_path / "cache" / "weights"
    assert settings.keys == ()
    assert settings.threads >= 1


@pytest.mark.parametrize("name", ["a%2Fb", "#1", "what?", "two words", "Möbel", "100%", "a+b"])
def test_the_databases_are_in_the_data_folder_whatever_it_is_called(tmp_path: Path, name: str) -> None:
    settings = Settings.from_environment({"VISION_ENGINE_DATA_DIR": str(tmp_path / name)})
    assert database_file(settings) == tmp_path / name / "engine.sqlite"
    assert make_url(system_database_url(settings)).database == str(tmp_path / name / "jobs.sqlite")


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("keys", "one", (SecretStr("one"),)),
        ("keys", " one , two ,", (SecretStr("one"), SecretStr("two"))),
        ("allowed_hosts", "Blobs.example, 127.0.0.1:10000,[::1]:80", ("blobs.example", "127.0.0.1:10000", "[::1]:80")),
        ("identity_hosts", "127.0.0.2:443, Acct.blob.core.windows.net", ("127.0.0.2:443", "acct.blob.core.windows.net")),
        ("objects_url", "https://acct.blob.core.windows.net/artifacts/", "https://acct.blob.core.windows.net/artifacts"),
        ("vision_endpoint", "https://v.cognitiveservices.azure.com/", "https://v.cognitiveservices.azure.com"),
        ("vision_endpoint", "http://127.0.0.1:8080/computervision", "http://127.0.0.1:8080"),
        ("port", "0", 0),
        ("metrics_public", "true", True),
        ("log_level", "debug", "debug"),
        ("data_dir", "relative", Path.cwd() / "relative"),
        ("data_dir", "~/engine", Path.home() / "engine"),
    ],
)
def test_the_environment(name: str, text: str, expected: object) -> None:
    assert getattr(Settings.from_environment({variable_of(name): text}), name) == expected


def test_a_flag_wins_and_none_is_no_flag() -> None:
    environment = {"VISION_ENGINE_PORT": "1", "VISION_ENGINE_HOST": "h"}
    settings = Settings.from_environment(environment, port=2, host=None)
    assert (settings.port, settings.host) == (2, "h")


def test_settings_survive_the_environment() -> None:
    settings = Settings.from_environment(
        {},
        keys=("one", "two"),
        allowed_hosts="a,b:1",
        identity_hosts="c,d:2",
        objects_url="https://acct.blob.core.windows.net/artifacts",
        vision_endpoint="https://v.cognitiveservices.azure.com",
        vision_key="k",
        data_dir="/d",
        metrics_public=True,
        token_key="t",
        entra_tenant="6babcaad-604b-40ac-a9d7-9fd97c0b779f",
        entra_audience="a",
    )
    assert Settings.from_environment(settings.to_environment()) == settings


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"port": "http"}, "VISION_ENGINE_PORT, --port"),
        ({"port": 65536}, "65535"),
        ({"keys": "a,b,c"}, "VISION_ENGINE_KEYS"),
        ({"keys": "secret key"}, "without spaces"),
        ({"keys": "schlüssel"}, "printable ASCII"),
        ({"allowed_hosts": "https://h"}, "leave out the scheme"),
        ({"allowed_hosts": "*.h"}, "wildcards"),
        ({"identity_hosts": "https://h"}, "leave out the scheme"),
        ({"objects_url": "https://acct.blob.core.windows.net/c?sig=secret"}, "remove the query string or user name"),
        ({"objects_url": "https://acct:secret@acct.blob.core.windows.net/c"}, "remove the query string or user name"),
        ({"objects_url": "https://acct.blob.core.windows.net"}, "VISION_ENGINE_OBJECTS_URL"),
        ({"objects_url": "http://127.0.0.1:10000/acct/c"}, "must be https"),
        ({"worker_queue": "http://127.0.0.1:10001/acct/workers"}, "must look like https://account.queue.core.windows.net"),
        ({"worker_queue": "https://acct.queue.core.windows.net/workers?sig=secret"}, "without a query or user name"),
        ({"worker_queue": "https://acct.queue.core.windows.net/a--b"}, "VISION_ENGINE_WORKER_QUEUE"),
        ({"worker_queue": "https://acct.queue.core.windows.net/workers"}, "worker_queue needs PostgreSQL"),
        ({"vision_endpoint": "http://v.example"}, "VISION_ENGINE_VISION_ENDPOINT"),
        ({"vision_endpoint": "https://v.example?key=secret"}, "without a query"),
        ({"vision_endpoint": "https://me:secret@v.example"}, "without a query or user name"),
        ({"vision_api_version": "2023-04-01-preview"}, "not a preview: Azure switched those off"),
        ({"vision_key": "a secret"}, "VISION_ENGINE_VISION_KEY"),
        ({"vision_key": "a-secret"}, "vision_key needs vision_endpoint"),
        ({"threads": 0}, "VISION_ENGINE_THREADS"),
        ({"workers": -1}, "VISION_ENGINE_WORKERS"),
        ({"entra_tenant": "6BABCAAD-604b-40ac-a9d7-9fd97c0b779f"}, "entra_tenant needs entra_audience or studio_client_id"),
        ({"entra_tenant": "common", "entra_audience": "a"}, "must be the tenant's id, a GUID"),
        ({"entra_tenant": "contoso.onmicrosoft.com", "studio_client_id": "c"}, "az account show --query tenantId"),
        ({"public_url": "example.org"}, "VISION_ENGINE_PUBLIC_URL"),
        ({"log_level": "loud"}, "'debug'"),
        ({"prot": 1}, "prot is not a setting; choose from allowed_hosts,"),
    ],
)
def test_what_is_refused_and_how(values: dict[str, object], expected: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({}, **values)
    assert expected in str(caught.value)
    assert "a-secret" not in str(caught.value)


def test_a_tenant_is_kept_as_tokens_name_it() -> None:
    settings = Settings.from_environment({}, entra_tenant="6BABCAAD-604B-40AC-A9D7-9FD97C0B779F", entra_audience="a")
    assert settings.entra_tenant == "6babcaad-604b-40ac-a9d7-9fd97c0b779f"


def test_secrets_do_not_show() -> None:
    settings = Settings.from_environment(
        {},
        keys=("hidden-1",),
        token_key="hidden-2",
        database_url="postgresql://u:hidden-3@h/d",
        vision_endpoint="https://v.example",
        vision_key="hidden-4",
    )
    assert "hidden" not in repr(settings)
    assert "hidden" not in str(settings)


def test_typing_errors_in_variables_are_found() -> None:
    assert unknown_variables({"VISION_ENGINE_PROT": "1", "VISION_ENGINE_PORT": "1", "PATH": ""}) == ["VISION_ENGINE_PROT"]


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_documented(name: str) -> None:
    field = Settings.model_fields[name]
    assert field.description
    assert f"`{variable_of(name)}`" in DOCUMENTATION.read_text(), f"docs/engine.md has no row for {variable_of(name)}"


def test_nothing_else_is_documented_as_a_setting() -> None:
    documented = set(re.findall(r"`(VISION_ENGINE_[A-Z_]+)`", DOCUMENTATION.read_text()))
    assert documented == {variable_of(name) for name in Settings.model_fields}
