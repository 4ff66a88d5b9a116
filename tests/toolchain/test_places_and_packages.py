"""Where things lie, and what uv and npm are told of the machine's settings."""

import json
from pathlib import Path

import pytest

from toolchain.azurite import least_node
from toolchain.clean import stacks_in_use
from toolchain.errors import ToolchainError
from toolchain.local_state import drop_stale_salt, make_passphrase, without_stale_salt
from toolchain.packages import check_sqlite, packages_step, settings_from_pip
from toolchain.places import Places, find_places

CONFIG = "global.index-url='https://mirror.example/simple'\n:env:.cert='/etc/ca.crt'\nglobal.timeout='60'\n"


@pytest.mark.parametrize(
    ("config", "environ", "settings"),
    [
        ("", {}, {}),
        (CONFIG, {}, {"UV_DEFAULT_INDEX": "https://mirror.example/simple", "SSL_CERT_FILE": "/etc/ca.crt"}),
        # uv was told itself: pip's settings are none of its business.
        (CONFIG, {"UV_DEFAULT_INDEX": "https://other.example"}, {}),
        (CONFIG, {"UV_INDEX_URL": "https://other.example"}, {}),
        (CONFIG, {"SSL_CERT_FILE": "/mine"}, {"UV_DEFAULT_INDEX": "https://mirror.example/simple"}),
        (
            "global.extra-index-url='\\nhttps://a.example\\nhttps://b.example'\n",
            {},
            {"UV_INDEX": "https://a.example https://b.example"},
        ),
    ],
)
def test_settings_from_pip(config: str, environ: dict[str, str], settings: dict[str, str]) -> None:
    assert settings_from_pip(config, environ) == settings


def test_least_node(tmp_path: Path) -> None:
    package = tmp_path / "package.json"
    package.write_text(json.dumps({"engines": {"node": ">=22.0"}}))
    assert least_node(package) == (22, 0, 0)
    package.write_text(json.dumps({"engines": {"node": "any"}}))
    with pytest.raises(ToolchainError, match=r"engines\.node names no version"):
        least_node(package)


def test_the_passphrase_is_secret_and_stays(tmp_path: Path) -> None:
    file = tmp_path / ".vision" / "passphrase"
    make_passphrase(file)
    first = file.read_text()
    make_passphrase(file)
    assert file.read_text() == first
    assert len(first) >= 32
    assert file.stat().st_mode & 0o777 == 0o600


SALT = "encryptionsalt: v1:abc=:v1:def\n"


SECRET = "config:\n  a:b:\n    secure: v1:x\n"


@pytest.mark.parametrize(
    ("text", "has_passphrase", "without"),
    [
        ("config:\n  a:b: c\n" + SALT, False, "config:\n  a:b: c\n"),
        (SALT + "config: {}\n", True, "config: {}\n"),
        ("config: {}\n", False, "config: {}\n"),
        (SECRET, False, SECRET),  # of a cloud's key: no passphrase is in it
        (SECRET + SALT, True, SECRET + SALT),
    ],
)
def test_without_stale_salt(text: str, has_passphrase: bool, without: str) -> None:
    assert without_stale_salt(text, "local", has_passphrase=has_passphrase) == without


def test_secrets_of_a_lost_passphrase_are_not_made_unreadable() -> None:
    with pytest.raises(ToolchainError, match=r"stacks/Pulumi\.mine\.yaml holds secrets"):
        without_stale_salt(SECRET + SALT, "mine", has_passphrase=False)


def test_only_a_stack_that_is_not_made_loses_its_salt(tmp_path: Path) -> None:
    places = Places(tmp_path, tmp_path / "cache")
    drop_stale_salt(places, "mine")
    file = tmp_path / "stacks" / "Pulumi.mine.yaml"
    file.parent.mkdir()
    file.write_text(SALT + "config: {}\n")
    made = places.state / "pulumi" / ".pulumi" / "stacks" / "vision-customization" / "mine.json"
    made.parent.mkdir(parents=True)
    made.touch()
    drop_stale_salt(places, "mine")
    assert SALT in file.read_text()
    made.unlink()
    drop_stale_salt(places, "mine")
    assert file.read_text() == "config: {}\n"


@pytest.mark.parametrize(
    ("resources", "in_use"),
    [(None, []), ([{"type": "pulumi:pulumi:Stack"}], []), ([{"type": "x", "custom": True}], ["local"])],
)
def test_stacks_in_use(tmp_path: Path, resources: list[dict[str, object]] | None, in_use: list[str]) -> None:
    file = tmp_path / ".pulumi" / "stacks" / "vision-customization" / "local.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"checkpoint": {"latest": None if resources is None else {"resources": resources}}}))
    assert stacks_in_use(tmp_path) == in_use


def test_no_lock_names_an_index() -> None:
    """A lock with an index's address in it does not work behind a mirror."""
    places = find_places()
    for lock in (places.checkout / "requirements.lock", *places.locks.glob("*.txt")):
        text = lock.read_text()
        assert "--hash=sha256:" in text, lock
        assert "http" not in text.replace("httpcore", "").replace("httpx", "").replace("httptools", ""), lock
    assert '"resolved"' not in (places.toolchain / "azurite" / "package-lock.json").read_text()


@pytest.mark.parametrize("content", ["", '{"checkpoint": {"lat', "[]"])
def test_a_state_that_is_cut_may_hold_a_stack_in_use(tmp_path: Path, content: str) -> None:
    file = tmp_path / ".pulumi" / "stacks" / "project" / "local.json"
    file.parent.mkdir(parents=True)
    file.write_text(content)
    assert stacks_in_use(tmp_path) == ["local"]


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        ("echo 3.34.1", "has SQLite 3.34.1, and the engine needs 3.37.0 or later"),
        ("exit 1", "has no SQLite (module sqlite3), and the engine needs 3.37.0 or later"),
        ("echo 3.37.2", None),
        ("echo 3.50.4", None),
    ],
)
def test_a_python_without_a_usable_sqlite_is_refused_at_set_up(tmp_path: Path, printed: str, said: str | None) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{printed}\n")
    python.chmod(0o755)
    if said is None:
        check_sqlite(python)
        return
    with pytest.raises(ToolchainError) as refused:
        check_sqlite(python)
    assert str(refused.value).startswith(f"{python} {said}")
    assert "VISION_PYTHON=/path/to/python3.12 make setup" in str(refused.value)


def test_a_choice_of_packages_that_there_is_not_is_named_with_those_that_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISION_DEPENDENCIES", "oldest")
    step = packages_step(Places(tmp_path, find_places().cache))
    with pytest.raises(ToolchainError, match="VISION_DEPENDENCIES must be one of locked, lowest, newest, not 'oldest'"):
        step.make()


def test_other_packages_are_another_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    sources = set()
    for choice in ("", "locked", "lowest", "newest"):
        monkeypatch.setenv("VISION_DEPENDENCIES", choice)
        sources.add(packages_step(find_places()).sources)
    assert len(sources) == 3
