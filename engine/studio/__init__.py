"""The Studio: the engine's web pages at `/studio`, for people who would rather look than read.

Its pages call the same functions as the REST routes; nothing here knows how a model is trained or how a dataset is stored.
"""

from vision_customization.engine.studio.application import create_studio

__all__ = ["create_studio"]
