"""A hook of mkdocs: links of the pages to files of the repository, which are not pages, lead to the repository."""

from __future__ import annotations

import posixpath
import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # mkdocs loads this file by its path
from toolchain.publishing.repository import address, with_absolute_links

_UPWARDS = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>\.\./[^)\s]*)\)")


def on_page_markdown(markdown: str, *, page: Any, **_: object) -> str:  # noqa: ANN401 - a page of mkdocs, which has no types
    """The page with such links to the repository that a GitHub workflow builds the site of, or else with their text alone."""
    folder = posixpath.dirname(f"docs/{page.file.src_uri}")

    def link(found: re.Match[str]) -> str:
        inside = posixpath.normpath(posixpath.join(folder, found["target"])).startswith("docs/")
        return found[0] if inside else with_absolute_links(found[0], "main", address(), folder=folder)

    return _UPWARDS.sub(link, markdown)
