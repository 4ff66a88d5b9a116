"""The user's cache folder, which all checkouts share: downloads, pretrained weights, digests.

Standard library only: the toolchain uses it on a bare Python 3.9, before anything is installed.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path


def cache_folder(environ: Mapping[str, str] | None = None, home: Path | None = None) -> Path:
    """`$VISION_CACHE_DIR`, else `vision-customization` below `$XDG_CACHE_HOME`, else below `~/.cache`; always absolute.

    Args:
        environ: the environment; by default this process's.
        home: the user's home folder; by default this process's.
    """
    environ = os.environ if environ is None else environ
    if environ.get("VISION_CACHE_DIR"):
        return Path(environ["VISION_CACHE_DIR"]).expanduser().absolute()
    # The XDG specification says to ignore relative paths.
    shared = Path(environ.get("XDG_CACHE_HOME") or "")
    return (shared if shared.is_absolute() else (home or Path.home()) / ".cache") / "vision-customization"
