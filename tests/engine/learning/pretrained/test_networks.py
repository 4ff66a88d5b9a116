"""From nothing to the folder of the weights, and going on where a pull was stopped."""

import shutil
from pathlib import Path

import pytest

from vision_customization.engine.learning.errors import WeightsError
from vision_customization.engine.learning.pretrained import networks
from vision_customization.engine.learning.pretrained.networks import NETWORKS, Network, missing_networks, pull_weights


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two networks whose checkpoints are written, not fetched; the titles of those that were."""
    titles: list[str] = []

    def network(title: str) -> Network:
        def fetch(folder: Path, say: networks.Say) -> None:
            titles.append(title)
            say("1 MB")
            (folder / "net.pth").write_text(title)

        return Network(title, f"{title}.onnx", "here", fetch, lambda folder: (folder / "net.pth").read_bytes())

    monkeypatch.setattr(networks, "NETWORKS", (network("one"), network("two")))
    return titles


def test_all_are_fetched_once_and_the_progress_is_said(fetched: list[str], tmp_path: Path) -> None:
    said: list[str] = []
    pull_weights(tmp_path / "weights", said.append)
    assert fetched == ["one", "two"]
    assert said[:3] == ["one: fetching (here)", "one: 1 MB", f"one: in {tmp_path / 'weights'}"]
    pull_weights(tmp_path / "weights", said.append)
    assert fetched == ["one", "two"]


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"cut")])
def test_what_is_missing_or_damaged_is_fetched_again(damage: object, fetched: list[str], tmp_path: Path) -> None:
    pull_weights(tmp_path, print)
    damage(tmp_path / "two.onnx")  # type: ignore[operator]
    pull_weights(tmp_path, print)
    assert fetched == ["one", "two", "two"]
    assert (tmp_path / "two.onnx").read_bytes() == b"two"


def test_what_is_given_is_not_fetched(fetched: list[str], tmp_path: Path) -> None:
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    (downloads / "net.pth").write_text("given")
    pull_weights(tmp_path / "weights", print, downloads)
    assert fetched == []
    assert (tmp_path / "weights" / "one.onnx").read_bytes() == b"given"


def test_a_folder_that_cannot_be_made_is_said(fetched: list[str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WeightsError, match=r"can't be written .* VISION_ENGINE_WEIGHTS_DIR"):
        pull_weights(tmp_path / "file" / "weights", print)
    assert fetched == [], "it is said before anything is downloaded"


def test_the_real_ones_are_there(weights_dir: Path, tmp_path: Path) -> None:
    assert missing_networks(weights_dir) == []
    shutil.copytree(weights_dir, tmp_path, dirs_exist_ok=True)
    (tmp_path / NETWORKS[-1].weights_file).unlink()
    assert [network.title for network in missing_networks(tmp_path)] == ["NanoDet-g"]
