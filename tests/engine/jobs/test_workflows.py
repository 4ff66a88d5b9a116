"""What decides the order and the numbers of a job, without a database or a network."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from vision_customization.contract.errors import FailureCode
from vision_customization.contract.models import TrainingProgress
from vision_customization.engine.annotations import TaggedImage
from vision_customization.engine.blobs.access import Access
from vision_customization.engine.jobs.errors import JobCancelled, JobFailed
from vision_customization.engine.jobs.images.kept_plans import Plans
from vision_customization.engine.jobs.images.plan import Part, Plan, Shard, interleaved, shard_images
from vision_customization.engine.jobs.kinds.classifier import ClassifierTraining, dataset_digest
from vision_customization.engine.jobs.kinds.training import cost_minutes
from vision_customization.engine.jobs.workflows import run_training
from vision_customization.engine.objects.files import FileObjects
from vision_customization.engine.settings import Settings
from vision_customization.engine.store.cipher import TokenCipher


def image(tag: int, number: int) -> TaggedImage:
    return TaggedImage(f"https://acct.blob.core.windows.net/c/{tag}-{number}.png?sig=1", tag, f"a.json: images[{number}]")


class Recorded:
    """A training whose steps say what they are told to, and write down that they ran. Its pieces run here, one by one."""

    budget_seconds = 100.0

    def __init__(self, shards: list[int], *, seconds: float = 1.0, fails: dict[str, Exception] | None = None) -> None:
        self.shards, self.seconds, self.fails = shards, seconds, fails or {}
        self.ran: list[str] = []
        self.calls: dict[str, tuple[object, ...]] = {}

    def step(self, name: str, function: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401
        self.ran.append(name)
        self.calls[name] = arguments
        if name in self.fails:
            raise self.fails[name]
        if name.startswith("embed"):
            return {"images_read": 32, "images_embedded": 30, "images_outdated": 0, "seconds": self.seconds}
        results: dict[str, object] = {
            "kind": ("genericClassifier", 1),
            "read annotations": {
                "shards": self.shards,
                "images": 32 * sum(self.shards),
                "seconds": 1.0,
                "budget_seconds": self.budget_seconds,
                "priority": 7,
            },
            "fit": {"recipe": {}, "performance": {"accuracyTop1": 0.5}, "digest": "d", "seconds": 2.0},
            "evaluate": {"accuracyTop1": 0.75},
            "export": {"digest": "a", "sizeBytes": 1},
        }
        return results.get(name)

    def run(self, _queue: str, _name: str, function: Callable[..., Any], *arguments: object) -> Any:  # noqa: ANN401
        return function(self.step, *arguments)

    def spread(
        self,
        name: str,
        function: Callable[..., Any],
        items: list[tuple[int, int]],
        *,
        enough: Callable[[tuple[int, int]], bool],
        **_: object,
    ) -> Iterator[tuple[tuple[int, int], Any]]:
        for part, index in items:
            if enough((part, index)):
                return
            yield (part, index), self.step(f"{name} {part}/{index}", function, part, index)

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_: None

    def steps(self) -> list[str]:
        training = ClassifierTraining(self, Path())  # type: ignore[arg-type]
        run_training(self, lambda _kind, _tiles: training, self)  # type: ignore[arg-type]
        assert self.ran.pop() == "forget"
        return [name for name in self.ran if name not in ("kind", "report")]


def test_the_steps_of_a_training_without_a_test_dataset() -> None:
    training = Recorded([2])
    assert training.steps() == ["read annotations", "embed 0/0", "embed 0/1", "fit", "export", "finish"]
    performance, _, progress = training.calls["finish"]
    assert performance == {"accuracyTop1": 0.5}
    assert isinstance(progress, TrainingProgress)
    assert (progress.images, progress.images_read, progress.images_embedded, progress.seconds) == (64, 64, 60, 5.0)


def test_with_a_test_dataset_its_images_come_after_and_its_numbers_count() -> None:
    training = Recorded([1, 2])
    assert training.steps()[1:] == ["embed 0/0", "embed 1/0", "embed 1/1", "fit", "evaluate", "export", "finish"]
    assert training.calls["finish"][0] == {"accuracyTop1": 0.75}
    assert training.calls["evaluate"] == (2,)


def test_where_the_budget_ends_the_reading_the_rest_is_left_out_and_the_test_images_are_not() -> None:
    training = Recorded([10, 2], seconds=30.0)
    assert training.steps()[1:] == [
        "embed 0/0",
        "embed 0/1",
        "embed 0/2",
        "embed then 1/0",
        "embed then 1/1",
        "fit",
        "evaluate",
        "export",
        "finish",
    ]
    assert training.calls["fit"][0] == 3


@pytest.mark.parametrize(
    ("error", "step"), [(JobFailed(FailureCode.DATASET_CORRUPT, "no"), "fail"), (JobCancelled(), "cancel")]
)
@pytest.mark.parametrize("at", ["read annotations", "embed 0/1", "fit", "export"])
def test_a_job_ends_with_the_step_for_how_it_ended(at: str, error: Exception, step: str) -> None:
    training = Recorded([2], fails={at: error})
    assert training.steps()[-2:] == [at, step]


@pytest.mark.parametrize(
    ("seconds", "budget_hours", "minutes"),
    [(0, 1, 0), (0.1, 1, 1), (59.9, 1, 1), (60, 1, 1), (61, 1, 2), (3600, 1, 60), (4000, 1, 60), (4000, 2, 67)],
)
def test_a_minute_begun_counts_and_the_budget_is_never_exceeded(seconds: float, budget_hours: int, minutes: int) -> None:
    assert cost_minutes(seconds, budget_hours * 3600) == minutes


def test_every_beginning_of_the_order_holds_each_tag() -> None:
    images = [image(0, number) for number in range(5)] + [image(1, number) for number in range(2)]
    order = interleaved(images)
    assert sorted(order, key=repr) == sorted(images, key=repr)
    assert [one.tag for one in order] == [0, 1, 0, 1, 0, 0, 0]


def test_a_plan_is_kept_encrypted_and_comes_back_the_same(tmp_path: Path) -> None:
    objects = FileObjects(tmp_path / "objects")
    plans = Plans(objects, TokenCipher.open(Settings(data_dir=tmp_path)))
    access = Access(SecretStr("sig=TOPSECRET"), True, ("https://acct.blob.core.windows.net/c",))
    parts = tuple(
        Part(name, ("a", "b"), tuple(image(number % 2, number) for number in range(count)), access, (10, 10_240))
        for name, count in (("train", 33), ("test", 1))
    )
    plans.put("training-1", Plan(parts))
    plan = plans.get("training-1")
    assert plan == Plan(parts)
    assert plan.shards == (Shard(0, 0, 32), Shard(0, 32, 33), Shard(1, 0, 1))
    assert (plan.shard(0, 1), plan.shard(1, 0)) == plan.shards[1:]
    for part, index in ((0, 2), (1, 1), (0, -1)):
        with pytest.raises(IndexError):
            plan.shard(part, index)
    assert b"TOPSECRET" not in objects.get("jobs/training-1/plan")
    assert b"acct" not in objects.get("jobs/training-1/plan")
    assert "TOPSECRET" not in repr(plan)


@pytest.mark.parametrize(
    ("images", "size", "shards"),
    [(1, 32, 1), (33, 32, 2), (4_095, 32, 128), (4_096, 64, 64), (10_000, 64, 157), (1_000_000, 64, 15_625)],
)
def test_large_datasets_have_large_shards(images: int, size: int, shards: int) -> None:
    part = Part("train", ("a",), (image(0, 0),) * images, Access(None, False, ()), (10, 10_240))
    found = Plan((part,)).shards
    assert shard_images(images) == size
    assert len(found) == shards
    assert (found[0].start, found[-1].stop) == (0, images)
    assert [shard.start for shard in found[1:]] == [shard.stop for shard in found[:-1]]


def test_the_digest_of_a_dataset_is_of_its_images_and_tags_whatever_their_order() -> None:
    one = dataset_digest(["x", "y"], ["a", "b"])
    assert one == dataset_digest(["y", "x"], ["b", "a"])
    assert one != dataset_digest(["x", "y"], ["b", "a"])
