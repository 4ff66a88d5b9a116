"""Reads PyTorch checkpoints of the legacy format without PyTorch and without executing their content.

The file is four pickles in a row (magic number, protocol version, system facts, the state dict), a pickled list of storage
keys, then each storage as an int64 count and its raw elements.
"""

import pickle
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from vision_customization.engine.learning.errors import WeightsError

_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_PROTOCOL_VERSION = 1001
_ELEMENT_TYPES: dict[str, np.dtype[Any]] = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


@dataclass(frozen=True)
class _StorageType:
    dtype: np.dtype[Any]


@dataclass
class _Storage:
    dtype: np.dtype[Any]
    count: int
    elements: NDArray[Any] | None = None


@dataclass(frozen=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def to_array(self) -> NDArray[Any]:
        elements = self.storage.elements
        if elements is None:
            raise WeightsError("the checkpoint names a storage that it does not contain")
        last = self.offset + sum((size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True))
        if self.offset < 0 or min(self.strides, default=0) < 0 or min(self.shape, default=1) < 1 or last >= elements.size:
            raise WeightsError("a tensor of the checkpoint reaches outside its storage")
        byte_strides = tuple(stride * elements.itemsize for stride in self.strides)
        view = np.lib.stride_tricks.as_strided(elements[self.offset :], self.shape, byte_strides, writeable=False)
        return np.ascontiguousarray(view).reshape(self.shape)


def _rebuild_tensor(storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object) -> _Tensor:
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


class _StateDictUnpickler(pickle.Unpickler):
    """Accepts only the few names that a state dict needs; any other is refused before it is looked up."""

    def __init__(self, file: BinaryIO, storages: dict[str, _Storage]) -> None:
        super().__init__(file)
        self._storages = storages

    def find_class(self, module_name: str, global_name: str) -> Callable[..., Any] | _StorageType:
        if (module_name, global_name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module_name, global_name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if module_name == "torch" and global_name in _ELEMENT_TYPES:
            # The pickle only passes on the storage's type, inside a persistent id.
            return _StorageType(_ELEMENT_TYPES[global_name])
        raise WeightsError(f"the checkpoint uses {module_name}.{global_name}, which a plain state dict does not need")

    def persistent_load(self, pid: Any) -> _Storage:  # noqa: ANN401 - pickle's own signature
        kind, storage_type, key, _location, count, view = pid
        if kind != "storage" or not isinstance(storage_type, _StorageType) or view is not None:
            raise WeightsError("the checkpoint contains something other than whole storages")
        return self._storages.setdefault(key, _Storage(storage_type.dtype, count))


def read_state_dict(path: Path) -> dict[str, NDArray[Any]]:
    """The tensors of a checkpoint, by name.

    Args:
        path: a file as `torch.save` wrote it before PyTorch 1.6 (no zip archive).

    Returns:
        Arrays of the tensors' own shape, float32 or int64.

    Raises:
        WeightsError: the file has another format, is incomplete, or uses a class that a state dict does not need.
    """
    try:
        with path.open("rb") as file:
            return _read_tensors(file, path.name)
    except (pickle.UnpicklingError, EOFError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise WeightsError(f"{path.name} is not a readable PyTorch state dict: {error}") from error


def _read_tensors(file: BinaryIO, name: str) -> dict[str, NDArray[Any]]:
    storages: dict[str, _Storage] = {}
    magic, protocol, facts, tensors, keys = (_StateDictUnpickler(file, storages).load() for _ in range(5))
    if magic != _MAGIC_NUMBER or protocol != _PROTOCOL_VERSION or not facts.get("little_endian"):
        raise WeightsError(f"{name} is not a legacy little-endian PyTorch checkpoint")
    for key in keys:
        count = int.from_bytes(file.read(8), "little", signed=True)
        storage = storages[key]
        data = file.read(storage.count * storage.dtype.itemsize)
        if count != storage.count or len(data) != count * storage.dtype.itemsize:
            raise WeightsError(f"{name} ends inside storage {key}")
        storage.elements = np.frombuffer(data, storage.dtype)
    return {key: tensor.to_array() for key, tensor in tensors.items()}
