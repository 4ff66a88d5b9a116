"""Opens trained models of either kind."""

from pathlib import Path

from vision_customization.engine.learning.classification.artifact import ClassifierSession
from vision_customization.engine.learning.detection.artifact import BOXES, DetectorSession
from vision_customization.engine.learning.onnx_files.sessions import open_exported


def open_model(path: Path, threads: int) -> ClassifierSession | DetectorSession:
    """Load an exported model. Raises ArtifactError if the file is not one."""
    session = open_exported(path.read_bytes(), threads)
    detects = BOXES in {output.name for output in session.get_outputs()}
    return DetectorSession(session) if detects else ClassifierSession(session)
