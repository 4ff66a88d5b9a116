import ast
from pathlib import Path

import pytest
import yaml

from vision_customization.common.errors import VisionError
from vision_customization.customization.program.new_program import PROGRAM, project_name, write_program


@pytest.mark.parametrize(
    ("folder", "name"), [("leaves", "leaves"), ("my photos (2)", "my-photos-2"), ("Äpfel", "pfel"), ("…", "vision-models")]
)
def test_a_projects_name(folder: str, name: str) -> None:
    assert project_name(Path(folder)) == name


def test_the_files_of_a_program(tmp_path: Path) -> None:
    folder = tmp_path / "leaves"
    assert write_program(folder, "leaves") == [
        "Pulumi.yaml", "__main__.py", "Pulumi.local.yaml", "requirements.txt", ".gitignore",
    ]  # fmt: skip
    assert yaml.safe_load((folder / "Pulumi.yaml").read_text())["name"] == "leaves"
    assert yaml.safe_load((folder / "Pulumi.local.yaml").read_text()) == {"config": {}}
    ast.parse(PROGRAM)


@pytest.mark.parametrize("there", ["Pulumi.yaml", "__main__.py", "Pulumi.local.yaml"])
def test_a_program_that_is_there_is_not_overwritten(there: str, tmp_path: Path) -> None:
    (tmp_path / there).write_text("mine\n")
    with pytest.raises(VisionError, match=f"{there}: already there. Nothing was written"):
        write_program(tmp_path, "leaves")
    assert [path.name for path in tmp_path.iterdir()] == [there]


def test_what_every_folder_may_have_stays(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("mine\n")
    assert ".gitignore" not in write_program(tmp_path, "leaves")
    assert (tmp_path / ".gitignore").read_text() == "mine\n"
