"""Questions about one image, and about the likely wrong labels."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engine.outcomes.made import image, made_objects, made_outcomes, made_tags
from vision_customization.engine.objects.files import FileObjects
from vision_customization.engine.objects.store import ObjectNotFound
from vision_customization.engine.outcomes.judge import Judge
from vision_customization.engine.outcomes.outcomes import Outcomes
from vision_customization.engine.outcomes.stored import StoredOutcomes, put_outcomes

COUNT = 230


@pytest.mark.parametrize("made", [made_outcomes, made_tags, made_objects])
def test_the_outcome_of_an_image_is_found_by_its_digest(tmp_path: Path, made: Callable[[int], Outcomes]) -> None:
    objects = FileObjects(tmp_path)
    put_outcomes(objects, "o", made(COUNT))
    judge = Judge(objects)
    for number in (0, 7, COUNT - 1):
        line = judge.of_image("o", image(number).sha256)
        assert line is not None
        assert json.loads(line)["image"] == image(number).url
    assert judge.of_image("o", hashlib.sha256(b"another").hexdigest()) is None
    assert judge.of_image("o", "ff" * 32) is None
    assert judge.of_image("o", "00" * 32) is None
    with pytest.raises(ObjectNotFound):
        judge.of_image("other", image(0).sha256)


def test_images_with_likely_wrong_labels_come_in_the_order_of_all(tmp_path: Path) -> None:
    objects = FileObjects(tmp_path)
    put_outcomes(objects, "o", made_outcomes(COUNT, training=True))
    stored = StoredOutcomes.open(objects, "o")
    rows = stored.likely_wrong().tolist()
    assert len(rows) == stored.likely > 0
    assert rows == sorted(rows)
    assert all("likelyLabels" in json.loads(line) for line in stored.read(rows))
