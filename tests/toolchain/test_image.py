"""The engine's image: its Dockerfile by the rules, and what it runs, run in a folder, by a user who may write nowhere else."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.places import CHECKOUT
from tests.support.waiting import wait_until
from tests.toolchain.dockerfile import Stage, read_dockerfile
from toolchain.lock import NOT_OF_THE_ENGINE
from toolchain.places import find_places
from toolchain.programs.studio_files import FOLDER, check_files

ARGUMENTS, STAGES = read_dockerfile((CHECKOUT / "Dockerfile").read_text())
INSTALLED = "/opt/vision-engine"
UNPRIVILEGED = 10001


def pins(lock: str) -> dict[str, set[str]]:
    """The versions of each package that a lock file names; more than one where they differ by Python."""
    found: dict[str, set[str]] = {}
    for name, version in re.findall(r"^([a-z0-9.-]+)(?:\[[^\]]*\])?==([^ ]+)", (CHECKOUT / lock).read_text(), re.MULTILINE):
        found.setdefault(name, set()).add(version)
    return found


def test_every_stage_has_the_same_pinned_base() -> None:
    assert len(STAGES) == 2
    for stage in STAGES:
        assert re.fullmatch(r"python:3\.1[123]-slim-\w+@sha256:[0-9a-f]{64}", stage.base)
    assert len({stage.base for stage in STAGES}) == 1


def test_it_runs_as_a_number_and_listens_on_a_port_that_needs_no_rights() -> None:
    last = STAGES[-1]
    assert last.all("USER") == [f"{UNPRIVILEGED}:{UNPRIVILEGED}"]
    # What comes after USER runs as that user; nothing is made there.
    after = last.instructions[[name for name, _ in last.instructions].index("USER") :]
    assert not {name for name, _ in after} & {"RUN", "COPY", "ADD"}
    assert last.all("EXPOSE") == ["8080"]


@pytest.mark.parametrize("instruction", ["HEALTHCHECK", "ENTRYPOINT", "CMD"])
def test_what_starts_a_program_does_it_without_a_shell(instruction: str) -> None:
    [text] = STAGES[-1].all(instruction)
    assert json.loads(text[text.index("[") :])


@pytest.mark.parametrize("stage", STAGES, ids=["build", "engine"])
def test_nothing_is_fetched_but_by_what_is_pinned(stage: Stage) -> None:
    assert not stage.all("ADD")
    for command in stage.all("RUN"):
        assert not re.search(r"\b(curl|wget|apt-get|apk|pip|sudo|git)\b", command)
    assert all(absolute.startswith("/") for absolute in stage.all("WORKDIR"))


def test_no_secret_has_a_place_in_it() -> None:
    text = (CHECKOUT / "Dockerfile").read_text()
    assert not re.search(r"VISION_ENGINE_(KEYS|TOKEN_KEY|DATABASE_URL)|--mount=type=secret|password", text, re.IGNORECASE)


def test_what_the_build_copies_is_let_in_and_nothing_else_is() -> None:
    lines = [line for line in (CHECKOUT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    let_in = {line[1:].removesuffix("/*.py") for line in lines if line.startswith("!")}
    copied = {name.partition("/")[0] for copy in STAGES[0].all("COPY") for name in copy.split()[:-1]}
    assert let_in == copied
    assert all((CHECKOUT / name).exists() for name in copied)


def test_the_engines_lock_is_a_part_of_the_projects() -> None:
    """The image runs the very versions that the tests have run; `make lock` makes both."""
    engine, project = pins("requirements-engine.lock"), pins("requirements.lock")
    assert {name: versions for name, versions in engine.items() if versions - project.get(name, set())} == {}
    assert not engine.keys() & {*NOT_OF_THE_ENGINE, "grpcio", "pytest", "mypy", "conformal-clip-data", "pulumi-azure-native"}
    text = (CHECKOUT / "pyproject.toml").read_text()
    extra = re.search(r"^engine = \[(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    assert extra
    assert set(re.findall(r'^    "([a-z0-9-]+)', extra[1], re.MULTILINE)) <= engine.keys()


def python_for_everybody() -> Path:
    """A Python that a user without rights can run, where there is one."""
    for name in ("python3.13", "python3.12", "python3.11"):
        found = shutil.which(name, path="/usr/local/bin:/usr/bin")
        if found and subprocess.run([found, "-c", "import venv, ensurepip"], check=False, capture_output=True).returncode == 0:
            return Path(found)
    return Path(sys.executable).resolve()


@pytest.fixture(scope="module")
def root() -> Iterator[Path]:
    """A folder in the place of the image's root, in which the RUN instructions of the Dockerfile were carried out."""
    with tempfile.TemporaryDirectory(prefix="vision-image-") as name:
        root = Path(name)
        root.chmod(0o755)
        (root / "programs").mkdir()
        (root / "programs" / "python").symlink_to(python_for_everybody())
        environ = {
            **{key: value for key, value in os.environ.items() if key not in ("VIRTUAL_ENV", "PYTHONPATH")},
            "PATH": f"{root / 'programs'}{os.pathsep}{os.environ['PATH']}",
            "VISION_CACHE_DIR": str(find_places().cache),  # uv is there already
        }
        for stage in STAGES:
            for instruction, rest in stage.instructions:
                if instruction == "COPY" and not rest.startswith("--from"):
                    *sources, target = rest.split()
                    for source in sources:
                        copy(CHECKOUT / source, root / "src" / (source if target == "./" else target))
                elif instruction == "RUN":
                    command = re.sub(r"(?<=\s)/(opt|data)", rf"{root}/\1", rest)
                    if os.geteuid() != 0:
                        command = re.sub(r"-[og] \d+", "", command)
                    subprocess.run(["sh", "-ec", command], cwd=root / "src", env=environ, check=True, timeout=400)
        yield root
        for folder, _, _ in os.walk(root):
            Path(folder).chmod(0o755)


def copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(
            source, target, ignore=shutil.ignore_patterns("__pycache__", "node_modules", "vendor"), dirs_exist_ok=True
        )
    else:
        shutil.copy(source, target)


@pytest.mark.process
@pytest.mark.timeout(900)
def test_what_the_image_runs(root: Path) -> None:
    installed = root / INSTALLED[1:]
    python = installed / "bin" / "python"
    packages = next(installed.glob("lib/python3*/site-packages"))
    assert not any((packages / name).exists() for name in ("pulumi", "pulumi_azure_native", "pytest", "grpc", "pip"))
    assert list((packages / "vision_customization" / "engine").glob("__pycache__/*.pyc"))
    assert len(list((installed / "weights").glob("*.onnx"))) == 3
    check_files(packages / "vision_customization" / FOLDER)
    for folder, _, _ in os.walk(installed):
        Path(folder).chmod(0o555)

    environ = {
        "PATH": f"{installed / 'bin'}:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        **{key: value.replace("/opt", f"{root}/opt").replace("/data", f"{root}/data") for key, value in settings().items()},
        "VISION_ENGINE_HOST": "127.0.0.1",
        "VISION_ENGINE_PORT": "0",
    }
    # As in the image, where the process is nobody that the system knows.
    user = UNPRIVILEGED if os.geteuid() == 0 and not str(python.resolve()).startswith("/root") else None
    entry = json.loads(STAGES[-1].all("ENTRYPOINT")[0])
    entry[0] = str(installed / "bin" / entry[0])
    who = {} if user is None else {"user": user, "group": user, "extra_groups": []}
    said = subprocess.run(
        [*entry, "--help"], env=environ, cwd="/", check=True, capture_output=True, text=True, timeout=60, **who
    )  # type: ignore[call-overload]
    assert "serve" in said.stdout

    log = root / "log.txt"
    with log.open("w") as file:
        command = [*entry, *json.loads(STAGES[-1].all("CMD")[0])]
        process = subprocess.Popen(command, env=environ, cwd="/", stdout=file, stderr=file, **who)  # type: ignore[call-overload]
        try:
            port = wait_for_port(root / "data" / "serve.json", process, log)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10) as reply:
                assert json.load(reply)["status"] == "ok"
            check = json.loads(re.sub(r"^.*?CMD ", "", STAGES[-1].all("HEALTHCHECK")[0]))
            check[0] = str(python)
            for healthy_port, status in ((port, 0), (1, 1)):
                asked = {**environ, "VISION_ENGINE_PORT": str(healthy_port), "http_proxy": "http://127.0.0.1:9"}
                assert subprocess.run(check, env=asked, check=False, capture_output=True, timeout=30).returncode == status
        finally:
            process.terminate()
            assert process.wait(timeout=60) == 0, log.read_text()
    assert "error" not in {json.loads(line)["level"] for line in log.read_text().splitlines() if line.startswith("{")}


def settings() -> dict[str, str]:
    """What the image's last stage sets for the engine."""
    pairs = re.findall(r"(\w+)=(\S+)", " ".join(STAGES[-1].all("ENV")))
    return {key: value for key, value in pairs if key != "PATH"}


def wait_for_port(note: Path, process: "subprocess.Popen[bytes]", log: Path, timeout_seconds: float = 120) -> int:
    def text() -> str:
        assert process.poll() is None, log.read_text()
        return note.read_text() if note.exists() else ""

    return int(json.loads(wait_until(text, lambda: f"the engine listens\n{log.read_text()}", timeout_seconds))["port"])
