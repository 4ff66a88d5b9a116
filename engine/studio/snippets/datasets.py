"""Code of datasets."""

from vision_customization.common.redaction import redacted
from vision_customization.engine.store import DatasetRecord
from vision_customization.engine.studio.snippets.languages import (
    Snippet,
    client_program,
    commands,
    literal,
    request,
    requests,
    segments,
    sending,
    vision,
)
from vision_customization.engine.studio.snippets.stacks import Stack, dataset_yaml, own_properties, stack_of_dataset


def dataset_snippets(origin: str, dataset: DatasetRecord, stack: Stack | None = None) -> list[Snippet]:
    """Show a dataset, and register the same on another engine. Here, the name is taken: nothing changes."""
    name, kind = dataset.name, dataset.annotation_kind
    uris = [redacted(uri) for uri in dataset.annotation_file_uris]
    path = segments("datasets", name)
    properties = own_properties(dataset)
    arguments = [
        literal(name),
        f"annotation_kind=AnnotationKind.{kind.name}",
        f"annotation_file_uris=[{', '.join(map(literal, uris))}]",
    ]
    body: dict[str, object] = {"annotationKind": kind.value, "annotationFileUris": uris}
    if properties:
        items = ", ".join(f"{literal(key)}: {literal(value)}" for key, value in properties.items())
        arguments.append(f"custom_properties={{{items}}}")
        body["customProperties"] = properties
    listed = "\n".join(f"        {argument}," for argument in arguments)
    program = f"""\
try:
    dataset = client.register_dataset(
{listed}
    )
except AlreadyExists:
    dataset = client.get_dataset({literal(name)})
print(dataset)"""
    return [
        dataset_yaml(stack_of_dataset(dataset) if stack is None else stack, dataset),
        client_program(origin, program, names=("AlreadyExists", "AnnotationKind")),
        commands(
            origin,
            vision("datasets", "show", name),
            "# The same on another engine; to upload images first, name COCO files instead of --uri",
            vision("datasets", "register", name, *(word for uri in uris for word in ("--uri", uri)), "--kind", kind.value),
        ),
        requests(
            request(origin, path),
            "# The same on another engine",
            request(origin, path, *sending("PUT", body)),
        ),
    ]


def label_issue_snippets(origin: str, dataset_name: str, model_name: str | None = None) -> list[Snippet]:
    """The images whose labels are likely wrong, as the model judges them; by default the newest one."""
    judge = () if model_name is None else ("--model", model_name)
    named = "" if model_name is None else f", model_name={literal(model_name)}"
    program = f"""\
issues = client.get_label_issues({literal(dataset_name)}{named})
for outcome in issues.value:
    if outcome.likely_labels:
        print(outcome.file_name or outcome.image, outcome.labels, "likely", outcome.likely_labels)"""
    return [
        client_program(origin, program),
        commands(origin, vision("datasets", "label-issues", dataset_name, *judge)),
        requests(request(origin, segments("datasets", dataset_name, "labelissues"), model_name=model_name)),
    ]
