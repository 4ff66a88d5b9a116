"""What the service answers to a command, and photos to convert."""

from pathlib import Path
from typing import Any

from tests.customization.samples import encoded

WHEN = "2026-01-13T20:46:20.189Z"
STAMPS = {"createdDateTime": WHEN, "updatedDateTime": WHEN}
URI = "https://x.blob.core.windows.net/c/train.json"
DATASET = {"name": "cats", "annotationKind": "imageClassification", "annotationFileUris": [URI], **STAMPS}
PERFORMANCE = {"accuracyTop1": 0.875, "calibrationECE": 0.05, "tagPerformance": {"cat": {"accuracy": 1.0}}}
EVALUATION = {
    "name": "e",
    "modelName": "m",
    "status": "succeeded",
    "evaluationParameters": {"testDatasetName": "t"},
    "modelPerformance": PERFORMANCE,
    **STAMPS,
}


def model(status: str = "succeeded", **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    parameters = {"trainingDatasetName": "cats", "timeBudgetInHours": 1, "modelKind": "Generic-Classifier"}
    performance = {"modelPerformance": PERFORMANCE} if status == "succeeded" else {}
    return {"name": "m", "status": status, "trainingParameters": parameters, **performance, **STAMPS, **fields}


def photos(folder: Path) -> Path:
    for index in range(10):
        path = folder / "photos" / ("cat" if index % 2 else "dog") / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(index))
    return folder / "photos"
