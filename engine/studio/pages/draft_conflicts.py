"""Images that both the draft and its dataset have changed: both sides beside each other, to take one."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response

from vision_customization.contract.drafts import BatchImage, ImageChoice, LabelsBatch
from vision_customization.contract.studio import Role
from vision_customization.engine.api.errors import invalid
from vision_customization.engine.api.routes.draft_images import draft_image, found_image, label_images
from vision_customization.engine.store import DraftImageRecord, DraftRecord
from vision_customization.engine.store.draft_records import DraftLabel
from vision_customization.engine.studio.dataset_contents import position_in, tone_of
from vision_customization.engine.studio.draft_contents import draft_of
from vision_customization.engine.studio.draft_facts import facts_of
from vision_customization.engine.studio.routing import Pages
from vision_customization.engine.studio.snippets.drafts import draft_snippets
from vision_customization.engine.studio.visit import Visit, link

pages = Pages()

_AT_MAX = 100_000_000
_BOXES_MAX = 1000


@dataclass(frozen=True)
class Side:
    """The labels of one side: each tag with its number and colour, and boxes as percentages of the image's sides."""

    tags: list[tuple[str, int, int]]
    boxes: list[tuple[float, float, float, float, int]]


@pages.get("/drafts/{draft}/conflicts")
def conflicts(visit: Visit) -> Response:
    """The conflict at `at`, of those that are left."""
    record = draft_of(visit)
    at = visit.number("at", 0, 0, _AT_MAX)
    found = _at(visit, record, at)
    if found is None and at:
        at, found = 0, _at(visit, record, 0)
    values: dict[str, object] = {"draft": facts_of(visit, record), "snippets": draft_snippets(visit.origin, record.name)}
    if found is None:
        return visit.render("draft_conflicts.html", image=None, **values)
    return visit.render(
        "draft_conflicts.html",
        image=found,
        at=at,
        view=f"{link('drafts', record.name, 'images', str(found.number), 'view')}?v={found.sha256}",
        mine=_side(found.labels),
        theirs=_side(found.theirs or ()),
        said=visit.query("said") == "changed",
        **values,
    )


@pages.post("/drafts/{draft}/conflicts", role=Role.LABELER)
def settle(visit: Visit) -> Response:
    """Take `mine` or `theirs` for the image `number`, or `remove` it, unless somebody changed it since the page was shown."""
    record = draft_of(visit)
    number, take = position_in(visit.form.get("number", "")), visit.form.get("take", "")
    if number is None or take not in ("mine", "theirs", "remove"):
        raise invalid("number and take: expected the number of an image, and 'mine', 'theirs' or 'remove'.")
    image = found_image(visit.service.store, record, number)
    done = image.theirs is None or image.e_tag != visit.form.get("eTag")
    if not done:
        _take(visit, record, image, take)
        visit.audit("conflict settled", draft=record.name, image=number, take=take)
    at = position_in(visit.form.get("at", "")) or 0
    return visit.redirect(f"{link('drafts', record.name, 'conflicts')}?at={at}{'&said=changed' if done else ''}")


def _take(visit: Visit, record: DraftRecord, image: DraftImageRecord, take: str) -> None:
    if take == "remove":
        visit.service.store.drafts.remove(record.name, [image.number], visit.who)
        return
    shown = draft_image(record, image)
    labels = shown.labels if take == "mine" else shown.theirs or []
    order = BatchImage(number=image.number, labels=labels, empty=not labels, e_tag=image.e_tag)
    label_images(visit.service.store, record.name, LabelsBatch(images=[order]), visit.who)


def _at(visit: Visit, record: DraftRecord, at: int) -> DraftImageRecord | None:
    page = visit.service.store.drafts.page(record.sequence, at, 1, choice=ImageChoice.CONFLICTS)
    return page.images[0] if page.images else None


def _side(labels: Sequence[DraftLabel]) -> Side:
    tags = Counter(label.tag for label in labels)
    boxed = [(label.box, tone_of(label.tag)) for label in labels if label.box is not None][:_BOXES_MAX]
    boxes = [(100 * box[0], 100 * box[1], 100 * box[2], 100 * box[3], tone) for box, tone in boxed]
    return Side([(tag, count, tone_of(tag)) for tag, count in tags.items()], boxes)
