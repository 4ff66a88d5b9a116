"""Writing labelled images as a COCO file of the contract."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from vision_customization.common.file_digest import file_digest
from vision_customization.customization.convert.labelled import LabelledImage, LabelledImages
from vision_customization.customization.datasets.new_file import put_in_place
from vision_customization.customization.errors import ConversionFailed


def to_coco(images: LabelledImages, folder: Path) -> dict[str, Any]:
    """The COCO document; `file_name` is relative to `folder`.

    Each image also has its `sha256`, and a copy has `copy_of`. Readers of COCO ignore them. The next conversion knows the
    images by them (`former`).

    Raises:
        ConversionFailed: an image is not below `folder`.
    """
    ids = {tag: index for index, tag in enumerate(images.tags, start=1)}
    names = {image.path: _name_below(folder, image.path) for image in images.images}
    outside = [path for path, name in names.items() if name is None]
    if outside:
        which = f"{outside[0]}" + (f" and {len(outside) - 1:,} more" if len(outside) > 1 else "")
        advice = "pass a folder that contains the images as `--output`, or copy them there with `--copy-images`"
        raise ConversionFailed([f"{which}: not below {folder.resolve()}. Either {advice}"])
    entries = [
        {
            "id": index,
            "width": image.width,
            "height": image.height,
            "file_name": names[image.path],
            "sha256": image.sha256,
            **({} if image.copy_of is None else {"copy_of": image.copy_of}),
        }
        for index, image in enumerate(images.images, start=1)
    ]
    annotations: list[dict[str, Any]] = []
    for index, image in enumerate(images.images, start=1):
        for tag, box in image.labels:
            annotation: dict[str, Any] = {"id": len(annotations) + 1, "image_id": index, "category_id": ids[tag]}
            if box is not None:
                annotation |= {"bbox": list(box), "area": round(box[2] * box[3], 9)}
            annotations.append(annotation)
    categories = [{"id": id_, "name": tag} for tag, id_ in ids.items()]
    return {"images": entries, "annotations": annotations, "categories": categories}


def _name_below(folder: Path, path: Path) -> str | None:
    """The path relative to `folder`; of a file that is there by a link, with the link's name. None if it is elsewhere."""
    for whole, root in ((path.resolve(), folder.resolve()), (path.absolute(), folder.absolute())):
        if whole.is_relative_to(root) and ".." not in whole.relative_to(root).parts:
            return whole.relative_to(root).as_posix()
    return None


def write_coco(images: LabelledImages, path: Path) -> None:
    """Write the COCO file atomically; `file_name` is relative to its folder. Raises ConversionFailed."""
    text = json.dumps(to_coco(images, path.parent), ensure_ascii=False, indent=1)
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text + "\n")
        Path(partial).chmod(0o644)
        Path(partial).replace(path)
    finally:
        Path(partial).unlink(missing_ok=True)


def plan_copies(images: LabelledImages, source: Path, folder: Path) -> tuple[LabelledImages, dict[Path, Path]]:
    """Plan the copies of images from outside `folder` to `folder/images`, with their folders below `source`.

    No file is replaced: if a different image already has the name, the start of the digest is added to the name.

    Returns:
        The images at their future paths, and a map from each file to write to the file to copy.
    """
    root, base = folder.resolve(), source.resolve()
    placed: list[LabelledImage] = []
    copies: dict[Path, Path] = {}
    taken: dict[str, str] = {}
    """The digests of the future files, by path; in lower case, since some file systems ignore case."""
    for image in images.images:
        path = image.path.resolve()
        if _name_below(folder, image.path) is None:
            inner = path.relative_to(base) if path.is_relative_to(base) else Path(image.sha256[:12] + path.suffix)
            wanted = root / "images" / inner
            for target in (wanted, wanted.with_name(f"{wanted.stem}-{image.sha256[:12]}{wanted.suffix}")):
                there = taken.get(str(target).lower()) or _digest_of(target)
                if there in (None, image.sha256):
                    break
            else:
                raise ConversionFailed(
                    [f"{target}: a different image already has this name. Move it away, or name another folder (`--output`)"]
                )
            taken[str(target).lower()] = image.sha256
            if there is None:
                copies[target] = path
            placed.append(replace(image, path=target, copy_of=origin_of(path, root)))
        else:
            placed.append(image)
    return replace(images, images=tuple(placed)), copies


def origin_of(path: Path, folder: Path) -> str:
    """What `copy_of` says in `folder`: the path of the original, relative to the folder."""
    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()


def copy_files(copies: Mapping[Path, Path]) -> None:
    """Make each copy atomically. If a file already exists, it stays as it is, and that is an error."""
    for target, source in copies.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".partial")
        os.close(handle)
        try:
            shutil.copy2(source, partial)
            put_in_place(Path(partial), target)
        except FileExistsError:
            raise ConversionFailed([f"{target}: another process has just created this file. Try again"]) from None
        finally:
            Path(partial).unlink(missing_ok=True)


def _digest_of(file: Path) -> str | None:
    """SHA-256 of a file; an empty string for anything else that exists; None if nothing exists there."""
    try:
        return file_digest(file)
    except FileNotFoundError:
        return None
    except OSError:
        return ""
