"""The tags of a dataset, with their numbers of images and objects against the contract's minimum."""

from dataclasses import dataclass
from functools import partial

from starlette.responses import Response

from vision_customization.contract.enums import AnnotationKind
from vision_customization.contract.limits import DATASET_LIMITS, DatasetLimits
from vision_customization.contract.texts import counted
from vision_customization.engine.inspection.balance import balance_text
from vision_customization.engine.store import ContentIndexRecord
from vision_customization.engine.store.records import IndexedTag
from vision_customization.engine.studio.dataset_contents import Filter
from vision_customization.engine.studio.dataset_facts import TAGS_COMPARED_MAX, Looked, code, look_at
from vision_customization.engine.studio.routing import Pages
from vision_customization.engine.studio.visit import Visit, link

pages = Pages()

SIZE = 200

_START_MAX = 10_000_000
_TEXT_CHARACTERS_MAX = 255


@dataclass(frozen=True)
class TagRow:
    """A tag. `share` is the length of its bar, 0 to 100; `why` says what it lacks."""

    name: str
    images: int
    labels: int
    share: float
    enough: bool
    why: str
    href: str


@pages.get("/datasets/{name}/tags")
def tags(visit: Visit) -> Response:
    looked = look_at(visit)
    snippets = code(visit, looked.record)
    if not looked.ready:
        return visit.render("dataset_tags.html", dataset=looked.facts, snippets=snippets)
    store, content = visit.service.store, looked.content
    text = visit.query("q")[:_TEXT_CHARACTERS_MAX].strip()
    start = visit.number("start", 0, 0, _START_MAX)
    path = link("datasets", looked.record.name, "tags")
    if content.tags > TAGS_COMPARED_MAX:
        count, shown, most, balance = content.tags, store.content.tags(content.index, start, SIZE), 0, ""
    else:
        everything = store.content.tags(content.index)
        matching = [tag for tag in everything if text.casefold() in tag.name.casefold()]
        found = sorted(matching, key=lambda tag: (-tag.labels, tag.name))
        count, shown = len(found), found[start : start + SIZE]
        most = max((tag.labels for tag in everything), default=0)
        balance = balance_text({tag.name: tag.images for tag in everything})
    return visit.render(
        "dataset_tags.html",
        dataset=looked.facts,
        tags=[_row(looked, tag, most) for tag in shown],
        detection=looked.detection,
        count=count,
        start=start,
        size=SIZE,
        text=text,
        address=partial(_address, path, text),
        balance=balance,
        rule=_rule(content),
        snippets=snippets,
    )


def _address(path: str, text: str, start: int) -> str:
    return Filter().address(path, q=text, start=max(0, start))


def limits_of(content: ContentIndexRecord) -> DatasetLimits:
    """The contract's limits for what the dataset is used for."""
    return DATASET_LIMITS[content.annotation_kind.value, content.purpose]


def _row(looked: Looked, tag: IndexedTag, most: int) -> TagRow:
    limits = limits_of(looked.content)
    why = ""
    if not tag.labels:
        why = "no label"
    elif tag.labels < limits.annotations_per_tag_min:
        why = f"{limits.annotations_per_tag_min - tag.labels} too few"
    elif 0 < limits.images_without_tag_min > looked.content.images - tag.images:
        why = "on nearly every image"
    href = Filter(tag=tag.name).address(link("datasets", looked.record.name))
    return TagRow(tag.name, tag.images, tag.labels, 100 * tag.labels / most if most else 0, not why, why, href)


def _rule(content: ContentIndexRecord) -> str:
    limits = limits_of(content)
    label = "object" if content.annotation_kind is AnnotationKind.IMAGE_OBJECT_DETECTION else "image"
    least = counted(limits.annotations_per_tag_min, label)
    without = limits.images_without_tag_min
    also = f", and must be missing on at least {counted(without, 'image')}" if without else ""
    return f"For {content.purpose}, each tag needs at least {least}{also}. Five to ten are enough to start; more are better."
