"""Writing a model's ONNX file from the service to disk."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import requests

from vision_customization.common.errors import VisionError
from vision_customization.contract.models import Artifact
from vision_customization.customization.errors import Unreachable

CHUNK_BYTES = 1 << 20
DIGEST_HEADER = "x-ms-artifact-digest"


def write_artifact(
    response: requests.Response, what: str, path: Path, on_progress: Callable[[int, int | None], None] | None
) -> Artifact:
    """Write a streamed reply to `path`, but only if it is complete and has the digest that the service reports.

    Args:
        what: the request's name in errors.
        on_progress: called with the bytes written, and the total if the service reports it.
    """
    total = int(response.headers["Content-Length"]) if response.headers.get("Content-Length", "").isdecimal() else None
    digest, size = hashlib.sha256(), 0
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
    try:
        with os.fdopen(handle, "wb") as file:
            for chunk in response.iter_content(CHUNK_BYTES):
                digest.update(chunk)
                size += file.write(chunk)
                if on_progress is not None:
                    on_progress(size, total)
        expected = response.headers.get(DIGEST_HEADER, "").removeprefix("sha256:") or digest.hexdigest()
        if expected != digest.hexdigest():
            raise VisionError(
                f"{what}: the file was damaged on the way: its SHA-256 is {digest.hexdigest()}, not {expected}. Try again"
            )
        Path(partial).replace(path)
    except requests.RequestException:
        raise Unreachable(f"{what}: the connection broke after {size:,} bytes. Try again") from None
    finally:
        response.close()
        Path(partial).unlink(missing_ok=True)
    return Artifact(digest=digest.hexdigest(), size_bytes=size)
