"""The folder that the images of a label file are in: from a name in the file to a file on disk."""

from __future__ import annotations

import os
import re
from pathlib import Path

from vision_customization.contract.names import name_text_fault
from vision_customization.customization.datasets.near_names import NearNames

_DRIVE = re.compile(r"^[A-Za-z]:")


class ImageFolder:
    """Looks image files up by the names that label files have for them.

    Args:
        root: the folder that names are relative to.
        anywhere: whether an absolute path of another machine, `C:\\photos\\a\\1.jpg`, means the file with the longest end of
            that path below `root`. That is a guess, to be made only where the user named the folder.
    """

    def __init__(self, root: Path, *, anywhere: bool = False) -> None:
        self.root = root
        self._anywhere = anywhere
        self._near = NearNames()

    def find(self, name: str) -> Path:
        """The file of that name, even if its Unicode form (NFC or NFD) or its separators are others.

        Raises:
            ValueError: why the name is refused, or that no such file exists, with the name that may be meant.
        """
        if fault := name_text_fault(name):
            raise ValueError(f"the file name {name!r} {fault}")
        path = name if self._exists(name) else name.replace("\\", "/")
        if path.startswith("/") or _DRIVE.match(path):
            return self._absolute(name, path)
        if ".." in path.split("/"):
            raise ValueError(f"the file name {name!r} leads out of {self.root}, the folder of the images")
        if (found := self._below(path)) is not None:
            return found
        near = self._near.hint(str(self.root), path)
        raise ValueError(f"no such image file: {self.root / path}" + (f". Is {near!r} meant?" if near else ""))

    def _absolute(self, name: str, path: str) -> Path:
        root = os.path.abspath(self.root)  # noqa: PTH100 - Path.resolve() would follow links
        inner = os.path.normpath(path).removeprefix(f"{root}/")
        if inner != os.path.normpath(path) and (found := self._below(inner)) is not None:
            return found
        parts = [part for part in _DRIVE.sub("", path).split("/") if part]
        if self._anywhere and ".." not in parts:
            for start in range(len(parts)):
                if (found := self._below("/".join(parts[start:]))) is not None:
                    return found
            raise ValueError(f"no such image file: {name}, nor a file with the end of this path below {self.root}")
        raise ValueError(
            f"the file name {name!r} is not below {self.root}. Name the folder of the images with `--images`, and write file "
            "names relative to it"
        )

    def _below(self, path: str) -> Path | None:
        if self._exists(path):
            return self.root / path
        same = self._near.same(str(self.root), path)
        return Path(same) if same is not None else None

    def _exists(self, path: str) -> bool:
        return not path.startswith("/") and os.path.isfile(self.root / path)  # noqa: PTH113 - Path raises for long names
