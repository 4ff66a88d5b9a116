"""A visitor who looks at the grid of a dataset in Chromium, and how long they wait for what they see."""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
from playwright.sync_api import Browser, Page

from benchmarks.processes import Engine
from toolchain.browser.chromium import running_chromium
from vision_customization.contract.studio import Role

WIDTH, HEIGHT = 1280, 800
"""The window, in CSS pixels."""
SCREENS_PER_SECOND = 2.0
"""How fast the visitor scrolls: slowly enough for the grid to ask for each picture."""
_LOADED_MS_MAX = 120_000
_LEAST_NICENESS = 19
_BETWEEN_SESSIONS_SECONDS = 0.2
"""Linux refuses the niceness of a second session within 0.1 s."""

# A callback of requestAnimationFrame runs before its frame is painted, so a time is taken in the frame after.
_WHEN_FIRST_CELLS = """
window.firstCells = new Promise((resolve) => {
  const look = () => {
    const cells = [...document.querySelectorAll("#grid [role=option]")];
    if (!cells.length || cells.some((cell) => cell.matches(".waits"))) requestAnimationFrame(look);
    else requestAnimationFrame((now) => resolve(now));
  };
  requestAnimationFrame(look);
});
"""
_JUMP = """
([number, limit]) => new Promise((resolve, reject) => {
  const list = document.getElementById("grid");
  const inSight = () => {
    const { top, bottom } = list.getBoundingClientRect();
    return [...list.querySelectorAll("[role=option]")].filter((cell) => {
      const place = cell.getBoundingClientRect();
      return place.bottom > top && place.top < Math.min(bottom, innerHeight);
    });
  };
  const began = performance.now();
  const look = () => {
    const cells = inSight();
    const there = document.getElementById(`cell-${number - 1}`) && cells.length;
    if (there && cells.every((cell) => cell.matches(".loaded"))) {
      requestAnimationFrame((now) => resolve([now - began, cells.length]));
    } else if (performance.now() - began > limit) {
      reject(new Error(`${cells.filter((cell) => !cell.matches(".loaded")).length} of ${cells.length} pictures did not come`));
    } else {
      requestAnimationFrame(look);
    }
  };
  document.getElementById("jump-to").value = String(number);
  document.getElementById("jump").requestSubmit();
  requestAnimationFrame(look);
})
"""
_SCROLL = """
(screens) => {
  const list = document.getElementById("grid");
  const state = { began: performance.now(), frames: 0, pictures: 0, stopped: false };
  window.scrolled = state;
  list.addEventListener("load", () => { state.pictures += 1; }, { capture: true });
  let [place, last, way] = [list.scrollTop, state.began, 1];
  const step = (now) => {
    if (state.stopped) return;
    state.frames += 1;
    place += way * screens * list.clientHeight * Math.max(0, now - last) / 1000;
    last = now;
    if (place < 0 || place > list.scrollHeight - list.clientHeight) way = -way;
    list.scrollTop = place;
    requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
}
"""
_STOP = """
() => {
  const seconds = (performance.now() - window.scrolled.began) / 1000;
  window.scrolled.stopped = true;
  return [window.scrolled.frames / seconds, window.scrolled.pictures / seconds];
}
"""


@dataclass(frozen=True)
class Scrolled:
    """Frames that the browser drew, and pictures that came, per second."""

    frames: float
    pictures: float


class Visitor:
    """A page in a profile of its own, which is signed in and has nothing cached."""

    def __init__(self, browser: Browser, engine: Engine, dataset: str) -> None:
        self._address = f"{engine.endpoint}/studio/datasets/{dataset}"
        self._context = browser.new_context(viewport={"width": WIDTH, "height": HEIGHT})
        self._context.add_init_script(_WHEN_FIRST_CELLS)
        self._page: Page = self._context.new_page()
        with engine.client() as client:
            code = client.studio_code(Role.READER).code
        self._page.goto(f"{engine.endpoint}/studio/sign-in#code={code}")
        self._page.wait_for_url(f"{engine.endpoint}/studio/")

    def open_grid(self) -> tuple[float, float]:
        """Milliseconds from the navigation until the first cells are painted, and until the whole page had come."""
        self._page.goto(self._address, wait_until="commit")
        cells: float = self._page.evaluate("() => window.firstCells")
        came: float = self._page.evaluate("() => performance.getEntriesByType('navigation')[0].responseEnd")
        self._page.wait_for_load_state("load")
        return cells, came

    def jump(self, number: int) -> tuple[float, int]:
        """Go to the image of this number, from 1 on: milliseconds until all pictures in sight have come, and their count."""
        milliseconds, pictures = self._page.evaluate(_JUMP, [number, _LOADED_MS_MAX])
        return milliseconds, pictures

    def begin_to_scroll(self) -> None:
        self._page.evaluate(_SCROLL, SCREENS_PER_SECOND)

    def stop_scrolling(self) -> Scrolled:
        return Scrolled(*self._page.evaluate(_STOP))

    def close(self) -> None:
        self._context.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        self.close()


@contextmanager
def scrolling_visitor(program: str, engine: Engine, dataset: str) -> Iterator[Visitor]:
    """A visitor at the grid, whose browser stands for another machine: its processes have the lowest priority."""
    me = psutil.Process()
    before = set(me.children(recursive=True))
    with running_chromium(program) as browser, Visitor(browser, engine, dataset) as visitor:
        visitor.open_grid()
        _give_way(set(me.children(recursive=True)) - before)
        yield visitor


def _give_way(processes: Iterable[psutil.Process]) -> None:
    """Lower the priority of processes. Chromium has a session of its own, which Linux ranks by a niceness of its own, too."""
    sessions = {}
    for process in processes:
        with suppress(psutil.Error, OSError):
            process.nice(_LEAST_NICENESS)
            sessions[os.getsid(process.pid)] = process.pid
    sessions.pop(os.getsid(0), None)  # Playwright's driver is in this one, and the engine too
    for pid in sessions.values():
        with suppress(OSError):
            Path(f"/proc/{pid}/autogroup").write_text(str(_LEAST_NICENESS))
        time.sleep(_BETWEEN_SESSIONS_SECONDS)
