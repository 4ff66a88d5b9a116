"""The documentation as a site: it builds without a warning, every page is in it, and each says for whom it is."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.places import CHECKOUT, DOCS

PAGES = sorted(path.relative_to(DOCS) for path in DOCS.rglob("*.md"))


@pytest.mark.process
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path],
        cwd=CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    for page in PAGES:
        built = page.with_suffix("") / "index.html" if page.stem != "index" else page.with_suffix(".html")
        assert (tmp_path / built).exists(), page
    for html in tmp_path.rglob("*.html"):
        loaded = re.findall(
            r'<(?:script|img|link rel="stylesheet")[^>]* (?:src|href)="(https?:[^"]+)"', html.read_text("utf-8")
        )
        assert not loaded, f"{html} loads from another host"


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent == Path() or page.stem == "index"], ids=str)
def test_each_page_says_first_for_whom_it_is(page: Path) -> None:
    title, _, audience = (DOCS / page).read_text("utf-8").split("\n")[:3]
    assert title.startswith("# ")
    assert re.match(r"\*For .+", audience), audience
