"""A hook of mkdocs: links of the pages to files of the repository, which are not pages, lead to the repository."""

from __future__ import annotations

import os
import posixpath
import re
from typing import Any

_OUTSIDE = re.compile(r"(?<!!)\[([^\]]*)\]\((?P<target>\.\./[^)#\s]*)(?P<anchor>#[^)\s]*)?\)")


def on_page_markdown(markdown: str, *, page: Any, **_: object) -> str:  # noqa: ANN401 - a page of mkdocs, which has no types
    """The page with such links to the repository that a GitHub workflow builds the site of, or else with their text alone."""
    repository = os.environ.get("GITHUB_REPOSITORY")
    server = os.environ.get("GITHUB_SERVER_URL", "https://github.com")
    folder = posixpath.dirname(f"docs/{page.file.src_uri}")

    def link(found: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, found["target"]))
        if target.startswith("docs/"):
            return found[0]
        return f"[{found[1]}]({server}/{repository}/blob/main/{target}{found['anchor'] or ''})" if repository else found[1]

    return _OUTSIDE.sub(link, markdown)
