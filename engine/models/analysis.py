"""A model's findings in the contract's form, as JSON-ready values: plain ones for speed, since every image has one."""

from collections.abc import Sequence
from typing import Any

from vision_customization.contract.analysis import DetectedObject
from vision_customization.engine.models.answers import TagProbability


def tags_result(tags: Sequence[TagProbability], novelty: float | None) -> dict[str, Any]:
    """All tags by falling confidence, with their thresholds if the model has any, and the novelty if it tells it."""
    ordered = sorted(tags, key=lambda tag: -tag.probability)
    values = [
        {"name": tag.name, "confidence": tag.probability} | ({} if tag.threshold is None else {"threshold": tag.threshold})
        for tag in ordered
    ]
    return {"tagsResult": {"values": values}} | ({} if novelty is None else {"novelty": novelty})


def objects_result(objects: list[DetectedObject]) -> dict[str, Any]:
    return {"objectsResult": {"values": [found.to_wire() for found in objects]}}


def analysis(found: dict[str, Any], api_version: str, width: int, height: int) -> dict[str, Any]:
    """An `ImageAnalysisResult`; `width` and `height` are pixels of the submitted image."""
    return {
        "customModelResult": found,
        "modelVersion": api_version,
        "metadata": {"width": width, "height": height},
    }
