"""The pages of drafts and versions: what they show, who may change what, and what is refused."""

import json
import re
from html import unescape
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import yaml  # type: ignore[import-untyped]

from tests.support.api_world import World, build, image_bytes
from tests.support.coco_content import coco, fill, index
from tests.support.studio import Browser
from vision_customization.contract.enums import AnnotationKind
from vision_customization.contract.model_names import trained_name
from vision_customization.contract.studio import Role
from vision_customization.engine.store.draft_records import DraftLabel, LabelChange, NewDraftImage
from vision_customization.engine.studio import create_studio
from vision_customization.engine.studio.publication_form import NO_GATE

HOSTILE = "<img src=x onerror=alert(1)><b hx-get=/studio/sign-out hx-trigger=load>"
SINGLE, SEVERAL, BOXES = (
    AnnotationKind.IMAGE_CLASSIFICATION,
    AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION,
    AnnotationKind.IMAGE_OBJECT_DETECTION,
)
BOX = (0.1, 0.2, 0.3, 0.4)


def name_of(number: int) -> str:
    return f"{number:064x}.png"


def document(world: World, labels: dict[int, list[str]]) -> dict[str, object]:
    """A COCO document of pictures in the Studio's container."""
    found = coco({name_of(number): tags for number, tags in labels.items()}, tags=["cat", "dog"])
    for image in found["images"]:
        image["absolute_url"] = f"{world.container.url}/images/{image['file_name']}"
    return found


def dataset(world: World, labels: dict[int, list[str]], name: str = "pets", **properties: str) -> None:
    uri = f"{world.container.url}/annotations/{name}.json"
    world.store.datasets.create(name, SINGLE, [uri], custom_properties=properties or None)
    index(world.store, name, document(world, labels))


def moved(world: World, labels: dict[int, list[str]], name: str = "pets") -> None:
    """The dataset has other content now."""
    world.store.datasets.update(name, annotation_file_uris=[f"{world.container.url}/annotations/{name}-2.json"])
    index(world.store, name, document(world, labels))


def draft(world: World, kind: AnnotationKind = SINGLE, name: str = "d", tags: tuple[str, ...] = ("cat", "dog")) -> None:
    """A draft from nothing with three images: the first is labelled, the others are not."""
    world.store.drafts.create(name, kind, name, world.container.url, "ada", tags=tags)
    images = [NewDraftImage(f"{number:064x}", ".png", f"{number}.png", 60, 80) for number in range(3)]
    world.store.drafts.add(name, images, "ada")
    box = BOX if kind is BOXES else None
    world.store.drafts.label(name, [LabelChange(0, (DraftLabel(tags[0], box),))], "ada")


def labels_of(world: World, name: str = "d") -> list[list[str]]:
    record = world.store.drafts.find(name)
    return [[label.tag for label in image.labels] for image in world.store.drafts.all_images(record.sequence)]


def text_of(reply: httpx.Response, status: int = 200) -> str:
    assert reply.status_code == status, reply.text
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", reply.text)))


def save(browser: Browser, world: World, name: str = "d", message: str = "") -> str:
    """Save a version, let it be read, and return the path of its page."""
    reply = browser.post(f"drafts/{name}/save", {"message": message})
    assert reply.status_code == 303, reply.text
    world.blobs.content |= {f"{world.container.url}/{blob}": data for blob, data in world.container.blobs.items()}
    return reply.headers["location"].partition("?")[0]


@pytest.fixture
def labeler(world: World) -> Browser:
    return Browser(world).sign_in(Role.LABELER, "ben")


@pytest.fixture
def reader(world: World) -> Browser:
    return Browser(world).sign_in(Role.READER, "eve")


def test_no_draft_yet(labeler: Browser, reader: Browser) -> None:
    assert "There is no draft yet" in text_of(labeler.get("drafts"))
    assert "/studio/new" in labeler.get("drafts").text
    assert "/studio/new" not in reader.get("drafts").text


