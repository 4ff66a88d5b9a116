import io
import re
import zlib
from base64 import b64decode
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.common.test_image_metadata import chunk
from tests.customization.samples import encoded
from vision_customization.contract.coco.document import Box
from vision_customization.contract.enums import AnnotationKind
from vision_customization.customization.convert import LabelledImage, LabelledImages
from vision_customization.customization.convert.contact_sheet import PICTURES_PER_TAG, contact_sheet

Labels = tuple[tuple[str, Box | None], ...]


def image(folder: Path, name: str, labels: Labels, **options: int) -> LabelledImage:
    path = folder / name
    path.write_bytes(encoded(len(name), **options))
    return LabelledImage(path, name, 64, 48, labels)


def parts(train: list[LabelledImage], test: list[LabelledImage], tags: tuple[str, ...]) -> dict[str, LabelledImages]:
    kind = AnnotationKind.IMAGE_OBJECT_DETECTION
    return {"train": LabelledImages(kind, tags, tuple(train)), "test": LabelledImages(kind, tags, tuple(test))}


def test_every_tag_has_its_pictures_with_all_their_boxes(tmp_path: Path) -> None:
    both = image(tmp_path, "both.png", (("nut", (0.1, 0.2, 0.3, 0.4)), ("bolt", (0.5, 0.5, 0.5, 0.5))))
    empty = image(tmp_path, "empty.png", ())
    page = contact_sheet("screws", ["read as YOLO"], parts([both], [empty], ("nut", "bolt")))
    sections = dict(re.findall(r"<section><h2>(.*?)</h2>(.*?)</section>", page))
    assert list(sections) == ["nut", "bolt", "without labels"]
    own = '<rect x="0.1" y="0.2" width="0.3" height="0.4"/>'
    assert own in sections["nut"]
    assert own.replace("<rect", '<rect class="other"') in sections["bolt"]
    assert "<svg" not in sections["without labels"]
    assert '<figcaption class="test">empty.png' in sections["without labels"]
    assert "<p>read as YOLO</p>" in page
    assert "other tags" in page


def test_a_tag_with_many_images_shows_some_from_first_to_last(tmp_path: Path) -> None:
    many = [image(tmp_path, f"{number:02}.png", (("nut", None),)) for number in range(30)]
    page = contact_sheet("screws", [], parts(many, [], ("nut",)))
    shown = re.findall(r"<figcaption[^>]*>(.*?)<", page)
    assert len(shown) == PICTURES_PER_TAG
    assert shown[0] == "00.png"
    assert int(shown[-1][:2]) > 26
    assert "12 of 30 images" in page


def test_nothing_in_a_name_becomes_markup(tmp_path: Path) -> None:
    tag = "<script>alert(1)</script>"
    named = image(tmp_path, 'a"b<c.png', ((tag, None),))
    page = contact_sheet(tag, [tag], parts([named], [], (tag,)), [tag])
    assert "<script" not in page
    assert not re.search(r'(src|href)="(?!data:image/jpeg)', page)
    assert "Left out, or worth a look" in page


def test_a_thumbnail_is_upright(tmp_path: Path) -> None:
    turned = tmp_path / "turned.jpg"
    turned.write_bytes(encoded(3, (640, 480), "JPEG", orientation=6))
    page = contact_sheet("t", [], parts([LabelledImage(turned, "s", 480, 640, (("nut", None),))], [], ("nut",)))
    [source] = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    with Image.open(io.BytesIO(b64decode(source))) as thumbnail:
        assert thumbnail.size == (165, 220)


@pytest.mark.parametrize(
    "extra",
    [
        pytest.param(chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(2_000_000))), id="2 MB of text"),
        pytest.param(chunk(b"eXIf", b"MM\0*\0\0\0\x08\xff\xff"), id="eXIf that ends early"),
    ],
)
def test_bad_metadata_does_not_spoil_a_picture(extra: bytes, tmp_path: Path) -> None:
    plain = image(tmp_path, "a.png", (("nut", None),))
    data = plain.path.read_bytes()
    plain.path.write_bytes(data[:33] + extra + data[33:])
    assert contact_sheet("t", [], parts([plain], [], ("nut",))).count("<img") == 1


@pytest.mark.parametrize(("dtype", "scale", "name"), [(np.uint16, 1000, "deep.png"), (np.float32, 0.1, "deep.tif")])
def test_greys_of_any_depth_are_visible(dtype: type, scale: float, name: str, tmp_path: Path) -> None:
    Image.fromarray((np.repeat([[1, 4]] * 60, 40, axis=1) * scale).astype(dtype)).save(tmp_path / name)
    page = contact_sheet("t", [], parts([LabelledImage(tmp_path / name, "s", 80, 60, (("nut", None),))], [], ("nut",)))
    [source] = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    with Image.open(io.BytesIO(b64decode(source))) as thumbnail:
        grey = thumbnail.convert("L")
        assert (grey.getpixel((10, 30)), grey.getpixel((70, 30))) == (pytest.approx(64, abs=4), pytest.approx(255, abs=4))
