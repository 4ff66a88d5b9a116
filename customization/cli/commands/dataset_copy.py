"""`vision datasets copy`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from vision_customization.common.errors import VisionError
from vision_customization.contract.content_reference import content_reference
from vision_customization.contract.owners import PULUMI, owner_of
from vision_customization.contract.texts import counted
from vision_customization.customization.cli.commands.dataset_versions import find_version
from vision_customization.customization.cli.connection import service_options
from vision_customization.customization.cli.exit_code import ExitCode
from vision_customization.customization.cli.options import account_key_option, sas_days_option
from vision_customization.customization.cli.output import json_option, print_json, print_table, progress_bar, say
from vision_customization.customization.errors import NotFound

if TYPE_CHECKING:
    from vision_customization.contract.drafts import DatasetVersion
    from vision_customization.customization.client.client import VisionClient
    from vision_customization.customization.datasets.copying import Copied, CopySource

REFUSED_SHOWN = 20


@click.command("copy", short_help="Copy a dataset to another container")
@click.argument("name")
@click.option(
    "--version",
    "wanted",
    metavar="VERSION",
    help="Copy this version, `sha256:DIGEST` or `latest`. The service reads it. [default: what is registered as NAME]",
)
@click.option("--to", "container", required=True, metavar="URL", help="The blob container; created if it does not exist.")
@account_key_option("The key of that container's account. By default, your Entra identity writes.")
@click.option(
    "--source-key",
    envvar="VISION_SOURCE_STORAGE_KEY",
    show_envvar=True,
    metavar="KEY",
    help="The key of the account that the dataset is in. By default, your Entra identity reads.",
)
@click.option(
    "--register", "registered_name", metavar="NAME", help="Register the copy as this dataset, or replace its content."
)
@sas_days_option("a registered copy with")
@service_options
@json_option
def copy(
    client: VisionClient,
    name: str,
    wanted: str | None,
    container: str,
    account_key: str | None,
    source_key: str | None,
    registered_name: str | None,
    sas_days: int,
    as_json: bool,
) -> None:
    """Copy a dataset, or a version of it, to another blob container: images and annotation files, under the names of their
    contents. There, `content: sha256:DIGEST` of a stack's file finds it, and drafts can begin with it.

    What the container has is not copied again: after an interruption, run the same command again. If an image can't be
    copied, it is listed, the dataset is not complete in the container, and the exit code is 1.

    \b
    Examples:
      vision datasets copy trees --to https://me.blob.core.windows.net/training --register trees
      vision datasets copy trees --version latest --to https://prod.blob.core.windows.net/training
    """
    from vision_customization.customization.datasets.copying import copy_dataset
    from vision_customization.customization.datasets.storage_source import StorageSource

    if registered_name is not None:
        _check_owner(client, registered_name)
    opened: AbstractContextManager[CopySource]
    if wanted is None:
        dataset = client.get_dataset(name)
        kind = dataset.annotation_kind
        opened = StorageSource(dataset.annotation_file_uris, account_key=source_key)
    else:
        version = find_version(client, name, wanted)
        kind = version.annotation_kind
        opened = nullcontext(_ServedVersion(client, version))
    with opened as source, progress_bar("copying images") as advance:
        copied = copy_dataset(
            source, kind, container, account_key=account_key, on_progress=lambda done, total: advance(done, total, "")
        )
    if as_json:
        print_json(_copied_json(copied))
    else:
        _print_copied(copied)
    if copied.refused:
        say(f"{counted(len(copied.refused), 'image')} could not be copied, so the annotation files were not written.")
        raise click.exceptions.Exit(ExitCode.NO)
    if registered_name is not None:
        _register(client, registered_name, copied, kind, container, account_key, sas_days)
        say(f"dataset '{registered_name}' has this content now")


class _ServedVersion:
    """A version, read from the service: no right to its storage is needed."""

    connections = 1

    def __init__(self, client: VisionClient, version: DatasetVersion) -> None:
        self._client = client
        self._version = version

    def annotation_files(self) -> Sequence[tuple[str, bytes]]:
        version = self._version
        return [(content_reference(version.digest), self._client.version_annotations(version.dataset_name, version.digest))]

    def image(self, url: str) -> bytes:
        from vision_customization.common.dataset_content.blob_names import stored_name
        from vision_customization.customization.datasets.copying import ImageRefused

        named = stored_name(url)
        if named is None:
            raise ImageRefused("is not stored under the digest of its content")
        try:
            return self._client.version_image(self._version.dataset_name, self._version.digest, "".join(named))
        except NotFound:
            raise ImageRefused("is not in storage") from None


def _check_owner(client: VisionClient, name: str) -> None:
    """Raises VisionError if a stack declares the dataset: the next update would take back what is changed here."""
    try:
        owner = owner_of((client.get_dataset(name).custom_properties or {}).get("managedBy"))
    except NotFound:
        return
    if owner is not None and owner.tool == PULUMI:
        raise VisionError(
            f"dataset '{name}' is declared by {owner}. Copy it without --register, and set the dataset's `content` in the "
            "stack's file to the digest that this command prints"
        )


def _register(
    client: VisionClient, name: str, copied: Copied, kind: str, container: str, account_key: str | None, sas_days: int
) -> None:
    from vision_customization.customization.datasets.registration import reading_with, register_dataset
    from vision_customization.customization.datasets.upload import container_sas

    token = None
    if account_key is not None:
        token = container_sas(container, account_key, datetime.now(UTC) + timedelta(days=sas_days))
    register_dataset(client, name, copied.annotation_uris, kind, authentication=reading_with(token), replace=True)


def _print_copied(copied: Copied) -> None:
    if copied.refused:
        rows = [(each.url, each.reason) for each in copied.refused[:REFUSED_SHOWN]]
        print_table(("not copied", "why"), rows, "")
        if len(copied.refused) > REFUSED_SHOWN:
            click.echo(f"… and {len(copied.refused) - REFUSED_SHOWN:,} more: --json lists all")
        return
    print_table(
        ("", ""),
        [
            ("content", content_reference(copied.digest)),
            ("images", copied.images),
            ("copied now", f"{copied.copied_images:,} ({copied.copied_bytes / 1e6:.1f} MB)"),
            *(("annotation file", uri) for uri in copied.annotation_uris),
        ],
        "",
    )


def _copied_json(copied: Copied) -> dict[str, object]:
    return {
        "content": content_reference(copied.digest) if copied.digest else None,
        "images": copied.images,
        "copiedImages": copied.copied_images,
        "copiedBytes": copied.copied_bytes,
        "annotationFileUris": list(copied.annotation_uris),
        "refused": [{"url": each.url, "reason": each.reason} for each in copied.refused],
    }
