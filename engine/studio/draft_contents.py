"""What the pages of a draft have in common: the draft, its images as scripts see them, and their pictures' addresses."""

from typing import Any

from pydantic import SecretStr

from vision_customization.contract.drafts import ImageChoice
from vision_customization.contract.enums import AuthenticationKind
from vision_customization.engine.api.errors import invalid
from vision_customization.engine.api.routes.draft_images import draft_image, found_image
from vision_customization.engine.drafts.container import Container
from vision_customization.engine.drafts.errors import NoStudioContainer
from vision_customization.engine.store import DatasetRecord, DraftImageRecord, DraftRecord
from vision_customization.engine.studio.visit import Visit, link

IMAGES_MAX = 120
"""Images of one answer."""
LIKE_MAX = 300
"""Images of a draft that count as like another one: the nearest."""
_NUMBER_MAX = 100_000_000


def draft_of(visit: Visit) -> DraftRecord:
    """The draft of the path's `draft`. Raises NotFound."""
    return visit.service.store.drafts.find(visit.path("draft"))


def number_of(visit: Visit) -> int:
    """The image's number in the path, which no image may have. Refuses with 400 anything but a number."""
    try:
        return min(max(int(visit.path("number")), -1), _NUMBER_MAX)
    except ValueError:
        raise invalid("number: expected the number of an image.") from None


def like_of(visit: Visit) -> int | None:
    """The query's `like`, the number of an image; None without it. Refuses with 400 anything but a number."""
    text = visit.query("like")
    if text and not text.isdecimal():
        raise invalid("like: expected the number of an image.")
    return min(int(text[:12]), _NUMBER_MAX) if text else None


def liked(visit: Visit, draft: DraftRecord, number: int, tag: str, choice: ImageChoice | None) -> list[int]:
    """The numbers of the images that `tag` and `choice` select and that are most like one, the nearest first; none if no worker
    has looked at that one yet. Raises NotFound."""
    found_image(visit.service.store, draft, number)
    among = visit.service.store.draft_numbers.selected(draft.sequence, tag=tag or None, choice=choice)
    return visit.parts.likeness.like(draft, number, among, LIKE_MAX)[0]


def container_of(visit: Visit) -> Container:
    """Where the Studio writes. Raises NoStudioContainer."""
    if visit.service.studio_container is None:
        raise NoStudioContainer
    return visit.service.studio_container


def readable(visit: Visit, draft: DraftRecord, url: str) -> DatasetRecord:
    """A dataset that is not registered, through which a picture of a draft is read."""
    container = visit.service.studio_container
    kind: AuthenticationKind = AuthenticationKind.MANAGED_IDENTITY
    token: SecretStr | None = None
    if container is not None and draft.container == container.url:  # else the setting was changed since the draft began
        kind, token = container.authentication
    return visit.service.store.datasets.unregistered(draft.id, draft.annotation_kind, [url], kind, token)


def image_shown(draft: DraftRecord, image: DraftImageRecord) -> dict[str, Any]:
    """An image as the API shows it, with the addresses of its pictures in the Studio, and who changed it last in words."""
    path = link("drafts", draft.name, "images", str(image.number))
    return {
        **draft_image(draft, image).to_wire(),
        "thumbnail": f"{path}/thumbnail?v={image.sha256}",
        "view": f"{path}/view?v={image.sha256}",
    }


def counts_shown(visit: Visit, draft: DraftRecord) -> dict[str, Any]:
    """How many images and labels a draft has, and of each tag, as scripts see it."""
    tags = visit.service.store.drafts.tags(draft.sequence)
    return {
        "images": draft.images,
        "unlabelled": draft.unlabelled,
        "changed": draft.changed,
        "conflicts": draft.conflicts,
        "tags": [{"name": tag.name, "images": tag.images, "labels": tag.labels} for tag in tags],
    }


def choice_of(visit: Visit) -> ImageChoice | None:
    """The query's `only`; None for all images. Raises ApiError if there is no such choice."""
    text = visit.query("only")
    try:
        return ImageChoice(text) if text else None
    except ValueError:
        raise invalid(f"only: choose from {', '.join(ImageChoice)}.") from None
