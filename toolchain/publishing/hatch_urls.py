"""What a package says of its repository: its addresses, and the README with links to them. A fork's release names the fork."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_RELATIVE = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?!https?:|#)(?P<target>[^)]+)\)")


class RepositoryMetadata(MetadataHookInterface):  # type: ignore[misc] # hatchling is there only while a package is built
    """Fills `urls` and `readme`. Where no GitHub workflow builds the package, there are no addresses."""

    def update(self, metadata: dict[str, Any]) -> None:
        readme = Path(self.root, "README.md").read_text("utf-8")
        repository = os.environ.get("GITHUB_REPOSITORY")
        if repository:
            url = f"{os.environ.get('GITHUB_SERVER_URL', 'https://github.com')}/{repository}"
            version = os.environ.get("GITHUB_REF_NAME", "main")
            metadata["urls"] = {
                "Source": url,
                "Documentation": f"{url}/tree/{version}/docs",
                "Changelog": f"{url}/blob/{version}/CHANGELOG.md",
                "Issues": f"{url}/issues",
            }

            def absolute(link: re.Match[str]) -> str:
                kind = "raw" if link["image"] else "blob"
                return f"{link['image']}[{link['text']}]({url}/{kind}/{version}/{link['target']})"

            readme = _RELATIVE.sub(absolute, readme)
        metadata["readme"] = {"content-type": "text/markdown", "text": readme}
