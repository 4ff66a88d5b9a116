"""The Studio with a large dataset: how long visitors wait, and what they cost those who call `analyze`.

A real `vision-engine serve` with one worker, a dataset without files of its own (each address answers with one of a few
photographs, which differ by a comment), and Chromium with a window of 1280 × 800. First the grid: its first cells, and jumps to
places that nobody has seen, with thumbnails that are stored and with ones that must be made. Then calls of a small classifier,
one after the other, and pages of the API: in turns idle and while a visitor's browser elsewhere scrolls through the grid. That
has the limit, because browsers do not run on the engine's cores. Then the same with a browser on these cores.
"""

import argparse
import hashlib
import os
import random
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from rich.console import Console

from benchmarks.blobs import picture_of
from benchmarks.calls import call_seconds
from benchmarks.content import MEMORY_LIMIT_GB, PAGE_LIMIT_MS, Looks, write_coco
from benchmarks.figures import Figure, compare, percentile, to_table
from benchmarks.options import add_data_option
from benchmarks.processes import Engine, Script, running_engine
from benchmarks.samples import Samples, textile_sets
from benchmarks.views import photo, photo_sources, reencoded
from benchmarks.visitor import HEIGHT, SCREENS_PER_SECOND, WIDTH, Visitor, scrolling_visitor
from toolchain.browser.chromium import NOT_INSTALLED, find_chromium, running_chromium
from vision_customization.contract.content import IMAGES_PAGE_MAX
from vision_customization.contract.enums import AnnotationKind
from vision_customization.contract.studio import Role
from vision_customization.engine.objects.opening import open_objects
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import BlobRecord, Store
from vision_customization.engine.views.kept_thumbnails import KeptThumbnails
from vision_customization.engine.views.reencoding import THUMBNAIL_SIDE

FIRST_CELLS_LIMIT_MS = 300.0
JUMP_LIMIT_MS = 500.0
WHILE_SCROLLING_LIMIT = 1.3
PHOTO_WIDTH = 1600
PHOTOS = 24
IN_SIGHT = 18
"""Pictures in sight in that window, as the figures of jumps say."""
AROUND = 100
"""Images on each side of a place that is jumped to whose thumbnails are stored: a screen, and what the grid loads around it."""

_DATASET = "many"
_PHOTOS = "photos.any"
_CONTAINER = "samples"
_MODEL = "textile"
_IMAGES_A_TAG = 20
_CALLS = 120
_PAGES = 20
_TRAINING_SECONDS_MAX = 600.0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks studio", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=100_000, help="images of the dataset (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="visits, and turns with and without one (default: %(default)s)")
    parser.add_argument("--jumps", type=int, default=12, help="jumps of each kind (default: %(default)s)")
    add_data_option(parser)
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 150)
    program = find_chromium()
    if program is None:
        console.print(NOT_INSTALLED)
        return 1
    try:
        stored, unmade = choose_places(options.images, options.jumps)
    except ValueError as error:
        parser.error(str(error))
    with tempfile.TemporaryDirectory(prefix="vision-studio-") as work:
        bench = Bench(Path(work), program, options.images, options.rounds, console)
        figures = bench.measure(photo_sources(options.data), stored, unmade)
    console.print(to_table(figures, f"The Studio with {options.images:,} images: median (least–greatest)"))
    return 0 if all(figure.met for figure in figures) else 1


