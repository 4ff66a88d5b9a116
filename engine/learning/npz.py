"""Arrays as one npz file whose bytes depend only on the arrays."""

import io
import zipfile
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


def to_npz(arrays: Mapping[str, NDArray[np.generic]]) -> bytes:
    """The arrays by name, uncompressed; `numpy.savez` would add the current time to each."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.save(member, array, allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _ZIP_EPOCH), member.getvalue())
    return target.getvalue()


def from_npz(data: bytes) -> dict[str, NDArray[np.generic]]:
    """Read what `to_npz` wrote. Raises ValueError, OSError or `zipfile.BadZipFile` if it is damaged."""
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}
