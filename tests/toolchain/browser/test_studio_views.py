"""Every page of the Studio has a picture."""

from collections import Counter
from pathlib import Path

import pytest

from toolchain.browser.studio_views import PARTS, VIEWS, Subjects, View, matches
from vision_customization.engine.studio.pages import PAGES

ROUTES = {page.path for page in PAGES if page.method == "GET"}
SUBJECTS = Subjects("train", "test", "m-1", "m", "other", "tag", "imageClassification", Path("a.jpg"), "", version="ab" * 32)


def test_each_page_that_a_get_serves_has_a_picture() -> None:
    pictured = {view.route for view in VIEWS}
    assert not ROUTES - pictured - PARTS, "add a view to toolchain/browser/studio_views.py, or the route to PARTS"
    assert not pictured & PARTS
    assert not (pictured | PARTS) - ROUTES, "these routes do not exist any more"


def test_each_kind_of_dataset_has_all_pages() -> None:
    for kind in ("imageClassification", "imageObjectDetection"):
        assert {view.route for view in VIEWS if view.is_of(kind)} == {view.route for view in VIEWS}


def test_pictures_have_names_of_their_own() -> None:
    assert [name for name, count in Counter(view.name for view in VIEWS).items() if count > 1] == []


@pytest.mark.parametrize("view", [view for view in VIEWS if not view.leads_on], ids=lambda view: view.name)
def test_the_address_is_one_of_the_route(view: View) -> None:
    path = view.address.format_map(SUBJECTS.words).partition("?")[0]
    assert matches(view.route, path)


@pytest.mark.parametrize(
    ("route", "path", "expected"),
    [
        ("/models/{name}", "/models/m", True),
        ("/models/{name}", "/models/m/judge", False),
        ("/models/{name}/outcomes/{source}/{row:int}", "/models/m/outcomes/-/7", True),
        ("/models/{name}/outcomes/{source}/{row:int}", "/models/m/outcomes/-/tags", False),
        ("/", "/", True),
        ("/", "/models", False),
    ],
)
def test_paths_of_a_route(route: str, path: str, *, expected: bool) -> None:
    assert matches(route, path) is expected