def test_drafts_are_listed_there_and_on_home(labeler: Browser, reader: Browser, world: World) -> None:
    draft(world)
    for page in ("drafts", ""):
        reply = labeler.get(page)
        assert 'href="/studio/drafts/d/label?only=unlabelled"' in reply.text
        assert "begun by ada" in text_of(reply)
        assert "d/label" not in reader.get(page).text


def test_the_list_has_pages(labeler: Browser, world: World) -> None:
    for number in range(51):
        world.store.drafts.create(f"d{number}", SINGLE, "d", world.container.url, "ada")
    assert "start=50" in labeler.get("drafts").text
    assert labeler.get("drafts?start=50").text.count("data-row>") == 1


def test_a_draft_from_a_dataset_has_its_name_or_the_next(
    labeler: Browser, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "engine.audit")
    dataset(world, {1: ["cat"], 2: ["dog"]})
    assert ">Label</button>" in labeler.get("datasets/pets").text
    places = [labeler.post("drafts", {"base": "pets"}).headers["location"] for _ in range(2)]
    assert places == ["/studio/drafts/pets", "/studio/drafts/pets-2"]
    assert labels_of(world, "pets-2") == [["cat"], ["dog"]]
    assert [record.message for record in caplog.records if record.name == "engine.audit"] == ["draft begun"] * 2
    assert "Go on with draft pets" in text_of(labeler.get("datasets/pets/tags"))


def test_a_dataset_that_is_not_read_yet_is_waited_for(labeler: Browser, world: World) -> None:
    world.store.datasets.create("pets", SINGLE, [f"{world.container.url}/annotations/pets.json"])
    reply = labeler.post("drafts", {"base": "pets"})
    assert "A worker will begin soon" in text_of(reply)
    assert 'hx-post="/studio/drafts"' in reply.text
    part = labeler.post("drafts", {"base": "pets"}, hx_request="true")
    assert part.text.lstrip().startswith("<form")
    [waiting] = world.jobs.indexes
    fill(world.store, waiting, "pets", document(world, {1: ["cat"]}))
    done = labeler.post("drafts", {"base": "pets"}, hx_request="true")
    assert (done.status_code, done.headers["hx-redirect"]) == (204, "/studio/drafts/pets")


def test_images_in_another_place_need_a_copy(labeler: Browser, world: World) -> None:
    world.store.datasets.create("far", SINGLE, ["https://other.blob.core.windows.net/c/far.json"])
    index(world.store, "far", coco({"1.jpg": ["cat"]}))
    text = text_of(labeler.post("drafts", {"base": "far"}), 400)
    assert f"vision datasets copy far --to {world.container.url} --register far --endpoint http" in text
    assert world.store.drafts.newest(0, 9) == []


def test_a_draft_from_nothing_goes_on_to_import(labeler: Browser, world: World) -> None:
    form = {"name": "leaves", "kind": SEVERAL.value, "tags": " ash \n\nbeech\nash\n"}
    assert labeler.post("drafts", form).headers["location"] == "/studio/drafts/leaves/import"
    record = world.store.drafts.find("leaves")
    assert [tag.name for tag in world.store.drafts.tags(record.sequence)] == ["ash", "beech"]
    assert "This draft has no images yet" in text_of(labeler.get("drafts/leaves"))


@pytest.mark.parametrize(
    ("form", "status", "message"),
    [
        ({}, 400, "Give the dataset a name"),
        ({"name": "a/b", "kind": SINGLE.value}, 400, "is not a valid name"),
        ({"name": "pets", "kind": SINGLE.value}, 400, "There is a dataset 'pets' already"),
        ({"name": "new"}, 400, "Choose what the labels are"),
        ({"name": "new", "kind": "x"}, 400, "Choose what the labels are"),
        ({"name": "new", "kind": SINGLE.value, "tags": "a" * 256}, 400, "at most 255"),
        ({"name": "taken", "kind": SINGLE.value}, 409, "already taken"),
        ({"base": "no"}, 404, "There is no dataset"),
        ({"base": "../x"}, 404, "There is no dataset"),
    ],
)
def test_drafts_that_cannot_begin(labeler: Browser, world: World, form: dict[str, str], status: int, message: str) -> None:
    dataset(world, {1: ["cat"]})
    draft(world, name="taken")
    assert message in text_of(labeler.post("drafts", form), status)
    assert len(world.store.drafts.newest(0, 9)) == 1


