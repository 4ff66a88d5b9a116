"""A Studio in which everything has data, and an address for each of its GET routes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial

import numpy as np

from tests.engine.studio.datasets.pictures import DrawnPictures
from tests.engine.studio.datasets.test_health import compared
from tests.support.api_world import World, build, image_bytes
from tests.support.coco_content import coco, digest_of, read, register, url_of
from vision_customization.common.dataset_content.manifest import ImageLabels, Manifest
from vision_customization.contract.enums import AnnotationKind, ModelKind
from vision_customization.contract.models import ModelPerformance, TrainingProgress
from vision_customization.contract.wire import ErrorDetails
from vision_customization.engine.learning.boxes import Detections, LabelledBoxes
from vision_customization.engine.objects.keys import estimate_key, outcomes_key, sample_key
from vision_customization.engine.outcomes.classified import classified, multi_classified
from vision_customization.engine.outcomes.detected import detected
from vision_customization.engine.outcomes.outcomes import ImageName, Outcomes
from vision_customization.engine.outcomes.stored import put_outcomes
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import Store, TrainingOrder
from vision_customization.engine.store.draft_records import DraftLabel, LabelChange, NewDraftImage, VersionRecord
from vision_customization.engine.studio import create_studio
from vision_customization.engine.studio.pages import PAGES

IMAGES = 6
"""Of each dataset that `fill` registers."""
SIZE = (640, 480)
VERSIONS = ("a" * 64, "b" * 64)
"""Digests of the versions of `pets`; the first is also one of a dataset that is not registered."""


class Kind(StrEnum):
    """What a GET route answers with."""

    PAGE = "text/html; charset=utf-8"
    DATA = "application/json"
    PICTURE = "image/jpeg"
    FILE = "application/octet-stream"


@dataclass(frozen=True)
class Route:
    """A GET route, and addresses below `/studio` at which it shows the data of `fill`.

    `part` marks routes that answer with a part of a page, for scripts. `elsewhere` marks those that lead to another host.
    """

    path: str
    addresses: Sequence[str]
    kind: Kind = Kind.PAGE
    part: bool = False
    elsewhere: bool = False


ROUTES = (
    Route("/sign-in", ["sign-in"]),
    Route("/sign-in/microsoft", ["sign-in/microsoft"], elsewhere=True),
    Route("/sign-in/microsoft/done", ["sign-in/microsoft/done"], elsewhere=True),
    Route("/", [""]),
    Route("/activity", ["activity"], part=True),
    Route("/datasets", ["datasets"]),
    Route("/datasets/{name}", ["datasets/pets", "datasets/shelf", "datasets/shelf?crops=yes&tag=cat", "datasets/unread"]),
    Route("/datasets/{name}/state", ["datasets/pets/state?shown=0"], part=True),
    Route("/datasets/{name}/cells", ["datasets/pets/cells?start=0&count=6"], Kind.DATA),
    Route("/datasets/{name}/images/{position}", ["datasets/pets/images/0", "datasets/shelf/images/1"]),
    Route("/datasets/{name}/images/{position}/answer", ["datasets/pets/images/0/answer"], part=True),
    Route("/datasets/{name}/images/{position}/thumbnail", ["datasets/pets/images/0/thumbnail"], Kind.PICTURE),
    Route("/datasets/{name}/images/{position}/view", ["datasets/pets/images/0/view"], Kind.PICTURE),
    Route("/datasets/{name}/images/{position}/crop", ["datasets/shelf/images/0/crop?box=0.1,0.1,0.5,0.5"], Kind.PICTURE),
    Route("/datasets/{name}/tags", ["datasets/pets/tags"]),
    Route("/datasets/{name}/versions", ["datasets/pets/versions", "datasets/gone/versions", "datasets/shelf/versions"]),
    Route(
        "/datasets/{name}/versions/{digest}",
        [f"datasets/pets/versions/{VERSIONS[0]}?with={VERSIONS[1]}", f"datasets/gone/versions/{VERSIONS[0]}?saved=yes"],
    ),
    Route("/datasets/{name}/versions/{digest}/annotations", [f"datasets/pets/versions/{VERSIONS[0]}/annotations"], Kind.DATA),
    Route("/datasets/{name}/health", ["datasets/pets/health", "datasets/shelf/health"]),
    Route("/datasets/{name}/health/pictures", ["datasets/pets/health/pictures"], part=True),
    Route(
        "/datasets/{name}/health/{section}",
        [f"datasets/pets/health/{section}" for section in ("checker", "labels", "sides", "near", "copies")],
    ),
    Route("/drafts", ["drafts"]),
    Route(
        "/drafts/{draft}",
        ["drafts/labels", "drafts/boxes", "drafts/empty", "drafts/labels?only=removed&tag=cat", "drafts/labels?like=0"],
    ),
    Route("/drafts/{draft}/conflicts", ["drafts/labels/conflicts", "drafts/boxes/conflicts"]),
    Route("/drafts/{draft}/delete", ["drafts/labels/delete", "drafts/empty/delete"]),
    Route("/drafts/{draft}/merged", ["drafts/labels/merged?taken=1&kept=2"]),
    Route("/drafts/{draft}/save", ["drafts/labels/save", "drafts/boxes/save", "drafts/kept/save"]),
    Route("/drafts/{draft}/tags", ["drafts/labels/tags", "drafts/boxes/tags"]),
    Route(
        "/drafts/{draft}/tags/change",
        ["drafts/empty/tags/change?tag=cat&name=dog", "drafts/empty/tags/change?tag=cat&delete=yes"],
    ),
    Route("/new", ["new"]),
    Route("/drafts/{draft}/import", ["drafts/labels/import", "drafts/boxes/import"]),
    Route("/drafts/{draft}/images", ["drafts/labels/images", "drafts/boxes/images?only=new"], Kind.DATA),
    Route("/drafts/{draft}/counts", ["drafts/labels/counts"], Kind.DATA),
    Route("/drafts/{draft}/images/{number}", ["drafts/labels/images/0", "drafts/boxes/images/0"], Kind.DATA),
    Route("/drafts/{draft}/images/{number}/suggestion", ["drafts/labels/images/0/suggestion"], Kind.DATA),
    Route("/drafts/{draft}/images/{number}/thumbnail", ["drafts/labels/images/0/thumbnail"], Kind.PICTURE),
    Route("/drafts/{draft}/images/{number}/view", ["drafts/labels/images/0/view"], Kind.PICTURE),
    Route(
        "/drafts/{draft}/label", ["drafts/labels/label?number=0", "drafts/boxes/label?number=0", "drafts/labels/label?only=new"]
    ),
    Route("/drafts/{draft}/label/images", ["drafts/labels/label/images?after=0"], Kind.DATA),
    Route("/drafts/{draft}/label/next", ["drafts/labels/label/next", "drafts/empty/label/next"], Kind.DATA),
    Route("/drafts/{draft}/like/{number}", ["drafts/labels/like/0"]),
    Route("/models", ["models"]),
    Route("/models/{name}", ["models/m", "models/boxes", "models/running", "models/failed"]),
    Route("/models/{name}/progress", ["models/running/progress"], part=True),
    Route("/models/{name}/evaluations", ["models/m/evaluations"], part=True),
    Route("/models/{name}/model.onnx", ["models/m/model.onnx"], Kind.FILE),
    Route(
        "/models/{name}/judge",
        [*(f"models/{name}/judge" for name in ("m", "several", "boxes", "none")), "models/m/judge?evaluation=e"],
    ),
    Route("/models/{name}/judge/threshold", ["models/m/judge/threshold?threshold=0.7"], part=True),
    Route("/models/{name}/judge/matrix", ["models/m/judge/matrix"], part=True),
    Route("/models/{name}/judge/tags", ["models/m/judge/tags"], part=True),
    Route("/models/{name}/outcomes/{source}", ["models/m/outcomes/-", "models/boxes/outcomes/-", "models/m/outcomes/e"]),
    Route("/models/{name}/outcomes/{source}/tags", ["models/m/outcomes/-/tags?tag=c"], part=True),
    Route("/models/{name}/outcomes/{source}/{row:int}", ["models/m/outcomes/-/0", "models/boxes/outcomes/-/0"]),
    Route("/models/{name}/outcomes/{source}/{row:int}/thumbnail", ["models/m/outcomes/-/0/thumbnail?v={v}"], Kind.PICTURE),
    Route("/models/{name}/outcomes/{source}/{row:int}/view", ["models/m/outcomes/-/0/view?v={v}"], Kind.PICTURE),
    Route("/models/{name}/compare", ["models/m/compare", "models/m/compare?with=n", "models/boxes/compare?with=boxes-2"]),
    Route("/novel", ["novel"]),
    Route("/novel/{sha256}/thumbnail", [f"novel/{'ab' * 32}/thumbnail"], Kind.PICTURE),
    Route("/published/{name}", ["published/textile"]),
    Route("/train", ["train", "train?dataset=pets&kind=Generic-Classifier"]),
    Route("/train/estimate", ["train/estimate?dataset=pets"], part=True),
    Route("/try", ["try", "try?model=boxes", "try?model=shelves"]),
    Route("/try/model", ["try/model?model=m"], Kind.DATA),
    Route("/try/drafts", ["try/drafts?model=m", "try/drafts?model=boxes"], Kind.DATA),
)

ADDRESSES = [address for route in ROUTES if route.kind is Kind.PAGE and not route.part and not route.elsewhere
             for address in route.addresses]  # fmt: skip
"""Of everything that a visitor sees as a page."""


def routes_without_address() -> set[str]:
    """GET routes of the Studio that `ROUTES` lacks, and the other way round."""
    return {page.path for page in PAGES if page.method == "GET"} ^ {route.path for route in ROUTES}


def open_world(settings: Settings, store: Store) -> World:
    """An empty world, whose Studio draws pictures."""
    return build(settings, store, studio=partial(create_studio, pictures=DrawnPictures()))


def fill(world: World, mark: str = "") -> None:
    """Datasets, models in each state, outcomes, an evaluation and a published name. `mark` is a part of each file's and each
    tag's name, and of each text that an engine reports about them."""
    store, tags = world.store, (f"cat{mark}", f"dog{mark}")
    names = [f"{number}{mark}.jpg" for number in range(IMAGES)]
    read(store, *names)
    images = {name: [tags[number % 2]] for number, name in enumerate(names)}
    register(store, "pets", coco(images, tags=["Cat"]), managedBy="pulumi:photos/local")
    boxes = {name: [(tag, [0.1 + 0.4 * number, 0.2, 0.3, 0.4]) for number, tag in enumerate(tags)] for name in names}
    register(store, "shelf", coco(boxes), AnnotationKind.IMAGE_OBJECT_DETECTION)
    world.register("unread")

    classifier, detector = ModelKind.GENERIC_CLASSIFIER, ModelKind.GENERIC_DETECTOR
    put_outcomes(world.objects, estimate_key(_trained(world, "m", "pets", classifier, tags)), _classified(names, tags, 0))
    put_outcomes(world.objects, estimate_key(_trained(world, "n", "pets", classifier, tags)), _classified(names, tags, 1))
    put_outcomes(world.objects, estimate_key(_trained(world, "boxes", "shelf", detector, tags)), _detected(names, tags))
    put_outcomes(world.objects, estimate_key(_trained(world, "boxes-2", "shelf", detector, tags)), _detected(names, tags))
    put_outcomes(world.objects, estimate_key(_trained(world, "several", "pets", classifier, tags)), _several(names, tags))
    _trained(world, "none", "pets", classifier, tags)
    _trained(world, "shelves", "shelf", ModelKind.PRODUCT_RECOGNIZER, tags)
    running, failed = (store.models.create(name, _order("pets", classifier)).id for name in ("running", "failed"))
    store.models.begin(running)
    store.models.report_progress(
        running, TrainingProgress(stage="learning", share=0.42, images=6, steps=100, steps_done=42, loss=1.25, seconds=75)
    )
    store.models.begin(failed)
    store.models.fail(failed, ErrorDetails(code="NotReadable", message=f"The image '{names[0]}' can't be read."), 1)

    body = {"evaluationParameters": {"testDatasetName": "pets"}}
    assert world.call("PUT", "models/m/evaluations/e", json=body).status_code == 201
    evaluation = world.jobs.evaluations[-1]
    store.evaluations.begin(evaluation)
    put_outcomes(world.objects, outcomes_key(store.models.find("m").id, evaluation), _classified(names, tags, 2))
    store.evaluations.finish(evaluation, _performance(tags))
    store.published.publish("textile", "n")
    store.published.publish("textile", "m")
    compared(world, "pets", ["a", "b", "a", None, None, None])
    _drafts(world, names, tags)
    _versions(world, mark, tags)
    store.samples.add("ab" * 32, "m", 0.995, tags[0], 100)
    world.objects.put(sample_key("ab" * 32), image_bytes())


