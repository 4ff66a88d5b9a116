"""`vision check`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vision_customization.customization.cli.dataset_files import (
    guess_kind,
    images_option,
    kind_option,
    purpose_option,
    source_of,
)
from vision_customization.customization.cli.exit_code import ExitCode
from vision_customization.customization.cli.output import digest_cache, json_option, print_json, print_table, progress_bar

if TYPE_CHECKING:
    from vision_customization.contract.coco.document import Violation
    from vision_customization.customization.datasets.content import Content


@click.command(short_help="Check COCO files and their images")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@kind_option
@purpose_option
@images_option
@json_option
def check(files: tuple[Path, ...], kind: str | None, purpose: str, images: Path | None, as_json: bool) -> None:
    """Check COCO files and their images against every rule of the service, before anything is uploaded.

    Several FILES make one dataset. Violations are listed with file, index and id; the exit code is 1 if any is an error. A
    picture that is in two of the files gets a warning, also if it was cropped a little or compressed again: give the files for
    training and testing together to see that no test image is a training image.

    \b
    Examples:
      vision check data/train.json
      vision check data/test.json --purpose evaluation
      vision check data/train.json data/test.json
      vision check a.json b.json --images photos --json | jq '.violations[].message'
    """
    from vision_customization.customization.datasets.content import check_dataset, describe
    from vision_customization.customization.datasets.source import read_dataset

    kind = kind or guess_kind(files)
    with progress_bar("reading images") as advance:
        found = read_dataset(source_of(files, images, kind, purpose), lambda done, total: advance(done, total, ""))
    checked = check_dataset(found)
    content, violations = checked.content, checked.violations
    if content is not None:
        violations += tuple(_in_two_files(content))
    if as_json:
        print_json(
            {
                "ok": content is not None,
                "annotationKind": kind,
                "purpose": purpose,
                "violations": [violation.to_json() for violation in violations],
                **(describe(content) if content else {}),
            }
        )
    else:
        for violation in violations:
            click.echo(f"{violation.severity.value}: {violation}")
        if content is not None:
            print_table(("tag", "annotations"), list(content.tags.items()), "no tags")
            click.echo(f"{content.images:,} images, {len(content.tags)} tags: fit for {purpose} as {kind}")
            click.echo(f"digest {content.digest}")
    if content is None:
        if not as_json:
            errors = sum(violation.severity == "error" for violation in violations)
            click.echo(f"{errors:,} {'violation' if errors == 1 else 'violations'}", err=True)
        click.get_current_context().exit(ExitCode.NO)


def _in_two_files(content: Content) -> Iterator[Violation]:
    """Warnings for pictures of a file that an earlier one has, too."""
    from vision_customization.contract.coco.document import Severity, Violation
    from vision_customization.customization.datasets.shared_pictures import near_contents, shared_pictures

    for earlier, file in combinations(content.files, 2):
        images = {id(entry): image for image, entry in zip(file.coco.images, file.entries, strict=True)}
        near = near_contents(file.entries, earlier.entries, digest_cache())
        for shared in shared_pictures(file.entries, earlier.entries, near):
            image = images[id(shared.entry)]
            message = f"{shared} of {earlier.coco.name}"
            yield Violation(file.coco.name, message, "images", image.index, image.id, Severity.WARNING)