def test_without_a_container_nothing_is_offered(world: World) -> None:
    bare = build(world.settings, world.store, studio=create_studio, studio_container=None)
    dataset(world, {1: ["cat"]})
    draft(world)
    owner = Browser(bare).sign_in()
    for page in ("drafts", "drafts/d", "drafts/d/save"):
        reply = owner.get(page)
        assert "Set VISION_ENGINE_STUDIO_CONTAINER" in text_of(reply)
        assert "/studio/new" not in reply.text
        assert "Save the version" not in reply.text
    assert ">Label</button>" not in owner.get("datasets/pets").text
    assert owner.post("drafts", {"base": "pets"}).status_code == 400


@pytest.mark.parametrize(("kind", "bulk"), [(SINGLE, "single"), (SEVERAL, "several"), (BOXES, "boxes")])
def test_the_grid_knows_what_a_key_does(labeler: Browser, world: World, kind: AnnotationKind, bulk: str) -> None:
    draft(world, kind)
    reply = labeler.get("drafts/d")
    facts = json.loads(re.search(r'id="bulk">(.*?)</script>', reply.text, re.DOTALL)[1])  # type: ignore[index]
    assert (facts["kind"], facts["tags"], facts["batch"]) == (bulk, ["cat", "dog"], 200)
    assert 'data-count="3"' in reply.text
    assert ('data-give="cat"' in reply.text) == (kind is not BOXES)


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", 3),
        ("only=unlabelled", 2),
        ("tag=cat", 1),
        ("tag=cat&only=new", 1),
        ("only=removed", 0),
        ("tag=no", 0),
        ("only=nonsense", 3),
    ],
)
def test_filters(labeler: Browser, world: World, query: str, shown: int) -> None:
    draft(world)
    reply = labeler.get(f"drafts/d?{query}")
    assert f'data-count="{shown}"' in reply.text if shown else "No image is like that" in reply.text


def test_a_reader_looks_and_is_told_why_nothing_can_be_changed(reader: Browser, world: World) -> None:
    draft(world)
    for page in ("drafts/d", "drafts/d/tags", "drafts/d/save", "drafts/d/conflicts"):
        reply = reader.get(page)
        assert "Changing labels needs the role labeler" in text_of(reply)
        assert 'method="post" action="/studio/drafts' not in reply.text


@pytest.mark.parametrize(
    "page",
    [
        "",
        "/tags",
        f"/tags/change?tag={quote(HOSTILE)}&name=a",
        f"/tags/change?tag=cat&name={quote(HOSTILE)}",
        "/save",
        "/delete",
    ],
)
def test_names_that_are_markup_stay_text(labeler: Browser, world: World, page: str) -> None:
    world.store.drafts.create("d", SINGLE, "d", world.container.url, HOSTILE, tags=[HOSTILE, "cat"])
    world.store.drafts.add("d", [NewDraftImage("1" * 64, ".png", HOSTILE, 60, 80)], HOSTILE)
    world.store.drafts.label("d", [LabelChange(0, (DraftLabel(HOSTILE),))], "ben")
    reply = labeler.get(f"drafts/d{page}")
    assert reply.status_code == 200
    assert "<img src=x" not in reply.text
    assert "<b hx-get" not in reply.text


def test_tags_are_counted_against_the_minimum(labeler: Browser, world: World) -> None:
    draft(world)
    text = text_of(labeler.get("drafts/d/tags"))
    assert "a dataset needs 2 tags, and each tag at least 2 images" in text
    assert "1 too few" in text
    assert "no label yet" in text


