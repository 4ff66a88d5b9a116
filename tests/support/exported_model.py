"""A model as another engine exports it."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from tests.support.api_world import World
from vision_customization.engine.learning import Classifier, export_classifier
from vision_customization.engine.learning.classification.recipes import RECIPES
from vision_customization.engine.learning.classification.training import fit_classifier
from vision_customization.engine.learning.classification.views import DIMENSIONS

TEXTURE = next(recipe for recipe in RECIPES if recipe.name == "texture")
"""The recipe with the smallest file."""


@dataclass(frozen=True)
class Exported:
    classifier: Classifier
    onnx: bytes
    metadata: dict[str, Any]

    @property
    def digest(self) -> str:
        digest: str = self.metadata["artifact"]["digest"]
        return digest


def export(weights_dir: Path, tags: Sequence[str]) -> Exported:
    labels = np.repeat(np.arange(len(tags)), 3)
    features = np.abs(np.random.default_rng(0).standard_normal((len(labels), DIMENSIONS))).astype(np.float32)
    classifier = fit_classifier(TEXTURE, features, labels, tuple(tags), sharpness=2.0)
    onnx = export_classifier(classifier, weights_dir)
    metadata = {
        "name": "trained-elsewhere",
        "kind": "Generic-Classifier",
        "labels": list(tags),
        "recipe": {"name": "texture"},
        "performance": {"accuracyTop1": 0.75, "tagPerformance": {"cat": {"accuracy": 1.0}}},
        "dataset": {"name": "cats", "digest": "d" * 64, "images": 6},
        "artifact": {"digest": hashlib.sha256(onnx).hexdigest(), "sizeBytes": len(onnx)},
        "features": classifier.layout,
        "trainingParameters": {"trainingDatasetName": "cats", "timeBudgetInHours": 2, "modelKind": "Generic-Classifier"},
        "evaluationParameters": {"testDatasetName": "cats-test"},
        "trainingCostInMinutes": 3,
        "promotedFrom": {"stack": "dev", "model": "trained-elsewhere"},
    }
    return Exported(classifier, onnx, metadata)


def put(world: World, exported: Exported, name: str = "m", **changes: Any) -> httpx.Response:  # noqa: ANN401 - of any kind
    """Send `exported`. `changes` replace its metadata, the digest in the header, the file, or the form."""
    metadata = changes.pop("metadata", exported.metadata)
    content = changes.pop("onnx", exported.onnx)
    text = metadata if isinstance(metadata, bytes) else json.dumps(metadata).encode()
    files = {"model": ("model.onnx", content), "metadata": ("model.json", text, "application/json")}
    digest = changes.pop("digest", f"sha256:{exported.digest}")
    arguments = {"files": files, "headers": {"x-ms-artifact-digest": digest} if digest is not None else {}, **changes}
    return world.call("PUT", f"models/{name}/artifact", **arguments)
