"""Code of an import: a dataset from nothing, and pictures with their labels into a draft."""

from vision_customization.contract.enums import AnnotationKind
from vision_customization.engine.studio.snippets.languages import (
    Snippet,
    client_program,
    commands,
    literal,
    request,
    requests,
    segments,
    sending,
    sending_file,
    vision,
)

FILE = "photo.jpg"

_BOX = [0.1, 0.2, 0.3, 0.4]
_NEW, _TAGS = "leaves", ("ash", "beech")


def import_snippets(origin: str, name: str, kind: AnnotationKind) -> list[Snippet]:
    """A picture and its labels."""
    boxed = kind is AnnotationKind.IMAGE_OBJECT_DETECTION
    images = segments("drafts", name, "images")
    label = {"tag": _TAGS[0], "bbox": _BOX} if boxed else {"tag": _TAGS[0]}
    body = "\n".join(
        (
            f"image = client.add_draft_image({literal(name)}, Path({literal(FILE)}).read_bytes(), {literal(FILE)})",
            f"label = ImageLabel(tag={literal(_TAGS[0])}{f', bbox={tuple(_BOX)}' if boxed else ''})",
            f"client.label_draft_images({literal(name)}, [BatchImage(number=image.number, labels=[label])])",
        )
    )
    return [
        client_program(
            origin,
            body,
            after="print(image.number)",
            standard=["from pathlib import Path"],
            own=[
                "from vision_customization.contract.content import ImageLabel",
                "from vision_customization.contract.drafts import BatchImage",
            ],
        ),
        requests(
            "# Add a picture; the answer has its number",
            request(origin, images, *sending_file("POST", FILE), fileName=FILE),
            "# Label the picture of number 0",
            request(origin, f"{images}/0/labels", *sending("PUT", {"labels": [label]})),
        ),
    ]


def new_snippets(origin: str) -> list[Snippet]:
    """A dataset from nothing: it begins as an empty draft."""
    kind = AnnotationKind.IMAGE_CLASSIFICATION
    begin = f"client.begin_draft({literal(_NEW)}, annotation_kind=AnnotationKind.{kind.name}, tags={list(_TAGS)})"
    tags = [word for tag in _TAGS for word in ("--tag", tag)]
    return [
        client_program(origin, begin, names=["AnnotationKind"]),
        commands(origin, vision("drafts", "begin", _NEW, "--kind", kind.value, *tags)),
        requests(
            request(origin, segments("drafts", _NEW), *sending("PUT", {"annotationKind": kind.value, "tags": list(_TAGS)}))
        ),
    ]
