from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.customization.fake_service import FakeService, fake_service
from tests.customization.samples import DatasetFolder, MakeFolder, coco, encoded


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


@pytest.fixture
def service() -> Iterator[FakeService]:
    with fake_service() as service:
        yield service
