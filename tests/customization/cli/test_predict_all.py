"""`vision predict --all`: a row for each image, also after an interruption."""

import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.customization.cli.answers import STAMPS, model, photos
from tests.customization.cli.ran import Vision
from tests.customization.fake_service import KEY, Answer, FakeService, Received
from tests.support.places import CHECKOUT
from tests.support.waiting import wait_until
from vision_customization.common.errors import VisionError
from vision_customization.customization.cli.batch_prediction import CALLS_AT_ONCE, in_order
from vision_customization.customization.cli.rows_file import RowsFile

RESULT = {
    "customModelResult": {"tagsResult": {"values": [{"name": "dög", "confidence": 0.9}]}},
    "modelVersion": "x",
    "metadata": {"width": 1, "height": 1},
}
UNANSWERED = [("dog/0.png", "InvalidImageFormat"), ("cat/1.png", "InvalidImageUrl")]
CONTAINER = "http://127.0.0.1:10000/account/photos"
URLS = [f"{CONTAINER}/2026/{number}.jpg" for number in range(5)]


class Models:
    """A service with one model, which counts what it was asked for. It answers a body that begins with `bad` with `refusal`."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.models: set[str] = set()
        self.status = "succeeded"
        self.seconds = 0.0
        self.refusal = 400

    def __call__(self, request: Received) -> Answer:
        if request.method == "GET":
            if request.path.endswith("/models/live"):
                return Answer(404, {"error": {"code": "ModelNotFound", "message": "no"}})
            if request.path.endswith("/publishedmodels/live"):
                return Answer(200, {"name": "live", "modelName": "m", **STAMPS})
            return Answer(200, model(self.status))
        time.sleep(self.seconds)
        self.asked[hashlib.sha256(request.body).hexdigest()] += 1
        self.models.add(request.query["model-name"])
        if request.body.startswith(b"bad"):
            return Answer(self.refusal, {"error": {"code": "InvalidRequest", "message": "not an image"}})
        return Answer(200, RESULT)


@pytest.fixture
def models(service: FakeService) -> Models:
    models = Models()
    service.handler = models
    return models


def rows_in(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_bytes().splitlines()]


@pytest.mark.parametrize("name", ["m", "live"])
def test_each_image_of_a_folder_has_a_row_and_is_sent_once(vision: Vision, models: Models, tmp_path: Path, name: str) -> None:
    folder = photos(tmp_path)
    (folder / "schön 1%.JPG").write_bytes(b"another")
    (folder / "notes.txt").write_text("not an image")
    out = tmp_path / "rows.jsonl"
    ran = vision("predict", name, "--all", folder, "--out", out)
    assert ran.code == 0, ran.err
    assert f"{out}: 11 answered, 0 failed; 11 of these rows are new." in ran.out.replace("\n", "")
    expected = [f"cat/{n}.png" for n in range(1, 10, 2)] + [f"dog/{n}.png" for n in range(0, 10, 2)] + ["schön 1%.JPG"]
    assert rows_in(out) == [{"image": image, **RESULT} for image in expected]
    assert "dög".encode() in out.read_bytes()
    before = out.read_bytes()
    again = vision("predict", name, "--all", folder, "--out", out, "--json")
    assert again.json == {"out": str(out), "answered": 11, "failed": 0, "added": 0}
    assert out.read_bytes() == before
    assert models.asked.total() == 11
    assert models.models == {"m"}, "a published name may move during the command"


@pytest.mark.parametrize("status", [400, 413])
def test_an_image_without_an_answer_is_named_and_counted(vision: Vision, models: Models, tmp_path: Path, status: int) -> None:
    folder = photos(tmp_path)
    (folder / "bad.jpg").write_text("bad")
    out = tmp_path / "rows.jsonl"
    models.refusal = status
    ran = vision("predict", "m", "--all", folder, "--out", out)
    assert ran.code == 1
    assert "10 answered, 1 failed" in ran.out
    assert "No answer for bad.jpg: its row says why." in ran.err
    assert rows_in(out)[0] == {"image": "bad.jpg", "error": {"code": "InvalidRequest", "message": "not an image"}}
    assert vision("predict", "m", "--all", folder, "--out", out).code == 1
    assert models.asked.total() == 11, "a failed image has its row, too"


@pytest.mark.parametrize("status", [401, 403, 404, 507])
def test_a_fault_of_the_service_is_no_row(vision: Vision, models: Models, tmp_path: Path, status: int) -> None:
    folder = photos(tmp_path)
    (folder / "dog" / "bad.jpg").write_text("bad")
    out = tmp_path / "rows.jsonl"
    models.refusal = status
    ran = vision("predict", "m", "--all", folder, "--out", out)
    assert (ran.code, "not an image" in ran.err) == (3, True)
    assert [row["image"] for row in rows_in(out)] == [f"cat/{n}.png" for n in range(1, 10, 2)] + [
        f"dog/{n}.png" for n in range(0, 10, 2)
    ]


def test_an_image_that_could_not_be_read_is_tried_again(vision: Vision, models: Models, tmp_path: Path) -> None:
    folder = photos(tmp_path)
    out = tmp_path / "rows.jsonl"
    invalid, unread = ({"image": name, "error": {"code": code, "message": "no"}} for name, code in UNANSWERED)
    out.write_text("".join(json.dumps(row) + "\n" for row in (unread, {"image": "cat/3.png", **RESULT}, invalid)))
    out.chmod(0o640)
    ran = vision("predict", "m", "--all", folder, "--out", out)
    assert (ran.code, "9 answered, 1 failed; 8 of these rows are new" in ran.out) == (1, True), ran.out
    assert "could not be read before, and are tried again: 1." in ran.err
    rows = rows_in(out)
    assert rows[:3] == [{"image": "cat/3.png", **RESULT}, invalid, {"image": "cat/1.png", **RESULT}]
    assert sorted({row["image"] for row in rows}) == sorted(row["image"] for row in rows)
    assert out.stat().st_mode & 0o777 == 0o640
    assert [file.name for file in tmp_path.iterdir() if "partial" in file.name] == []


def test_results_are_in_order_and_only_a_few_calls_are_ahead() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(1000):
            taken.append(number)
            yield number

    with ThreadPoolExecutor(CALLS_AT_ONCE) as pool:
        results = in_order(pool, lambda number: (time.sleep(number % 3 / 1000), number)[1], items())
        assert next(results) == 0
        assert len(taken) <= 5 * CALLS_AT_ONCE
        assert list(results) == list(range(1, 1000))


def test_one_command_at_a_time_writes_a_file(vision: Vision, models: Models, tmp_path: Path) -> None:
    folder = photos(tmp_path)
    out = tmp_path / "rows.jsonl"
    with RowsFile(out, "image"):
        ran = vision("predict", "m", "--all", folder, "--out", out)
        assert ran.code == 3
        assert "another `vision predict --all` is writing this file" in ran.err.replace("\n", " ")
    assert (models.asked.total(), out.read_bytes()) == (0, b"")
    assert vision("predict", "m", "--all", folder, "--out", out).code == 0


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file of this process may grow beyond 200 bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.usefixtures("small_files")
def test_a_full_disk_is_said(tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"

    def add_rows() -> None:
        with RowsFile(out, "image") as rows:
            for name in ("a.png", "b.png"):
                rows.add_row({"image": name, "text": "x" * 100})

    # Closing the file tries to write the row again, and fails, too.
    with pytest.raises(VisionError, match=r"rows\.jsonl: can't be written: File too large"):
        add_rows()
    with RowsFile(out, "image") as rows:
        assert rows.names == {"a.png"}


@pytest.mark.skipif(os.getuid() == 0, reason="root reads every file")
def test_a_file_that_cannot_be_read_is_named(vision: Vision, models: Models, tmp_path: Path) -> None:
    folder = photos(tmp_path)
    (folder / "cat" / "1.png").chmod(0)
    ran = vision("predict", "m", "--all", folder, "--out", "rows.jsonl")
    assert (ran.code, rows_in(tmp_path / "rows.jsonl")[0]["error"]["code"]) == (1, "InvalidImageUrl")


def test_a_half_written_line_is_repaired(vision: Vision, models: Models, tmp_path: Path) -> None:
    folder = photos(tmp_path)
    out = tmp_path / "rows.jsonl"
    vision("predict", "m", "--all", folder, "--out", out)
    whole = out.read_bytes()
    lines = whole.splitlines(keepends=True)
    out.write_bytes(b"".join(lines[:4]) + lines[4][:17])
    assert vision("predict", "m", "--all", folder, "--out", out).code == 0
    assert out.read_bytes() == whole
    assert models.asked.total() == 10 + 6


@pytest.mark.process
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_command_continues(
    vision: Vision, service: FakeService, models: Models, tmp_path: Path, sign: signal.Signals
) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(200):
        (folder / f"{number:03d}.png").write_bytes(b"%d" % number)
    out = tmp_path / "rows.jsonl"
    models.seconds = 0.05
    command = ["predict", "m", "--all", str(folder), "--out", str(out)]
    main = "from vision_customization.customization.cli import main; main()"
    environment = {**os.environ, "VISION_ENDPOINT": service.url, "VISION_KEY": KEY, "PYTHONPATH": str(CHECKOUT / "src")}
    with subprocess.Popen(
        [sys.executable, "-c", f"import signal; signal.signal(2, signal.default_int_handler); {main}", *command],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        wait_until(lambda: out.exists() and out.read_bytes().count(b"\n") >= 20, "some rows are written", 30)
        process.send_signal(sign)
        assert process.wait(10) == (130 if sign is signal.SIGINT else -9)
        assert process.stderr is not None
        assert ("run the same command again to continue" in process.stderr.read()) == (sign is signal.SIGINT)
    kept = out.read_bytes().count(b"\n")
    assert 20 <= kept < 200
    models.seconds = 0
    ran = vision(*command, "--json")
    assert ran.json == {"out": str(out), "answered": 200, "failed": 0, "added": 200 - kept}
    assert [row["image"] for row in rows_in(out)] == [f"{number:03d}.png" for number in range(200)]


def test_the_file_is_only_continued_if_it_has_such_rows(vision: Vision, models: Models, tmp_path: Path) -> None:
    folder = photos(tmp_path)
    other = tmp_path / "other.jsonl"
    other.write_text('{"url": "https://x/a.jpg"}\n')
    ran = vision("predict", "m", "--all", folder, "--out", other)
    assert ran.code == 3
    assert "line 1 is not a row of `vision predict --all` with the key 'image'" in ran.err.replace("\n", " ")
    assert other.read_text() == '{"url": "https://x/a.jpg"}\n'
    assert vision("predict", "m", "--all", folder, "--out", tmp_path / "no" / "rows.jsonl").code == 3
    assert models.asked.total() == 0


def test_a_model_that_cannot_answer_spoils_no_row(vision: Vision, models: Models, tmp_path: Path) -> None:
    models.status = "training"
    ran = vision("predict", "m", "--all", photos(tmp_path), "--out", "rows.jsonl")
    assert (ran.code, "only a model that has succeeded can predict" in ran.err) == (3, True)
    assert not (tmp_path / "rows.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--all", "photos"], "--all needs --out FILE"),
        (["--all", "photos", "--out", "r.jsonl", "a.jpg"], "either IMAGES or --all"),
        (["--all", "photos", "--out", "r.jsonl", "--top", "2"], "--top is not for --all"),
        (["--all", "none", "--out", "r.jsonl"], "no such folder"),
        (["photos", "--out", "r.jsonl"], "--out needs --all"),
        ([], "pass IMAGES, or --all"),
    ],
)
def test_what_does_not_go_together(vision: Vision, models: Models, tmp_path: Path, arguments: list[str], says: str) -> None:
    photos(tmp_path)
    ran = vision("predict", "m", *arguments)
    assert (ran.code, says in ran.err) == (2, True), ran.err
    assert models.asked.total() == 0


def unanswered(url: str, code: str) -> dict[str, Any]:
    return {"url": url, "error": {"code": code, "message": "no"}}


class Runs:
    """A service with at most one batch prediction run, which succeeds at the third look."""

    def __init__(self) -> None:
        self.ordered: list[Any] = []
        self.deleted = 0
        self.looks = 0
        self.run: dict[str, Any] | None = None
        self.ends = "succeeded"
        self.rows = [*({"url": url, **RESULT} for url in URLS[:-1]), unanswered(URLS[-1], "InvalidImageFormat")]
        self.lost = 0
        """Rows of the run that the service does not send."""
        self.later: list[tuple[str, list[dict[str, Any]]]] = []
        """How the runs after the first end, and their rows."""

    def __call__(self, request: Received) -> Answer:
        name = request.path.split("/runs/")[1].split("/")[0]
        if request.method == "PUT":
            if self.run is not None:
                return Answer(409, {"error": {"code": "BatchPredictionRunAlreadyExists", "message": "taken"}})
            if self.ordered and self.later:
                self.ends, self.rows = self.later.pop(0)
            self.ordered.append(request.json)
            self.looks = 0
            self.run = {"runName": name, "modelName": "m", "status": "notStarted", "progress": {}, **STAMPS}
            return Answer(201, self.run)
        assert self.run is not None
        assert self.run["runName"] == name
        if request.method == "DELETE":
            self.run, self.deleted = None, self.deleted + 1
            return Answer(204, b"")
        if request.path.endswith("/results"):
            sent = self.rows[int(request.query["skip"]) : len(self.rows) - self.lost]
            return Answer(200, b"".join(json.dumps(row).encode() + b"\n" for row in sent))
        self.looks += 1
        if self.looks > 2:
            failed = sum("error" in row for row in self.rows)
            self.run["status"] = self.ends
            self.run["progress"] = {
                "images": 5,
                "imagesAnswered": len(self.rows) - failed,
                "imagesFailed": failed,
                "otherBlobs": 2,
                "share": len(self.rows) / 5,
            }
        return Answer(200, self.run)


@pytest.fixture
def runs(service: FakeService) -> Runs:
    runs = Runs()
    service.handler = runs
    return runs


def test_each_image_of_a_container_has_a_row(vision: Vision, runs: Runs, tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    ran = vision("predict", "m", "--all", f"{CONTAINER}/2026/?sv=1&sp=rl&sig=Secret", "--out", out)
    assert ran.code == 1
    assert "4 answered, 1 failed; 5 of these rows are new" in ran.out
    assert f"No answer for {URLS[-1]}" in ran.err
    assert "2 blobs of the container are not images" in ran.err
    assert "Secret" not in ran.out + ran.err + out.read_text()
    authentication = {"kind": "sas", "sasToken": "sv=1&sp=rl&sig=Secret"}
    assert runs.ordered == [
        {"azureBlobSource": {"containerUrl": CONTAINER, "prefix": "2026/", "authentication": authentication}}
    ]
    assert [row["url"] for row in rows_in(out)] == URLS
    assert runs.deleted == 1


def test_the_run_of_an_earlier_command_is_continued_and_a_failed_one_begun_again(
    vision: Vision, runs: Runs, tmp_path: Path
) -> None:
    out = tmp_path / "rows.jsonl"
    runs.ends = "failed"
    ran = vision("predict", "m", "--all", CONTAINER, "--out", out)
    assert (ran.code, "batch prediction run 'predict-" in ran.err, runs.deleted) == (1, True, 0)
    runs.looks, runs.ends = 0, "succeeded"
    assert vision("predict", "m", "--all", CONTAINER, "--out", out).code == 1
    assert (len(runs.ordered), runs.deleted) == (2, 2)
    out.write_bytes(b"".join(out.read_bytes().splitlines(keepends=True)[:2]) + b'{"url": "http')
    vision("predict", "m", "--all", CONTAINER, "--out", out)
    assert [row["url"] for row in rows_in(out)] == URLS
    assert len(runs.ordered) == 3


@pytest.mark.parametrize("ends", ["failed", "cancelled"])
def test_the_rows_of_a_run_that_did_not_succeed_are_kept(vision: Vision, runs: Runs, tmp_path: Path, ends: str) -> None:
    out = tmp_path / "rows.jsonl"
    command = ("predict", "m", "--all", CONTAINER, "--out", out)
    earlier = {**RESULT, "modelVersion": "earlier"}
    runs.later = [("succeeded", runs.rows)]
    runs.rows = [{"url": URLS[0], **earlier}, unanswered(URLS[1], "InvalidImageUrl"), {"url": URLS[2], **earlier}]
    runs.ends = ends
    assert vision(*command).code == 1
    runs.lost = 1
    ran = vision(*command)
    assert (ran.code, runs.deleted, "has 3 rows, but the service sent 2" in ran.err.replace("\n", " ")) == (3, 0, True)
    runs.lost = 0
    ran = vision(*command)
    assert (runs.deleted, "Its answers are in the file now" in ran.err.replace("\n", " ")) == (2, True)
    rows = rows_in(out)
    assert [row["url"] for row in rows] == [URLS[0], URLS[2], URLS[1], *URLS[3:]]
    assert [row.get("modelVersion") for row in rows] == ["earlier", "earlier", "x", "x", None]


def test_a_run_stays_until_all_of_its_rows_have_come(vision: Vision, runs: Runs, tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl"
    runs.lost = 2
    assert (vision("predict", "m", "--all", CONTAINER, "--out", out).code, runs.deleted) == (3, 0)
    runs.lost = 0
    assert (vision("predict", "m", "--all", CONTAINER, "--out", out).code, runs.deleted) == (1, 1)
    assert (len(runs.ordered), [row["url"] for row in rows_in(out)]) == (1, URLS)
