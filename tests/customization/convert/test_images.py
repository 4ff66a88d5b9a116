"""Images are known by their content, and photos that the service does not accept become JPEG copies."""

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from tests.customization.cli.ran import Vision
from tests.customization.samples import encoded
from vision_customization.customization.convert import read_folders
from vision_customization.customization.convert.images.content import format_of, image_format, other_file
from vision_customization.customization.convert.images.photos import jpeg_of
from vision_customization.customization.errors import ConversionFailed, ImageUnreadable

pillow_heif = pytest.importorskip("pillow_heif")

SIZE = (96, 64)


def picture() -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", SIZE, (200, 30, 30))
    image.paste((30, 30, 200), (SIZE[0] // 2, 0, *SIZE))
    return image


def photo(path: Path, file_format: str = "HEIF", image: Image.Image | None = None, **options: object) -> Path:
    pillow_heif.register_heif_opener()
    path.parent.mkdir(parents=True, exist_ok=True)
    (image or picture()).save(path, file_format, **options)
    return path


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "ICO", "HEIF", "AVIF"])
def test_images_are_known_by_their_content(tmp_path: Path, file_format: str) -> None:
    assert format_of(photo(tmp_path / "photo", file_format)) == file_format


@pytest.mark.parametrize(
    "head",
    [b"", b"BMW is a make of cars", b"\0\0\1\xba", b"RIFF\0\0\0\0AVI ", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", b"%PDF-1.7"],
)
def test_other_files_are_not_images(head: bytes) -> None:
    assert image_format(head) is None


@pytest.mark.parametrize(
    ("name", "head", "expected"),
    [
        ("a.mov", b"\0\0\0\x14ftypqt  ", "a video (.mov), not an image"),
        ("a.nef", b"MM\0*", "raw data of a camera (.nef), not an image that can be read"),
        ("a.txt", b"text", "not an image (.txt)"),
        ("a", b"text", "not an image (without extension)"),
    ],
)
def test_what_other_files_are(tmp_path: Path, name: str, head: bytes, expected: str) -> None:
    (tmp_path / name).write_bytes(head)
    assert format_of(tmp_path / name) is None
    assert other_file(tmp_path / name) == expected


def test_names_do_not_matter(tmp_path: Path) -> None:
    for number, name in enumerate(["a/1.jfif", "a/2", "b/3.JPG_large", "b/4.png"]):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(encoded(number, file_format="JPEG"))
    (tmp_path / "a" / "film.mp4").write_bytes(b"\0\0\0\x18ftypmp42")
    found = read_folders(tmp_path)
    assert [image.path.name for image in found.images] == ["1.jfif", "2", "3.JPG_large", "4.png"]
    assert [(remark.reason, remark.places) for remark in found.remarks] == [
        ("a video (.mp4), not an image", (str(tmp_path / "a" / "film.mp4"),))
    ]


@pytest.mark.parametrize("file_format", ["HEIF", "AVIF"])
def test_a_photo_becomes_a_jpeg_copy(vision: Vision, tmp_path: Path, file_format: str) -> None:
    original = photo(tmp_path / "photos" / "red" / "IMG 1.HEIC", file_format, quality=90)
    content = original.read_bytes()
    photo(tmp_path / "photos" / "red" / "2.jpg", file_format, picture().rotate(90, expand=True))
    for number in (3, 4):
        path = tmp_path / "photos" / "grey" / f"{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encoded(number, file_format="JPEG"))
    ran = vision("convert", "photos", "--output", "data", "--copy-images", "--json")
    assert ran.code == 0, ran.err
    [remark] = [remark for remark in ran.json["remarks"] if remark["effect"] == "changed"]
    assert remark["reason"] == f"{file_format} image, which the service does not accept: its JPEG copy is used"
    assert remark["count"] == 2
    document = json.loads((tmp_path / "data" / "train.json").read_text())
    sizes = {entry["file_name"]: (entry["width"], entry["height"]) for entry in document["images"]}
    assert {name.rpartition("-")[0]: size for name, size in sizes.items() if "-" in name} == {
        "images/IMG 1": SIZE,
        "images/2": SIZE[::-1],
    }
    for name, size in sizes.items():
        with Image.open(tmp_path / "data" / name) as copy:
            assert (copy.format, copy.size) == ("JPEG", size)
    assert original.read_bytes() == content
    assert vision("check", "data/train.json").code == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "data" / "images").rglob("*.jpg")}
    original.rename(original.with_name("leaf.heic"))
    assert vision("convert", "photos", "--output", "data", "--copy-images").code == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "data" / "images").rglob("*.jpg")} == before


def test_one_photo_in_two_folders_gets_two_copies(vision: Vision, tmp_path: Path) -> None:
    for tag in ("a", "b"):
        photo(tmp_path / "photos" / tag / "1.heic")
    assert vision("convert", "photos", "--output", "data").code == 0
    document = json.loads((tmp_path / "data" / "train.json").read_text())
    names = {entry["file_name"] for entry in document["images"]}
    assert len(names) == 2
    assert all((tmp_path / "data" / name).is_file() for name in names)


def test_copies_do_not_go_among_their_originals(vision: Vision, tmp_path: Path) -> None:
    photo(tmp_path / "photos" / "a" / "1.heic")
    ran = vision("convert", "photos")
    assert ran.code == 1
    assert "1 HEIC or AVIF photo in the output folder can't get JPEG copies there. Name another folder: `--output" in ran.err
    assert [path.name for path in (tmp_path / "photos").rglob("*") if path.is_file()] == ["1.heic"]


@pytest.mark.parametrize("file_format", ["HEIF", "AVIF"])
def test_a_copy_is_upright(tmp_path: Path, file_format: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = photo(tmp_path / "1", file_format, quality=90, exif=exif.tobytes())
    with Image.open(io.BytesIO(jpeg_of(path))) as copy:
        pixels = np.asarray(copy)
        assert copy.size == SIZE[::-1]
        assert copy.getexif().get(0x0112, 1) == 1
    assert pixels[5, 30, 0] > 150 > 60 > pixels[5, 30, 2]
    assert pixels[-5, 30, 2] > 150 > 60 > pixels[-5, 30, 0]


def test_a_copy_has_the_colours_of_srgb(tmp_path: Path) -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    same = jpeg_of(photo(tmp_path / "1", image=picture(), icc_profile=lab, quality=95))
    plain = jpeg_of(photo(tmp_path / "2", image=picture(), quality=95))
    difference = np.abs(np.asarray(Image.open(io.BytesIO(same)), int) - np.asarray(Image.open(io.BytesIO(plain)), int))
    assert difference.max() <= 3


def test_a_damaged_photo_is_named(vision: Vision, tmp_path: Path) -> None:
    path = photo(tmp_path / "photos" / "a" / "1.heic")
    path.write_bytes(path.read_bytes()[:-200])
    ran = vision("convert", "photos", "--output", "data")
    assert ran.code == 1
    assert "1.heic: is damaged" in ran.err
    assert not (tmp_path / "data" / "train.json").exists()


def test_without_the_package_the_message_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo(tmp_path / "a" / "1.heic")
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(ConversionFailed, match=r"1\.heic: is a HEIC photo.*pip install 'vision-customization\[heif\]'"):
        read_folders(tmp_path)


def test_an_old_pillow_can_not_read_avif(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = photo(tmp_path / "1.avif", "AVIF")
    monkeypatch.setattr("PIL.features.check", lambda feature: False)
    with pytest.raises(ImageUnreadable, match=r"takes Pillow 11\.3 or newer"):
        jpeg_of(path)
