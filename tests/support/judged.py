"""Models with outcomes, and a Studio that draws their pictures."""

import io
from concurrent.futures import Future
from dataclasses import dataclass, field

from PIL import Image

from tests.engine.outcomes.made import MADE, image, made_outcomes
from tests.support.api_world import World
from vision_customization.contract.judging import OutcomeKind
from vision_customization.contract.models import ModelPerformance
from vision_customization.engine.objects.keys import estimate_key, outcomes_key
from vision_customization.engine.outcomes.stored import put_outcomes
from vision_customization.engine.store import DatasetRecord
from vision_customization.engine.views.errors import ViewsBusy
from vision_customization.engine.views.reencoding import THUMBNAIL_SIDE, VIEW_SIDE, Reencoded

COUNT = 150


def train_judged(
    world: World, name: str = "m", kind: OutcomeKind = OutcomeKind.ONE_TAG, count: int = COUNT, seed: int = 0
) -> str:
    """A model with outcomes of its training images, those of the dataset `cats`; returns its id."""
    world.register("cats")
    model_id = world.train(name)
    put_outcomes(world.objects, estimate_key(model_id), MADE[kind](count, seed=seed))
    return model_id


def evaluate_judged(world: World, model: str, name: str, count: int = 40, seed: int = 1) -> None:
    """An evaluation of a model on the dataset `cats-test`, with outcomes."""
    world.register("cats-test")
    body = {"evaluationParameters": {"testDatasetName": "cats-test"}}
    assert world.call("PUT", f"models/{model}/evaluations/{name}", json=body).status_code == 201
    evaluation_id = world.jobs.evaluations[-1]
    world.store.evaluations.begin(evaluation_id)
    put_outcomes(world.objects, outcomes_key(world.store.models.find(model).id, evaluation_id), made_outcomes(count, seed=seed))
    world.store.evaluations.finish(evaluation_id, ModelPerformance(accuracy_top1=0.75))


@dataclass
class DrawnPictures:
    """Draws a picture for any image of `made.image`, and remembers which were asked for. `sha256` is the digest that the images
    have now, if they have changed."""

    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    sha256: str | None = None
    busy: bool = False

    def thumbnail(self, dataset: DatasetRecord, url: str, sha256: str | None = None) -> Future[Reencoded]:
        self.asked.append((dataset.name, url, sha256))
        return self._made(url, THUMBNAIL_SIDE)

    def stored(self, sha256: str) -> Future[Reencoded | None]:
        answer = Future[Reencoded | None]()
        answer.set_result(None)
        return answer

    def view(self, dataset: DatasetRecord, url: str) -> Future[Reencoded]:
        self.asked.append((dataset.name, url, None))
        return self._made(url, VIEW_SIDE)

    def _made(self, url: str, side: int) -> Future[Reencoded]:
        number, answer = int(url.rsplit("/", 1)[1].split(".")[0]), Future[Reencoded]()
        if self.busy:
            answer.set_exception(ViewsBusy(64))
            return answer
        size = (240, 160) if number % 2 else (160, 240)
        buffer = io.BytesIO()
        Image.new("RGB", size, (60 + number % 90, 110, 200 - number % 90)).save(buffer, "JPEG")
        answer.set_result(Reencoded(buffer.getvalue(), *size, self.sha256 or image(number).sha256, side))
        return answer
