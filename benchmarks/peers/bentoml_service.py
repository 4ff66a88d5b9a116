"""The classifier by BentoML, in the peers' environment.

    bentoml serve benchmarks.peers.bentoml_service:ClassifierService

The settings are environment variables, because each worker imports this module. The image is the file of a form, and the answer
a model of pydantic: for a mere image as the body, and for a mere dictionary, BentoML computes a JSON schema at each call, which
takes milliseconds. There are no batches, because an exported classifier takes one image of any size.
"""

import os

import bentoml
from PIL import Image
from pydantic import BaseModel

from benchmarks.peers.classifier import Classifier

MODEL, WORKERS, THREADS, SPIN = (os.environ[f"PEER_{name}"] for name in ("MODEL", "WORKERS", "THREADS", "SPIN"))


class Answer(BaseModel):
    probabilities: dict[str, float]


@bentoml.service(
    workers=int(WORKERS),
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
)
class ClassifierService:
    def __init__(self) -> None:
        self._classifier = Classifier(MODEL, int(THREADS), spin=SPIN == "spin")

    @bentoml.api
    def predict(self, image: Image.Image) -> Answer:
        return Answer(probabilities=self._classifier.of_image(image))
