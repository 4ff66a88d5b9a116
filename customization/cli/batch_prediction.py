"""`vision predict --all`: every image of a folder by single calls, or of a container by a run of the service's workers."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote, urlsplit, urlunsplit

from pydantic import SecretStr

from vision_customization.common.blob_container import ContainerUrl, container_of_blob
from vision_customization.common.dataset_content.image_formats import EXTENSIONS
from vision_customization.common.errors import VisionError
from vision_customization.contract.batch_prediction import AzureBlobSource
from vision_customization.contract.datasets import Authentication
from vision_customization.contract.enums import AuthenticationKind, BatchPredictionStatus, ModelStatus
from vision_customization.contract.errors import ImageErrorCode
from vision_customization.customization.cli.output import progress_bar, say
from vision_customization.customization.cli.rows_file import RowsFile, is_unread
from vision_customization.customization.errors import AlreadyExists, NotFound, RequestError

if TYPE_CHECKING:
    from vision_customization.contract.batch_prediction import BatchPredictionRun
    from vision_customization.customization.client.client import VisionClient

CALLS_AT_ONCE = 8
"""Calls at once: more than the service computes at once, so that it never waits for the network."""

_AHEAD_MAX = 4 * CALLS_AT_ONCE
_OF_THE_IMAGE = frozenset({400, 413})
"""The statuses that refuse one image. Others concern every image: the key, the model, or the service as a whole."""

_NAME_DIGITS = 16

I = TypeVar("I")  # noqa: E741 - an item
R = TypeVar("R")


def predict_folder(client: VisionClient, model: str, folder: Path, out: Path) -> RowsFile:
    """Append a row for each image of a folder, with its subfolders, to `out`. Images that have one are not sent again, except
    those that could not be read. A published name is resolved once, so that all rows that are added are of one model.

    Raises VisionError: there are no images, or the model cannot answer. Also the client's errors.
    """
    names = sorted(_names(folder))
    if not names:
        raise VisionError(f"no image in {folder}: expected files that end in {', '.join(sorted(EXTENSIONS))}")
    model = _usable_model(client, model)
    with _opened(out, "image") as rows, progress_bar("predicting") as advance:
        left = [name for name in names if name not in rows.names]
        done = len(names) - len(left)
        pool = ThreadPoolExecutor(max_workers=CALLS_AT_ONCE, thread_name_prefix="predict")
        try:
            for row in in_order(pool, lambda name: _row(client, model, folder, name), left):
                rows.add_row(row)
                done += 1
                advance(done, len(names), "")
        finally:
            pool.shutdown(cancel_futures=True)
    return rows


def predict_container(client: VisionClient, model: str, url: str, out: Path) -> RowsFile:
    """Append a row for each image of a container to `out`, if it has none: the service's workers answer all images, and the
    rows are downloaded. A run that an interrupted command began is continued; it is deleted once `out` has its rows.

    Raises BatchPredictionFailed, VisionError, and the client's errors.
    """
    source = _source(url)
    name = _run_name(model, source, out)
    with _opened(out, "url") as rows, progress_bar("predicting") as advance:
        run = _started(client, model, name, source, rows)

        def show(seen: BatchPredictionRun) -> None:
            progress = seen.progress
            advance(progress.rows, progress.images, progress.message or "")

        try:
            run = client.wait_for_batch_prediction(run.model_name, name, None, show)
        except KeyboardInterrupt:
            say(f"The service goes on with the run {name!r} of model {run.model_name!r}.")
            raise
        _download(client, run, rows)
        client.delete_batch_prediction(run.model_name, name)
    if run.progress.other_blobs:
        say(f"{run.progress.other_blobs:,} blobs of the container are not images, by name and content type.")
    return rows


def in_order(pool: Executor, work: Callable[[I], R], items: Iterable[I]) -> Iterator[R]:
    """The results of `work` in the order of the items. Only a few calls are ahead of the result that is next, however many
    items there are."""
    waiting: deque[Future[R]] = deque()
    for item in items:
        if len(waiting) == _AHEAD_MAX:
            yield waiting.popleft().result()
        waiting.append(pool.submit(work, item))
    while waiting:
        yield waiting.popleft().result()


def _opened(out: Path, key: str) -> RowsFile:
    rows = RowsFile(out, key)
    if rows.removed:
        say(f"Images that could not be read before, and are tried again: {rows.removed:,}.")
    return rows


def _started(client: VisionClient, model: str, name: str, source: AzureBlobSource, rows: RowsFile) -> BatchPredictionRun:
    """The run, new or as an earlier command left it. One that did not succeed leaves its answers, and is begun again."""
    try:
        return client.predict_batch(model, name, source=source)
    except AlreadyExists:
        run = client.get_batch_prediction(model, name)
    if run.status in (BatchPredictionStatus.FAILED, BatchPredictionStatus.CANCELLED):
        _download(client, run, rows)
        client.delete_batch_prediction(run.model_name, name)
        say(
            f"The run {name!r} of an earlier command did not succeed ({run.status.value}). Its answers are in the file now. "
            "The service begins with the first image again."
        )
        return client.predict_batch(run.model_name, name, source=source)
    say(f"An earlier command began the run {name!r}: waiting for it.")
    return run


def _download(client: VisionClient, run: BatchPredictionRun, rows: RowsFile) -> None:
    """Append the rows of a run that has ended, of images that have none. If it did not succeed, images that it could not read
    get no row: the next run tries them again.

    Raises VisionError if the service sends fewer rows than the run has. Then the run must stay.
    """
    succeeded = run.status is BatchPredictionStatus.SUCCEEDED
    sent = 0
    for line in client.batch_prediction_lines(run.model_name, run.run_name):
        sent += 1
        row = json.loads(line)
        if row["url"] not in rows.names and (succeeded or not is_unread(row)):
            rows.add(row["url"], line, failed="error" in row)
    if sent < run.progress.rows:
        raise VisionError(
            f"run {run.run_name!r} of model {run.model_name!r} has {run.progress.rows:,} rows, but the service sent {sent:,}. "
            "The run was not deleted. Run the same command again, or name another file with --out to answer all images again"
        )


def _names(folder: Path) -> Iterator[str]:
    for file in folder.rglob("*"):
        if file.suffix.lower() in EXTENSIONS and file.is_file():
            yield file.relative_to(folder).as_posix()


def _row(client: VisionClient, model: str, folder: Path, name: str) -> dict[str, Any]:
    try:
        result = client.analyze(model, (folder / name).read_bytes())
    except RequestError as error:
        if error.status not in _OF_THE_IMAGE:
            raise
        return {"image": name, "error": {"code": error.code, "message": error.message}}
    except OSError as error:
        message = f"The file can't be read: {error.strerror or error}."
        return {"image": name, "error": {"code": ImageErrorCode.INVALID_IMAGE_URL.value, "message": message}}
    return {"image": name, **result.to_wire()}


def _usable_model(client: VisionClient, name: str) -> str:
    """The name of the model, also if `name` is published for it. Raises VisionError or NotFound: so a refusal of an image is
    about the image."""
    try:
        model = client.get_model(name)
    except NotFound:
        model = client.get_model(client.get_published_model(name).model_name)
    if model.status is not ModelStatus.SUCCEEDED:
        raise VisionError(f"model '{model.name}' is '{model.status.value}': only a model that has succeeded can predict")
    return model.name


def _source(url: str) -> AzureBlobSource:
    """The container at a URL, whose path may go on with the beginning of the blobs' names, and whose query may be a SAS."""
    parts = urlsplit(url)
    bare = urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
    container = ContainerUrl.parse(container_of_blob(bare)).url
    prefix = unquote(bare[len(container) :].lstrip("/"))
    token = SecretStr(parts.query) if parts.query else None
    authentication = Authentication(kind=AuthenticationKind.SAS, sas_token=token) if token is not None else None
    return AzureBlobSource(container_url=container, prefix=prefix, authentication=authentication)


def _run_name(model: str, source: AzureBlobSource, out: Path) -> str:
    """The same for the same command, so that it finds the run that it began."""
    said: Sequence[str] = (model, source.container_url, source.prefix, str(out.resolve()))
    return f"predict-{hashlib.sha256(json.dumps(said).encode()).hexdigest()[:_NAME_DIGITS]}"
