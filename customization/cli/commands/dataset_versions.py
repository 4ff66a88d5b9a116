"""`vision datasets versions` and `vision datasets pull`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vision_customization.contract.texts import counted
from vision_customization.customization.cli.connection import service_options
from vision_customization.customization.cli.exit_code import ExitCode
from vision_customization.customization.cli.output import digest_cache, json_option, print_json, print_table, progress_bar, say
from vision_customization.customization.errors import NotFound

if TYPE_CHECKING:
    from vision_customization.contract.drafts import DatasetVersion
    from vision_customization.customization.client.client import VisionClient
    from vision_customization.customization.datasets.content_merge import Conflict
    from vision_customization.customization.datasets.version_content import Labels
    from vision_customization.customization.datasets.version_pull import Pulled

LATEST = "latest"
CONFLICTS_SHOWN = 20


@click.command("versions", short_help="List the versions of a dataset")
@click.argument("name")
@service_options
@json_option
def versions(client: VisionClient, name: str, as_json: bool) -> None:
    """List the versions of a dataset that people have saved, the newest first.

    \b
    Example:
      vision datasets versions trees
    """
    found = list(client.list_versions(name))
    if as_json:
        print_json([version.to_wire() for version in found])
        return
    rows = [
        (
            f"sha256:{version.digest}",
            version.images,
            version.labels,
            "; ".join(version.changes),
            version.message or "",
            version.saved_by,
            f"{version.saved_date_time:%Y-%m-%d %H:%M}",
            ", ".join(version.registered),
        )
        for version in found
    ]
    print_table(
        ("version", "images", "labels", "changed", "message", "saved by", "saved (UTC)", "registered as"),
        rows,
        f"There is no version of '{name}'. `vision drafts save` saves one.",
    )


@click.command("pull", short_help="Bring a version into a COCO file")
@click.argument("name")
@click.option("--version", "wanted", metavar="VERSION", default=LATEST, show_default=True, help="`sha256:DIGEST`, or `latest`.")
@click.option(
    "--to",
    "files",
    required=True,
    multiple=True,
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The COCO file to rewrite; created if it does not exist. Repeatable: of several files, the first gets new images.",
)
@click.option("--images", "fetch_images", is_flag=True, help="Also fetch the images that are not there.")
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder that each file_name is relative to. [default: the first FILE's folder]",
)
@click.option(
    "--base",
    "base_files",
    multiple=True,
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The COCO file as it was when the draft began. Repeatable. [default: read from storage]",
)
@click.option("--mine", is_flag=True, help="Where both sides changed an image, keep the file's labels.")
@click.option("--theirs", is_flag=True, help="Where both sides changed an image, take the version's labels.")
@service_options
@json_option
def pull(
    client: VisionClient,
    name: str,
    wanted: str,
    files: tuple[Path, ...],
    fetch_images: bool,
    folder: Path | None,
    base_files: tuple[Path, ...],
    mine: bool,
    theirs: bool,
    as_json: bool,
) -> None:
    """Bring a version of dataset NAME into a COCO file, so that `git diff` shows what people changed in the draft.

    Images are the same if their contents are. Ids, order, file names and layout stay. If the file has changed since the
    draft began, both changes are merged image by image. If both sides changed an image differently, it is listed, nothing
    is written, and the exit code is 1: run the command again with --mine or --theirs.

    \b
    Examples:
      vision datasets pull trees --to data/train.json --images
      vision datasets pull trees --version sha256:1f2e… --to data/train.json --theirs
    """
    from vision_customization.customization.datasets.content_merge import Prefer
    from vision_customization.customization.datasets.version_pull import Checkout, pull_version

    if mine and theirs:
        raise click.UsageError("pass either --mine or --theirs")
    version = find_version(client, name, wanted)
    with progress_bar("fetching images") as advance:
        pulled = pull_version(
            Checkout(files, folder or files[0].parent, digest_cache()),
            _ServedFiles(client, version),
            version.annotation_kind,
            prefer=Prefer.MINE if mine else Prefer.THEIRS if theirs else None,
            base=base_files,
            fetch_images=fetch_images,
            on_progress=lambda done, total: advance(done, total, ""),
        )
    names = ", ".join(map(str, files))
    if as_json:
        print_json(_pulled_json(pulled, files, version))
    elif pulled.conflicts:
        _print_conflicts(pulled.conflicts)
    else:
        _print_pulled(pulled, names, version)
    if pulled.conflicts:
        say(
            f"{names}: not changed. {counted(len(pulled.conflicts), 'image')} changed there and in the version, differently. "
            "Keep the file's labels with --mine, or take the version's with --theirs."
        )
        raise click.exceptions.Exit(ExitCode.NO)


def find_version(client: VisionClient, name: str, wanted: str) -> DatasetVersion:
    """The version that an option names. Raises UsageError, NotFound."""
    if wanted == LATEST:
        newest = next(client.list_versions(name), None)
        if newest is None:
            raise click.UsageError(f"there is no version of '{name}'. Save one with `vision drafts save`")
        return newest
    match = re.fullmatch(r"(?:sha256:)?([0-9a-f]{64})", wanted)
    if match is None:
        raise click.UsageError(f"--version: must be `{LATEST}` or `sha256:` and 64 hex digits, not {wanted!r}")
    return client.get_version(name, match[1])


class _ServedFiles:
    """A version's files, from the service: no right to the storage is needed."""

    def __init__(self, client: VisionClient, version: DatasetVersion) -> None:
        self._client = client
        self._version = version

    def annotations(self) -> bytes:
        return self._client.version_annotations(self._version.dataset_name, self._version.digest)

    def base(self) -> Sequence[bytes] | None:
        name, digest = self._version.dataset_name, self._version.digest
        try:
            return [self._client.version_base(name, digest, number) for number in range(self._version.base_files)]
        except NotFound:
            return None

    def image(self, blob: str) -> bytes:
        return self._client.version_image(self._version.dataset_name, self._version.digest, blob)


