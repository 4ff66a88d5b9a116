"""Novel images come back into a draft."""

import hashlib

import pytest

from tests.support.api_world import World, image_bytes
from tests.support.studio import Browser
from vision_customization.contract.enums import AnnotationKind
from vision_customization.contract.studio import Role
from vision_customization.engine.objects.keys import sample_key

PICTURE = image_bytes()
SHA256 = hashlib.sha256(PICTURE).hexdigest()


@pytest.fixture
def labeler(world: World) -> Browser:
    """Somebody who labels, a draft, and a novel image that the engine keeps."""
    world.store.drafts.create("d", AnnotationKind.IMAGE_CLASSIFICATION, "d", world.container.url, "ada")
    keep(world, SHA256, PICTURE)
    return Browser(world).sign_in(Role.LABELER, "ben")


def keep(world: World, sha256: str, data: bytes) -> None:
    world.store.samples.add(sha256, "m", 0.995, "<b>cat</b>", len(data))
    world.objects.put(sample_key(sha256), data)


def test_an_image_is_brought_into_a_draft(labeler: Browser, world: World) -> None:
    page = labeler.get("novel").text
    assert "&lt;b&gt;cat&lt;/b&gt;" in page
    assert "novelty 0.99" in page or "novelty 1.00" in page
    assert labeler.get(f"novel/{SHA256}/thumbnail").headers["content-type"] == "image/jpeg"
    answer = labeler.post("novel/bring", {"draft": "d", f"image-{SHA256}": "1"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/studio/drafts/d?only=new")
    [image] = world.store.drafts.all_images(world.store.drafts.find("d").sequence)
    assert (image.sha256, image.changed_by, image.labels) == (SHA256, "ben", ())
    assert world.container.blobs[f"images/{SHA256}.png"] == PICTURE
    assert world.store.samples.page(0, 10) == (0, [])
    assert not world.objects.exists(sample_key(SHA256))


def test_what_can_not_be_brought_is_named_and_stays(labeler: Browser, world: World) -> None:
    small = image_bytes(size=(5, 5))
    digest = hashlib.sha256(small).hexdigest()
    keep(world, digest, small)
    answer = labeler.post("novel/bring", {"draft": "d", f"image-{digest}": "1", f"image-{SHA256}": "1"})
    assert answer.status_code == 422
    assert "Not brought, and still here" in answer.text
    assert [sample.sha256 for sample in world.store.samples.page(0, 10)[1]] == [digest]
    assert world.store.drafts.find("d").images == 1


def test_images_are_deleted(labeler: Browser, world: World) -> None:
    assert labeler.post("novel/delete", {f"image-{SHA256}": "1"}).status_code == 303
    assert world.store.samples.page(0, 10)[0] == 0
    assert not world.objects.exists(sample_key(SHA256))


@pytest.mark.parametrize(
    ("form", "status"),
    [({"draft": "d"}, 400), ({"draft": "no", f"image-{SHA256}": "1"}, 404), ({"draft": "d", f"image-{'0' * 64}": "1"}, 404)],
)
def test_a_choice_that_can_not_be(labeler: Browser, world: World, form: dict[str, str], status: int) -> None:
    assert labeler.post("novel/bring", form).status_code == status
    assert world.store.samples.page(0, 10)[0] == 1


def test_the_page_says_whether_anything_is_kept(labeler: Browser) -> None:
    assert "This engine keeps no images that it is asked about" in labeler.get("novel").text
