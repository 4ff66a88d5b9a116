"""The examples of docs/call.md, each run as it stands against the API, where its runtime is installed."""

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from tests.support.api_world import KEYS, Picture, World
from tests.support.places import DOCS
from tests.support.waiting import wait_until
from vision_customization.engine.runtime.listening import listening

PAGE = (DOCS / "call.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```(bash|python|javascript|csharp)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
PROJECT = """<Project Sdk="Microsoft.NET.Sdk"><PropertyGroup>
<OutputType>Exe</OutputType><TargetFramework>net8.0</TargetFramework><RollForward>Major</RollForward>
<ImplicitUsings>enable</ImplicitUsings><Nullable>enable</Nullable></PropertyGroup></Project>"""


@pytest.fixture
def endpoint(world: World) -> Iterator[str]:
    world.train("textile")
    with listening("127.0.0.1", 0) as listener:
        running = uvicorn.Server(uvicorn.Config(world.call.app, log_config=None, access_log=False, lifespan="off"))
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
        thread.start()
        wait_until(lambda: running.started, "the API listens", 10)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        running.should_exit = True
        thread.join()


def command(language: str, code: str, folder: Path) -> list[str]:
    """How a user runs it; skips where the runtime is missing."""
    runtime = {"bash": "bash", "python": sys.executable, "javascript": "node", "csharp": "dotnet"}[language]
    if shutil.which(runtime) is None:
        pytest.skip(f"{runtime} is not installed")
    if language == "bash":
        return ["bash", "-euo", "pipefail", "-c", code]
    name = {"python": "analyze.py", "javascript": "analyze.mjs", "csharp": "Program.cs"}[language]
    (folder / name).write_text(code, "utf-8")
    if language == "csharp":
        (folder / "analyze.csproj").write_text(PROJECT)
        return ["dotnet", "run"]
    return [runtime, name]


@pytest.mark.parametrize(("language", "code"), EXAMPLES, ids=[f"{language}{n}" for n, (language, _) in enumerate(EXAMPLES)])
def test_the_example_prints_what_the_model_found(
    language: str, code: str, endpoint: str, picture: Picture, tmp_path: Path
) -> None:
    (tmp_path / "image.jpg").write_bytes(picture("JPEG"))
    environment = {**os.environ, "VISION_ENDPOINT": endpoint, "VISION_KEY": KEYS[0], "NO_PROXY": "127.0.0.1"}
    done = subprocess.run(
        command(language, code, tmp_path), cwd=tmp_path, env=environment, capture_output=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr.decode()
    told = done.stdout.decode()
    assert '"name":"dög"' in told.replace(" ", "") if language == "bash" else told.startswith("dög 0.625\ncow 0.250\n")


def test_every_language_is_shown() -> None:
    assert {language for language, _ in EXAMPLES} == {"bash", "python", "javascript", "csharp"}