def _print_pulled(pulled: Pulled, names: str, version: DatasetVersion) -> None:
    if not pulled.written:
        click.echo(f"{names}: has all of version sha256:{version.digest}")
    else:
        counts = ((pulled.added, "added"), (pulled.removed, "removed"), (pulled.relabelled, "with other labels"))
        told = ", ".join(f"{counted(count, 'image')} {what}" for count, what in counts if count) or "only tags changed"
        click.echo(f"{names}: {told} (version sha256:{version.digest})")
    if pulled.fetched:
        click.echo(f"{counted(pulled.fetched, 'image')} fetched")
    if pulled.missing:
        say(f"{counted(pulled.missing, 'image')} of {names} not there. Run the same command with --images to fetch them.")


def _print_conflicts(conflicts: Sequence[Conflict]) -> None:
    from vision_customization.customization.datasets.version_content import labels_text

    rows = []
    for conflict in conflicts[:CONFLICTS_SHOWN]:
        mine, theirs = labels_text(conflict.mine), labels_text(conflict.theirs)
        rows.append((conflict.file_name, mine, f"{theirs}, boxes elsewhere" if mine == theirs else theirs))
    print_table(("image", "the file", "the version"), rows, "")
    if len(conflicts) > CONFLICTS_SHOWN:
        click.echo(f"… and {len(conflicts) - CONFLICTS_SHOWN:,} more: --json lists all")


def _pulled_json(pulled: Pulled, files: Sequence[Path], version: DatasetVersion) -> dict[str, object]:
    return {
        "files": [str(file) for file in files],
        "version": f"sha256:{version.digest}",
        "written": pulled.written,
        "added": pulled.added,
        "removed": pulled.removed,
        "relabelled": pulled.relabelled,
        "fetched": pulled.fetched,
        "missing": pulled.missing,
        "conflicts": [
            {
                "fileName": conflict.file_name,
                "digest": conflict.sha256,
                "mine": _labels_json(conflict.mine),
                "theirs": _labels_json(conflict.theirs),
            }
            for conflict in pulled.conflicts
        ],
    }


def _labels_json(labels: Labels | None) -> list[dict[str, object]] | None:
    if labels is None:
        return None
    return [{"tag": tag, **({} if box is None else {"bbox": list(box)})} for tag, box in labels]
