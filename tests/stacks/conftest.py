import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.stacks.processes import processes_in
from tests.stacks.project import Project
from tests.stacks.shapes import draw, write_dataset

CONFIG: dict[str, Any] = {
    "platform": "local",
    "datasets": {
        "shapes-train": {"annotationKind": "imageClassification", "annotationFiles": ["train.json"], "source": "shapes"},
        "shapes-test": {"annotationKind": "imageClassification", "annotationFiles": ["test.json"], "source": "shapes"},
    },
    "models": {
        "shapes": {
            "trainingDataset": "shapes-train",
            "evaluationDataset": "shapes-test",
            "require": {"accuracyTop1": 0.6},
            "publish": True,
        }
    },
}


@pytest.fixture
def config() -> dict[str, Any]:
    """A stack with one gated and published model, to be changed by a test."""
    return copy.deepcopy(CONFIG)


@pytest.fixture(scope="module")
def make_project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Project]]:
    """Projects with `images` training images of each shape. In the end all are destroyed, and leave no process behind."""
    projects: list[Project] = []

    def make(images: int = 10, side_px: int = 160, stack: str = "local") -> Project:
        folder = tmp_path_factory.mktemp("project")
        for file_name, numbers in (("train.json", range(images)), ("test.json", range(1000, 1010))):
            write_dataset(folder / "shapes", file_name, dict.fromkeys(("circle", "square"), numbers), side_px=side_px)
        # One square among the circles of the test dataset: no model is perfect on it, so a gate can be just out of reach.
        draw("square", 4000, side_px).save(folder / "shapes" / "images" / "circle-1009.png")
        projects.append(Project.create(folder, copy.deepcopy(CONFIG), stack))
        return projects[-1]

    yield make
    for project in projects:
        project.destroy(previewed=True).succeeded()
        assert processes_in(project.folder) == []
