"""One image of a dataset: its view with its labels, what is known of its file, and what the newest model says."""

from dataclasses import dataclass

from starlette.responses import Response

from vision_customization.engine.store import IndexedImage, IndexedLabel, Store
from vision_customization.engine.studio.dataset_answers import Answer, answer_for, likely_wrong
from vision_customization.engine.studio.dataset_contents import (
    Filter,
    image_at,
    images_of,
    no_such_image,
    picture_address,
    shown_name,
    shown_problem,
    tone_of,
)
from vision_customization.engine.studio.dataset_facts import Looked, code, look_at
from vision_customization.engine.studio.routing import Pages
from vision_customization.engine.studio.visit import Visit, link

pages = Pages()

LABELS_MAX = 300
"""Labels that a page lists and draws: beyond, it would be larger than pages may be."""

_AT_MAX = 100_000_000


@dataclass(frozen=True)
class Label:
    """A label of the image. `tone` is the colour of its box, `href` shows the images of its tag."""

    tag: str
    box: tuple[float, float, float, float] | None
    tone: int
    href: str


@dataclass(frozen=True)
class Picture:
    """An image as its page shows it. `boxes` are for scripts: shares of the sides, and the tone."""

    name: str
    view: str
    answer: str
    address: str
    sha256: str | None
    size: str
    width: int
    height: int
    labels: list[Label]
    more_labels: int
    boxes: list[list[float]]
    problems: list[str]
    likely: dict[str, str] | None


@dataclass(frozen=True)
class Place:
    """Where the image is among those that the filter selects: number `at` of `count`, and the addresses of its neighbours."""

    at: int
    count: int
    before: str | None
    after: str | None
    back: str


@pages.get("/datasets/{name}/images/{position}")
def image(visit: Visit) -> Response:
    looked = look_at(visit)
    store, name = visit.service.store, looked.record.name
    found = image_at(store, name, visit.path("position"))
    if found is None:
        raise no_such_image()
    chosen = Filter.asked(visit)
    place = _place(visit, looked, found, chosen)
    return visit.render(
        "dataset_image.html",
        dataset=looked.facts,
        image=_picture(visit, looked, found),
        detection=looked.detection,
        place=place.at,
        count=place.count,
        before=place.before,
        after=place.after,
        back=place.back,
        filtered=chosen.text,
        snippets=code(visit, looked.record),
    )


@pages.get("/datasets/{name}/images/{position}/answer")
def answer(visit: Visit) -> Response:
    """What the newest model says about the image, which takes a moment to look up."""
    store = visit.service.store
    dataset = store.datasets.find(visit.path("name"))
    found = image_at(store, dataset.name, visit.path("position"))
    if found is None:
        raise no_such_image()
    said = answer_for(visit.service, dataset, found.sha256)
    shown = said if isinstance(said, Answer) else None
    return visit.render("dataset_answer.html", answer=shown, why_none="" if shown else said)


def _picture(visit: Visit, looked: Looked, image: IndexedImage) -> Picture:
    name = looked.record.name
    shown = image.labels[:LABELS_MAX]
    likely = likely_wrong(visit.service, looked.record.name, image.sha256)
    width, height = int(image.width or 0), int(image.height or 0)
    return Picture(
        name=shown_name(image),
        view=picture_address(name, image, "view"),
        answer=link("datasets", name, "images", str(image.position), "answer"),
        address=image.url,
        sha256=image.sha256,
        size=f"{width:,} × {height:,} px" if width and height else "",
        width=width,
        height=height,
        labels=[_label(name, label) for label in shown],
        more_labels=len(image.labels) - len(shown),
        boxes=[[*label.box, tone_of(label.tag)] for label in shown if label.box is not None],
        problems=[shown_problem(problem) for problem in image.problems],
        likely=likely,
    )


def _label(dataset: str, label: IndexedLabel) -> Label:
    return Label(label.tag, label.box, tone_of(label.tag), Filter(tag=label.tag).address(link("datasets", dataset)))


def _place(visit: Visit, looked: Looked, image: IndexedImage, chosen: Filter) -> Place:
    name = looked.record.name
    at = visit.number("at", image.position, 0, _AT_MAX) if chosen.query else image.position
    start = max(0, at - 1)
    count, positions = _neighbours(visit.service.store, looked, chosen, start)
    if chosen.query and (at - start >= len(positions) or positions[at - start] != image.position):
        chosen, at, start = Filter(), image.position, max(0, image.position - 1)  # the filter does not lead here
        count, positions = _neighbours(visit.service.store, looked, chosen, start)

    def address(number: int) -> str | None:
        if number < 0 or number - start >= len(positions):
            return None
        path = link("datasets", name, "images", str(positions[number - start]))
        return chosen.address(path, at=number if chosen.query else "")

    return Place(at, count, address(at - 1), address(at + 1), chosen.address(link("datasets", name), at=at))


def _neighbours(store: Store, looked: Looked, chosen: Filter, start: int) -> tuple[int, list[int]]:
    """How many images the filter selects, and the positions of those from number `start` on: three at most."""
    if chosen.crops:
        crops = store.content.crops(looked.content.index, chosen.tag, start, 3)
        return crops.total, [crop.position for crop in crops.crops]
    page = images_of(store, looked.content, chosen, start, 3)
    return page.total, [image.position for image in page.images]
