"""The workflows: by actionlint, and by rules of our own that it does not know."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.actionlint import find_actionlint
from tests.support.ci import IN_CI
from tests.support.places import CHECKOUT, DOCS
from toolchain.errors import NotHere
from toolchain.places import find_places

WORKFLOWS = sorted((CHECKOUT / ".github" / "workflows").glob("*.yml"))
MAKEFILE = (CHECKOUT / "Makefile").read_text()
GUIDE = (DOCS / "gitops.md").read_text()

per_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def jobs(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from yaml.safe_load(path.read_text())["jobs"].items()


def steps(path: Path) -> Iterator[dict[str, Any]]:
    for _, job in jobs(path):
        yield from job.get("steps", ())


def test_actionlint() -> None:
    try:
        program = find_actionlint(find_places())
    except NotHere as reason:
        if IN_CI:
            raise
        pytest.skip(str(reason))
    # What shellcheck and pyflakes a machine has differs; the commands here are targets of make.
    command = [program, "-no-color", "-shellcheck=", "-pyflakes=", *WORKFLOWS]
    done = subprocess.run(command, cwd=CHECKOUT, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@per_workflow
def test_every_action_is_pinned_by_commit_with_its_version_beside_it(path: Path) -> None:
    for line in path.read_text().splitlines():
        if "uses:" not in line or "uses: ./" in line:
            continue
        assert re.search(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


def test_an_action_has_one_version_everywhere() -> None:
    pins = {pin for path in WORKFLOWS for pin in re.findall(r"uses: ([\w./-]+@[0-9a-f]{40} # \S+)", path.read_text())}
    assert len(pins) == len({pin.partition("@")[0] for pin in pins})


@per_workflow
def test_every_job_says_what_it_may_and_how_long_it_takes(path: Path) -> None:
    assert yaml.safe_load(path.read_text())["permissions"] == {"contents": "read"}
    for name, job in jobs(path):
        assert isinstance(job["permissions"], dict), name
        # A job that calls another workflow has its limit there.
        assert "uses" in job or 0 < job["timeout-minutes"] <= 360, name


@pytest.mark.parametrize(
    ("permission", "where"),
    [
        (
            "id-token",
            {
                *("preview/dev", "stack/up", "deploy/dev", "deploy/staging", "deploy/prod", "drift/check", "smoke/smoke"),
                *("release/image", "release/dist", "release/pypi", "release/site"),
            },
        ),
        ("pull-requests", {"preview/dev"}),
        ("issues", {"drift/check"}),
        ("packages", {"release/image"}),
        ("pages", {"release/site"}),
        ("attestations", {"release/image", "release/dist"}),
        ("contents", {"release/github"}),
    ],
)
def test_who_may_write_what(permission: str, where: set[str]) -> None:
    writes = {
        f"{path.stem}/{name}" for path in WORKFLOWS for name, job in jobs(path) if job["permissions"].get(permission) == "write"
    }
    assert writes == where


@per_workflow
def test_each_command_is_a_target_of_make(path: Path) -> None:
    targets = {name for names in re.findall(r"^([a-z -]+):", MAKEFILE, re.MULTILINE) for name in names.split()}
    for _, job in jobs(path):
        for step in job.get("steps", ()):
            if "run" not in step:
                continue
            run = step["run"].strip()
            command = re.fullmatch(r'make (\S+|\$\{\{ matrix\.target \}\})( [A-Z]+=\w+)*( >> "\$GITHUB_OUTPUT")?', run)
            assert command, run
            assert set(matrix_targets(job) if "matrix" in command[1] else [command[1]]) <= targets


def matrix_targets(job: dict[str, Any]) -> list[str]:
    matrix = job["strategy"]["matrix"]
    return [*matrix["target"], *(row["target"] for row in matrix["include"])]


def test_ci_runs_every_group_of_tests() -> None:
    ci = yaml.safe_load((CHECKOUT / ".github" / "workflows" / "ci.yml").read_text())
    # On main the workflow `deploy` calls it, for a tag `release` does. YAML reads the key `on` as true.
    assert set(ci[True]) == {"pull_request", "workflow_call"}
    assert set(matrix_targets(ci["jobs"]["test"])) == {"lint", "docs", *re.findall(r"^(test-[a-z]+):", MAKEFILE, re.MULTILINE)}


def test_ci_has_postgresql_and_a_browser_where_tests_need_them() -> None:
    """With CI=true they fail without them, and what a runner brings changes."""
    commands = [step.get("run", "") for step in steps(CHECKOUT / ".github" / "workflows" / "ci.yml")]
    assert {"make postgresql", "make browser"} <= set(commands[: commands.index("make ${{ matrix.target }}")])
    assert "make postgresql browser\n" in (CHECKOUT / ".ci" / "run").read_text()


LOGINS = [
    (f"{path.stem}/{name}", job["steps"])
    for path in WORKFLOWS
    for name, job in jobs(path)
    if any(str(step.get("uses", "")).startswith("azure/login@") for step in job.get("steps", ()))
]


@pytest.mark.parametrize("steps", [found for _, found in LOGINS], ids=[name for name, _ in LOGINS])
def test_what_takes_minutes_comes_before_the_login(steps: list[dict[str, Any]]) -> None:
    """The Azure CLI asks for each further token with GitHub's, which is valid for five minutes (Azure/login#372)."""
    login, *_ = [number for number, step in enumerate(steps) if str(step.get("uses", "")).startswith("azure/login@")]
    assert [step["run"] for step in steps[:login] if "run" in step] == ["make setup"]