def _drafts(world: World, names: Sequence[str], tags: Sequence[str]) -> None:
    """`labels`, a draft of a classification with a conflict, and `boxes`, one of a detection, each with two labelled images."""
    drafts, box = world.store.drafts, (0.1, 0.2, 0.3, 0.4)
    for name, kind, boxes in (
        ("labels", AnnotationKind.IMAGE_CLASSIFICATION, None),
        ("boxes", AnnotationKind.IMAGE_OBJECT_DETECTION, box),
    ):
        drafts.create(name, kind, f"{name}-1", world.container.url, "ada", tags=tags)
        images = [NewDraftImage(digest_of(each), ".jpg", each, *SIZE) for each in names]
        drafts.add(name, images, "ada")
        drafts.label(name, [LabelChange(number, (DraftLabel(tags[number], boxes),)) for number in range(2)], "ada")
    both = [replace(images[0], labels=(DraftLabel(tags[1]),), settled=True)]
    drafts.merge("labels", ["https://acct.blob.core.windows.net/c/new.json"], both, "ada")
    drafts.create("empty", AnnotationKind.IMAGE_CLASSIFICATION, "empty", world.container.url, "a key", tags=["cat", "dog"])
    document = coco({name: [tags[0]] for name in names})
    for image in document["images"]:
        image["absolute_url"] = f"{world.container.url}/images/{digest_of(image['file_name'])}.jpg"
    content = register(world.store, "kept", document)
    base = ("kept", ["https://acct.blob.core.windows.net/c/old.json"], content.index)
    drafts.create("kept", AnnotationKind.IMAGE_CLASSIFICATION, "kept", world.container.url, "ada", base=base)


