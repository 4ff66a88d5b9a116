"""A project from the service to labelled images: like the published SDK sees it, each image loaded once, nothing lost."""

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.cognitiveservices.vision.customvision.training import CustomVisionTrainingClient
from azure.cognitiveservices.vision.customvision.training.models import (
    CustomVisionErrorException,
    ImageFileCreateBatch,
    ImageFileCreateEntry,
    Region,
)
from msrest.authentication import ApiKeyCredentials

from tests.customization.samples import encoded
from tests.support.custom_vision import KEY, SIGNATURE, StandIn
from tests.support.waiting import wait_until
from vision_customization.common.errors import VisionError
from vision_customization.customization.client.transport import RetryPolicy
from vision_customization.customization.customvision.client import CustomVision
from vision_customization.customization.customvision.importing import import_project
from vision_customization.customization.customvision.labels import labelled_images
from vision_customization.customization.customvision.loading import ImageSource
from vision_customization.customization.errors import NotAuthorized, Unreachable

IMPORT = "import sys; from vision_customization.customization.cli import main; main(sys.argv[1:])"
NO_WAIT = RetryPolicy(attempts=3, base_seconds=0.0)


@pytest.fixture
def ours(custom_vision: StandIn) -> Iterator[CustomVision]:
    with CustomVision(custom_vision.url, KEY, retry=NO_WAIT) as client:
        yield client


@pytest.fixture
def source() -> Iterator[ImageSource]:
    with ImageSource(NO_WAIT) as images:
        yield images


def sdk_client(custom_vision: StandIn) -> CustomVisionTrainingClient:
    return CustomVisionTrainingClient(custom_vision.url, ApiKeyCredentials(in_headers={"Training-Key": KEY}))


def test_the_published_sdk_and_we_see_the_same_project(
    custom_vision: StandIn, ours: CustomVision, source: ImageSource, tmp_path: Path
) -> None:
    with sdk_client(custom_vision) as sdk:
        domain = next(domain.id for domain in sdk.get_domains() if domain.type == "ObjectDetection")
        project = sdk.create_project("chairs", domain_id=domain)
        tags = [sdk.create_tag(project.id, name) for name in ("chair", "stool")]
        entries = [
            ImageFileCreateEntry(
                name=f"{number}.png",
                contents=encoded(number),
                regions=[
                    Region(tag_id=tag.id, left=0.1 + number / 100, top=0.2, width=0.25, height=1 / 3)
                    for tag in tags[: number + 1]
                ],
            )
            for number in range(3)
        ]
        assert sdk.create_images_from_files(project.id, ImageFileCreateBatch(images=entries)).is_batch_successful
        seen = {image.id: image for image in sdk.get_tagged_images(project.id, take=256)}
        assert sdk.get_tagged_image_count(project.id) == len(seen) == 3
        assert sdk.get_untagged_images(project.id) == []
        assert [tag.name for tag in sdk.get_tags(project.id)] == ["chair", "stool"]
        with pytest.raises(CustomVisionErrorException) as refused:
            sdk.get_tagged_images("unknown")
        assert refused.value.error.code == "NotFoundProject"

    content, loaded = import_project(ours, ours.project("chairs"), tmp_path, source)
    labelled = labelled_images(content, loaded.files, loaded.failed)
    assert labelled.kind == "imageObjectDetection"
    assert labelled.remarks == ()
    assert len(labelled.images) == 3
    for image in labelled.images:
        expected = [
            (region.tag_name, (region.left, region.top, region.width, region.height))
            for region in seen[image.path.stem].regions
        ]
        assert [tag for tag, _ in image.labels] == [tag for tag, _ in expected]
        for (_, box), (_, region) in zip(image.labels, expected, strict=True):
            assert box == pytest.approx(region, abs=1e-9)


def test_no_key_goes_to_the_storage_and_no_secret_into_a_message(
    custom_vision: StandIn, ours: CustomVision, source: ImageSource, tmp_path: Path
) -> None:
    project = custom_vision.add_project("p", "Classification", "Multiclass")
    custom_vision.add_image(project, encoded(1), (custom_vision.add_tag(project, "a"),))
    custom_vision.blob_answer = lambda id_, data: None
    with pytest.raises(Unreachable) as error:
        import_project(ours, ours.project("p"), tmp_path, source)
    assert "127.0.0.1 did not answer" in str(error.value)
    assert "Run the same command again: it continues" in str(error.value)
    assert SIGNATURE not in str(error.value)
    assert all(KEY not in value for headers in custom_vision.blob_headers for value in headers.values())
    assert len(custom_vision.blob_headers) == NO_WAIT.attempts
    with CustomVision(custom_vision.url, "another-key") as stranger, pytest.raises(NotAuthorized) as denied:
        stranger.project("p")
    assert "another-key" not in str(denied.value)
    with pytest.raises(VisionError, match=r"has no project 'q'. Its projects are: 'p'"):
        ours.project("q")


