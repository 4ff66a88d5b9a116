import os
import threading
from pathlib import Path

import pytest

from vision_customization.engine.jobs.process import daily_sweeps
from vision_customization.engine.jobs.process.daily_sweeps import DailySweeps
from vision_customization.engine.objects.files import FileObjects
from vision_customization.engine.objects.keys import thumbnail_key
from vision_customization.engine.objects.store import ObjectsUnavailable
from vision_customization.engine.views.kept_thumbnails import KeptThumbnails

DIGEST = "ab" * 32


class NoSamples:
    def sweep(self) -> int:
        return 0


def test_a_sweep_deletes_leftovers_and_surplus_thumbnails(tmp_path: Path) -> None:
    objects = FileObjects(tmp_path)
    thumbnails = KeptThumbnails(objects, bytes_max=0)
    thumbnails.put({DIGEST: b"x"})
    draft = tmp_path / "models" / ".draft-1"
    draft.parent.mkdir()
    draft.touch()
    os.utime(draft, (0, 0))
    DailySweeps(objects, thumbnails, NoSamples()).sweep()  # type: ignore[arg-type]
    assert not draft.exists()
    assert not objects.exists(thumbnail_key(DIGEST))


class Refusing(FileObjects):
    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.asked = 0
        self.twice = threading.Event()

    def sweep(self) -> None:
        self.asked += 1
        if self.asked == 2:
            self.twice.set()
        raise ObjectsUnavailable("refused")


def test_a_store_that_refuses_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(daily_sweeps, "_DAY_SECONDS", 0.001)
    objects = Refusing(tmp_path)
    sweeps = DailySweeps(objects, KeptThumbnails(objects), NoSamples())  # type: ignore[arg-type]
    sweeps.start()
    assert objects.twice.wait(10)
    sweeps.stop()
    assert "leftovers cannot be swept away: refused" in caplog.text
