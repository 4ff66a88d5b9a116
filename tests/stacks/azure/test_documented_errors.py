"""docs/azure.md, "When something goes wrong": each code of Azure there is one that the simulated Azure answers."""

import re
from pathlib import Path

import pytest

from tests.support.places import DOCS

ROWS = re.findall(
    r"^\| (.*?) \| (.*) \|$",
    (DOCS / "azure.md").read_text().partition("## When something goes wrong")[2].partition("\n## ")[0],
    re.MULTILINE,
)
CODES = [(code, advice) for message, advice in ROWS for code in re.findall(r"\b[A-Z][a-z]+[A-Z][a-z]\w+\b", message)]
SOURCE = "".join(file.read_text() for file in sorted(Path(__file__).parent.glob("*.py")) if not file.name.startswith("test_"))


@pytest.mark.parametrize("code", [code for code, _ in CODES])
def test_the_simulated_azure_answers_it(code: str) -> None:
    assert f'"{code}"' in SOURCE


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("ResourceKindRequireAcceptTerms", r"accepts the terms .*Or set `azure\.vision: none`"),
        ("CanNotRestoreANonExistingResource", "Run the update again"),
        ("AccountProvisioningStateInvalid", "Run the update again"),
    ],
)
def test_what_to_do_is_said(code: str, advice: str) -> None:
    """Of what Azure refuses in words that don't say it."""
    assert re.search(advice, dict(CODES).get(code, "no row"))