def test_images_that_cannot_be_loaded_are_named(
    custom_vision: StandIn, ours: CustomVision, source: ImageSource, tmp_path: Path
) -> None:
    project = custom_vision.add_project("p", "Classification", "Multiclass")
    tag = custom_vision.add_tag(project, "a")
    names = ["good", "gone", "cut", "text", "expired"]
    ids = {name: custom_vision.add_image(project, encoded(number), (tag,)) for number, name in enumerate(names)}
    project.images[ids["text"]].data = b"<html>"
    asked = Counter[str]()

    def answer(id_: str, data: bytes) -> tuple[int, bytes]:
        asked[id_] += 1
        if id_ == ids["gone"]:
            return 404, b""
        if id_ == ids["cut"]:
            return 200, data[:-9]
        if id_ == ids["expired"] and asked[id_] == 1:
            return 403, b""
        return 200, data

    custom_vision.blob_answer = answer
    untagged = custom_vision.add_image(project, encoded(9))
    content, loaded = import_project(ours, ours.project("p"), tmp_path, source)
    labelled = labelled_images(content, loaded.files, loaded.failed)
    assert {image.path.stem for image in labelled.images} == {ids["good"], ids["expired"]}
    left_out = {remark.reason: remark.places for remark in labelled.remarks if remark.what == "image"}
    assert left_out == {
        "untagged": (untagged,),
        "cannot be loaded: the storage answered 404": (ids["gone"],),
        "cannot be loaded: is damaged: the bytes are not those that the storage has": (ids["cut"],),
        "cannot be loaded: is not an image of a supported type (JPEG, MPO, PNG, BMP, GIF, TIFF, WEBP, ICO)": (ids["text"],),
    }
    assert ("GET", f"/projects/{project.id}/images/id") in custom_vision.calls  # for a URL that is valid again
    assert labelled.left_out("label") == 3
    assert {path.stem for path in tmp_path.iterdir()} == {ids["good"], ids["expired"]}


def test_the_server_busy_for_a_while_costs_no_image(
    custom_vision: StandIn, ours: CustomVision, source: ImageSource, tmp_path: Path
) -> None:
    project = custom_vision.add_project("p", "Classification", "Multiclass")
    id_ = custom_vision.add_image(project, encoded(1), (custom_vision.add_tag(project, "a"),))
    answers = iter([(503, b""), (429, b""), (200, encoded(1))])
    custom_vision.blob_answer = lambda *_: next(answers)
    _, loaded = import_project(ours, ours.project("p"), tmp_path, source)
    assert loaded.files.keys() == {id_}


def test_a_project_that_changes_meanwhile_is_refused(
    custom_vision: StandIn, ours: CustomVision, source: ImageSource, tmp_path: Path
) -> None:
    project = custom_vision.add_project("p", "Classification", "Multiclass")
    tag = custom_vision.add_tag(project, "a")
    ids = [custom_vision.add_image(project, encoded(number), (tag,)) for number in range(260)]

    def answer(id_: str, data: bytes) -> tuple[int, bytes]:
        if id_ == ids[255]:  # the last of the first page: after it, the second page begins one image later
            project.images.pop(ids[0], None)
        return 200, data

    custom_vision.blob_answer = answer
    with pytest.raises(VisionError, match="changed during the import: it had 260 tagged images, and listed 259"):
        import_project(ours, ours.project("p"), tmp_path, source)


def fill(custom_vision: StandIn, count: int) -> tuple[str, dict[str, list[Any]]]:
    """A project for detection; returns its name, and the regions of each image: tag and box."""
    project = custom_vision.add_project("Bolts & nuts")
    tags = {name: custom_vision.add_tag(project, name) for name in ("bolt", "nut")}
    regions: dict[str, list[Any]] = {}
    for number in range(count):
        boxes = [
            (name, (round(number / (2 * count), 6), 0.125, 0.25, 0.5))
            for name in ("bolt", "nut")
            if number % 3 or name == "nut"
        ]
        id_ = custom_vision.add_image(project, encoded(number), regions=tuple((tags[name], box) for name, box in boxes))
        regions[id_] = boxes
    return "Bolts & nuts", regions


@pytest.mark.process
def test_500_images_killed_and_resumed_are_each_loaded_once(custom_vision: StandIn, tmp_path: Path) -> None:
    name, regions = fill(custom_vision, 500)
    output = tmp_path / "bolts"
    arguments = ["import", "customvision", "--endpoint", custom_vision.url, "--project", name, "--output", str(output)]
    environment = {
        "VISION_CUSTOMVISION_KEY": KEY,
        "VISION_CACHE_DIR": str(tmp_path / "cache"),
        "HOME": str(tmp_path),
    }
    command = [sys.executable, "-c", IMPORT, *arguments]
    killed, started = threading.Event(), Counter[str]()
    first = set(list(regions)[:300])

    def answer(id_: str, data: bytes) -> tuple[int, bytes] | None:
        started[id_] += 1
        if id_ in first or killed.is_set():
            return 200, data
        killed.wait(60)
        return None

    custom_vision.blob_answer = answer
    running = subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    images = output / "images"
    wait_until(lambda: images.is_dir() and first == {path.stem for path in images.glob("[!.]*")}, "300 images are loaded", 60)
    running.kill()
    running.wait()
    killed.set()
    assert not (output / "train.json").exists()
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert custom_vision.loads == dict.fromkeys(regions, 1)
    assert {path.stem for path in images.iterdir()} == regions.keys()

    seen: dict[str, list[Any]] = {}
    for file in ("train.json", "test.json"):
        document = json.loads((output / file).read_text("utf-8"))
        names = {category["id"]: category["name"] for category in document["categories"]}
        ids = {image["id"]: Path(image["file_name"]).stem for image in document["images"]}
        seen |= {id_: [] for id_ in ids.values()}
        for annotation in document["annotations"]:
            seen[ids[annotation["image_id"]]].append((names[annotation["category_id"]], tuple(annotation["bbox"])))
    assert seen == regions
    assert KEY not in done.stdout + done.stderr
    assert SIGNATURE not in done.stdout + done.stderr + (output / "baseline.json").read_text("utf-8")
