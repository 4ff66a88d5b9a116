"""Each code block of the documentation runs in a test, or stands here with the reason why it does not; all of them parse."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.places import CHECKOUT

RUN_BY = {
    ("README.md", "sh"): "tests/test_readme.py",
    ("docs/start.md", "sh"): "tests/test_wheel.py",
    ("docs/start.md", "python"): "tests/test_wheel.py",
    ("docs/start.md", "yaml"): "tests/test_wheel.py",
    ("docs/call.md", "bash"): "tests/engine/api/test_call_examples.py",
    ("docs/call.md", "python"): "tests/engine/api/test_call_examples.py",
    ("docs/call.md", "javascript"): "tests/engine/api/test_call_examples.py",
    ("docs/call.md", "csharp"): "tests/engine/api/test_call_examples.py",
    ("docs/cli.md", "console"): "tests/customization/cli/test_documentation.py",
    ("docs/custom-vision.md", "console"): "tests/customization/cli/test_import.py",
    ("docs/rest.md", "json"): "tests/engine/api/routes/test_outcomes.py",
    ("docs/scale.md", "json"): "tests/benchmarks/test_scale.py",
    ("docs/engine.md", "sql"): "tests/engine/store/test_postgresql.py",
    ("docs/learning.md", "python"): "tests/engine/jobs/test_detector_killed.py",
    ("docs/azure-database.md", "yaml"): "tests/stacks/azure/test_database_changes.py",
    ("docs/azure-restore.md", "bash"): "tests/stacks/azure/test_restore.py",
    ("docs/gitops.md", "bash"): "tests/pipeline/test_workflows.py",
    ("docs/gitops.md", "yaml"): "tests/pipeline/test_workflows.py",
}
"""The test that runs the blocks of a page in a language; what needs GitHub or Azure is at least parsed there."""

NOT_RUN = {
    ("README.md", "yaml"): "a part of a stack's file, with images of the reader's",
    ("docs/decisions/0012-htmx-with-hx-csp-under-a-strict-policy.md", "html"): "parts of pages",
    ("docs/stacks.md", "yaml"): "parts of a stack's file; tests/stacks/test_documentation.py holds its keys",
    ("docs/stacks.md", "python"): "needs an Azure subscription",
    ("docs/azure.md", "python"): "needs an Azure subscription",
    ("docs/azure.md", "yaml"): "a part of a stack's file; tests/stacks/azure/test_studio_labelling.py sets it",
    ("docs/azure-network.md", "yaml"): "a part of a stack's file; tests/stacks/azure/test_own_network.py sets it",
    ("docs/azure-restore.md", "yaml"): "a part of a stack's file; tests/stacks/azure/test_environments.py sets it",
    ("docs/datasets.md", "yaml"): "a part of a stack's file; tests/stacks/test_drafts.py deploys one like it",
    ("docs/resources.md", "python"): "an import, which tests/test_exports.py resolves",
    ("docs/datasets.md", "python"): "needs a service and images of the reader's; tests/test_exports.py resolves its imports",
    ("docs/product-recognition.md", "python"): "needs a trained detector; tests/test_exports.py resolves its imports",
    ("docs/product-recognition.md", "console"): "needs a trained detector",
    ("docs/engine.md", "sh"): "servers that do not end, and settings for several machines",
    ("docs/engine-azure.md", "sh"): "settings for Azure",
    ("tests/stacks/azure/README.md", "python"): "lines of a test, whose names a test has",
    ("docs/benchmarks.md", "sh"): "takes minutes to an hour",
    ("docs/call.md", "json"): "an answer",
    ("docs/rest.md", "python"): "needs a container of the reader's; tests/customization/client/test_client.py has the calls",
    ("docs/custom-vision.md", "python"): "part of a client; tests/engine/api/routes/test_custom_vision.py makes the same call",
    ("docs/datasets.md", "json"): "a file's form",
    ("docs/engine.md", "json"): "an answer",
    ("docs/engine.md", "yaml"): "an alert for Prometheus",
    ("docs/policy.md", "json"): "a configuration's form",
    ("docs/product-recognition.md", "json"): "an answer",
}


def blocks() -> Iterator[tuple[str, str, str]]:
    """Page, language and text of each block that names a language."""
    known = subprocess.run(["git", "ls-files", "-z", "*.md"], cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout
    for page in known.split("\0")[:-1]:
        text = (CHECKOUT / page).read_text("utf-8")
        for language, body in re.findall(r"^ *```([a-z]+)\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL):
            yield page, language, body


BLOCKS = list(blocks())


def test_every_block_runs_or_has_a_reason() -> None:
    assert {(page, language) for page, language, _ in BLOCKS} == {*RUN_BY, *NOT_RUN}
    assert not RUN_BY.keys() & NOT_RUN.keys()


@pytest.mark.parametrize("test", sorted(set(RUN_BY.values())))
def test_what_is_said_to_run_them_reads_the_page(test: str) -> None:
    pages = [Path(page).name for (page, _), named in RUN_BY.items() if named == test]
    text = (CHECKOUT / test).read_text("utf-8")
    assert all(page in text for page in pages)


@pytest.mark.parametrize(("page", "language", "body"), BLOCKS, ids=[f"{page}-{n}" for n, (page, _, _) in enumerate(BLOCKS)])
def test_each_block_parses(page: str, language: str, body: str) -> None:
    if language in ("sh", "bash"):
        subprocess.run(["bash", "-n"], input=body, text=True, check=True, timeout=30)
    elif language == "python":
        compile(body, page, "exec")
    elif language == "yaml":
        assert isinstance(yaml.safe_load(body), dict)
    elif language == "json":
        json.loads(body.replace("…", ""))