def _versions(world: World, mark: str, tags: Sequence[str]) -> None:
    """Two versions of `pets`, and one of the dataset `gone`."""
    url, now = world.container.url, world.store.database.now()
    for name, digest in (("pets", VERSIONS[1]), ("pets", VERSIONS[0]), ("gone", VERSIONS[0])):
        file, manifest = f"{url}/annotations/{digest}.json", Manifest("imageClassification", {digest: ImageLabels((tags[0],))})
        world.blobs.content |= {file: b"{}", f"{url}/manifests/{digest}.json": manifest.to_bytes()}
        changes, counts = (f"1 image added to '{tags[0]}' (0 → 1)",), dict.fromkeys(tags, 1)
        kind = AnnotationKind.IMAGE_CLASSIFICATION
        message, who = f"labels{mark}", f"ada{mark}"
        world.store.versions.add(VersionRecord(name, digest, kind, file, (), 1, 1, counts, changes, message, who, now))


def picture_address(world: World, address: str) -> str:
    """An address of `ROUTES`, with the digest of the picture that it asks for."""
    if "{v}" not in address:
        return address
    row = world.call("GET", "models/m/outcomes").json()["value"][0]
    return address.format(v=row["digest"])


def _order(dataset: str, kind: ModelKind) -> TrainingOrder:
    return TrainingOrder(training_dataset_name=dataset, time_budget_in_hours=1, model_kind=kind)