def test_a_tag_is_added_renamed_merged_and_deleted(labeler: Browser, world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "engine.audit")
    draft(world)
    assert labeler.post("drafts/d/tags", {"name": "Katze"}).status_code == 303
    preview = text_of(labeler.get("drafts/d/tags/change?tag=cat&name=lion"))
    assert "Rename “cat” to “lion”?" in preview
    assert "1 image has the new name then" in preview
    assert labels_of(world)[0] == ["cat"], "a preview changes nothing"
    labeler.post("drafts/d/tags/rename", {"tag": "cat", "name": "lion"})
    assert labels_of(world)[0] == ["lion"]
    assert "Make “lion” and “Katze” one tag?" in text_of(labeler.get("drafts/d/tags/change?tag=lion&name=Katze"))
    assert labeler.post("drafts/d/tags/rename", {"tag": "lion", "name": "Katze"}).status_code == 409
    labeler.post("drafts/d/tags/rename", {"tag": "lion", "name": "Katze", "merge": "yes"})
    assert labels_of(world)[0] == ["Katze"]
    assert "This changes 1 image" in text_of(labeler.get("drafts/d/tags/change?tag=Katze&delete=yes"))
    labeler.post("drafts/d/tags/delete", {"tag": "Katze"})
    assert labels_of(world)[0] == []
    told = [record.message for record in caplog.records if record.name == "engine.audit"]
    assert told == ["tag added", "tag renamed", "tag merged", "tag deleted"]


@pytest.mark.parametrize(
    ("path", "form", "status"),
    [
        ("tags", {"name": " "}, 400),
        ("tags", {"name": "a\x00"}, 400),
        ("tags/rename", {"tag": "cat", "name": ""}, 400),
        ("tags/rename", {"tag": "no", "name": "x"}, 404),
        ("tags/delete", {"tag": "no"}, 404),
        ("conflicts", {"number": "0", "take": "both"}, 400),
        ("conflicts", {"number": "9", "take": "mine"}, 404),
        ("merge", {}, 400),
        ("save", {"message": "m" * 1001}, 400),
    ],
)
def test_changes_that_are_refused(labeler: Browser, world: World, path: str, form: dict[str, str], status: int) -> None:
    draft(world)
    before = world.store.drafts.tags(world.store.drafts.find("d").sequence)
    assert labeler.post(f"drafts/d/{path}", form).status_code == status
    assert world.store.drafts.tags(world.store.drafts.find("d").sequence) == before


def test_a_preview_says_why_a_name_is_refused(labeler: Browser, world: World) -> None:
    draft(world)
    assert "at most 255 are allowed" in text_of(labeler.get(f"drafts/d/tags/change?tag=cat&name={'a' * 300}"), 400)
    assert labeler.get("drafts/d/tags/change?tag=no").status_code == 404


def test_a_version_of_a_new_dataset(labeler: Browser, world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "engine.audit")
    draft(world)
    before = text_of(labeler.get("drafts/d/save"))
    assert "1 image added to 'cat' (0 → 1)" in before
    assert "The dataset d is registered with this content" in before
    place = save(labeler, world, message="first labels")
    page = text_of(labeler.get(f"{place}?saved=yes"))
    assert "Saved. The dataset d has this content." in page
    assert "by ben" in page
    assert "Bring it to git" not in page
    assert "owner: the Studio" in page
    after = text_of(labeler.get("drafts/d/save"))
    assert "This content is saved already" in after
    assert "Nothing has changed since the draft began" in after, "the draft is based on what it saved"
    assert "has changed since" not in after.replace("Nothing has changed since", "")
    assert "first labels" in text_of(labeler.get("datasets/d/versions"))
    assert [record.message for record in caplog.records if record.name == "engine.audit"] == ["version saved"]
    coco_file = labeler.get(f"{place}/annotations")
    assert len(coco_file.json()["images"]) == 3
    assert coco_file.headers["content-disposition"].startswith('attachment; filename="d-')


