"""Every GET route with data in it: what it answers with, that nothing it refers to is missing, and what a page weighs."""

from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest

from tests.engine.outcomes.made import image
from tests.support.api_world import KEYS, World
from tests.support.coco_content import coco, register
from tests.support.every_page import (
    ADDRESSES,
    ROUTES,
    Kind,
    Route,
    fill,
    open_world,
    picture_address,
    routes_without_address,
)
from tests.support.judged import train_judged
from tests.support.page_references import References, static_files
from tests.support.studio import Browser
from vision_customization.contract.enums import AnnotationKind
from vision_customization.contract.judging import OutcomeKind
from vision_customization.engine.learning.boxes import Detections, LabelledBoxes
from vision_customization.engine.objects.keys import estimate_key
from vision_customization.engine.outcomes.detected import detected
from vision_customization.engine.outcomes.outcomes import Outcomes
from vision_customization.engine.outcomes.stored import put_outcomes
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store
from vision_customization.engine.studio.templating import STATIC

PAGE_BYTES_MAX = 200_000
"""Of a page with its scripts, styles and icons, as they are sent: nothing is compressed."""


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world that the tests of this module only look at."""
    settings = Settings.from_environment({}, data_dir=tmp_path_factory.mktemp("filled"), keys=KEYS)
    with closing(Store.open(settings)) as store:
        world = open_world(settings, store)
        fill(world)
        yield world


@pytest.fixture(scope="module")
def visitor(filled: World) -> Browser:
    return Browser(filled).sign_in()


@pytest.fixture(scope="module")
def sizes() -> dict[str, int]:
    """Bytes of the static files that were loaded so far."""
    return {}


def weight(visitor: Browser, address: str, sizes: dict[str, int]) -> int:
    """Bytes that a browser with an empty cache loads for a page, without the pictures of its data."""
    answer = visitor.get(address)
    assert answer.status_code == 200, answer.text

    def read(name: str) -> str:
        found = visitor.get(name)
        assert found.status_code == 200, f"{address} refers to {name}"
        sizes[name] = len(found.content)
        return found.text

    return len(answer.content) + sum(sizes[name] for name in static_files(answer.text, read))


def test_each_route_has_an_address() -> None:
    assert routes_without_address() == set()


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.path)
def test_each_route_answers(filled: World, visitor: Browser, route: Route) -> None:
    for address in route.addresses:
        answer = visitor.get(picture_address(filled, address), **({"hx-request": "true"} if route.part else {}))
        if route.elsewhere:
            assert answer.status_code == 404, "there is no sign-in with Microsoft here"
        elif answer.status_code != 204:
            assert (answer.status_code, answer.headers["content-type"]) == (200, route.kind), address
        assert ("<html" in answer.text) is (route.kind is Kind.PAGE and not route.part)


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_page_is_heavy(visitor: Browser, sizes: dict[str, int], address: str) -> None:
    assert weight(visitor, address, sizes) < PAGE_BYTES_MAX


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_reference_leads_nowhere(visitor: Browser, address: str) -> None:
    found = References(visitor.get(address).text)
    assert found.loaded
    for reference in found.loaded | found.followed | found.asked:
        assert reference.startswith(("/studio/", "?")), f"{address} refers to another host: {reference}"
        path = reference if reference.startswith("/") else f"{address.partition('?')[0]}{reference}"
        assert visitor.get(path).status_code in (200, 204), f"{address} refers to {reference}"


def test_each_static_file_is_loaded_by_a_page(visitor: Browser) -> None:
    loaded: dict[str, str] = {}
    for address in ADDRESSES:
        loaded |= static_files(visitor.get(address).text, lambda name: visitor.get(name).text)
    loaded |= static_files(Browser(visitor.world).get("sign-in").text, lambda name: visitor.get(name).text)
    names = {address.split("/", 4)[4] for address in loaded}
    served = {str(file.relative_to(STATIC)) for file in STATIC.rglob("*") if file.suffix in {".js", ".css", ".svg"}}
    assert names == served


def dense_objects(tags: list[str]) -> Outcomes:
    """Of 200 pictures of shelves: 100 objects on each, of which half are found, and 50 false ones."""
    images, place = 200, np.arange(100)
    corners = np.stack([5 * place, 3 * place, 5 * place + 60, 3 * place + 40], axis=1).astype(np.float32)
    truth = LabelledBoxes(corners, place % 20)
    found = np.concatenate([corners[:50], corners[50:] + np.float32(200)])
    seen = Detections(found, place % 20, np.linspace(0.99, 0.3, 100, dtype=np.float32))
    names = [image(number) for number in range(images)]
    return detected(names, [(800, 600)] * images, [truth] * images, [seen] * images, tags)


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A visitor of an engine that has much of everything."""
    settings = Settings.from_environment({}, data_dir=tmp_path_factory.mktemp("crowded"), keys=KEYS)
    with closing(Store.open(settings)) as store:
        world = open_world(settings, store)
        tags = [f"a tag with a long name, {number:04}" for number in range(500)]
        images = {f"a folder/a file with a long name, {number:06}.jpg": [tags[number % 500]] for number in range(3000)}
        register(store, "many", coco(images, size=(3, 3)))
        boxes = [(tag, [0.123456, 0.234567, 0.345678, 0.456789]) for tag in tags]
        register(store, "boxes", coco({f"{number}.jpg": boxes for number in range(5)}), AnnotationKind.IMAGE_OBJECT_DETECTION)
        for number in range(60):
            world.register(f"a-dataset-with-a-long-name-{number:04}")
        for kind in OutcomeKind:
            train_judged(world, kind.value, kind, 2000)
            train_judged(world, f"{kind.value}-2", kind, 2000, seed=1)
        for name in ("dense", "dense-2"):
            put_outcomes(world.objects, estimate_key(world.train(name)), dense_objects(tags[:20]))
        for number in range(60):
            world.create(f"a-model-with-a-long-name-{number:04}")
        yield Browser(world).sign_in()


CROWDED = (
    "",
    "datasets",
    *(f"datasets/many{part}" for part in ("", "/images/0", "/tags", "/health", "/health/checker")),
    *(f"datasets/boxes{part}" for part in ("", "/images/0", "/tags", "/health", "/health/checker")),
    "datasets/boxes?crops=yes&tag=a tag with a long name, 0000",
    "models",
    *(f"models/{kind.value}/{part}" for kind in OutcomeKind for part in ("judge", "outcomes/-", "outcomes/-/0")),
    *(f"models/{kind.value}/compare?with={kind.value}-2" for kind in OutcomeKind),
    *(f"models/dense/{part}" for part in ("judge", "outcomes/-", "outcomes/-/0", "compare?with=dense-2")),
    "train?dataset=many",
    "try",
)


@pytest.mark.parametrize("address", CROWDED)
def test_no_page_is_heavy_where_there_is_much(crowded: Browser, sizes: dict[str, int], address: str) -> None:
    assert weight(crowded, address, sizes) < PAGE_BYTES_MAX
