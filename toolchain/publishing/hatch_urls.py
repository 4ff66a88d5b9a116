"""The addresses in a package's metadata: those of the repository whose release builds it, a fork's too."""

from __future__ import annotations

import os
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class RepositoryUrls(MetadataHookInterface):  # type: ignore[misc] # hatchling is there only while a package is built
    """Fills `urls` where a GitHub workflow builds the package; elsewhere there are none."""

    def update(self, metadata: dict[str, Any]) -> None:
        repository = os.environ.get("GITHUB_REPOSITORY")
        if not repository:
            return
        url = f"{os.environ.get('GITHUB_SERVER_URL', 'https://github.com')}/{repository}"
        metadata["urls"] = {
            "Source": url,
            "Documentation": f"{url}/tree/main/docs",
            "Changelog": f"{url}/blob/main/CHANGELOG.md",
            "Issues": f"{url}/issues",
        }