def test_two_versions_are_compared(labeler: Browser, world: World) -> None:
    draft(world)
    first = save(labeler, world)
    world.store.drafts.label("d", [LabelChange(1, (DraftLabel("dog"),))], "ada")
    second = save(labeler, world)
    page = text_of(labeler.get(f"{second}?with={first.rpartition('/')[2]}"))
    assert "1 image retagged (no tag) → 'dog'" in page.partition("Compare")[2]
    assert labeler.get(f"{second}?with={'0' * 64}").status_code == 404
    assert labeler.get("datasets/d/versions/%2e%2e%2fx").status_code == 404


def test_a_draft_begins_with_a_version(labeler: Browser, reader: Browser, world: World) -> None:
    draft(world)
    first = save(labeler, world)
    digest = first.rpartition("/")[2]
    world.store.drafts.label("d", [LabelChange(1, (DraftLabel("dog"),))], "ada")
    save(labeler, world)
    assert "Begin a draft from this version" in text_of(labeler.get(first))
    assert "Begin a draft from this version" not in text_of(reader.get(first))
    form = {"base": "d", "version": digest}
    assert reader.post("drafts", form).status_code == 403
    begun = labeler.post("drafts", form)
    assert begun.headers["location"] == "/studio/drafts/d-2"
    assert labels_of(world, "d-2") == [["cat"], [], []]
    assert world.store.drafts.find("d-2").unlabelled == 2
    assert "The dataset d has changed since" in text_of(labeler.get("drafts/d-2"))
    world.store.datasets.delete("d")
    assert labeler.post("drafts", form).headers["location"] == "/studio/drafts/d-3", "a version stays without its dataset"
    assert labeler.post("drafts", {"base": "d", "version": "0" * 64}).status_code == 404
    for wrong in ("7", "../../x", f"{digest}/../x", "<script>"):
        assert labeler.post("drafts", {"base": "d", "version": wrong}).status_code == 400
    world.blobs.content.clear()
    assert labeler.post("drafts", form).status_code == 502


def test_a_version_names_all_datasets_that_have_its_content(labeler: Browser, world: World) -> None:
    draft(world)
    place = save(labeler, world)
    digest = place.rpartition("/")[2]
    register = f"datasets/d/versions/{digest}:register"
    assert world.call("POST", register, json={"datasetName": "d-beside"}).status_code == 201
    for page in (place, "datasets/d/versions"):
        assert "also registered as d-beside" in text_of(labeler.get(page))
        assert "the dataset has this content" in text_of(labeler.get(page))


def test_a_version_whose_manifest_is_gone_says_so(labeler: Browser, world: World) -> None:
    draft(world)
    first = save(labeler, world)
    world.store.drafts.label("d", [LabelChange(0, (DraftLabel("dog"),))], "ada")
    second = save(labeler, world)
    world.blobs.content = {url: b"{}" if "manifests" in url else data for url, data in world.blobs.content.items()}
    text = text_of(labeler.get(f"{second}?with={first.rpartition('/')[2]}"), 502)
    assert "The manifest of version" in text


def test_a_version_of_a_declared_dataset_waits_for_git(owner: Browser, world: World) -> None:
    dataset(world, {1: ["cat"], 2: ["dog"]}, managedBy="pulumi:photos/local")
    owner.post("drafts", {"base": "pets"})
    world.store.drafts.label("pets", [LabelChange(0, (DraftLabel("dog"),))], "ada")
    uris = world.store.datasets.find("pets").annotation_file_uris
    assert "A stack declares the dataset pets" in text_of(owner.get("drafts/pets/save"))
    place = save(owner, world, "pets")
    digest = place.rpartition("/")[2]
    page = text_of(owner.get(f"{place}?saved=yes"))
    assert f"vision datasets pull pets --version sha256:{digest} --to FOLDER/train.json --endpoint http" in page
    assert f"content: sha256:{digest}" in page
    assert world.store.datasets.find("pets").annotation_file_uris == uris
    reply = owner.post(f"{place}/train")
    assert reply.headers["location"].startswith(f"/studio/train?dataset=pets-{digest[:8]}&name=pets-")
    beside = world.store.datasets.find(f"pets-{digest[:8]}")
    assert (beside.managed_by, beside.annotation_kind) == ("studio", SINGLE)


