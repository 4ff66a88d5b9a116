"""What to label next, the most useful first, and the images of a draft that are like one."""

from starlette.responses import Response

from vision_customization.contract.texts import counted
from vision_customization.engine.api.routes.draft_images import found_image
from vision_customization.engine.drafts.vectors import IMAGES_MAX
from vision_customization.engine.store import DraftRecord
from vision_customization.engine.studio.draft_contents import draft_of, image_shown, number_of
from vision_customization.engine.studio.draft_likeness import Progress
from vision_customization.engine.studio.pages.draft_label import NEAR_MAX
from vision_customization.engine.studio.routing import Pages
from vision_customization.engine.studio.visit import Visit, link

pages = Pages()

_NEXT = 24


@pages.get("/drafts/{draft}/label/next", is_polled=True)
def label_next(visit: Visit) -> Response:
    """JSON: up to `count` unlabelled `images`, the most useful first; whether the order is `complete`, or images wait for a
    worker; and `told`, what the page says about it, which may be empty."""
    draft = draft_of(visit)
    numbers, progress = visit.parts.likeness.next_numbers(draft, visit.number("count", _NEXT, 1, NEAR_MAX))
    images = visit.service.store.draft_numbers.images(draft.sequence, numbers)
    return visit.json(
        {
            "images": [image_shown(draft, image) for image in images],
            "complete": progress.complete,
            "told": in_words(draft, progress),
        }
    )


@pages.get("/drafts/{draft}/like/{number}", is_polled=True)
def like(visit: Visit) -> Response:
    """Lead to the grid of the images that are like one, once a worker has looked at it; until then, say how far it is. With
    `again`, ask a worker at once, also if the last one has just failed."""
    draft = draft_of(visit)
    image = found_image(visit.service.store, draft, number_of(visit))
    numbers, progress = visit.parts.likeness.like(draft, image.number, [image.number], 1, again=bool(visit.query("again")))
    if numbers:
        return visit.redirect(f"{link('drafts', draft.name)}?like={image.number}")
    return visit.render(
        "draft_like_state.html" if visit.is_fragment else "draft_like.html",
        draft=draft.name,
        path=link("drafts", draft.name),
        again=link("drafts", draft.name, "like", str(image.number)),
        name=image.file_name,
        images=min(progress.images, draft.images),
        of=draft.images,
        beyond=image.number >= IMAGES_MAX,
        limit=IMAGES_MAX,
        unread=progress.complete,
        failed=progress.failed,
    )


def in_words(draft: DraftRecord, progress: Progress) -> str:
    """What the page that labels says about the order; empty if there is nothing to say."""
    looked = f"{min(progress.images, draft.images):,} of {counted(draft.images, 'image')}"
    if progress.failed is not None:
        order = "The order is that of the grid where the engine has not looked at an image"
        return f"{order}: {looked} done. {progress.failed} This page tries again after a minute."
    if not progress.complete:
        rest = "The others come later." if progress.images else "Until it has, the order is that of the grid."
        return f"The engine is looking at the images: {looked} done. {rest}"
    if progress.unread:
        return f"{counted(progress.unread, 'image')} cannot be read, and {'comes' if progress.unread == 1 else 'come'} last."
    return ""
