"""The wheel in an environment of its own, beside a program of somebody else's: what a user gets who has no checkout."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from tests.engine.jobs.blob_server import serving_blobs
from tests.engine.jobs.drawn import coco, draw_photos, drawn_image
from tests.engine.studio.datasets.pictures import drawn_picture
from tests.support.api_world import KEYS
from tests.support.coco_content import digest_of
from tests.support.every_page import IMAGES, ROUTES, Kind, fill, open_world, picture_address
from tests.support.page_references import References, static_files
from tests.support.places import CHECKOUT, DOCS
from tests.support.waiting import wait_until
from toolchain.packages import find_uv
from toolchain.places import find_places
from toolchain.programs.pulumi_cli import find_cli, ways_allowed
from toolchain.programs.studio_files import FOLDER, NAMES, check_files
from toolchain.publishing.release import build
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store
from vision_customization.engine.views.kept_thumbnails import KeptThumbnails
from vision_customization.engine.views.reencoding import THUMBNAIL_SIDE

pytestmark = [pytest.mark.process, pytest.mark.timeout(1200)]

TAGS = ("oak", "beech")


def run(command: list[str | Path], cwd: Path, env: Mapping[str, str]) -> str:
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def uv(*arguments: str | Path) -> None:
    found = find_uv(find_places())
    run([found.program, *arguments], CHECKOUT, found.environ)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as a release builds it: from the source archive."""
    folder = tmp_path_factory.mktemp("dist")
    build(find_places(), folder)
    [built] = folder.glob("*.whl")
    return built


def install(folder: Path, wheel: Path, extra: str = "", *others: str) -> Path:
    """A new environment with the wheel, and the packages that are locked here; its programs."""
    uv("venv", "--quiet", "--no-project", "--python", sys.executable, folder)
    packages = [f"vision-customization{extra} @ {wheel.as_uri()}", *others]
    locked = ("--constraints", CHECKOUT / "requirements.lock")
    uv("pip", "install", "--quiet", "--python", folder / "bin" / "python", *locked, *packages)
    return folder / "bin"


@pytest.fixture(scope="module")
def client_alone(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("client") / "venv", wheel)


@pytest.fixture(scope="module")
def engine(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("engine") / "venv", wheel, "[engine]", "mypy", "pip")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Of a user with an empty cache. Azurite is on PATH: npx would fetch 370 MB."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("VISION_", "PULUMI_", "PYTHON"))}
    programs = tmp_path_factory.mktemp("programs")
    (programs / "azurite-blob").symlink_to(find_places().programs / "azurite-blob")
    state = tmp_path_factory.mktemp("state")
    return {
        **own,
        "PATH": os.pathsep.join([str(programs), str(find_cli(find_places(), ways_allowed({})).folder), own["PATH"]]),
        "VISION_CACHE_DIR": str(tmp_path_factory.mktemp("cache")),
        "PULUMI_HOME": str(tmp_path_factory.mktemp("pulumi")),
        "STATE": state.as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": "a passphrase",
        "PULUMI_SKIP_UPDATE_CHECK": "1",
        "UV": str(find_uv(find_places()).program),
    }


def with_programs(environment: Mapping[str, str], programs: Path) -> dict[str, str]:
    return {**environment, "PATH": f"{programs}{os.pathsep}{environment['PATH']}"}


def test_the_wheel_has_one_name_and_nothing_that_a_user_does_not_need(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"vision_customization"}
    assert "vision_customization/py.typed" in names
    licences = {name.rpartition("/")[2] for name in names if ".dist-info/licenses/" in name}
    assert licences == {"LICENSE", "NOTICE"}, "NOTICE names the networks that the engine downloads"
    packages = ["common", "components", "contract", "customization", "engine"]
    known = subprocess.run(
        ["git", "ls-files", *packages], cwd=CHECKOUT, capture_output=True, text=True, check=True
    ).stdout.split()
    fetched = [f"{FOLDER}/{name}" for name in NAMES]
    packed = {name.partition("/")[2] for name in names if ".dist-info/" not in name}
    assert packed == {*known, *fetched, "__init__.py", "py.typed"}


