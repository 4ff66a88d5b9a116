"""Two people label while the engine is killed with -9 again and again: what it called saved is there, each change once."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests

from tests.support.waiting import wait_until
from vision_customization.contract.enums import AnnotationKind
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store
from vision_customization.engine.store.draft_records import NewDraftImage

pytestmark = pytest.mark.process

KEY = "the-key-of-this-engine"
IMAGES = 40
KILLS = 4
SECONDS_BETWEEN = 1.5
TAGS = ("cat", "dog", "cow")


class Engine:
    """An engine on one data folder and one port, which can be killed and started again."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/computervision"

    def start(self) -> None:
        (self._data_dir / "serve.json").unlink(missing_ok=True)
        command = [
            "serve",
            "--data-dir",
            str(self._data_dir),
            "--workers",
            "0",
            "--port",
            str(self._port),
            "--log-level",
            "error",
        ]
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from vision_customization.engine.cli import main; main()", *command],
            env={**os.environ, "VISION_ENGINE_KEYS": KEY},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        file = self._data_dir / "serve.json"
        wait_until(file.exists, "the engine serves", 60)
        self._port = json.loads(file.read_text())["port"]

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data folder with a draft of pictures that nobody has labelled."""
    settings = Settings.from_environment({}, data_dir=tmp_path / "data", keys=KEY)
    with closing(Store.open(settings)) as store:
        store.drafts.create("d", AnnotationKind.IMAGE_CLASSIFICATION, "d", "https://a.blob.core.windows.net/c", "ada")
        store.drafts.add("d", [NewDraftImage(f"{n:064x}", ".png", f"{n}.png", 8, 8) for n in range(IMAGES)], "ada")
    return settings.data_dir


@pytest.fixture
def engine(data_dir: Path) -> Iterator[Engine]:
    running = Engine(data_dir)
    yield running
    running.kill()


@dataclass
class Person:
    """Labels their own half of the images, one after the other, as a page does: a call without an answer is sent again."""

    engine: Engine
    images: range
    ended: threading.Event
    saved: dict[int, str] = field(default_factory=dict)
    changes: dict[int, int] = field(default_factory=dict)
    unanswered: int = 0
    faults: list[str] = field(default_factory=list)

    def label(self) -> None:
        e_tags = dict.fromkeys(self.images, "1")
        turn = 0
        with requests.Session() as session:
            session.headers["Ocp-Apim-Subscription-Key"] = KEY
            session.trust_env = False
            while not self.ended.is_set():
                for number in self.images:
                    tag = TAGS[(turn + number) % len(TAGS)]
                    if (e_tag := self._saved(session, number, tag, e_tags[number])) is None:
                        return
                    self.changes[number] = self.changes.get(number, 0) + 1
                    self.saved[number], e_tags[number] = tag, e_tag
                turn += 1

    def _saved(self, session: requests.Session, number: int, tag: str, e_tag: str) -> str | None:
        url = f"{self.engine.url}/drafts/d/images/{number}/labels?api-version=2023-04-01-preview"
        while True:
            try:
                reply = session.put(url, json={"labels": [{"tag": tag}]}, headers={"If-Match": f'"{e_tag}"'}, timeout=5)
            except requests.RequestException:
                self.unanswered += 1
                time.sleep(0.05)
                continue
            if reply.status_code != 200:
                self.faults.append(reply.text)
                return None
            return str(reply.json()["eTag"])


def test_what_was_called_saved_is_there_once(engine: Engine, data_dir: Path) -> None:
    ended = threading.Event()
    people = [Person(engine, range(start, IMAGES, 2), ended) for start in range(2)]
    threads = [threading.Thread(target=person.label) for person in people]
    for thread in threads:
        thread.start()
    try:
        for _ in range(KILLS):
            time.sleep(SECONDS_BETWEEN)
            engine.kill()
            engine.start()
        time.sleep(SECONDS_BETWEEN)
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    engine.kill()
    assert [person.faults for person in people] == [[], []]
    assert all(person.unanswered for person in people), "the engine was killed while they labelled"
    expected = {number: tag for person in people for number, tag in person.saved.items()}
    times = {number: count for person in people for number, count in person.changes.items()}
    with closing(Store.open(Settings.from_environment({}, data_dir=data_dir, keys=KEY))) as store:
        draft = store.drafts.find("d")
        images = list(store.drafts.all_images(draft.sequence))
        counts = {tag.name: tag.images for tag in store.drafts.tags(draft.sequence)}
    assert {image.number: image.labels[0].tag for image in images if image.labels} == expected
    assert {image.number: image.revision - 1 for image in images if image.labels} == times
    assert counts == {tag: list(expected.values()).count(tag) for tag in TAGS}
    assert draft.unlabelled == IMAGES - len(expected)
