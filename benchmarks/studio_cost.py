"""What the Studio costs: bytes of the wheel, of its pages, scripts and styles, and the time until the engine listens.

An engine starts with an empty data folder and without workers, with the Studio and without it in turns. With `--before`, so
does that of another checkout, such as one from before the Studio.
"""

import argparse
import gzip
import os
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from benchmarks.figures import Figure, compare, to_table
from benchmarks.options import CHECKOUT
from benchmarks.processes import engine_command, python_path
from tests.support.api_world import KEYS
from tests.support.every_page import ADDRESSES, fill, open_world
from tests.support.page_references import static_files
from tests.support.studio import Browser
from toolchain.places import find_places
from toolchain.publishing.release import build
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store

PAGE_LIMIT_KB = 200.0
START_SECONDS = 60.0


@dataclass(frozen=True)
class Started:
    """Wall time until the engine listens, and the processor time of its whole life."""

    seconds: float
    cpu_seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks studio-cost", description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=7, help="starts of each engine (default: %(default)s)")
    parser.add_argument("--before", type=Path, help="a checkout to compare with")
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 150)
    with tempfile.TemporaryDirectory(prefix="vision-studio-") as work:
        figures = [*_wheel(Path(work) / "dist"), *_pages(Path(work) / "data"), *_starts(options.runs, options.before)]
    console.print(to_table(figures, "The Studio: median (least–greatest)"))
    return 0 if all(figure.met for figure in figures) else 1


def _wheel(folder: Path) -> list[Figure]:
    build(find_places(), folder)
    [wheel] = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        own = [info.compress_size for info in archive.infolist() if "/engine/studio/" in info.filename]
    return [_bytes("the wheel", wheel.stat().st_size), _bytes("of it, the Studio", sum(own))]


def _pages(data_dir: Path) -> list[Figure]:
    """Pages with a little data; `tests/engine/studio/test_every_page.py` weighs those with much."""
    settings = Settings.from_environment({}, data_dir=data_dir, keys=KEYS)
    texts: dict[str, bytes] = {}
    whole: dict[str, int] = {}
    with closing(Store.open(settings)) as store:
        world = open_world(settings, store)
        fill(world)
        visitor = Browser(world).sign_in()

        def read(address: str) -> str:
            texts[address] = visitor.get(address).content
            return texts[address].decode()

        for address in ADDRESSES:
            loaded = static_files(read(address), read)
            whole[address] = len(texts[address]) + sum(len(texts[name]) for name in loaded)
    largest, heaviest = max(ADDRESSES, key=lambda name: len(texts[name])), max(whole, key=lambda name: whole[name])
    kinds = {"scripts": ".js", "styles": ".css", "icons": ".svg"}
    return [
        _bytes(f"the largest page's HTML, {largest}", len(texts[largest])),
        _bytes("the same, gzip", len(gzip.compress(texts[largest]))),
        _bytes(f"the heaviest page with all it loads, {heaviest}", whole[heaviest], PAGE_LIMIT_KB),
        *(
            _bytes(f"all {kind}", sum(len(text) for name, text in texts.items() if name.endswith(ending)))
            for kind, ending in kinds.items()
        ),
    ]


def _starts(runs: int, before: Path | None) -> list[Figure]:
    engines: dict[str, tuple[Path, str | None]] = {"with": (CHECKOUT, "true"), "without": (CHECKOUT, "false")}
    if before is not None:
        engines["before"] = (before.resolve(), None)
    for checkout, studio in engines.values():  # compiles what is not compiled yet
        _start(checkout, studio)
    samples: dict[str, list[Started]] = {name: [] for name in engines}
    for _ in range(runs):
        for name, engine in engines.items():
            samples[name].append(_start(*engine))
    load, figures = os.getloadavg()[0], []
    for other in [name for name in engines if name != "with"]:
        text = "with the Studio, against " + ("one without" if other == "without" else str(before))
        pairs = list(zip(samples["with"], samples[other], strict=True))
        figures += [
            compare(f"start {text}", "s", [mine.seconds for mine, _ in pairs], [its.seconds for _, its in pairs], load=load),
            compare(
                "the same, processor time",
                "s",
                [mine.cpu_seconds for mine, _ in pairs],
                [its.cpu_seconds for _, its in pairs],
                load=load,
            ),
        ]
    return figures


def _start(checkout: Path, studio: str | None) -> Started:
    with tempfile.TemporaryDirectory(prefix="vision-start-") as folder:
        data_dir = Path(folder) / "data"
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("VISION_", "PYTHON"))}
        environment["PYTHONPATH"] = python_path(checkout)
        if studio is not None:
            environment["VISION_ENGINE_STUDIO"] = studio
        options = ["serve", "--port", "0", "--workers", "0", "--data-dir", str(data_dir)]
        used = _children_seconds()
        with (Path(folder) / "log.txt").open("wb") as log:
            begun = time.perf_counter()
            process = subprocess.Popen([*engine_command(checkout), *options], env=environment, stdout=log, stderr=log)
            try:
                while not (data_dir / "serve.json").exists():
                    if process.poll() is not None or time.perf_counter() - begun > START_SECONDS:
                        raise RuntimeError(f"the engine does not start:\n{(Path(folder) / 'log.txt').read_text()[-2000:]}")
                    time.sleep(0.005)
                seconds = time.perf_counter() - begun
            finally:
                process.terminate()
                process.wait()
        return Started(seconds, _children_seconds() - used)


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _bytes(name: str, count: int, limit_kb: float | None = None) -> Figure:
    return Figure(name, "kB", (count / 1000,), os.getloadavg()[0], limit_kb)
