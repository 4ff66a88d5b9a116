"""What a detector's jobs keep of images."""

from pathlib import Path

import numpy as np
import pytest

from tests.engine.jobs.drawn import CheapExtractor, Engine, encoded
from vision_customization.engine.annotations import BoxedImage
from vision_customization.engine.blobs.access import Access
from vision_customization.engine.blobs.reader import BlobReader
from vision_customization.engine.jobs.errors import JobCancelled, JobFailed
from vision_customization.engine.jobs.images.found_objects import FoundObjects
from vision_customization.engine.jobs.images.kept_features import KeptFeatures
from vision_customization.engine.jobs.images.pictures import Pictures
from vision_customization.engine.jobs.images.plan import Part, Plan
from vision_customization.engine.jobs.images.resources import Resources
from vision_customization.engine.jobs.images.shards import Shards
from vision_customization.engine.learning.boxes import Detections
from vision_customization.engine.objects.files import FileObjects

LARGE = np.random.default_rng(0).integers(0, 256, (150, 200, 3)).astype(np.uint8).repeat(20, 0).repeat(20, 1)
"""3000 pixels high, 4000 wide."""


class FixedSession:
    """Finds one thing in every image."""

    detail = 3
    tags = ("disc",)

    def detect(self, pixels: np.ndarray) -> Detections:
        return Detections(np.array([[1, 2, 3, 4]], np.float32), np.array([0]), np.array([pixels.shape[1] / 1000], np.float32))

    def stop(self) -> None:
        """It never takes long."""


@pytest.mark.parametrize("tiles", [1, 2])
def test_pictures_are_as_large_as_their_tiles_need_on_the_whole_way_from_the_blob(engine: Engine, tiles: int) -> None:
    url = engine.blobs.put(f"/account/large-{tiles}/0.jpg", encoded(LARGE, "JPEG"))
    part = Part("large", ("disc",), (BoxedImage(url, (), "a.json: images[0]"),), Access(None, False, ()), (10, 10_240))
    objects = FileObjects(engine.settings.data_dir / f"large-{tiles}")
    pictures = Pictures(objects, tiles)
    extractor = CheapExtractor()
    reader = BlobReader(engine.settings.allowed_hosts)
    resources = Resources(
        engine.store, objects, reader, extractor, KeptFeatures(objects, extractor.key, extractor.dimensions), decoders=2
    )
    plan = Plan((part,))
    shards = Shards(resources, pictures, f"large-{tiles}", plan, lambda: None)
    shards.keep(plan.shards[0])
    [(_, digest)] = shards.digests(0, 1)
    reader.close()
    height, width = pictures.read(digest).shape[:2]
    assert (height * width) ** 0.5 == pytest.approx(640 * tiles, abs=1)
    assert pictures.has(digest)
    assert not Pictures(objects, 3).has(digest)
    assert pictures.add({digest: LARGE}) == 0


def test_found_objects_are_read_as_they_were_found_and_lost_ones_are_told(tmp_path: Path) -> None:
    found_objects = FoundObjects(FileObjects(tmp_path), "evaluation-1", FixedSession, lambda: None)  # type: ignore[arg-type]
    assert (found_objects.detail, found_objects.tags) == (3, ("disc",))
    found_objects.add({"a" * 64: LARGE[:300], "b" * 64: LARGE[:300, :500]})
    found = list(found_objects.read(["b" * 64, "a" * 64]))
    assert [size for size, _ in found] == [(500, 300), (4000, 300)]
    assert [detections.scores[0] for _, detections in found] == [np.float32(0.5), np.float32(4)]
    np.testing.assert_array_equal(found[0][1].corners, [[1, 2, 3, 4]])
    with pytest.raises(JobFailed, match="lost or damaged"):
        list(found_objects.read(["a" * 64, "c" * 64]))


def test_a_job_stops_between_two_images_that_are_looked_at(tmp_path: Path) -> None:
    looked: list[int] = []

    def check() -> None:
        if len(looked) == 2:
            raise JobCancelled
        looked.append(1)

    found_objects = FoundObjects(FileObjects(tmp_path), "evaluation-1", FixedSession, check)  # type: ignore[arg-type]
    with pytest.raises(JobCancelled):
        found_objects.add({digit * 64: LARGE[:20, :20] for digit in "abcd"})
    assert [found_objects.has(digit * 64) for digit in "abcd"] == [True, True, False, False]
