"""`make preview` and `make drift` on the local stack: the real CLI's event log, as Markdown."""

import re
from collections.abc import Callable

import pytest

from pipeline.run import run
from tests.stacks.project import Project
from tests.stacks.shapes import write_dataset
from toolchain.places import Places
from vision_customization.customization.client.client import VisionClient

pytestmark = [pytest.mark.stack, pytest.mark.process]


@pytest.fixture
def markdown(monkeypatch: pytest.MonkeyPatch) -> Callable[[Project, str], tuple[int, str]]:
    """The exit status and the Markdown of a preview or a drift check of a project."""

    def run_it(project: Project, kind: str) -> tuple[int, str]:
        for name, value in project.environment.items():
            monkeypatch.setenv(name, value)
        places = Places(project.folder, project.folder / "cache")
        code = run(kind, "local", places, ["--non-interactive"])
        return code, (places.state / "local" / f"{kind}.md").read_text()

    return run_it


def test_a_stack_through_its_life(
    make_project: Callable[..., Project],
    markdown: Callable[[Project, str], tuple[int, str]],
    capfd: pytest.CaptureFixture[str],
) -> None:
    project = make_project()
    code, text = markdown(project, "preview")
    assert (code, "**11 to create**." in text) == (0, True), text
    assert "- `shapes`: trains: about 6 s of 1 h" in text
    assert "- Training of `shapes`: about 6 s of 1 h." in text
    row = r"accuracyTop1 [01]\.\d{3} \([01]\.\d\d to [01]\.\d\d; 20 images[a-z0-9 ]*\)"
    assert re.search(rf"; estimated {row}; with 40 images: probably ", project.up().succeeded().output)
    outputs = project.outputs()
    service = VisionClient(outputs["endpoint"], outputs["key"])

    code, text = markdown(project, "preview")
    assert (code, "No changes." in text) == (0, True), text
    assert "| `accuracyTop1` 0.6 | passed |" in text
    assert re.search(rf"^\| `shapes` \| {row} \| 40 images: probably .* \|$", text, re.MULTILINE), text
    code, text = markdown(project, "drift")
    assert (code, "No drift" in text) == (0, True), text

    write_dataset(project.folder / "shapes", "train.json", {"circle": range(15), "square": range(10)})
    code, text = markdown(project, "preview")
    assert code == 0
    assert "- `shapes-train`: 5 images added to 'circle' (10 → 15)" in text
    said = re.search(r"retrains because dataset 'shapes-train' changes \(circle 10 → 15\); (about \d+ s of 1 h)\n", text)
    assert said, text
    assert f"- Training of `shapes`: {said[1]}.\n" in text

    service.update_dataset("shapes-test", custom_properties={"touched": "yes"})
    code, drift = markdown(project, "drift")
    assert code != 0
    assert "| changed | `shapes-test` | `vision:Dataset` | `custom_properties` |" in drift

    (project.folder / "shapes" / "images" / "circle-3.png").write_bytes(b"no image")
    code, failed = markdown(project, "preview")
    assert code != 0
    assert "**The preview failed.**" in failed
    assert "images[3] (id 4)" in failed

    printed = capfd.readouterr()
    assert "5 images added to 'circle' (10 → 15)" in printed.out
    for place in (text, drift, failed, printed.out, printed.err):
        assert outputs["key"] not in place
        assert "sig=" not in place


def test_the_stacks_files_may_lie_where_the_kubernetes_operator_looks(make_project: Callable[..., Project]) -> None:
    """docs/gitops.md: it knows no `stackConfigDir`."""
    project = make_project()
    for path in (project.folder / "stacks").glob("Pulumi.*.yaml"):
        path.rename(project.folder / path.name)
    file = project.folder / "Pulumi.yaml"
    lines = file.read_text().splitlines(keepends=True)
    try:
        file.write_text("".join(line for line in lines if not line.startswith("stackConfigDir:")))
        assert "+ 12 to create" in project.preview().succeeded().output
    finally:
        file.write_text("".join(lines))
        (project.folder / "Pulumi.local.yaml").rename(project.folder / "stacks" / "Pulumi.local.yaml")
