"""`vision drafts`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from vision_customization.contract.enums import AnnotationKind
from vision_customization.contract.texts import counted
from vision_customization.customization.cli.commands.dataset_versions import find_version
from vision_customization.customization.cli.connection import service_options
from vision_customization.customization.cli.exit_code import ExitCode
from vision_customization.customization.cli.output import confirm, json_option, print_json, print_table, say

if TYPE_CHECKING:
    from vision_customization.contract.drafts import DatasetVersion, Draft
    from vision_customization.customization.client.client import VisionClient


@click.group(short_help="Begin, merge and save drafts of datasets")
def drafts() -> None:
    """Drafts: labels that people change apart from the dataset, as on a branch, until they are saved as a version."""


@drafts.command("list", short_help="List the drafts")
@service_options
@json_option
def list_drafts(client: VisionClient, as_json: bool) -> None:
    """List the drafts, the one changed last first.

    \b
    Example:
      vision drafts list
    """
    found = list(client.list_drafts())
    if as_json:
        print_json([draft.to_wire() for draft in found])
        return
    rows = [
        (
            draft.name,
            draft.dataset_name,
            draft.images,
            draft.unlabelled_images,
            draft.changed_images,
            draft.conflicts,
            f"{draft.updated_date_time:%Y-%m-%d %H:%M}",
        )
        for draft in found
    ]
    print_table(
        ("name", "dataset", "images", "not labelled", "changed", "conflicts", "updated (UTC)"),
        rows,
        "There is no draft. Begin one with `vision drafts begin`.",
    )


@drafts.command("show", short_help="Show a draft and what it has changed")
@click.argument("name")
@service_options
@json_option
def show_draft(client: VisionClient, name: str, as_json: bool) -> None:
    """Show a draft: its counts, its tags, and what it has changed, in words.

    \b
    Example:
      vision drafts show shelf
    """
    _print_draft(client.get_draft(name), client.draft_changes(name), as_json)


@drafts.command("begin", short_help="Begin a draft, of a dataset or empty")
@click.argument("name")
@click.option("--from", "base_dataset", metavar="DATASET", help="Begin with the images and labels of DATASET.")
@click.option(
    "--version",
    "wanted",
    metavar="VERSION",
    help="Begin with this version of DATASET instead: `sha256:DIGEST`, or `latest`.",
)
@click.option(
    "--kind", type=click.Choice([kind.value for kind in AnnotationKind]), help="What the labels of an empty draft are for."
)
@click.option(
    "--dataset",
    "dataset_name",
    metavar="NAME",
    help="The dataset that versions of the draft are of. [default: that of --from, else the draft's name]",
)
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="A tag to begin with. Repeatable.")
@service_options
@json_option
def begin_draft(
    client: VisionClient,
    name: str,
    base_dataset: str | None,
    wanted: str | None,
    kind: str | None,
    dataset_name: str | None,
    tags: tuple[str, ...],
    as_json: bool,
) -> None:
    """Begin the draft NAME. People label in it in the Studio; the dataset stays as it is.

    \b
    Examples:
      vision drafts begin shelf --from shelf-train
      vision drafts begin shelf-march --from shelf-train --version sha256:1f2e…
      vision drafts begin leaves --kind imageClassification --tag ash --tag beech
    """
    if (base_dataset is None) == (kind is None):
        raise click.UsageError("pass either --from a dataset, or --kind for an empty draft")
    if wanted is not None and base_dataset is None:
        raise click.UsageError("--version needs --from: the dataset that the version is of")
    version = None if wanted is None or base_dataset is None else find_version(client, base_dataset, wanted)
    draft = client.begin_draft(
        name,
        base_dataset=base_dataset,
        base_version=None if version is None else version.digest,
        annotation_kind=None if kind is None else AnnotationKind(kind),
        dataset_name=dataset_name,
        tags=tags,
    )
    _print_draft(draft, [], as_json)


@drafts.command("merge", short_help="Take what the dataset has now")
@click.argument("name")
@service_options
@json_option
def merge_draft(client: VisionClient, name: str, as_json: bool) -> None:
    """Merge what the dataset has now into the draft NAME, image by image.

    Where one side alone changed an image, its labels count. Where both did, the draft keeps its own, and shows the
    dataset's beside them in the Studio until somebody chooses. The exit code is 1 if there are such conflicts.

    \b
    Example:
      vision drafts merge shelf
    """
    merge = client.merge_draft(name)
    if as_json:
        print_json(merge.to_wire())
    else:
        rows = [
            ("labels taken from the dataset", merge.taken),
            ("images added", merge.added),
            ("images removed", merge.removed),
            ("images kept, which the dataset no longer has", merge.kept),
            ("conflicts to settle", merge.conflicts),
        ]
        print_table(("", ""), rows, "")
    if merge.conflicts:
        say(f"{counted(merge.conflicts, 'image')} changed on both sides. Settle them in the Studio before you save.")
        raise click.exceptions.Exit(ExitCode.NO)


@drafts.command("save", short_help="Save a draft as a version")
@click.argument("name")
@click.option("--message", metavar="TEXT", help="What changed and why, for those who look at the versions.")
@service_options
@json_option
def save_draft(client: VisionClient, name: str, message: str | None, as_json: bool) -> None:
    """Save what the draft NAME holds as a version: immutable, and named by its content.

    The dataset gets this content, unless a Pulumi stack declares it. Then `vision datasets pull` brings it to git.

    \b
    Example:
      vision drafts save shelf --message "labels of March"
    """
    version = client.save_draft(name, message)
    if as_json:
        print_json(version.to_wire())
        return
    print_table(("", ""), version_rows(version), "")
    if version.dataset_name not in version.registered:
        say(
            f"A stack declares '{version.dataset_name}'. Bring the version to git with `vision datasets pull "
            f"{version.dataset_name} --version sha256:{version.digest} --to FILE.json --images`."
        )


@drafts.command("delete", short_help="Delete a draft")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@service_options
def delete_draft(client: VisionClient, name: str, yes: bool) -> None:
    """Delete the draft NAME, with everything in it that was not saved as a version. Versions stay.

    \b
    Example:
      vision drafts delete shelf --yes
    """
    confirm(f"Delete draft {name!r}, with what was not saved as a version?", yes)
    client.delete_draft(name)
    say(f"draft {name!r} is deleted")


def version_rows(version: DatasetVersion) -> list[tuple[str, object]]:
    """A version, for a table."""
    return [
        ("dataset", version.dataset_name),
        ("version", f"sha256:{version.digest}"),
        ("images", version.images),
        ("labels", version.labels),
        *(("changed", line) for line in version.changes),
        *([("message", version.message)] if version.message else []),
        ("saved by", version.saved_by),
        ("saved (UTC)", f"{version.saved_date_time:%Y-%m-%d %H:%M:%S}"),
        *(("registered as", name) for name in version.registered),
    ]


def _print_draft(draft: Draft, changes: list[str], as_json: bool) -> None:
    if as_json:
        print_json({**draft.to_wire(), "changes": changes})
        return
    base = draft.base
    rows: list[tuple[str, object]] = [
        ("name", draft.name),
        ("kind", draft.annotation_kind.value),
        ("versions are of", draft.dataset_name),
        *([("began with", base.dataset_name)] if base is not None else []),
        ("images", draft.images),
        ("not labelled", draft.unlabelled_images),
        ("conflicts", draft.conflicts),
        *((f"tag {tag.name}", tag.labels) for tag in draft.tags),
        *(("changed", line) for line in changes),
        ("begun by", draft.created_by),
        ("updated (UTC)", f"{draft.updated_date_time:%Y-%m-%d %H:%M:%S}"),
    ]
    print_table(("", ""), rows, "")
    if base is not None and base.moved:
        say(f"The dataset '{base.dataset_name}' has changed since. `vision drafts merge {draft.name}` takes that in.")
