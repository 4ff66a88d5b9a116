"""A draft of a large dataset: how long people wait when they begin it, look at it, label, and save it, and in how much memory.

A real `vision-engine serve` with one worker, and a dataset without pixels whose annotation file and versions are in a
container on the loopback interface. Calls are those of the Studio's pages. Images are added to a second draft through the
store."""

import argparse
import hashlib
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import requests
from rich.console import Console

from benchmarks.content import TAGS, Looks, write_coco
from benchmarks.figures import Figure, percentile, to_table
from benchmarks.processes import Engine, Script, running_engine
from vision_customization.contract.drafts import DRAFT_IMAGES_PAGE_MAX
from vision_customization.contract.enums import AnnotationKind
from vision_customization.contract.limits import API_VERSION
from vision_customization.contract.studio import Role
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store
from vision_customization.engine.store.draft_records import DraftLabel, NewDraftImage

PAGE_LIMIT_MS = 50.0
LABEL_LIMIT_MS = 50.0
SAVE_PAGE_LIMIT_S = 1.0
ADD_LIMIT_S = 15.0
BULK_LIMIT_S = 10.0
ADDED = 30_000
_DATASET = "many"
_TAG = "tag 07"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks drafts", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=100_000, help="images of the dataset (default: %(default)s)")
    parser.add_argument("--calls", type=int, default=40, help="calls of each kind (default: %(default)s)")
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 150)
    with tempfile.TemporaryDirectory(prefix="vision-drafts-") as work:
        figures = measure(Path(work), options.images, options.calls)
    console.print(to_table(figures, f"A draft of {options.images:,} images: median (least–greatest)"))
    return 0 if all(figure.met for figure in figures) else 1


def measure(work: Path, images: int, calls: int) -> list[Figure]:
    container = work / "blobs" / "account" / "c"
    container.mkdir(parents=True)
    with Script("benchmarks.blobs", str(work / "blobs"), "writable") as server:
        host = f"127.0.0.1:{server.ask()['port']}"
        url = f"http://{host}/account/c"
        write_coco(container / f"{_DATASET}.json", images, _DATASET, lambda number: f"{url}/images/{sha256_of(number)}.jpg")
        with running_engine(work / "engine", host, studio_container=f"{url}?sv=1&sig=1") as engine:
            looks = Looks(engine, host)
            looks.index(_DATASET)
            engine.wait_until_worker_rests()
            return Desk(engine, calls).figures()


