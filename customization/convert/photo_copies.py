"""JPEG copies of HEIC and AVIF photos, in the folder `images` of the output."""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import chain, count
from pathlib import Path

from vision_customization.contract.texts import counted
from vision_customization.customization.convert.images.photos import jpeg_of
from vision_customization.customization.convert.labelled import LabelledImages
from vision_customization.customization.convert.write import origin_of
from vision_customization.customization.errors import ConversionFailed, ImageUnreadable

DIGEST_CHARACTERS = 12


def plan_photos(images: LabelledImages, folder: Path) -> tuple[LabelledImages, dict[Path, Path]]:
    """Plan a JPEG copy of each photo: `images/<its name>-<start of its digest>.jpg` in `folder`.

    A copy that exists stays, also where the photo was renamed since.

    Returns:
        The images at their future paths, and a map from each file to write to its photo.

    Raises:
        ConversionFailed: a photo is in `folder`. A copy there would be read as another image the next time.
    """
    photos = [image.path for image in images.images if image.photo]
    if not photos:
        return images, {}
    root = folder.resolve()
    inside = [path for path in photos if path.resolve().is_relative_to(root)]
    if inside:
        photos_here = counted(len(inside), "HEIC or AVIF photo")
        advice = "Name another folder: `--output FOLDER --copy-images`"
        raise ConversionFailed([f"{inside[0]}: {photos_here} in the output folder can't get JPEG copies there. {advice}"])
    existing = defaultdict[str, list[Path]](list)
    for path in sorted((root / "images").glob("*-*.jpg")):
        existing[path.stem[-DIGEST_CHARACTERS:]].append(path)
    placed, copies = [], dict[Path, Path]()
    taken = set[Path]()
    for image in images.images:
        if image.photo:
            digest = image.sha256[:DIGEST_CHARACTERS]
            stem = root / "images" / image.path.stem
            # Copies of one photo, from several folders, get numbers.
            names = chain([f"{stem}-{digest}.jpg"], (f"{stem}-{number}-{digest}.jpg" for number in count(2)))
            target = next(path for path in chain(existing[digest], map(Path, names)) if path not in taken)
            taken.add(target)
            if not target.exists():
                copies[target] = image.path
            placed.append(replace(image, path=target, photo=False, copy_of=origin_of(image.path, root)))
        else:
            placed.append(image)
    return replace(images, images=tuple(placed)), copies


def write_photos(copies: Mapping[Path, Path]) -> None:
    """Write the JPEG copies, each atomically. Those that were written stay if another photo is damaged: they are whole.

    Raises:
        ConversionFailed: with every photo that can't be decoded.
    """
    with ThreadPoolExecutor(max_workers=min(8, (os.cpu_count() or 1) + 1), thread_name_prefix="photos") as pool:
        problems = [problem for problem in pool.map(_write, copies, copies.values()) if problem is not None]
    if problems:
        raise ConversionFailed(problems)


def _write(target: Path, photo: Path) -> str | None:
    try:
        data = jpeg_of(photo)
    except ImageUnreadable as error:
        return f"{photo}: {error}"
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, partial = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".partial")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(partial).chmod(0o644)
        Path(partial).replace(target)
    finally:
        Path(partial).unlink(missing_ok=True)
    return None