def test_a_training_takes_the_dataset_that_has_the_content(owner: Browser, world: World) -> None:
    draft(world)
    first = save(owner, world)
    assert owner.post(f"{first}/train").headers["location"].startswith("/studio/train?dataset=d&")
    world.store.drafts.label("d", [LabelChange(0, (DraftLabel("dog"),))], "ada")
    save(owner, world)
    digest = first.rpartition("/")[2]
    assert owner.post(f"{first}/train").headers["location"].startswith(f"/studio/train?dataset=d-{digest[:8]}&")


def test_a_training_has_the_name_that_the_stack_would_give_it(owner: Browser, world: World) -> None:
    dataset(world, {1: ["cat"], 2: ["dog"]}, managedBy="pulumi:photos/local")
    for name, owned in (("m-0123abcd", "pulumi:photos/local"), ("other", None)):
        assert world.create(name, trainingDatasetName="pets", timeBudgetInHours=2).status_code == 201
        world.succeed(world.store.models.find(name).id)
        world.store.models.set_owner(name, owned)
    owner.post("drafts", {"base": "pets"})
    same = save(owner, world, "pets")
    assert owner.post(f"{same}/train").headers["location"].startswith("/studio/train?dataset=pets&name=m-")
    world.store.drafts.label("pets", [LabelChange(0, (DraftLabel("dog"),))], "ada")
    place = save(owner, world, "pets")
    digest = place.rpartition("/")[2]
    name = trained_name("m", model_kind="Generic-Classifier", training_digest=digest, time_budget_in_hours=2)
    location = owner.post(f"{place}/train").headers["location"]
    assert location == f"/studio/train?dataset=pets-{digest[:8]}&name={name}&kind=Generic-Classifier&hours=2"
    assert f'value="{name}"' in owner.get(location).text


@pytest.mark.parametrize(
    ("kind", "model_kind"), [(SINGLE, "Generic-Classifier"), (SEVERAL, "Generic-Classifier"), (BOXES, "Generic-Detector")]
)
def test_what_no_stack_declares_yet_is_declared_by_its_yaml(
    owner: Browser, world: World, kind: AnnotationKind, model_kind: str
) -> None:
    draft(world, kind, "pets")
    place = save(owner, world, "pets")
    digest = place.rpartition("/")[2]
    name = trained_name("pets", model_kind=model_kind, training_digest=digest, time_budget_in_hours=1)
    location = owner.post(f"{place}/train").headers["location"]
    assert location == f"/studio/train?dataset=pets&name={name}&kind={model_kind}&hours=1"
    form = owner.get(location)
    assert f'value="{name}"' in form.text
    assert "A stack that declares the model pets would give this training the same name" in text_of(form)
    started = {"name": name, "dataset": "pets", "kind": model_kind, "hours": "1"}
    assert owner.post("train", started).headers["location"] == f"/studio/models/{name}"
    world.succeed(world.store.models.find(name).id)
    page = owner.get(f"models/{name}")
    assert "takes it over without training" in text_of(page)
    assert 'name="new" value="pets"' in page.text
    assert (
        owner.post(f"models/{name}/publish", {"new": "pets", "metric": NO_GATE}).headers["location"] == "/studio/published/pets"
    )
    for path, publishes in ((location.removeprefix("/studio/"), False), (f"models/{name}", False), ("published/pets", True)):
        config = written_yaml(owner.get(path))
        assert config["datasets"] == {"pets": {"annotationKind": kind.value, "content": f"sha256:{digest}"}}
        wanted = {"modelKind": model_kind, "trainingDataset": "pets", "timeBudgetInHours": 1}
        assert config["models"] == {"pets": {**wanted, **({"publish": True} if publishes else {})}}
    assert written_yaml(owner.get("datasets/pets"))["datasets"]["pets"]["content"] == f"sha256:{digest}"
    world.store.models.set_owner(name, "pulumi:photos/local")
    page = owner.get(f"models/{name}")
    assert "takes it over without training" not in text_of(page)
    assert 'name="new" value=""' in page.text


