"""The images of a plan on their way to features, over real HTTP, without a workflow around them."""

import json
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from tests.engine.jobs.drawn import CheapExtractor, Engine
from vision_customization.engine.annotations import TaggedImage
from vision_customization.engine.blobs.access import Access
from vision_customization.engine.blobs.reader import BlobReader
from vision_customization.engine.jobs.errors import JobFailed
from vision_customization.engine.jobs.images.embedding import Embedding, check_networks
from vision_customization.engine.jobs.images.kept_features import KeptFeatures
from vision_customization.engine.jobs.images.plan import SHARD_IMAGES, Part, Plan
from vision_customization.engine.jobs.images.resources import Resources
from vision_customization.engine.jobs.images.shards import Shards
from vision_customization.engine.jobs.images.stored_images import StoredImages
from vision_customization.engine.learning import Classifier
from vision_customization.engine.learning.classification.classifier import Block
from vision_customization.engine.learning.classification.views import Pooling, dimensions_of, subject
from vision_customization.engine.learning.pretrained.backbones import BACKBONES, LITE0, REQUIRED, TINYVIT, Backbone
from vision_customization.engine.objects.files import FileObjects
from vision_customization.engine.outcomes.outcomes import ImageName

TAGS = ("green", "red")


def plan_of(engine: Engine, name: str, seed: int) -> Plan:
    """Three shards, the last of them with 6 images."""
    each = SHARD_IMAGES + 3
    urls = engine.dataset(name, dict.fromkeys(TAGS, each), first_seed=seed)
    images = tuple(TaggedImage(url, index // each, f"a.json: images[{index}]") for index, url in enumerate(urls))
    order = tuple(images[index // 2 + each * (index % 2)] for index in range(len(images)))
    return Plan((Part(name, TAGS, order, Access(None, False, ()), (10, 10_240)),))


def stored(shards: Shards, plan: Plan, count: int) -> tuple[np.ndarray, np.ndarray, list[ImageName]]:
    """Features, tags and names of the images of the first shards."""
    images = StoredImages(shards._resources.kept, shards, plan.parts[0].images, 0, count, len(TAGS))
    rows = np.arange(len(images))
    return images.features(rows), images.labels, images.names(rows)


Make = Callable[..., tuple[Shards, Embedding]]


@pytest.fixture
def embedding(engine: Engine) -> Iterator[Make]:
    reader = BlobReader(engine.settings.allowed_hosts)

    def make(job: str, plan: Plan, objects: FileObjects, key: str = "cheap") -> tuple[Shards, Embedding]:
        extractor = CheapExtractor(key)
        kept = KeptFeatures(objects, extractor.key, extractor.dimensions)
        resources = Resources(engine.store, objects, reader, extractor, kept, decoders=2)
        embedding = Embedding(resources)
        return Shards(resources, embedding, job, plan, lambda: None), embedding

    yield make
    reader.close()


@pytest.mark.parametrize("failing", ["digests", "features"])
def test_a_shard_that_is_embedded_again_keeps_its_images_and_tags(
    engine: Engine, embedding: Make, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    plan = plan_of(engine, f"again-{failing}", 40_000)
    objects = FileObjects(engine.settings.data_dir / f"again-{failing}")
    whole, _ = embedding("whole", plan, FileObjects(engine.settings.data_dir / f"whole-{failing}"))
    disturbed, _ = embedding("disturbed", plan, objects)
    put, failures = objects.put, [OSError("no space left on device")]

    def full_once(key: str, data: bytes, *, durable: bool = True) -> None:
        if failing in key and failures and objects.exists("jobs/disturbed/digests-0-0000000"):
            raise failures.pop()
        put(key, data, durable=durable)

    monkeypatch.setattr(objects, "put", full_once)
    for shard in plan.shards:
        whole.keep(shard)
        if shard == plan.shards[1]:
            with pytest.raises(OSError, match="no space left"):
                disturbed.keep(shard)
        disturbed.keep(shard)
    expected, found = stored(whole, plan, 3), stored(disturbed, plan, 3)
    assert not failures
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])
    assert found[2] == expected[2]


def test_a_shard_with_fewer_digests_than_images_is_never_learnt_from(engine: Engine, embedding: Make) -> None:
    plan = plan_of(engine, "short", 41_000)
    objects = FileObjects(engine.settings.data_dir / "short")
    short, _ = embedding("short", plan, objects)
    short.keep(plan.shards[0])
    key = "jobs/short/digests-0-0000000"
    objects.put(key, json.dumps(json.loads(objects.get(key))[1:]).encode())
    with pytest.raises(JobFailed, match="lost or damaged"):
        stored(short, plan, 1)


@pytest.mark.parametrize("shards", [1, 3])
def test_a_job_that_other_networks_take_over_computes_its_features_again(engine: Engine, embedding: Make, shards: int) -> None:
    plan = plan_of(engine, f"over-{shards}", 42_000)
    objects = FileObjects(engine.settings.data_dir / f"over-{shards}")
    before, _ = embedding("over", plan, objects)
    after, of_after = embedding("over", plan, objects, "other-networks")
    for shard in plan.shards:
        before.keep(shard)
    expected, found = stored(before, plan, shards), stored(after, plan, shards)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])
    assert found[2] == expected[2]
    assert of_after.outdated == len(found[1])


def test_features_that_cannot_be_computed_again_are_lost(
    engine: Engine, embedding: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(engine, "gone", 43_000)
    shards, _ = embedding("gone", plan, FileObjects(engine.settings.data_dir / "gone"))
    shards.keep(plan.shards[0])
    monkeypatch.setattr(
        KeptFeatures, "read", lambda _self, digests, _views: (np.empty((len(digests), 0)), np.zeros(len(digests), np.bool_))
    )
    with pytest.raises(JobFailed, match="lost or damaged"):
        stored(shards, plan, 1)


def test_a_model_of_a_network_that_is_missing_says_how_to_get_it() -> None:
    def classifier(*backbones: Backbone) -> Classifier:
        none = np.zeros(0, np.float32)
        blocks = (
            Block((subject(backbone, Pooling.CENTRE),), unit_length=True, mean=none, scale=none) for backbone in backbones
        )
        return Classifier(TAGS, tuple(blocks), none, none)

    check_networks(classifier(LITE0), dimensions_of(REQUIRED))
    check_networks(classifier(LITE0, TINYVIT), dimensions_of(BACKBONES))
    with pytest.raises(JobFailed, match=r"uses TinyViT-5M, whose weights .* Run `vision-engine weights pull`"):
        check_networks(classifier(LITE0, TINYVIT), dimensions_of(REQUIRED))