def _performance(tags: Sequence[str]) -> ModelPerformance:
    return ModelPerformance(accuracy_top1=0.5, tag_performance={tag: {"accuracy": 1.0} for tag in tags})


def _trained(world: World, name: str, dataset: str, kind: ModelKind, tags: Sequence[str]) -> str:
    return world.succeed(world.store.models.create(name, _order(dataset, kind)).id, _performance(tags))


def _images(names: Sequence[str]) -> list[ImageName]:
    return [ImageName(url_of(name), name, digest_of(name)) for name in names]


def _classified(names: Sequence[str], tags: Sequence[str], wrong: int) -> Outcomes:
    """All right but the image `wrong`."""
    labels = np.arange(len(names)) % 2
    answers = np.where(np.arange(len(names)) == wrong, 1 - labels, labels)
    sure = np.linspace(0.95, 0.6, len(names), dtype=np.float32)
    probabilities = np.stack([np.where(answers == 0, sure, 1 - sure), np.where(answers == 0, 1 - sure, sure)], axis=1)
    return classified(_images(names), labels, probabilities.astype(np.float32), tags, answers)


def _several(names: Sequence[str], tags: Sequence[str]) -> Outcomes:
    """Of both tags on each other image; one is missed."""
    present = np.array([[True, number % 2 == 0] for number in range(len(names))])
    probabilities = np.where(present, 0.9, 0.2).astype(np.float32)
    probabilities[0, 1] = 0.3
    return multi_classified(_images(names), present, probabilities, [0.5, 0.4], tags)


def _detected(names: Sequence[str], tags: Sequence[str]) -> Outcomes:
    """Of each image the one object, and a false one; the other is missed."""
    truths = [LabelledBoxes(np.array([[64, 96, 256, 288], [320, 96, 512, 288]], np.float32), np.array([0, 1]))] * len(names)
    corners = np.array([[66, 98, 256, 288], [10, 300, 90, 400]], np.float32)
    found = [Detections(corners, np.array([0, 1]), np.array([0.9, 0.4], np.float32))] * len(names)
    return detected(_images(names), [SIZE] * len(names), truths, found, tags)
