"""Code of drafts."""

from vision_customization.contract.enums import AnnotationKind
from vision_customization.engine.store import DraftRecord
from vision_customization.engine.studio.snippets.languages import Snippet, request, requests, segments, sending


def label_snippets(origin: str, draft: DraftRecord, number: int | None) -> list[Snippet]:
    """List the images without labels, and set the labels of one: `TAG` stands for a tag."""
    path = segments("drafts", draft.name, "images")
    texts = ["# The images without labels", request(origin, path, only="unlabelled")]
    if number is not None:
        texts += ["# The image that is shown here, with its labels and its eTag", request(origin, f"{path}/{number}")]
        label: dict[str, object] = {"tag": "TAG"}
        if draft.annotation_kind is AnnotationKind.IMAGE_OBJECT_DETECTION:
            label["bbox"] = [0.1, 0.2, 0.3, 0.4]
        texts += [
            "# Set its labels; with -H 'If-Match: ETAG' only if nobody else was faster",
            request(origin, f"{path}/{number}/labels", *sending("PUT", {"labels": [label]})),
        ]
    return [requests(*texts)]
