"""The form in which callers of a preview version read the answer of a Vision resource, which answers in a general version.

Azure switched the preview versions off on 2025-03-31. `Azure-Samples/azure-ai-vision-sdk` keeps their schema
(`docs/image-analysis/Image-Analysis-2023-02-01-preview-API-doc.md`), `Azure/azure-rest-api-specs` has that of the general
versions (`specification/ai/ImageAnalysis/models.tsp`). Of the features that both have, only `readResult` differs: a document
of pages with offsets into one text, instead of blocks of lines of words. `adultResult` exists in no general version.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict


class _Span(TypedDict):
    offset: int
    length: int


def in_preview_form(answer: Mapping[str, Any]) -> dict[str, Any]:
    """A result of the general versions as one of the preview versions.

    Raises:
        KeyError, TypeError, ValueError: its `readResult` is not one of the general versions.
    """
    if "readResult" not in answer:
        return dict(answer)
    return {**answer, "readResult": _document(answer["readResult"], answer["metadata"], answer["modelVersion"])}


def _document(read: Mapping[str, Any], size: Mapping[str, Any], model_version: str) -> dict[str, Any]:
    """Offsets count Unicode code points of `content`, in which each line is a line of its own."""
    content = ""
    lines: list[dict[str, Any]] = []
    words: list[dict[str, Any]] = []
    angles: list[float] = []
    for line in (line for block in read["blocks"] for line in block["lines"]):
        content += "\n" if lines else ""
        begin = len(content)
        content += line["text"]
        box = _eight_numbers(line["boundingPolygon"])
        angles.append(math.degrees(math.atan2(box[3] - box[1], box[2] - box[0])))
        lines.append({"content": line["text"], "boundingBox": box, "spans": [_Span(offset=begin, length=len(line["text"]))]})
        position = begin
        for word in line["words"]:
            found = content.find(word["text"], position)
            offset = position if found < 0 else found
            position = min(offset + len(word["text"]), len(content))
            words.append(
                {
                    "content": word["text"],
                    "boundingBox": _eight_numbers(word["boundingPolygon"]),
                    "confidence": word["confidence"],
                    "span": _Span(offset=offset, length=position - offset),
                }
            )
    page = {
        "height": size["height"],
        "width": size["width"],
        "angle": round(statistics.median(angles), 4) if angles else 0.0,
        "pageNumber": 1,
        "words": words,
        "spans": [_Span(offset=0, length=len(content))],
        "lines": lines,
    }
    return {
        "stringIndexType": "unicodeCodePoint",
        "content": content,
        "pages": [page],
        "styles": [],
        "modelVersion": model_version,
    }


def _eight_numbers(polygon: Sequence[Mapping[str, float]]) -> list[float]:
    """x and y of the four points, clockwise from the top left corner of the text."""
    if len(polygon) != 4:
        raise ValueError(f"a bounding polygon has {len(polygon)} points, expected 4")
    return [number for point in polygon for number in (point["x"], point["y"])]
