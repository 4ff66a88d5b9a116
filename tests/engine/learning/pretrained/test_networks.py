"""From nothing to the folder of the weights, and going on where a pull was stopped."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from vision_customization.engine.learning.errors import WeightsError
from vision_customization.engine.learning.pretrained import networks
from vision_customization.engine.learning.pretrained.networks import NETWORKS, Network, missing_networks, pull_weights
from vision_customization.engine.learning.pretrained.weight_files import keep


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


@pytest.fixture
def without_two(fetched: list[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The network `two` is not required, and can't be had."""

    def refuse(folder: Path, say: networks.Say) -> None:
        fetched.append("two, refused")
        raise WeightsError("the index has no such package")

    one, two = networks.NETWORKS
    monkeypatch.setattr(networks, "NETWORKS", (replace(two, fetch=refuse, required=False), one))
    return fetched


def test_a_network_that_is_not_required_is_left_out_and_that_is_said_once(without_two: list[str], tmp_path: Path) -> None:
    said: list[str] = []
    assert [network.title for network in pull_weights(tmp_path, said.append)] == ["two"]
    assert said[1:3] == [
        "two: the index has no such package",
        "two is left out: trainings use the other networks, which is less accurate. `vision-engine weights pull` tries again.",
    ]
    assert (tmp_path / "one.onnx").exists()
    said.clear()
    assert [network.title for network in pull_weights(tmp_path, said.append, again=False)] == ["two"]
    assert (without_two, said) == (["two, refused", "one"], [])
    pull_weights(tmp_path, said.append)
    assert without_two == ["two, refused", "one", "two, refused"]


def test_a_network_that_can_be_had_later_is_no_longer_left_out(
    without_two: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pull_weights(tmp_path, print)
    two, one = networks.NETWORKS
    monkeypatch.setattr(networks, "NETWORKS", (replace(two, fetch=one.fetch), one))
    assert pull_weights(tmp_path, print) == []
    (tmp_path / "two.onnx").unlink()
    assert pull_weights(tmp_path, print, again=False) == []
    assert (tmp_path / "two.onnx").exists(), "the failure before is forgotten"


def test_a_folder_that_is_only_read_is_enough_without_it(without_two: list[str], tmp_path: Path) -> None:
    """As in a container whose image was built where the network could not be had."""
    one = networks.NETWORKS[1]
    keep(tmp_path / one.weights_file, b"one")
    check, said = networks.check_writable, list[str]()

    def read_only(folder: Path) -> None:
        check(folder / one.weights_file / "below a file")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(networks, "check_writable", read_only)
        assert [network.title for network in pull_weights(tmp_path, said.append)] == ["two"]
    assert without_two == []
    assert "can't be written" in said[0]


def test_the_real_ones_are_there(weights_dir: Path, tmp_path: Path) -> None:
    assert missing_networks(weights_dir) == []
    shutil.copytree(weights_dir, tmp_path, dirs_exist_ok=True)
    (tmp_path / NETWORKS[-1].weights_file).unlink()
    assert [network.title for network in missing_networks(tmp_path)] == ["NanoDet-g"]