def test_the_wheel_has_what_set_up_fetches_for_the_studio(wheel: Path, tmp_path: Path) -> None:
    """Git ignores these files, and the wheel is built from a source archive that must have them, too."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    check_files(tmp_path / "vision_customization" / FOLDER)


@pytest.mark.parametrize("command", ["serve", "worker", "restore", "weights pull"])
def test_a_command_without_its_extra_names_what_installs_it(command: str, client_alone: Path, tmp_path: Path) -> None:
    ended = subprocess.run(
        [client_alone / "vision-engine", *command.split()], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert re.fullmatch(r"Error: \w+ is not installed: pip install 'vision-customization\[engine\]'\n", ended.stderr)


def test_the_names_of_the_package(client_alone: Path, tmp_path: Path) -> None:
    program = (
        "from vision_customization import Dataset, Model, Evaluation, PublishedModel, LocalWorkspace, VisionClient\n"
        "try:\n    from vision_customization import AzureWorkspace\n"
        "except ModuleNotFoundError as error:\n    print(error)\n"
    )
    told = run([client_alone / "python", "-c", program], tmp_path, {})
    assert re.fullmatch(r"\w+ is not installed: pip install 'vision-customization\[azure\]'\n", told)
    assert run([client_alone / "vision", "--version"], tmp_path, {}).startswith("vision, version ")


@pytest.mark.ci
@pytest.mark.stack
def test_the_page_start_from_its_second_step_on(engine: Path, environment: Mapping[str, str], tmp_path: Path) -> None:
    """All of docs/start.md behind its installation, beside packages of the user's own that have the names of folders here."""
    page = (DOCS / "start.md").read_text("utf-8")
    blocks = re.findall(r"^```(sh|yaml|python)\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    [pulumi_yaml] = [text for kind, text in blocks if kind == "yaml"]
    [by_hand] = [text for kind, text in blocks if kind == "python"]
    commands = [text for kind, text in blocks if kind == "sh"]
    assert [text.split()[0] for text in commands] == ["vision", "pulumi", "vision"]

    leaves = tmp_path / "leaves"
    for name in ("components", "contract", "common", "engine", "stacks", "examples", "customization"):
        (leaves / name).mkdir(parents=True)
        (leaves / name / "__init__.py").write_text(f"OWN = {name!r}\n")
    draw_photos(leaves / "my-images", TAGS, 20)
    env = with_programs(environment, engine)

    def follow(command: str) -> str:
        return run(["bash", "-euc", command.replace("login --local", f"login {environment['STATE']}")], leaves, env)

    try:
        declared = follow(commands[0])
        assert "contact-sheet.html" in declared
        own = 'import components\nimport engine\n\nassert (components.OWN, engine.OWN) == ("components", "engine")\n'
        with (leaves / "__main__.py").open("a") as program:
            program.write(own)
        run(["mypy", "--strict", "__main__.py"], leaves, env)
        assert re.search(r"\+ \d+ created", follow(commands[1]))
        assert "oak" in follow(commands[2])
        run(["pulumi", "preview", "--expect-no-changes"], leaves, env)
        follow(commands[0].partition("\n")[2])  # vision new again, with the same images
        run(["pulumi", "preview", "--expect-no-changes"], leaves, env)

        (leaves / "Pulumi.yaml").write_text(pulumi_yaml)
        (leaves / "__main__.py").write_text(by_hand)
        run(["mypy", "--strict", "__main__.py"], leaves, env)
        run(["pulumi", "stack", "init", "by-hand"], leaves, env)
        assert re.search(r"\+ \d+ to create", run(["pulumi", "preview", "--stack", "by-hand"], leaves, env))
    finally:
        run(["pulumi", "destroy", "--yes", "--skip-preview", "--non-interactive", "--stack", "local"], leaves, env)


@contextmanager
def serving(engine: Path, environment: Mapping[str, str], data_dir: Path, *options: str) -> Iterator[str]:
    """`vision-engine serve` at a free port: its address."""
    command = [engine / "vision-engine", "serve", "--port", "0", "--data-dir", data_dir, *options]
    process = subprocess.Popen(command, cwd=data_dir.parent, env=environment)
    try:
        wait_until((data_dir / "serve.json").exists, "the engine listens", 300)
        yield f"http://127.0.0.1:{json.loads((data_dir / 'serve.json').read_text())['port']}"
    finally:
        process.terminate()
        assert process.wait(30) == 0


@pytest.mark.ci
def test_a_training_by_curl(engine: Path, environment: Mapping[str, str], tmp_path: Path) -> None:
    curl = shutil.which("curl")
    assert curl, "curl is needed"
    with serving_blobs() as blobs:
        pairs = [
            (blobs.put(f"/account/leaves/{tag}-{seed}.png", drawn_image(number, seed)), tag)
            for number, tag in enumerate(TAGS)
            for seed in range(10)
        ]
        uri = blobs.put("/account/leaves/train.json", coco(pairs, TAGS))
        env = {**environment, "VISION_ENGINE_KEYS": "k" * 32, "VISION_ENGINE_ALLOWED_HOSTS": blobs.netloc}
        with serving(engine, env, tmp_path / "data") as endpoint:

            def call(method: str, path: str, *data: str) -> dict[str, object]:
                url = f"{endpoint}/computervision/{path}{'&' if '?' in path else '?'}api-version=2023-04-01-preview"
                options = ["--silent", "--show-error", "--fail-with-body", "--noproxy", "*", "-X", method]
                headers = ["-H", f"Ocp-Apim-Subscription-Key: {'k' * 32}"]
                answer: dict[str, object] = json.loads(run([curl, *options, *headers, *data, url], tmp_path, env))
                return answer

            def body(**fields: object) -> list[str]:
                return ["-H", "Content-Type: application/json", "--data", json.dumps(fields)]

            call("PUT", "datasets/leaves", *body(annotationKind="imageClassification", annotationFileUris=[uri]))
            parameters = {"trainingDatasetName": "leaves", "timeBudgetInHours": 1, "modelKind": "Generic-Classifier"}
            call("PUT", "models/leaves", *body(trainingParameters=parameters))
            wait_until(lambda: call("GET", "models/leaves")["status"] == "succeeded", "the training ends", 300)
            (tmp_path / "leaf.png").write_bytes(drawn_image(0, 99))
            image = ["-H", "Content-Type: application/octet-stream", "--data-binary", f"@{tmp_path / 'leaf.png'}"]
            answer = call("POST", "imageanalysis:analyze?model-name=leaves", *image)
            assert answer["customModelResult"]["tagsResult"]["values"][0]["name"] == "oak"  # type: ignore[index]


INSTALLED = """
import json
from vision_customization.engine.studio import pages, templating
files = [str(path.relative_to(templating.STATIC)) for path in templating.STATIC.rglob("*") if path.is_file()]
print(json.dumps([pages.__file__, [[page.method, page.path] for page in pages.PAGES], files]))
"""
STATIC_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
CONTAINER = "https://account.blob.core.windows.net/training?sv=1&sig=none"
"""Of which nothing is asked in this test, but without which nobody could label."""
READ_FROM_BLOBS = re.compile(r"/(view|crop|annotations)$|/(view|crop)\?|/versions/.*[?&]with=")
"""What is made from files in storage, which this test has not: pictures, and a version's file and comparisons."""


def test_every_page_and_asset_of_the_studio(engine: Path, environment: Mapping[str, str], tmp_path: Path) -> None:
    """The checkout fills a data folder; the wheel serves it, signed in by a one-time code."""
    data_dir = tmp_path / "data"
    settings = Settings.from_environment({}, data_dir=data_dir, keys=KEYS)
    with closing(Store.open(settings)) as store:
        world = open_world(settings, store)
        fill(world)
        names = [f"{number}.jpg" for number in range(IMAGES)]
        KeptThumbnails(world.objects).put({digest_of(name): drawn_picture(name, THUMBNAIL_SIDE).data for name in names})
        addresses = {picture_address(world, address): route for route in ROUTES for address in route.addresses}
    file, known, files = json.loads(run([engine / "python", "-c", INSTALLED], tmp_path, environment))
    assert Path(file).is_relative_to(engine.parent), "not the checkout's"
    assert {path for method, path in known if method == "GET"} == {route.path for route in ROUTES}

    served = {**environment, "VISION_ENGINE_KEYS": ",".join(KEYS), "VISION_ENGINE_STUDIO_CONTAINER": CONTAINER}
    with (
        serving(engine, served, data_dir, "--workers", "0") as endpoint,
        httpx.Client(base_url=endpoint, trust_env=False, timeout=60, headers={"sec-fetch-site": "same-origin"}) as client,
    ):
        codes = "/computervision/studio/codes?api-version=2023-04-01-preview"
        code = client.post(codes, json={}, headers={"Ocp-Apim-Subscription-Key": KEYS[0]}).json()["code"]
        signed_in = client.post("/studio/sign-in", data={"code": code})
        assert signed_in.status_code == 303
        client.headers["cookie"] = signed_in.headers["set-cookie"].partition(";")[0]

        referred: set[str] = set()
        for address, route in addresses.items():
            if route.elsewhere or READ_FROM_BLOBS.search(address):
                continue
            answer = client.get(f"/studio/{address}")
            assert answer.status_code in (200, 204), f"{address}: {answer.text}"
            assert answer.status_code == 204 or answer.headers["content-type"] == route.kind
            if route.kind is Kind.PAGE and not route.part:
                found = References(answer.text)
                referred |= {f"/studio/{urljoin(address, each)}" if each.startswith("?") else each
                             for each in found.loaded | found.followed | found.asked}  # fmt: skip
                referred |= set(static_files(answer.text, lambda name: client.get(name).text))
        for address in sorted(referred):
            assert address.startswith("/studio/")
            if not READ_FROM_BLOBS.search(address):
                assert client.get(address).status_code in (200, 204), address

        [version] = {address.split("/")[3] for address in referred if address.startswith("/studio/static/")}
        for name in files:
            answer = client.get(f"/studio/static/{version}/{name}")
            kind = STATIC_TYPES.get(name.rpartition(".")[2])
            if kind is None or name.endswith(".d.ts"):
                assert name in {"globals.d.ts", "tsconfig.json"}, "what only the development needs"
                assert answer.status_code == 404
            else:
                assert (answer.status_code, answer.headers["content-type"]) == (200, kind), name
                assert f"/studio/static/{version}/{name}" in referred, "a file that no page loads"
