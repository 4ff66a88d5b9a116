"""`vision predict --all`: a row for each image, also after an interruption."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.customization.cli.answers import STAMPS, model, photos
from tests.customization.cli.ran import Vision
from tests.customization.fake_service import KEY, Answer, FakeService, Received
from tests.support.places import CHECKOUT
from tests.support.waiting import wait_until

RESULT = {
    "customModelResult": {"tagsResult": {"values": [{"name": "dög", "confidence": 0.9}]}},
    "modelVersion": "x",
    "metadata": {"width": 1, "height": 1},
}
CONTAINER = "http://127.0.0.1:10000/account/photos"
URLS = [f"{CONTAINER}/2026/{number}.jpg" for number in range(5)]


class Models:
    """A service with one model, which counts what it was asked for. A body that begins with `bad` is not an image."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.status = "succeeded"
        self.seconds = 0.0

    def __call__(self, request: Received) -> Answer:
        if request.method == "GET":
            if request.path.endswith("/models/live"):
                return Answer(404, {"error": {"code": "ModelNotFound", "message": "no"}})
            if request.path.endswith("/publishedmodels/live"):
                return Answer(200, {"name": "live", "modelName": "m", **STAMPS})
            return Answer(200, model(self.status))
        time.sleep(self.seconds)
        self.asked[hashlib.sha256(request.body).hexdigest()] += 1
        if request.body.startswith(b"bad"):
            return Answer(400, {"error": {"code": "InvalidRequest", "message": "not an image"}})
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


def test_an_image_without_an_answer_is_named_and_counted(vision: Vision, models: Models, tmp_path: Path) -> None:
    folder = photos(tmp_path)
    (folder / "bad.jpg").write_text("bad")
    out = tmp_path / "rows.jsonl"
    ran = vision("predict", "m", "--all", folder, "--out", out)
    assert ran.code == 1
    assert "10 answered, 1 failed" in ran.out
    assert "No answer for bad.jpg: their rows say why." in ran.err
    assert rows_in(out)[0] == {"image": "bad.jpg", "error": {"code": "InvalidRequest", "message": "not an image"}}
    assert vision("predict", "m", "--all", folder, "--out", out).code == 1
    assert models.asked.total() == 11, "a failed image has its row, too"


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


class Runs:
    """A service with at most one batch prediction run, which succeeds at the third look."""

    def __init__(self) -> None:
        self.ordered: list[Any] = []
        self.deleted = 0
        self.looks = 0
        self.run: dict[str, Any] | None = None
        self.ends = "succeeded"
        self.skips: list[str] = []

    def __call__(self, request: Received) -> Answer:
        name = request.path.split("/runs/")[1].split("/")[0]
        if request.method == "PUT":
            if self.run is not None:
                return Answer(409, {"error": {"code": "BatchPredictionRunAlreadyExists", "message": "taken"}})
            self.ordered.append(request.json)
            self.run = {"runName": name, "modelName": "m", "status": "notStarted", "progress": {}, **STAMPS}
            return Answer(201, self.run)
        assert self.run is not None
        assert self.run["runName"] == name
        if request.method == "DELETE":
            self.run, self.deleted = None, self.deleted + 1
            return Answer(204, b"")
        if request.path.endswith("/results"):
            self.skips.append(request.query["skip"])
            rows = [{"url": url, **RESULT} for url in URLS[:-1]] + [
                {"url": URLS[-1], "error": {"code": "InvalidImageFormat", "message": "no"}}
            ]
            return Answer(200, b"".join(json.dumps(row).encode() + b"\n" for row in rows[int(request.query["skip"]) :]))
        self.looks += 1
        if self.looks > 2:
            self.run["status"] = self.ends
            self.run["progress"] = {"images": 5, "imagesAnswered": 4, "imagesFailed": 1, "otherBlobs": 2, "share": 1.0}
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
