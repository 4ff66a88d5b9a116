"""The repository's address on GitHub, and texts whose links lead to it where they are read elsewhere."""

from __future__ import annotations

import os
import posixpath
import re

_RELATIVE = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?![a-z]+:|#)(?P<target>[^)\s]+)\)")


def address() -> str | None:
    """The address of the repository whose GitHub workflow runs; None anywhere else. A fork's workflow names the fork."""
    repository = os.environ.get("GITHUB_REPOSITORY")
    if not repository:
        return None
    return f"{os.environ.get('GITHUB_SERVER_URL', 'https://github.com')}/{repository}"


def with_absolute_links(markdown: str, version: str, url: str | None, *, folder: str = "") -> str:
    """Markdown of a file in `folder` of the repository, with links to the files of that version (a tag or branch) at `url`.

    Without an address, such links become their text. Links to other hosts and within the page stay.
    """

    def absolute(link: re.Match[str]) -> str:
        if url is None:
            return link["text"]
        kind = "raw" if link["image"] else "blob"
        path = posixpath.normpath(posixpath.join(folder, link["target"]))
        return f"{link['image']}[{link['text']}]({url}/{kind}/{version}/{path})"

    return _RELATIVE.sub(absolute, markdown)
