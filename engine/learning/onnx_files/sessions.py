"""ONNX Runtime sessions with bounded memory, for our own networks and for checked files of trained models."""

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from vision_customization.engine.learning.errors import ArtifactError
from vision_customization.engine.learning.onnx_files.checking import IMAGE, check_model_file

Pixels = NDArray[np.uint8]
"""uint8 [h, w, 3], RGB."""


MEMORY_MAX_BYTES = 4 * 1024**3
"""Memory limit for the tensors of all sessions of a process. Three calls of the largest detectors take 1 GiB."""


@lru_cache(maxsize=1)
def _bound_memory() -> None:
    """Give all sessions of this process one arena of at most MEMORY_MAX_BYTES: only a model that requests more fails."""
    memory = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    onnxruntime.create_and_register_allocator(memory, onnxruntime.OrtArenaCfg({"max_mem": MEMORY_MAX_BYTES}))


def open_session(model: bytes, threads: int) -> onnxruntime.InferenceSession:
    """A CPU session with bounded threads and memory. Its threads sleep between calls instead of spinning."""
    _bound_memory()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.use_env_allocators", "1")
    # Otherwise a file that looks like ONNX Runtime's own format would be read as such.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    # Constant folding would compute without any limit while the file is opened, and gains nothing for files of this engine.
    session = onnxruntime.InferenceSession(
        model, options, providers=["CPUExecutionProvider"], disabled_optimizers=["ConstantFolding"]
    )
    # It keeps the file to open it again with other providers, which nobody asks for: as much memory as the weights take.
    session.disable_fallback()
    session._model_bytes = None  # noqa: SLF001
    return session


def open_exported(data: bytes, threads: int) -> onnxruntime.InferenceSession:
    """The session of an exported model, which is checked before it is opened. Raises ArtifactError."""
    check_model_file(data)
    return open_checked(data, threads)


def open_checked(data: bytes, threads: int) -> onnxruntime.InferenceSession:
    """The session of an exported model that has been checked. Raises ArtifactError."""
    try:
        return open_session(data, threads)
    except Exception as error:
        raise ArtifactError(f"the model file cannot be run: {error}") from error


class ExportedSession:
    """An exported model, opened. Safe to call from several threads; each call computes on at most `threads` of its own."""

    def __init__(self, onnx: bytes | Path | onnxruntime.InferenceSession, threads: int) -> None:
        """Raises ArtifactError if a file is not an exported model."""
        data = onnx.read_bytes() if isinstance(onnx, Path) else onnx
        self._session = open_exported(data, threads) if isinstance(data, bytes) else data
        try:
            self.tags: tuple[str, ...] = tuple(json.loads(self._session.get_modelmeta().custom_metadata_map["labels"]))
        except (KeyError, ValueError, TypeError, RecursionError) as error:
            raise ArtifactError(f"the model file has no labels ({type(error).__name__})") from error
        self._running: set[onnxruntime.RunOptions] = set()

    def stop(self) -> None:
        """Ask the running calls to end. Each of them fails as soon as its current operator has returned."""
        for options in tuple(self._running):
            options.terminate = True

    def _run(self, outputs: Sequence[str], pixels: Pixels) -> list[NDArray[Any]]:
        options = onnxruntime.RunOptions()
        self._running.add(options)
        try:
            found: list[NDArray[Any]] = self._session.run(list(outputs), {IMAGE: np.ascontiguousarray(pixels)}, options)
        finally:
            self._running.discard(options)
        return found
