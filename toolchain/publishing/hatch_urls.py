"""What a package says of its repository: its addresses, and the README with links to them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the build backend loads this file by its path
from toolchain.publishing.repository import address, with_absolute_links


class RepositoryMetadata(MetadataHookInterface):  # type: ignore[misc] # hatchling is there only while a package is built
    """Fills `urls` and `readme`. Where no GitHub workflow builds the package, there are no addresses."""

    def update(self, metadata: dict[str, Any]) -> None:
        readme = Path(self.root, "README.md").read_text("utf-8")
        url = address()
        if url:
            version = os.environ.get("GITHUB_REF_NAME", "main")
            metadata["urls"] = {
                "Source": url,
                "Documentation": f"{url}/tree/{version}/docs",
                "Changelog": f"{url}/blob/{version}/CHANGELOG.md",
                "Issues": f"{url}/issues",
            }
            readme = with_absolute_links(readme, version, url)
        metadata["readme"] = {"content-type": "text/markdown", "text": readme}
