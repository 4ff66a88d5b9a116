from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.customization.fake_service import FakeService, fake_service
from tests.customization.samples import DatasetFolder, MakeFolder, coco, encoded
from vision_customization.customization.convert import LabelledImages, labelled, split_files
from vision_customization.customization.customvision import labels


@pytest.fixture
def dataset_folder(tmp_path: Path) -> MakeFolder:
    """Makes a dataset; every image has a content of its own."""

    def make(tags: dict[str, int] | None = None, name: str = "data", box: list[float] | None = None) -> DatasetFolder:
        folder = DatasetFolder(tmp_path / name, coco(tags or {"a": 3, "b": 3}, box=box))
        for index, _ in enumerate(folder.document["images"]):
            folder.image(index).parent.mkdir(parents=True, exist_ok=True)
            folder.image(index).write_bytes(encoded(index))
        folder.write()
        return folder

    return make


@pytest.fixture(autouse=True)
def every_reading_adds_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a test reads: what the source has is written, or it is left out with a remark."""

    def checked(*fields: Any) -> LabelledImages:  # noqa: ANN401
        read = LabelledImages(*fields)
        assert read.images_read == len(read.images) + read.left_out("image"), read.remarks
        assert read.labels_read == sum(len(image.labels) for image in read.images) + read.left_out("label"), read.remarks
        return read

    for module in (labelled, split_files, labels):
        monkeypatch.setattr(module, "LabelledImages", checked)


@pytest.fixture
def service() -> Iterator[FakeService]:
    with fake_service() as service:
        yield service