def test_the_workflows_that_log_in_are_those_of_the_stacks() -> None:
    assert [name for name, _ in LOGINS] == ["drift/check", "preview/dev", "smoke/smoke", "stack/up"]


def test_the_guide_sets_up_before_it_logs_in_to_azure_devops() -> None:
    (pipeline,) = [text for text in re.findall(r"^```yaml\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL) if "AzureCLI@2" in text]
    (stage,) = yaml.safe_load(pipeline)["stages"]
    (job,) = stage["jobs"]
    steps = job["strategy"]["runOnce"]["deploy"]["steps"]
    assert [next(iter(step)) for step in steps] == ["checkout", "script", "task"]
    assert steps[1]["script"] == "make setup STACK=dev"


@per_workflow
def test_nothing_from_outside_gets_in(path: Path) -> None:
    text = path.read_text()
    # It would run with the secrets of this repository on the code of anybody.
    assert "pull_request_target" not in text
    assert "workflow_run" not in text
    # The token of the job is all; what else is needed is a variable, or signed for the job.
    assert "secrets." not in text
    for expression in re.findall(r"\$\{\{(.*?)\}\}", text):
        assert not re.search(r"title|body|head_ref|head\.ref|message|author|label", expression), expression
    for step in steps(path):
        if str(step.get("uses", "")).startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_a_fork_gets_no_identity() -> None:
    [(_, job)] = jobs(CHECKOUT / ".github" / "workflows" / "preview.yml")
    assert job["if"] == "github.event.pull_request.head.repo.full_name == github.repository"


@pytest.mark.parametrize("name", ["stack", "drift", "smoke"])
def test_a_stack_is_updated_by_one_at_a_time(name: str) -> None:
    """A drift check waits for no update, and so sends none away that waits."""
    [(_, job)] = jobs(CHECKOUT / ".github" / "workflows" / f"{name}.yml")
    assert job["concurrency"]["group"].startswith(f"{name}-")
    assert job["concurrency"]["cancel-in-progress"] is False
    assert job["environment"]


def test_a_smoke_test_that_is_cut_off_leaves_time_to_clean_up() -> None:
    [(_, job)] = jobs(CHECKOUT / ".github" / "workflows" / "smoke.yml")
    *_, test, login, clean = job["steps"]
    assert (test["run"], clean["run"]) == ("make smoke", "make smoke CLEAN=1")
    assert test["timeout-minutes"] <= job["timeout-minutes"] - 45
    assert login["uses"].startswith("azure/login@")
    assert clean["if"] == login["if"] == f"${{{{ !success() && steps.{test['id']}.outcome != 'skipped' }}}}"


def test_promotion_goes_one_stack_after_the_other() -> None:
    """And the first after the tests."""
    deploy = dict(jobs(CHECKOUT / ".github" / "workflows" / "deploy.yml"))
    assert deploy.pop("test")["uses"] == "./.github/workflows/ci.yml"
    assert {name: (job.get("needs"), job["with"]["stack"]) for name, job in deploy.items()} == {
        "dev": ("test", "dev"),
        "staging": ("dev", "staging"),
        "prod": ("staging", "prod"),
    }


@per_workflow
def test_the_guide_knows_every_workflow_and_every_variable(path: Path) -> None:
    assert f"`{path.name}`" in GUIDE
    for variable in re.findall(r"vars\.(\w+)", path.read_text()):
        assert f"`{variable}`" in GUIDE
    for name in re.findall(r"environment: (\w+)$", path.read_text(), re.MULTILINE):
        assert f"`{name}`" in GUIDE


@pytest.mark.parametrize("block", re.findall(r"^ *```yaml\n(.*?)^ *```", GUIDE, re.MULTILINE | re.DOTALL))
def test_yaml_of_the_guide_can_be_read(block: str) -> None:
    assert isinstance(yaml.safe_load(block), dict)


@pytest.mark.parametrize("block", re.findall(r"^ *```bash\n(.*?)^ *```", GUIDE, re.MULTILINE | re.DOTALL))
def test_commands_of_the_guide_are_of_a_shell(block: str) -> None:
    subprocess.run(["bash", "-n"], input=block, text=True, check=True, timeout=30)


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\((?!https?:)([^)#]+)", GUIDE)) - {"azure.md"}))
def test_what_the_guide_links_to_is_there(target: str) -> None:
    assert (DOCS / target).exists()


def test_gitlab_does_the_same() -> None:
    pipeline = yaml.safe_load((CHECKOUT / "examples" / "gitlab" / "gitlab-ci.yml").read_text())
    shared = {"stages", "default", "variables"}
    run = {name: job for name, job in pipeline.items() if name not in shared and not name.startswith(".")}
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    for name, job in run.items():
        assert job["stage"] in pipeline["stages"], name
        assert "timeout" in {**pipeline.get(job.get("extends"), {}), **job}, name
        script = job.get("script") or pipeline[job["extends"]]["script"]
        assert all(command.startswith("make ") and command.removeprefix("make ") in targets for command in script), name
    assert pipeline["up-staging"]["rules"][0]["when"] == pipeline["up-prod"]["rules"][0]["when"] == "manual"
    assert pipeline[".up"]["resource_group"] == "$STACK"
    assert re.fullmatch(r"python:3\.1[123]-\w+", pipeline["default"]["image"])
    # In CI no test may skip: what the image lacks is installed.
    assert {"postgresql", "golang-go"} <= set(pipeline["test"]["before_script"][0].split())