def choose_places(images: int, jumps: int) -> tuple[list[int], list[int]]:
    """Positions spread over all images, at most `jumps` of each kind, so far apart that no two screens share an image.

    Raises:
        ValueError: there is no room for one of each kind.
    """
    slots = range(1, images // (2 * AROUND))  # the first screen is seen by everybody
    count = min(jumps, len(slots) // 2)
    if count < 1:
        raise ValueError(f"at least {6 * AROUND} images are needed for two jumps, not {images}")
    places = [2 * AROUND * slot + AROUND for slot in random.Random(0).sample(slots, 2 * count)]
    return places[:count], places[count:]


@dataclass(frozen=True)
class Bench:
    """Everything is written below `work`."""

    work: Path
    program: str
    images: int
    rounds: int
    console: Console

    def measure(self, sources: Sequence[Path], stored: Sequence[int], unmade: Sequence[int]) -> list[Figure]:
        self.console.print("photographs …")
        blobs = self.work / "blobs"
        (blobs / _PHOTOS).mkdir(parents=True)
        for number in range(PHOTOS):
            (blobs / _PHOTOS / f"{number:02}.jpg").write_bytes(photo(sources[number % len(sources)], PHOTO_WIDTH))
        [samples] = textile_sets(blobs, _CONTAINER, 1, _IMAGES_A_TAG)
        with Script("benchmarks.blobs", str(blobs)) as server:
            host = f"127.0.0.1:{server.ask()['port']}"
            with running_engine(self.work / "engine", host) as engine:
                looks = Looks(engine, host)
                seconds = self._index(blobs, host, looks)
                figures = [Figure("indexing, first look to ready", "s", (seconds,), _load())]
                figures.append(
                    Figure(
                        "memory of the worker that read it, greatest",
                        "GB",
                        (engine.worker_peak_gigabytes(),),
                        _load(),
                        MEMORY_LIMIT_GB,
                    )
                )
                self._train(engine, samples, host)
                self._store_thumbnails(engine, blobs, host, stored)
                engine.wait_until_worker_rests()
                self.console.print("the grid …")
                figures += self._grid(engine, stored, unmade)
                self.console.print("calls …")
                figures += self._calls(engine, looks, samples)
                figures.append(Figure("memory of the API, greatest", "GB", (engine.api_peak_gigabytes(),), _load()))
        return figures

    def _index(self, blobs: Path, host: str, looks: Looks) -> float:
        """Register the dataset, and wait until a worker has read it; the seconds."""
        self.console.print("indexing …")
        files = blobs / "account" / "c"
        files.mkdir(parents=True)
        write_coco(files / "few.json", 100, "few")
        write_coco(files / f"{_DATASET}.json", self.images, _DATASET, url_of=lambda number: _url(host, number))
        looks.register("few")
        looks.wait_until_ready("few")  # the worker has started
        return looks.index(_DATASET)

    def _train(self, engine: Engine, samples: Samples, host: str) -> None:
        self.console.print("training …")
        url = samples.annotations(f"http://{host}", f"{_CONTAINER}/train.json")
        with engine.client() as client:
            kind = AnnotationKind.IMAGE_CLASSIFICATION
            client.register_dataset(_MODEL, annotation_kind=kind, annotation_file_uris=[url])
            client.create_model(_MODEL, training_dataset_name=_MODEL)
            client.wait_for_model(_MODEL, timeout_seconds=_TRAINING_SECONDS_MAX)

    def _store_thumbnails(self, engine: Engine, blobs: Path, host: str, places: Sequence[int]) -> None:
        """Of the images around these places, as a training stores them."""
        settings = Settings(data_dir=engine.data_dir)
        kept = KeptThumbnails(open_objects(settings))
        small = {file: reencoded(file.read_bytes(), THUMBNAIL_SIDE) for file in (blobs / _PHOTOS).glob("*.jpg")}
        store = Store.open(settings)
        try:
            for place in places:
                thumbnails, known = {}, []
                for number in range(place - AROUND, min(place + AROUND, self.images)):
                    picture = picture_of(blobs / _PHOTOS, _name(number))
                    digest = hashlib.sha256(picture.data).hexdigest()
                    thumbnails[digest] = small[picture.file]
                    size = PHOTO_WIDTH, 3 * PHOTO_WIDTH // 4
                    known.append(BlobRecord(_url(host, number), picture.etag, digest, *size))
                kept.put(thumbnails)
                store.known_blobs.remember(known)
        finally:
            store.close()

    def _grid(self, engine: Engine, stored: Sequence[int], unmade: Sequence[int]) -> list[Figure]:
        """The first cells at the first visit and at the next one, each time in a new profile; then jumps, in turns."""
        first, again, came = [], [], []
        waits: dict[str, list[float]] = {"stored": [], "unmade": []}
        pictures = []
        with running_chromium(self.program) as browser:
            for number in range(-1, self.rounds):
                with Visitor(browser, engine, _DATASET) as visitor:
                    visits = visitor.open_grid(), visitor.open_grid()
                if number >= 0:  # the first round warms up
                    first.append(visits[0][0])
                    again.append(visits[1][0])
                    came.append(visits[1][1])
            with Visitor(browser, engine, _DATASET) as visitor:
                visitor.open_grid()
                for places in zip(stored, unmade, strict=True):
                    for kind, place in zip(waits, places, strict=True):
                        milliseconds, seen = visitor.jump(place + 1)
                        waits[kind].append(milliseconds)
                        pictures.append(float(seen))
        return [
            Figure("first cells of the grid, first visit", "ms", tuple(first), _load(), FIRST_CELLS_LIMIT_MS),
            Figure("first cells of the grid, later visits", "ms", tuple(again), _load(), FIRST_CELLS_LIMIT_MS),
            Figure("the same, until the page itself has come", "ms", tuple(came), _load()),
            Figure("a jump, stored thumbnails", "ms", tuple(waits["stored"]), _load(), JUMP_LIMIT_MS),
            Figure(f"a jump, made of {PHOTO_WIDTH} × {3 * PHOTO_WIDTH // 4} JPEGs", "ms", tuple(waits["unmade"]), _load()),
            Figure(f"thumbnails in sight at {WIDTH} × {HEIGHT}", "", tuple(pictures), _load()),
        ]

    def _calls(self, engine: Engine, looks: Looks, samples: Samples) -> list[Figure]:
        """Calls and pages, in turns idle and while a visitor scrolls elsewhere; then the same with a browser here, which is not
        open before. Each turn goes through images that nobody has seen."""
        files = (samples.files * (_CALLS // len(samples.files) + 1))[:_CALLS]
        places = [number * self.images // (2 * self.rounds) for number in range(2 * self.rounds)]
        with engine.client() as client:
            code = client.studio_code(Role.READER).code
            turns = Turns(engine, looks, lambda: 1000 * median(call_seconds(client, _MODEL, files)))
            far, near = Beside(), Beside()
            frames, pictures, came = [], [], []
            remote = Script(
                "benchmarks.remote_visitor", engine.endpoint, code, _DATASET, str(IN_SIGHT), str(SCREENS_PER_SECOND)
            )
            with remote:
                for place in places[1::2]:
                    turns.idle(far)
                    remote.ask(do="begin", at=place)
                    turns.beside(far)
                    came.append(remote.ask(do="stop")["pictures"])
            with scrolling_visitor(self.program, engine, _DATASET) as visitor:
                for place in places[::2]:
                    turns.idle(near)
                    visitor.jump(place + 1)
                    visitor.begin_to_scroll()
                    turns.beside(near)
                    scrolled = visitor.stop_scrolling()
                    frames.append(scrolled.frames)
                    pictures.append(scrolled.pictures)
        page = f"a page of {IMAGES_PAGE_MAX} images"
        what = f"while a visitor scrolls {SCREENS_PER_SECOND:g} screens a second"
        pages = far.pages + near.pages
        idle_pages = far.idle_pages + near.idle_pages
        return [
            compare(f"analyze p50 {what}, to idle", "ms", far.calls, far.idle_calls, load=_load(), limit=WHILE_SCROLLING_LIMIT),
            compare("the same, with the browser on the engine's own cores", "ms", near.calls, near.idle_calls, load=_load()),
            Figure(f"{page} {what}", "ms", tuple(pages), _load()),
            Figure("the same, p95", "ms", (percentile(pages, 0.95),), _load(), PAGE_LIMIT_MS),
            Figure(f"{page} idle, p95", "ms", (percentile(idle_pages, 0.95),), _load(), PAGE_LIMIT_MS),
            Figure("pictures that came meanwhile", "/s", tuple(came), _load()),
            Figure("the same, in the browser", "/s", tuple(pictures), _load()),
            Figure("frames of the visitor's browser meanwhile", "/s", tuple(frames), _load()),
        ]


@dataclass(frozen=True)
class Beside:
    """Milliseconds of calls (medians) and of pages (each), idle and beside a visitor."""

    idle_calls: list[float] = field(default_factory=list)
    calls: list[float] = field(default_factory=list)
    idle_pages: list[float] = field(default_factory=list)
    pages: list[float] = field(default_factory=list)


class Turns:
    """Measures, and adds what it measured. `call` gives the median of some calls, in milliseconds."""

    def __init__(self, engine: Engine, looks: Looks, call: Callable[[], float]) -> None:
        self._engine, self._looks, self._call = engine, looks, call
        call()

    def idle(self, measured: Beside) -> None:
        self._engine.wait_until_api_rests()
        measured.idle_calls.append(self._call())
        measured.idle_pages.extend(self._looks.pages(_DATASET, "", _PAGES))

    def beside(self, measured: Beside) -> None:
        measured.calls.append(self._call())
        measured.pages.extend(self._looks.pages(_DATASET, "", _PAGES))


def _name(number: int) -> str:
    return f"{number:06}.jpg"


def _url(host: str, number: int) -> str:
    return f"http://{host}/{_PHOTOS}/{_name(number)}"


def _load() -> float:
    return os.getloadavg()[0]
