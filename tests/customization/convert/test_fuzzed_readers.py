"""Whatever a label file holds, its reader ends in a dataset or in ConversionFailed. CI looks longer."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.customization.convert import test_annotation_tools as samples
from tests.customization.convert.test_masks import packed
from tests.customization.samples import encoded
from tests.support.fuzzing import ROUND, fuzz
from vision_customization.customization.convert.detect_format import detect_format
from vision_customization.customization.convert.formats import read_labels
from vision_customization.customization.errors import ConversionFailed

Json = object

MASK = '<mask label="a" left="0" top="0" width="2" height="2" rle="1,3"/><polygon label="a" points="1,1;2,2"/><tag label="a"/>'

ALPHA = [0] * 20_000 * 4
ALPHA[4_003] = 255
DOT = samples.region(format="rle", rle=packed(ALPHA), brushlabels=["fork"])

SAMPLES: dict[str, tuple[str, str]] = {
    "label-studio": ("a.json", json.dumps([samples.task(samples.RECTANGLE), samples.task(DOT, address="2.jpg")])),
    "labelme": (
        "a.json",
        json.dumps(
            {
                "flags": {"x": True},
                "imagePath": "1.jpg",
                "imageWidth": 200,
                "shapes": [samples.LABELME_BOX, samples.mask_shape()],
            }
        ),
    ),
    "automl": ("a.jsonl", json.dumps({"image_url": samples.URL, "label": [samples.FRACTIONS]}) + "\n"),
    "ground-truth": ("a.manifest", json.dumps(samples.manifest_line()) + "\n"),
    "cvat": (
        "a.xml",
        f'<annotations><image name="1.jpg" width="200" height="100">{samples.CVAT_BOX}{MASK}</image></annotations>',
    ),
    "list": ("a.txt", "1.jpg fork\nb c/2.jpg spoon\n"),
}

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=6)
    | st.sampled_from(["1.jpg", "", "../1.jpg", 10**400]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)


def changed(value: Json, draw: Callable[..., Json]) -> Json:
    """A JSON value in which one part is another value, or is gone."""
    if isinstance(value, dict) and value and draw(st.integers(0, 9)):
        key = draw(st.sampled_from(sorted(value)))
        if not draw(st.integers(0, 4)):
            return {name: inner for name, inner in value.items() if name != key}
        return {**value, key: changed(value[key], draw)}
    if isinstance(value, list) and value and draw(st.integers(0, 9)):
        index = draw(st.integers(0, len(value) - 1))
        return [*value[:index], changed(value[index], draw), *value[index + 1 :]]
    return draw(VALUES)


def cut(text: str, draw: Callable[..., Json]) -> str:
    """The text with one piece of it replaced, doubled or gone."""
    start = draw(st.integers(0, len(text)))
    end = draw(st.integers(start, min(len(text), start + 12)))  # type: ignore[arg-type]
    piece = draw(st.text(max_size=6) | st.sampled_from([text[start:end] * 2, "", "9" * 400, "nan", "-1", "&#0;", "\ud800"]))  # type: ignore[misc]
    return f"{text[:start]}{piece}{text[end:]}"  # type: ignore[misc]


@pytest.mark.parametrize("name", SAMPLES)
def test_readers_end_in_a_dataset_or_a_message(tmp_path: Path, name: str) -> None:
    for number in (1, 2):
        (tmp_path / f"{number}.jpg").write_bytes(encoded(number, samples.SIZE, "JPEG"))
    file, sample = SAMPLES[name]
    path = tmp_path / file

    @ROUND
    @given(data=st.data())
    def ends_in_a_dataset_or_a_message(data: st.DataObject) -> None:
        text = sample
        if text[0] in "[{" and data.draw(st.booleans()):
            text = json.dumps(changed(json.loads(text), data.draw))
        else:
            text = cut(text, data.draw)
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        for call in (
            lambda: read_labels(name, tmp_path if name == "labelme" else path, tmp_path),
            lambda: detect_format(tmp_path),
        ):
            message = _message_of(call)
            assert message is None or str(tmp_path) in message

    fuzz(ends_in_a_dataset_or_a_message)


def _message_of(call: Callable[[], object]) -> str | None:
    try:
        call()
    except ConversionFailed as error:
        return str(error)
    return None
