"""An engine of several processes on one PostgreSQL database: `vision-engine serve --workers 0` and `vision-engine worker`.

Each process has a data folder of its own, as if on a machine of its own. Of these only `objects` is the same for all.
"""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.fernet import Fernet

from tests.engine.jobs.blob_server import BlobServer, serving_blobs
from tests.engine.jobs.drawn import coco, drawn_image
from tests.support.places import CHECKOUT
from tests.support.waiting import wait_until
from vision_customization.contract.datasets import Authentication
from vision_customization.contract.enums import AnnotationKind, AuthenticationKind
from vision_customization.customization.client.client import VisionClient
from vision_customization.engine.jobs.names import training_job
from vision_customization.engine.jobs.queue import JobQueue
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store

KEY = "the-key-of-this-fleet"
START_SECONDS = 120
SIDE = 64


@dataclass
class Member:
    """A process of the fleet, and what it writes."""

    process: subprocess.Popen[bytes]
    data_dir: Path
    url: str = ""

    @property
    def out(self) -> str:
        return (self.data_dir / "out.txt").read_text()

    @property
    def log(self) -> str:
        return (self.data_dir / "log.txt").read_text()

    @property
    def name(self) -> str:
        """The name that a worker has taken."""
        found = re.search(r'"event": "worker (\S+) takes jobs"', self.log)
        return found[1] if found else ""

    @property
    def healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=30) as reply:
                return bool(reply.status == 200)
        except urllib.error.HTTPError as refused:
            refused.close()
            return False
        except OSError:
            return False

    def end(self, number: signal.Signals) -> int:
        """Send a signal; the status that the process ends with."""
        self.process.send_signal(number)
        return self.process.wait(60)


@dataclass
class Fleet:
    """One engine's processes, and the blobs that they read. `options` are settings of the members that start from now on."""

    folder: Path
    database_url: str
    blobs: BlobServer
    token_key: str = field(default_factory=lambda: Fernet.generate_key().decode())
    members: list[Member] = field(default_factory=list)
    options: dict[str, object] = field(default_factory=dict)
    _ids: dict[str, str] = field(default_factory=dict)

    @property
    def objects(self) -> Path:
        return self.folder / "objects"

    def settings(self, data_dir: Path) -> Settings:
        own = {
            "data_dir": data_dir,
            "database_url": self.database_url,
            "token_key": self.token_key,
            "keys": KEY,
            "allowed_hosts": self.blobs.netloc,
            "threads": 1,
        }
        return Settings.from_environment({}, **(own | self.options))

    def start(self, *command: str) -> Member:
        data_dir = self.folder / f"machine-{len(self.members) + 1}"
        data_dir.mkdir()
        self.objects.mkdir(exist_ok=True)
        (data_dir / "objects").symlink_to(self.objects)
        of_this_checkout = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT / "src")}
        environment = {**of_this_checkout, **self.settings(data_dir).to_environment()}
        with (data_dir / "out.txt").open("wb") as out, (data_dir / "log.txt").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", "from vision_customization.engine.cli import main; main()", *command],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
            )
        member = Member(process, data_dir)
        self.members.append(member)
        return member

    def start_all(self, *commands: tuple[str, ...]) -> list[Member]:
        """Processes that start at the same time, once all are well."""
        members = [self.start(*command) for command in commands]
        for member in members:
            wait_until(lambda member=member: _address(member) != "", "the process serves", START_SECONDS)  # type: ignore[misc]
            member.url = _address(member)
            wait_until(lambda member=member: member.healthy, "the process is well", START_SECONDS)  # type: ignore[misc]
        return members

    def client(self, member: Member) -> VisionClient:
        return VisionClient(member.url, KEY)

    def register(self, client: VisionClient, name: str, images: int, first_seed: int) -> None:
        """A dataset of so many drawn images of each of two tags, read with a SAS token."""
        entries = []
        for tag, tag_name in enumerate(("red", "green")):
            for number in range(images):
                path = f"/account/{name}/{tag_name}-{number}.png"
                entries.append((self.blobs.put(path, drawn_image(tag, first_seed + number, SIDE)), tag_name))
        annotations = self.blobs.put(f"/account/{name}/annotations.json", coco(entries, ["red", "green"], SIDE))
        client.register_dataset(
            name,
            annotation_kind=AnnotationKind.IMAGE_CLASSIFICATION,
            annotation_file_uris=[annotations],
            authentication=Authentication(kind=AuthenticationKind.SAS, sas_token="sv=1&sig=OfTheFleet"),
        )

    def model_id(self, name: str) -> str:
        if name not in self._ids:
            store = Store(self._settings_of_a_looker_on())
            try:
                self._ids[name] = store.models.find(name).id
            finally:
                store.close()
        return self._ids[name]

    def executor(self, model: str, piece: str = "") -> str | None:
        """The name of the worker that had a model's training, or a piece of it, last."""
        job = training_job(self.model_id(model)) + (piece and f".{piece}")
        with JobQueue(self._settings_of_a_looker_on()) as queue:
            return queue.statuses([job])[job].executor_id

    def artifact(self, model: str) -> Path:
        return self.objects / "models" / self.model_id(model) / "model.onnx"

    def _settings_of_a_looker_on(self) -> Settings:
        return self.settings(self.folder / "looker-on")


def _address(member: Member) -> str:
    """Where a member says that it can be asked how it is."""
    assert member.process.poll() is None, member.log[-3000:]
    serving = member.data_dir / "serve.json"
    if serving.exists():
        return f"http://127.0.0.1:{json.loads(serving.read_text())['port']}"
    answered = re.search(r"answers (http://\S+)/healthz", member.out)
    return answered[1] if answered else ""


@contextmanager
def running_fleet(folder: Path, database_url: str) -> Iterator[Fleet]:
    with serving_blobs() as blobs:
        fleet = Fleet(folder, database_url, blobs)
        try:
            yield fleet
        finally:
            for member in fleet.members:
                member.process.kill()
                member.process.wait()
