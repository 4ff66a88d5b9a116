"""What uv is told of the machine's settings, and which packages and which Python it is asked for."""

from pathlib import Path

import pytest

from toolchain.errors import ToolchainError
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


@pytest.mark.parametrize(
    ("printed", "said"),
    [
        ("echo 3.34.1", "has SQLite 3.34.1, but the engine needs 3.37.0 or later"),
        ("exit 1", "has no SQLite (module sqlite3), but the engine needs 3.37.0 or later"),
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
