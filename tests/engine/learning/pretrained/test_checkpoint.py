import io
import os
import pickle
import struct
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vision_customization.engine.learning import WeightsError
from vision_customization.engine.learning.pretrained.checkpoint import read_state_dict


class _Global:
    """Pickles as a name alone: the classes of PyTorch need not exist to be named in a file."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


class _Call:
    def __init__(self, function: _Global, arguments: tuple[Any, ...]) -> None:
        self.function, self.arguments = function, arguments


class _Stored:
    def __init__(self, identity: tuple[Any, ...]) -> None:
        self.identity = identity


class _Writer(pickle._Pickler):
    dispatch = pickle._Pickler.dispatch.copy()

    def persistent_id(self, obj: object) -> object:
        return obj.identity if isinstance(obj, _Stored) else None

    def _write_global(self, obj: _Global) -> None:
        self.write(f"c{obj.module}\n{obj.name}\n".encode())

    def _write_call(self, obj: _Call) -> None:
        self.save(obj.function)
        self.save(obj.arguments)
        self.write(b"R")

    dispatch[_Global] = _write_global
    dispatch[_Call] = _write_call


REBUILD = _Global("torch._utils", "_rebuild_tensor_v2")
FLOATS = _Global("torch", "FloatStorage")


def _tensor(key: str, count: int, shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0) -> _Call:
    storage = _Stored(("storage", FLOATS, key, "cpu", count, None))
    return _Call(REBUILD, (storage, offset, shape, strides, False, OrderedDict()))


def _checkpoint(state: object, storages: dict[str, np.ndarray], magic: int = 0x1950A86A20F9469CFC6C) -> bytes:
    target = io.BytesIO()
    for value in (magic, 1001, {"little_endian": True}, state, list(storages)):
        _Writer(target, 2).dump(value)
    for values in storages.values():
        target.write(struct.pack("<q", values.size) + values.astype("<f4").tobytes())
    return target.getvalue()


NUMBERS = np.arange(6, dtype=np.float32)


def test_tensors_come_back_with_their_shapes(tmp_path: Path) -> None:
    state = OrderedDict(
        rows=_tensor("0", 6, (2, 3), (3, 1)), columns=_tensor("0", 6, (3, 2), (1, 3)), one=_tensor("0", 6, (), (), 4)
    )
    path = tmp_path / "a.pth"
    path.write_bytes(_checkpoint(state, {"0": NUMBERS}))
    tensors = read_state_dict(path)
    np.testing.assert_array_equal(tensors["rows"], NUMBERS.reshape(2, 3))
    np.testing.assert_array_equal(tensors["columns"], NUMBERS.reshape(2, 3).T)
    assert tensors["one"] == 4


GOOD = OrderedDict(rows=_tensor("0", 6, (2, 3), (3, 1)))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: b"PK\x03\x04 a zip archive", "not a readable PyTorch state dict"),
        (lambda: b"", "not a readable PyTorch state dict"),
        (lambda: _checkpoint(GOOD, {"0": NUMBERS}, magic=7), "legacy"),
        (lambda: _checkpoint(GOOD, {"0": NUMBERS})[:-4], "ends inside storage"),
        (lambda: _checkpoint(GOOD, {"1": NUMBERS}), "not a readable PyTorch state dict"),
        (lambda: _checkpoint({"x": _Call(_Global("os", "system"), ("true",))}, {}), "uses os.system"),
        (lambda: _checkpoint({"x": _Call(_Global("builtins", "eval"), ("1",))}, {}), "uses builtins.eval"),
        (lambda: _checkpoint({"x": _tensor("0", 6, (2, 3), (30, 1))}, {"0": NUMBERS}), "outside its storage"),
        (lambda: _checkpoint({"x": _tensor("0", 6, (2,), (1,), 5)}, {"0": NUMBERS}), "outside its storage"),
    ],
)
def test_what_is_no_plain_state_dict_is_refused(make: Callable[[], bytes], says: str, tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(make())
    with pytest.raises(WeightsError, match=says):
        read_state_dict(path)


def test_nothing_in_the_file_is_run(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(_checkpoint({"x": _Call(_Global("os", "mkdir"), (os.fspath(tmp_path / "made"),))}, {}))
    with pytest.raises(WeightsError):
        read_state_dict(path)
    assert not (tmp_path / "made").exists()
