"""Code of drafts and versions, and the two ways of a version into git."""

from vision_customization.contract.enums import AnnotationKind
from vision_customization.engine.store import DraftRecord, VersionRecord
from vision_customization.engine.studio.snippets.languages import (
    Snippet,
    client_program,
    commands,
    literal,
    request,
    requests,
    segments,
    sending,
    stack_file,
    vision,
)
from vision_customization.engine.studio.snippets.overview import NAME
from vision_customization.engine.studio.snippets.stacks import API, Stack

_LIST_DRAFTS = """\
for draft in client.list_drafts():
    print(draft.name, draft.images, draft.unlabelled_images)"""


def drafts_snippets(origin: str) -> list[Snippet]:
    """The drafts, and how to begin one."""
    order = {"annotationKind": AnnotationKind.IMAGE_CLASSIFICATION.value, "tags": ["ash", "beech"]}
    return [
        client_program(origin, _LIST_DRAFTS),
        commands(
            origin, vision("drafts", "list"), "# Another one, of a dataset", vision("drafts", "begin", NAME, "--from", NAME)
        ),
        requests(
            request(origin, "drafts"),
            "# Another one, without images",
            request(origin, segments("drafts", NAME), *sending("PUT", order)),
        ),
    ]


def draft_snippets(origin: str, name: str) -> list[Snippet]:
    """A draft, what it has changed, and how it becomes a version."""
    path, message = segments("drafts", name), "labels of March"
    program = f"""\
print(client.get_draft({literal(name)}))
print("\\n".join(client.draft_changes({literal(name)})))
version = client.save_draft({literal(name)}, {literal(message)})
print(version.digest)"""
    return [
        client_program(origin, program),
        commands(
            origin,
            vision("drafts", "show", name),
            "# Save a version",
            vision("drafts", "save", name, "--message", message),
        ),
        requests(
            request(origin, path),
            request(origin, f"{path}/images"),
            "# What it has changed, in words",
            request(origin, f"{path}/changes"),
            "# Save a version",
            request(origin, f"{path}:save", *sending("POST", {"message": message})),
        ),
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


def versions_snippets(origin: str, dataset_name: str) -> list[Snippet]:
    """The versions of a dataset."""
    program = f"""\
for version in client.list_versions({literal(dataset_name)}):
    print(version.digest, version.changes)"""
    return [
        client_program(origin, program),
        commands(origin, vision("datasets", "versions", dataset_name)),
        requests(request(origin, segments("datasets", dataset_name, "versions"))),
    ]


def version_snippets(origin: str, version: VersionRecord, stack: Stack = API) -> list[Snippet]:
    """A version: as a stack declares it, and its COCO file."""
    name, digest = version.dataset_name, version.digest
    declared = {"annotationKind": version.annotation_kind.value, "content": f"sha256:{digest}"}
    program = f"""\
coco = client.version_annotations({literal(name)}, {literal(digest)})
print(len(coco), "bytes")"""
    path = segments("datasets", name, "versions", digest)
    return [
        stack_file(stack.project, {"datasets": {stack.name(name): declared}}),
        client_program(origin, program),
        commands(origin, _pull(name, digest)),
        requests(request(origin, path), request(origin, f"{path}/annotations", f"-o {digest[:12]}.json")),
    ]


def pull_command(origin: str, dataset_name: str, digest: str) -> str:
    """The command that writes a version into the COCO file of a repository."""
    return _pull(dataset_name, digest, "--endpoint", origin)


def copy_command(origin: str, dataset_name: str, container: str) -> str:
    """The command that copies a dataset's images into the container of the Studio, and registers them there."""
    return vision("datasets", "copy", dataset_name, "--to", container, "--register", dataset_name, "--endpoint", origin)


def content_line(digest: str) -> str:
    """The line of a stack's file that declares a version as a dataset's content."""
    return f"content: sha256:{digest}"


def _pull(dataset_name: str, digest: str, *options: str) -> str:
    return vision("datasets", "pull", dataset_name, "--version", f"sha256:{digest}", "--to", "FOLDER/train.json", *options)