def test_another_budget_than_the_stacks_name_is_said(owner: Browser, world: World) -> None:
    draft(world)
    place = save(owner, world)
    digest = place.rpartition("/")[2]
    location = owner.post(f"{place}/train").headers["location"]
    assert "a stack would name this training" not in text_of(owner.get(location))
    name = trained_name("d", model_kind="Generic-Classifier", training_digest=digest, time_budget_in_hours=3)
    fragment = text_of(owner.get(location.replace("train?", "train/estimate?").replace("hours=1", "hours=3")))
    assert f"a stack would name this training {name} ." in fragment
    own_name = location.replace("train?", "train/estimate?").replace("name=d-", "name=mine-x")
    told = text_of(owner.get(own_name))
    assert "stack" not in told


def test_datasets_beside_a_declared_one_are_declared_by_its_name(owner: Browser, world: World) -> None:
    """Of two versions of a dataset, one to train from and one to evaluate on, each keeps a name of its own."""
    draft(world)
    first = save(owner, world).rpartition("/")[2]
    world.store.drafts.label("d", [LabelChange(0, (DraftLabel("dog"),))], "ada")
    second = save(owner, world).rpartition("/")[2]
    owner.post(f"datasets/d/versions/{first}/train")
    beside = f"d-{first[:8]}"
    assert written_yaml(owner.get(f"train?dataset={beside}"))["datasets"]["d"]["content"] == f"sha256:{first}"
    both = written_yaml(owner.get(f"train?dataset={beside}&test=d"))
    assert {name: each["content"] for name, each in both["datasets"].items()} == {
        beside: f"sha256:{first}",
        "d": f"sha256:{second}",
    }
    assert both["models"]["NAME"]["trainingDataset"] == beside


def written_yaml(reply: httpx.Response) -> dict[str, Any]:
    """What a page's YAML declares, by section."""
    text = re.search(r'<code id="code-text-1">(.*?)</code>', reply.text, re.DOTALL)
    assert text is not None
    config = yaml.safe_load(unescape(text[1]))["config"]
    return {key.partition(":")[2]: section for key, section in config.items()}


def test_versions_of_a_dataset_that_is_gone(owner: Browser, world: World) -> None:
    draft(world)
    place = save(owner, world)
    world.store.datasets.delete("d")
    assert "No dataset of this name is registered any more" in text_of(owner.get("datasets/d/versions"))
    assert owner.get(place).status_code == 200
    assert owner.get("datasets/no/versions").status_code == 404
    dataset(world, {1: ["cat"]})
    assert "No version has been saved yet" in text_of(owner.get("datasets/pets/versions"))


def test_what_cannot_be_saved_says_why(labeler: Browser, world: World) -> None:
    world.store.drafts.create("e", SINGLE, "e", world.container.url, "ada")
    assert "there is nothing to save" in text_of(labeler.get("drafts/e/save"))
    assert "has no images" in text_of(labeler.post("drafts/e/save"), 400)
    draft(world)
    world.container.refusing = "annotations/1.json was not written: the container refuses it."
    assert "was not written" in text_of(labeler.post("drafts/d/save"), 502)


@pytest.fixture
def conflicted(labeler: Browser, world: World) -> World:
    """A draft `pets` whose image 0 both sides have changed, and image 1 only the dataset."""
    dataset(world, {1: ["cat"], 2: ["dog"], 3: ["cat"]})
    labeler.post("drafts", {"base": "pets"})
    world.store.drafts.label("pets", [LabelChange(0, (DraftLabel("dog"),))], "ada")
    moved(world, {1: [], 2: ["cat"], 3: ["cat"]})
    return world


