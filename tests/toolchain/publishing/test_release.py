from importlib.metadata import version

import pytest

from toolchain.errors import ToolchainError
from toolchain.places import find_places
from toolchain.publishing.release import check_tag, main, notes_of, version_of

CHANGELOG = """# Changelog

## Unreleased

- more

## 1.2.0 (2026-11-28)

### Added

- a thing

## [1.1.0] - 2026-01-01

- the one before

## 1.0.0
"""


@pytest.mark.parametrize(("number", "notes"), [("1.2.0", "### Added\n\n- a thing\n"), ("1.1.0", "- the one before\n")])
def test_the_notes_of_a_version(number: str, notes: str) -> None:
    assert notes_of(CHANGELOG, number) == notes


@pytest.mark.parametrize("number", ["1.0.0", "1.2", "2.0.0"])
def test_a_version_without_notes_is_not_released(number: str) -> None:
    with pytest.raises(ToolchainError, match="rename the section `## Unreleased`"):
        notes_of(CHANGELOG, number)


@pytest.mark.parametrize("tag", ["0.1.0", "v0.1", "v9.9.9"])
def test_a_tag_of_another_version_is_refused(tag: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ToolchainError, match=f"The tag is {tag}, and pyproject.toml has the version 1.2.3"):
        check_tag(tag, "1.2.3")
    assert main(["dist", "--tag", "v9.9.9"]) == 1
    assert "tag that commit" in capsys.readouterr().err


def test_the_version_stands_in_one_place() -> None:
    assert version_of(find_places()) == version("vision-customization")
