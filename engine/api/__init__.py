"""The REST API: the contract's routes, its one error shape, and who may call it.

It has no state of its own: its answers come from the store, the job queue, the models and the blob reader it is given.
"""

from vision_customization.engine.api.application import create_app
from vision_customization.engine.api.collaborators import Blobs, Models

__all__ = ["Blobs", "Models", "create_app"]
