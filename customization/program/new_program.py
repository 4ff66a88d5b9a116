"""The files of a new program around the installed package."""

from __future__ import annotations

import re
from pathlib import Path

from vision_customization.common.errors import VisionError
from vision_customization.customization.program.stack_file import HEADER

STACK = "local"

PROGRAM = '''\
"""Declares what the stack's file lists: datasets, models, gates. `vision new` adds to that file. This program is yours."""

import pulumi

from vision_customization import Dataset, Evaluation, LocalArgs, LocalWorkspace, Model, PublishedModel

config = pulumi.Config()
models = config.get_object("models") or {}
workspace = LocalWorkspace("vision", LocalArgs(data_dir=f".vision/{pulumi.get_stack()}"))
datasets = {
    name: Dataset(
        name,
        workspace=workspace,
        annotation_kind=declared["annotationKind"],
        annotation_files=declared.get("annotationFiles"),
        source=declared.get("source"),
        uris=declared.get("annotationFileUris"),
        content=declared.get("content"),
        purpose="training" if any(model["trainingDataset"] == name for model in models.values()) else "evaluation",
    )
    for name, declared in (config.get_object("datasets") or {}).items()
}
for name, declared in models.items():
    model = Model(
        name,
        training_dataset=datasets[declared["trainingDataset"]],
        model_kind=declared.get("modelKind", "Generic-Classifier"),
        time_budget_in_hours=declared.get("timeBudgetInHours", 1),
        tiles=declared.get("tiles", 1),
    )
    evaluations = []
    if test := declared.get("evaluationDataset"):
        evaluations.append(Evaluation(name, model=model, dataset=datasets[test], require=declared.get("require")))
    if declared.get("publish"):
        PublishedModel(name, model=model, evaluations=evaluations)

pulumi.export("endpoint", workspace.service.endpoint)
pulumi.export("key", workspace.service.key)
pulumi.export("studio", pulumi.Output.concat(workspace.service.endpoint, "/studio/"))
'''

IGNORED = ".venv/\n.vision/\n__pycache__/\n"
REQUIREMENTS = "vision-customization[engine]\n"


def project_name(folder: Path) -> str:
    """A project's name from its folder's: letters, digits, `-`, `_` and `.`, at most 100, as Pulumi allows."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", folder.resolve().name).strip("-.")[:100]
    return name or "vision-models"


def program_files(name: str) -> dict[str, str]:
    """The text of each file of a new program, by its name."""
    return {
        "Pulumi.yaml": f"name: {name}\ndescription: Image models of our own.\nruntime: python\n",
        "__main__.py": PROGRAM,
        f"Pulumi.{STACK}.yaml": f"{HEADER}config: {{}}\n",
        "requirements.txt": REQUIREMENTS,
        ".gitignore": IGNORED,
    }


def write_program(folder: Path, name: str) -> list[str]:
    """Write a new program into a folder, which need not exist; returns the names of the files written.

    A `.gitignore` or `requirements.txt` that is there stays as it is.

    Raises:
        VisionError: a file of a program is there already; nothing was written.
    """
    files = program_files(name)
    optional = (".gitignore", "requirements.txt")
    if there := [file for file in files if file not in optional and (folder / file).exists()]:
        raise VisionError(f"{folder}: {', '.join(there)}: already there. Nothing was written: name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    written = [file for file in files if not (folder / file).exists()]
    for file in written:
        (folder / file).write_text(files[file], "utf-8")
    return written
