"""`vision datasets`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vision_customization.contract.owners import MANAGED_BY, owner_of
from vision_customization.contract.texts import counted
from vision_customization.customization.cli.commands.dataset_copy import copy
from vision_customization.customization.cli.commands.dataset_versions import find_version, pull, versions
from vision_customization.customization.cli.commands.label_issues import label_issues
from vision_customization.customization.cli.connection import service_options
from vision_customization.customization.cli.conversion_report import print_report, report_json
from vision_customization.customization.cli.dataset_files import (
    guess_kind,
    images_option,
    kind_option,
    purpose_option,
    source_of,
)
from vision_customization.customization.cli.options import account_key_option, sas_days_option
from vision_customization.customization.cli.output import (
    confirm,
    digest_cache,
    json_option,
    print_json,
    print_table,
    progress_bar,
    say,
)
from vision_customization.customization.errors import AlreadyExists

if TYPE_CHECKING:
    from vision_customization.contract.datasets import Dataset
    from vision_customization.customization.client.client import VisionClient
    from vision_customization.customization.datasets.upload import UploadedDataset

EXPORT_FORMATS = ("yolo", "voc", "coco-pixels", "csv", "folders")


@click.group(short_help="List, register and delete datasets")
def datasets() -> None:
    """Datasets: labelled images that are registered with the service."""


@datasets.command("list", short_help="List the registered datasets")
@service_options
@json_option
def list_datasets(client: VisionClient, as_json: bool) -> None:
    """List the registered datasets.

    \b
    Example:
      vision datasets list
    """
    found = list(client.list_datasets())
    if as_json:
        print_json([dataset.to_wire() for dataset in found])
        return
    rows = [
        (
            dataset.name,
            dataset.annotation_kind.value,
            len(dataset.annotation_file_uris),
            f"{dataset.updated_date_time:%Y-%m-%d %H:%M}",
        )
        for dataset in found
    ]
    print_table(
        ("name", "kind", "files", "updated (UTC)"),
        rows,
        "No dataset is registered. Register one with `vision datasets register`.",
    )


@datasets.command("show", short_help="Show one dataset")
@click.argument("name")
@service_options
@json_option
def show_dataset(client: VisionClient, name: str, as_json: bool) -> None:
    """Show one dataset.

    \b
    Example:
      vision datasets show trees
    """
    _print_dataset(client.get_dataset(name), as_json)


@datasets.command("register", short_help="Check, upload and register COCO files")
@click.argument("name")
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--uri", "uris", multiple=True, metavar="URI", help="A COCO file that is already in blob storage. Repeatable.")
@click.option(
    "--version",
    "wanted",
    metavar="VERSION",
    help="A version that people saved in the Studio: `sha256:DIGEST`, or `latest`. Nothing is uploaded.",
)
@click.option("--of", "version_of", metavar="DATASET", help="The dataset that --version is of. [default: NAME]")
@kind_option
@purpose_option
@images_option
@click.option(
    "--container",
    envvar="VISION_CONTAINER",
    show_envvar=True,
    metavar="URL",
    help="The blob container to upload to; created if it does not exist.",
)
@account_key_option(
    "The storage account's key. By default, your Entra identity uploads and the service reads with its own identity."
)
@sas_days_option("with")
@click.option("--replace", is_flag=True, help="If a dataset with this name is registered, replace its content.")
@service_options
@json_option
def register_dataset(
    client: VisionClient,
    name: str,
    files: tuple[Path, ...],
    uris: tuple[str, ...],
    wanted: str | None,
    version_of: str | None,
    kind: str | None,
    purpose: str,
    images: Path | None,
    container: str | None,
    account_key: str | None,
    sas_days: int,
    replace: bool,
    as_json: bool,
) -> None:
    """Check COCO FILES, upload them with their images, and register them as dataset NAME.

    Only what the container lacks is uploaded. After an interruption, run the same command again: it continues, and registers
    the dataset once everything is uploaded.

    \b
    Examples:
      vision datasets register trees data/train.json --container https://me.blob.core.windows.net/training
      vision datasets register trees --uri https://me.blob.core.windows.net/c/train.json --kind imageClassification
      vision datasets register trees-march --version sha256:1f2e… --of trees
    """
    from vision_customization.customization.datasets.registration import reading_with
    from vision_customization.customization.datasets.registration import register_dataset as register_content

    if (bool(files), bool(uris), wanted is not None).count(True) != 1:
        raise click.UsageError("pass either FILES to upload, or --uri of files that are already uploaded, or --version")
    if version_of is not None and wanted is None:
        raise click.UsageError("--of needs --version: a version of that dataset")
    if wanted is not None:
        version = find_version(client, version_of or name, wanted)
        dataset = client.register_version(version.dataset_name, version.digest, name=name, replace=replace)
        _print_dataset(dataset, as_json)
        return
    if kind is None and uris:
        raise click.UsageError("--uri needs --kind, since the command does not read these files")
    authentication = None if uris else reading_with(None)
    annotation_uris = list(uris)
    kind = kind or guess_kind(files)
    if files:
        if container is None:
            raise click.UsageError("FILES need a container to be uploaded to: pass --container or set VISION_CONTAINER")
        uploaded = upload_files(files, kind, purpose, images, container, account_key)
        annotation_uris = uploaded.annotation_uris
        say(f"{counted(uploaded.uploaded_images, 'image')} uploaded ({uploaded.uploaded_bytes / 1e6:.1f} MB)")
    if account_key is not None and container is not None:
        from vision_customization.customization.datasets.upload import container_sas

        expiry = datetime.now(UTC) + timedelta(days=sas_days)
        authentication = reading_with(container_sas(container, account_key, expiry))
    try:
        dataset = register_content(client, name, annotation_uris, kind, authentication=authentication, replace=replace)
    except AlreadyExists:
        say("Choose another name, or pass --replace (which can't change the kind).")
        raise
    _print_dataset(dataset, as_json)


@datasets.command("export", short_help="Write a COCO file as other tools' labels")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--to",
    "target_format",
    type=click.Choice(EXPORT_FORMATS),
    required=True,
    help="The format to write; `folders`, a folder per tag, is for classification, and `yolo` and `voc` are for detection.",
)
@click.option(
    "--output",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder to write to, with copies of the images; it must be empty, or not exist.",
)
@images_option
@json_option
def export_dataset(files: tuple[Path, ...], target_format: str, output: Path, images: Path | None, as_json: bool) -> None:
    """Write a COCO file of a dataset, with its images, in the format of another tool. FILES are one file, or train.json and
    test.json, whose images go to folders `train` and `test`.

    `vision convert` reads the result back: the same images and tags, and boxes within half a pixel.

    \b
    Examples:
      vision datasets export data/train.json --to yolo --output trees-yolo
      vision datasets export data/train.json data/test.json --to yolo --output trees-yolo
    """
    from vision_customization.customization.convert import read_coco
    from vision_customization.customization.convert.export import export
    from vision_customization.customization.convert.sources.splits import split_of_file
    from vision_customization.customization.convert.split_files import join_splits

    splits = {split_of_file(Path(file.name)) or "": file for file in files}
    if len(files) > 1 and not (len(splits) == len(files) and {"train", "test"} == splits.keys()):
        raise click.UsageError("pass one file, or one called train and one called test, as train.json and test.json")
    with progress_bar("reading images") as advance:
        read = {
            split: (
                file,
                read_coco(
                    file,
                    images,
                    pixels=False,
                    cache=digest_cache(),
                    on_progress=lambda done, total: advance(done, total, ""),
                ),
            )
            for split, file in splits.items()
        }
    labelled = join_splits(read) if len(files) > 1 else next(iter(read.values()))[1]
    written = export(labelled, target_format, images or files[0].parent, output)
    if as_json:
        print_json({"format": target_format, "files": [str(path) for path in written], **report_json([labelled])})
        return
    click.echo(f"{output}: {counted(len(labelled.images), 'image')} in the format {target_format}")
    print_report([labelled])


@datasets.command("delete", short_help="Unregister a dataset")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@service_options
def delete_dataset(client: VisionClient, name: str, yes: bool) -> None:
    """Unregister a dataset. Its blobs stay, and so do models trained from it.

    \b
    Example:
      vision datasets delete trees --yes
    """
    confirm(f"Unregister dataset {name!r}?", yes)
    client.delete_dataset(name)
    say(f"dataset {name!r} is unregistered")


for command in (label_issues, versions, pull, copy):
    datasets.add_command(command)


def upload_files(
    files: tuple[Path, ...], kind: str, purpose: str, images: Path | None, container: str, account_key: str | None
) -> UploadedDataset:
    """Check COCO files, and upload them with their images to a container."""
    from vision_customization.customization.datasets.content import check_dataset
    from vision_customization.customization.datasets.source import read_dataset
    from vision_customization.customization.datasets.upload import ensure_container, upload_content

    with progress_bar("reading images") as advance:
        found = read_dataset(source_of(files, images, kind, purpose), lambda done, total: advance(done, total, ""))
    content = check_dataset(found).valid()
    for warning in content.warnings:
        say(f"warning: {warning}")
    ensure_container(container, account_key=account_key)
    with progress_bar("uploading") as advance:
        return upload_content(
            content,
            container,
            account_key=account_key,
            on_progress=lambda progress: advance(
                progress.bytes_done, progress.bytes_total, f"{progress.done:,} of {progress.total:,} images"
            ),
        )


def _print_dataset(dataset: Dataset, as_json: bool) -> None:
    if as_json:
        print_json(dataset.to_wire())
        return
    authentication = dataset.authentication.kind.value if dataset.authentication else "none"
    properties = dict(dataset.custom_properties or {})
    owner = owner_of(properties.pop(MANAGED_BY, None))
    rows = [
        ("name", dataset.name),
        ("kind", dataset.annotation_kind.value),
        *(("annotation file", uri) for uri in dataset.annotation_file_uris),
        ("authentication", authentication),
        ("created (UTC)", f"{dataset.created_date_time:%Y-%m-%d %H:%M:%S}"),
        ("updated (UTC)", f"{dataset.updated_date_time:%Y-%m-%d %H:%M:%S}"),
        *((f"custom property {key}", value) for key, value in properties.items()),
        *([("managed by", str(owner))] if owner is not None else []),
    ]
    print_table(("", ""), rows, "")