def sha256_of(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


class Desk:
    """Somebody who labels, signed in to the Studio, at the draft `d`."""

    def __init__(self, engine: Engine, calls: int) -> None:
        self._engine = engine
        self._calls = calls
        self._random = random.Random(0)
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers.update({"Sec-Fetch-Site": "same-origin", "Ocp-Apim-Subscription-Key": engine.key})
        with engine.client() as client:
            code = client.studio_code(Role.OWNER).code
        signed_in = self._call("POST", "/studio/sign-in", data={"code": code}, allow_redirects=False)
        # It is a cookie for https, which browsers also send to this machine itself.
        self._session.headers["Cookie"] = signed_in.headers["Set-Cookie"].partition(";")[0]
        self._session.cookies.clear()
        self._images = self._of_tag = 0

    def figures(self) -> list[Figure]:
        idle = 1000 * self._engine.api_peak_gigabytes(again=True)
        merged = {"tag": "tag 00", "name": "tag 01", "merge": "yes"}
        figures = [self._seconds("begin", self._begin)]
        with self._engine.client() as client:
            self._of_tag = client.draft_images("d", tag=_TAG, top=1).count
        figures += [
            *self._milliseconds(f"a page of {DRAFT_IMAGES_PAGE_MAX}", self._page, PAGE_LIMIT_MS),
            *self._milliseconds("the same, of one tag", lambda: self._page(_TAG), PAGE_LIMIT_MS),
            *self._milliseconds("a label saved", self._label, LABEL_LIMIT_MS),
            self._seconds("the page Save", self._save_page, SAVE_PAGE_LIMIT_S),
            self._seconds("save", lambda: self._call("POST", "/studio/drafts/d/save", data={}, allow_redirects=False)),
            self._seconds(
                "two tags made one", lambda: self._call("POST", "/studio/drafts/d/tags/rename", data=merged), BULK_LIMIT_S
            ),
            self._seconds("remove all by one request", lambda: self._change("remove"), BULK_LIMIT_S),
            self._seconds("the page Save, after that", self._save_page, SAVE_PAGE_LIMIT_S),
            self._seconds("restore all by one request", lambda: self._change("restore", only="removed"), BULK_LIMIT_S),
            *self._added(),
        ]
        growth = 1000 * self._engine.api_peak_gigabytes() - idle
        worker = 1000 * self._engine.worker_peak_gigabytes()
        return [
            *figures,
            Figure("memory of the API, growth", "MB", (growth,), _load()),
            Figure("memory of the worker, greatest", "MB", (worker,), _load()),
        ]

    def _added(self) -> list[Figure]:
        """Images added to an empty draft, and a tag given to all of them."""
        settings = Settings.from_environment({}, data_dir=self._engine.data_dir)
        store = Store.open(settings)
        try:
            kind = AnnotationKind.IMAGE_CLASSIFICATION
            store.drafts.create("e", kind, "e", "https://account.blob.core.windows.net/c", "bench")
            labels = [(DraftLabel(f"tag {number:02}"),) for number in range(TAGS)]
            new = [
                NewDraftImage(sha256_of(number), ".jpg", f"{number}.jpg", 640, 480, labels[number % TAGS])
                for number in range(ADDED)
            ]
            added = self._seconds(f"add {ADDED:,} images", lambda: store.drafts.add("e", new, "bench"), ADD_LIMIT_S)
        finally:
            store.close()
        given = f"a tag given to {ADDED:,} images by one request"
        return [added, self._seconds(given, lambda: self._change("give", "e", tag="tag 99"), BULK_LIMIT_S)]

    def _begin(self) -> None:
        with self._engine.client() as client:
            self._images = client.begin_draft("d", base_dataset=_DATASET).images

    def _page(self, tag: str | None = None) -> None:
        query = {"top": DRAFT_IMAGES_PAGE_MAX, **({} if tag is None else {"tag": tag})}
        last = max(1, (self._of_tag if tag else self._images) - DRAFT_IMAGES_PAGE_MAX)
        self._call("GET", "/computervision/drafts/d/images", params={**query, "skip": self._random.randrange(last)})

    def _label(self) -> None:
        labels = [{"tag": _TAG, "bbox": [0.1, 0.2, 0.3, self._random.uniform(0.1, 0.5)]}]
        path = f"/computervision/drafts/d/images/{self._random.randrange(self._images)}/labels"
        self._call("PUT", path, json={"labels": labels})

    def _save_page(self) -> None:
        if "What has changed" not in self._call("GET", "/studio/drafts/d/save").text:
            raise RuntimeError("the page does not say what has changed")

    def _change(self, action: str, draft: str = "d", **order: str) -> None:
        changed = self._call("POST", f"/studio/drafts/{draft}/change", json={"action": action, **order}).json()["changed"]
        if not changed:
            raise RuntimeError(f"{action} changed no image of the draft {draft}")

    def _call(self, method: str, path: str, **body: Any) -> requests.Response:  # noqa: ANN401 - as requests takes it
        query = {"api-version": API_VERSION, **body.pop("params", {})}
        reply = self._session.request(method, f"{self._engine.endpoint}{path}", params=query, timeout=300, **body)
        reply.raise_for_status()
        return reply

    def _seconds(self, name: str, work: Callable[[], object], limit: float | None = None) -> Figure:
        started = time.perf_counter()
        work()
        return Figure(name, "s", (time.perf_counter() - started,), _load(), limit)

    def _milliseconds(self, name: str, work: Callable[[], object], limit: float) -> list[Figure]:
        taken = []
        for _ in range(self._calls):
            started = time.perf_counter()
            work()
            taken.append(1000 * (time.perf_counter() - started))
        last = Figure("the same, p95", "ms", (percentile(taken, 0.95),), _load(), limit)
        return [Figure(name, "ms", tuple(taken), _load()), last]


def _load() -> float:
    return os.getloadavg()[0]
