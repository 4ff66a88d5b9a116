"""Code of drafts and versions, and the two ways of a version into git."""

from vision_customization.contract.enums import AnnotationKind
from vision_customization.engine.store import DraftRecord
from vision_customization.engine.studio.snippets.languages import (
    Snippet,
    request,
    requests,
    segments,
    sending,
    vision,
)


def drafts_snippets(origin: str) -> list[Snippet]:
    """The drafts, and how to begin one."""
    order = {"annotationKind": AnnotationKind.IMAGE_CLASSIFICATION.value, "tags": ["ash", "beech"]}
    return [
        requests(
            request(origin, "drafts"),
            "# Another one, without images",
            request(origin, segments("drafts", "leaves"), *sending("PUT", order)),
        )
    ]


def draft_snippets(origin: str, name: str) -> list[Snippet]:
    """A draft, what it has changed, and how it becomes a version."""
    return [
        requests(
            request(origin, segments("drafts", name)),
            request(origin, f"{segments('drafts', name)}/images"),
            "# What it has changed, in words",
            request(origin, f"{segments('drafts', name)}/changes"),
            "# Save a version",
            request(origin, f"{segments('drafts', name)}:save", *sending("POST", {"message": "labels of March"})),
        )
    ]


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
            "# Set its labels; with -H 'If-Match: ETAG' only if its labels have not changed",
            request(origin, f"{path}/{number}/labels", *sending("PUT", {"labels": [label]})),
        ]
    return [requests(*texts)]


def versions_snippets(origin: str, dataset_name: str, digest: str | None = None) -> list[Snippet]:
    """The versions of a dataset; with a digest, also that version's COCO file."""
    path = segments("datasets", dataset_name, "versions")
    calls = [request(origin, path)]
    if digest is not None:
        calls.append(request(origin, f"{path}/{digest}/annotations", f"-o {digest[:12]}.json"))
    return [requests(*calls)]


def pull_command(origin: str, dataset_name: str, digest: str) -> str:
    """The command that writes a version into the COCO file of a repository."""
    version = ("--version", f"sha256:{digest}")
    return vision("datasets", "pull", dataset_name, *version, "--to", "FOLDER/train.json", "--endpoint", origin)


def copy_command(origin: str, dataset_name: str, container: str) -> str:
    """The command that copies a dataset's images into the container of the Studio, and registers them there."""
    return vision("datasets", "copy", dataset_name, "--to", container, "--register", dataset_name, "--endpoint", origin)


def content_line(digest: str) -> str:
    """The line of a stack's file that declares a version as a dataset's content."""
    return f"content: sha256:{digest}"
