"""Code of an import: pictures and their labels into a draft."""

from vision_customization.contract.enums import AnnotationKind
from vision_customization.engine.studio.snippets.languages import Snippet, request, requests, segments, sending, sending_file

FILE = "photo.jpg"


def import_snippets(origin: str, name: str, kind: AnnotationKind) -> list[Snippet]:
    """A picture and its labels, as calls of the API."""
    images = segments("drafts", name, "images")
    label: dict[str, object] = {"tag": "ash"}
    if kind is AnnotationKind.IMAGE_OBJECT_DETECTION:
        label["bbox"] = [0.1, 0.2, 0.3, 0.4]
    return [
        requests(
            "# Add a picture; the answer has its number",
            request(origin, images, *sending_file("POST", FILE), fileName=FILE),
            "# Label the picture of number 0",
            request(origin, f"{images}/0/labels", *sending("PUT", {"labels": [label]})),
        )
    ]


def new_snippets(origin: str) -> list[Snippet]:
    """A dataset from nothing: it begins as an empty draft."""
    order = {"annotationKind": AnnotationKind.IMAGE_CLASSIFICATION.value, "tags": ["ash", "beech"]}
    return [requests(request(origin, segments("drafts", "leaves"), *sending("PUT", order)))]
