"""Trained models as they are run, whichever kind a file holds."""

from pathlib import Path

from engine.learning.artifact import ClassifierSession
from engine.learning.detector_artifact import BOXES, DetectorSession
from engine.learning.features import open_exported


def open_model(path: Path, threads: int) -> ClassifierSession | DetectorSession:
    """Load an exported model. Raises ArtifactError where the file is not one."""
    session = open_exported(path.read_bytes(), threads)
    detects = BOXES in {output.name for output in session.get_outputs()}
    return DetectorSession(session) if detects else ClassifierSession(session)
