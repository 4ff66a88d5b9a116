from pathlib import Path

import pytest

from vision_customization.engine.jobs.process import worker
from vision_customization.engine.settings import Settings


class Opened(Exception):
    """A worker would start now."""


@pytest.mark.parametrize(
    ("settings", "thumbnails"),
    [
        ({"host": "127.0.0.1"}, True),
        ({"host": "0.0.0.0"}, False),
        ({"host": "0.0.0.0", "studio": True}, True),
        ({"studio": False}, False),
    ],
)
def test_thumbnails_are_made_where_the_studio_shows_them(
    settings: dict[str, object], thumbnails: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_worker(_: Settings, *, thumbnails: bool, once: bool) -> None:
        assert not once
        raise Opened(thumbnails)

    monkeypatch.setattr(worker, "Worker", open_worker)
    monkeypatch.setattr(worker, "signal", lambda *_: None)
    with pytest.raises(Opened) as opened:
        worker.run_worker(Settings.model_validate({"data_dir": tmp_path, **settings}))
    assert opened.value.args == (thumbnails,)