def test_a_merge_is_told_in_words(labeler: Browser, conflicted: World) -> None:
    assert "The dataset pets has changed since this draft began" in text_of(labeler.get("drafts/pets"))
    assert "Merge first" in text_of(labeler.get("drafts/pets/save"))
    place = labeler.post("drafts/pets/merge").headers["location"]
    page = text_of(labeler.get(place))
    assert "1 image has the labels of the dataset now" in page
    assert "1 image was changed by both sides" in page
    assert labels_of(conflicted, "pets") == [["dog"], ["cat"], ["cat"]]
    assert "Settle that first" in text_of(labeler.get("drafts/pets/save"))


@pytest.mark.parametrize(
    ("take", "expected"),
    [("mine", [["dog"], ["cat"], ["cat"]]), ("theirs", [[], ["cat"], ["cat"]]), ("remove", [["cat"], ["cat"]])],
)
def test_a_conflict_is_settled(labeler: Browser, conflicted: World, take: str, expected: list[list[str]]) -> None:
    labeler.post("drafts/pets/merge")
    page = labeler.get("drafts/pets/conflicts").text
    form = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page)) | {"take": take}
    assert labeler.post("drafts/pets/conflicts", form).status_code == 303
    assert labels_of(conflicted, "pets") == expected
    assert "No conflict is left" in text_of(labeler.get("drafts/pets/conflicts"))
    assert conflicted.store.drafts.find("pets").conflicts == 0


def test_a_conflict_that_somebody_else_settled_is_left(labeler: Browser, conflicted: World) -> None:
    labeler.post("drafts/pets/merge")
    form = dict(re.findall(r'name="(\w+)" value="([^"]*)"', labeler.get("drafts/pets/conflicts").text)) | {"take": "theirs"}
    conflicted.store.drafts.label("pets", [LabelChange(0, (DraftLabel("cat"),))], "eve")
    assert "said=changed" in labeler.post("drafts/pets/conflicts", form).headers["location"]
    assert labels_of(conflicted, "pets")[0] == ["cat"]


def test_a_merge_waits_for_the_dataset(labeler: Browser, world: World) -> None:
    dataset(world, {1: ["cat"]})
    labeler.post("drafts", {"base": "pets"})
    world.store.datasets.update("pets", annotation_file_uris=[f"{world.container.url}/annotations/pets-2.json"])
    assert 'hx-post="/studio/drafts/pets/merge"' in labeler.post("drafts/pets/merge").text


def test_a_draft_is_deleted_after_saying_what_is_lost(labeler: Browser, world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "engine.audit")
    draft(world)
    text = text_of(labeler.get("drafts/d/delete"))
    assert "1 image added to 'cat' (0 → 1)" in text
    assert "Only they or an owner may delete it" in text
    assert "Only they or an owner" in text_of(labeler.post("drafts/d/delete"), 403)
    owner = Browser(world).sign_in(Role.OWNER, "olga")
    assert "Delete the draft and its changes" in text_of(owner.get("drafts/d/delete"))
    save(owner, world)
    assert "Nothing is lost" in text_of(owner.get("drafts/d/delete"))
    assert owner.post("drafts/d/delete").headers["location"] == "/studio/drafts"
    assert owner.get("drafts/d").status_code == 404
    assert [record.message for record in caplog.records if record.name == "engine.audit"][-1] == "draft deleted"


def test_labelers_delete_their_own_drafts(labeler: Browser, world: World) -> None:
    world.store.drafts.create("own", SINGLE, "own", world.container.url, "ben")
    assert labeler.post("drafts/own/delete").status_code == 303


def test_a_picture_that_the_container_lacks_is_told(labeler: Browser, world: World) -> None:
    draft(world)
    world.blobs.content[f"{world.container.url}/images/{0:064x}.png"] = image_bytes()
    assert labeler.get("drafts/d/images/0/thumbnail").status_code == 200
    assert labeler.get("drafts/d/images/1/thumbnail").status_code == 502
