"""A stand-in for Azure's Custom Vision: its training API on one port and its blobs on another, each on the loopback interface.

Bodies are made of the published SDK's own models (azure-cognitiveservices-vision-customvision 3.1.1), and a test drives it with
the SDK's client.
"""

import base64
import hashlib
import json
import re
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from azure.cognitiveservices.vision.customvision.training import models

from tests.support.http_server import Handler, serving_http

KEY = "training-key-that-is-in-no-message"
SIGNATURE = "signature-that-is-in-no-message"
ROOT = "/customvision/v3.3/training"
DOMAINS = {"Classification": str(uuid.UUID(int=1)), "ObjectDetection": str(uuid.UUID(int=2))}
TAKE_MAX = 256
NOW = datetime(2026, 1, 2, tzinfo=UTC)


@dataclass
class StoredImage:
    data: bytes
    image: Any
    """The SDK's `Image`, without its URLs."""


@dataclass
class StoredProject:
    project: Any
    tags: list[Any] = field(default_factory=list)
    images: dict[str, StoredImage] = field(default_factory=dict)
    iterations: list[Any] = field(default_factory=list)
    performances: dict[str, Any] = field(default_factory=dict)
    image_performances: dict[str, list[Any]] = field(default_factory=dict)
    """Both by the iteration's id."""

    @property
    def id(self) -> str:
        return str(self.project.id)


class Refused(Exception):
    def __init__(self, status: int, code: str) -> None:
        self.status, self.code = status, code


@dataclass
class StandIn:
    url: str = ""
    blob_url: str = ""
    projects: dict[str, StoredProject] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    loads: Counter[str] = field(default_factory=Counter)
    """Images whose bytes were sent completely, by their ids."""
    blob_headers: list[dict[str, str]] = field(default_factory=list)
    blob_answer: Callable[[str, bytes], tuple[int, bytes] | None] = lambda _, data: (200, data)
    """Status and body for an image's id and its bytes; None closes the connection."""
    with_urls: bool = True

    def add_project(self, name: str, domain: str = "ObjectDetection", classification: str | None = None) -> StoredProject:
        project = models.Project(name=name, description="", settings=None)
        project.id = str(uuid.uuid4())
        project.created = project.last_modified = NOW
        project.settings = models.ProjectSettings(domain_id=DOMAINS[domain], classification_type=classification)
        self.projects[project.id] = StoredProject(project)
        return self.projects[project.id]

    def add_tag(self, project: StoredProject, name: str, kind: str = "Regular") -> str:
        tag = models.Tag(name=name, description="", type=kind)
        tag.id, tag.image_count = str(uuid.uuid4()), 0
        project.tags.append(tag)
        return str(tag.id)

    def add_image(
        self,
        project: StoredProject,
        data: bytes,
        tags: tuple[str, ...] = (),
        regions: tuple[tuple[str, tuple[float, float, float, float]], ...] = (),
        size: tuple[int, int] = (64, 48),
    ) -> str:
        """Tags and regions by the ids of the tags; `size` is what the service says of width and height."""
        names = {tag.id: tag.name for tag in project.tags}
        image = models.Image()
        image.id, image.created = str(uuid.uuid4()), NOW
        image.width, image.height = size
        image.tags = [_tag(id_, names[id_]) for id_ in dict.fromkeys((*tags, *(id_ for id_, _ in regions)))] or None
        image.regions = [_region(id_, names[id_], box) for id_, box in regions] or None
        project.images[image.id] = StoredImage(data, image)
        return str(image.id)

    def add_iteration(
        self, project: StoredProject, name: str, metrics: tuple[float, float, float], *, published: str | None = None
    ) -> str:
        """`metrics`: precision, recall and average precision."""
        iteration = models.Iteration(name=name)
        iteration.id, iteration.status, iteration.publish_name = str(uuid.uuid4()), "Completed", published
        iteration.project_id, iteration.trained_at = project.id, NOW.replace(day=2 + len(project.iterations))
        project.iterations.append(iteration)
        performance = models.IterationPerformance()
        performance.precision, performance.recall, performance.average_precision = metrics
        performance.per_tag_performance = [_tag_performance(tag, metrics) for tag in project.tags if tag.type == "Regular"]
        project.performances[iteration.id] = performance
        return str(iteration.id)

    def add_prediction(
        self, project: StoredProject, iteration: str, image_id: str, found: list[tuple[str, float, tuple[float, ...] | None]]
    ) -> None:
        """`found`: name of the tag, probability, box."""
        performance = models.ImagePerformance()
        performance.id = image_id
        performance.predictions = [_prediction(*one) for one in found]
        project.image_performances.setdefault(iteration, []).append(performance)

    def answer(self, method: str, target: str, key: str | None, body: bytes) -> Any:  # noqa: ANN401 - JSON
        if key != KEY:
            raise Refused(401, "Unauthorized")
        parts = urlsplit(target)
        query = dict(parse_qsl(parts.query))
        for verb, pattern, operation in _OPERATIONS:
            match = re.fullmatch(rf"/customvision/v3\.\d(?:-preview)?/training{pattern}", parts.path)
            if match and verb == method:
                self.calls.append((method, re.sub(r"/customvision/v[^/]*/training", "", parts.path)))
                return operation(self, *match.groups(), query, body)
        raise Refused(404, "NotFound")

    def find(self, project_id: str) -> StoredProject:
        if project_id not in self.projects:
            raise Refused(404, "NotFoundProject")
        return self.projects[project_id]

    def shown(self, project: StoredProject, stored: StoredImage) -> Any:  # noqa: ANN401
        image = stored.image.serialize(keep_readonly=True)
        if self.with_urls:
            query = f"sv=2020-02-10&se=2026-01-03T00%3A00%3A00Z&sr=b&sp=r&sig={SIGNATURE}"
            image["originalImageUri"] = f"{self.blob_url}/o-{project.id}/o-{image['id']}?{query}"
            image["resizedImageUri"] = f"{self.blob_url}/o-{project.id}/i-{image['id']}?{query}"
        return image


def _tag(id_: str, name: str) -> Any:  # noqa: ANN401
    tag = models.ImageTag()
    tag.tag_id, tag.tag_name, tag.created = id_, name, NOW
    return tag


def _region(id_: str, name: str, box: tuple[float, ...]) -> Any:  # noqa: ANN401
    left, top, width, height = box
    region = models.ImageRegion(tag_id=id_, left=left, top=top, width=width, height=height)
    region.region_id, region.tag_name, region.created = str(uuid.uuid4()), name, NOW
    return region


def _tag_performance(tag: Any, metrics: tuple[float, float, float]) -> Any:  # noqa: ANN401
    performance = models.TagPerformance()
    performance.id, performance.name = tag.id, tag.name
    performance.precision, performance.recall, performance.average_precision = metrics
    return performance


def _prediction(name: str, probability: float, box: tuple[float, ...] | None) -> Any:  # noqa: ANN401
    prediction = models.Prediction()
    prediction.tag_name, prediction.tag_id, prediction.probability = name, str(uuid.uuid4()), probability
    if box is not None:
        prediction.bounding_box = models.BoundingBox(left=box[0], top=box[1], width=box[2], height=box[3])
    return prediction


def _plain(items: Any) -> Any:  # noqa: ANN401
    return [item.serialize(keep_readonly=True) for item in items]


def _page(items: list[Any], query: dict[str, str]) -> list[Any]:
    take, skip = int(query.get("take", "50")), int(query.get("skip", "0"))
    if not 0 <= take <= TAKE_MAX:
        raise Refused(400, "BadRequestExceededBatchSize")
    return items[skip : skip + take]


def _listed(service: StandIn, project_id: str, kind: str) -> list[Any]:
    project = service.find(project_id)
    tagged = kind == "tagged"
    return [
        service.shown(project, stored)
        for stored in project.images.values()
        if bool(stored.image.tags or stored.image.regions) is tagged
    ]


def _of_iteration(kept: dict[str, Any], iteration: str) -> Any:  # noqa: ANN401
    if iteration not in kept:
        raise Refused(404, "NotFoundIterationPerformance")
    return kept[iteration]


def _domain(name: str) -> Any:  # noqa: ANN401
    domain = models.Domain()
    domain.id, domain.name, domain.type, domain.enabled, domain.exportable = DOMAINS[name], "General", name, True, False
    return domain.serialize(keep_readonly=True)


def _domain_of(_: StandIn, id_: str, query: dict[str, str], body: bytes) -> Any:  # noqa: ANN401
    for name, known in DOMAINS.items():
        if known == id_:
            return _domain(name)
    raise Refused(404, "NotFoundDomain")


def _create_project(service: StandIn, query: dict[str, str], body: bytes) -> Any:  # noqa: ANN401
    domain = next(name for name, id_ in DOMAINS.items() if id_ == query["domainId"])
    project = service.add_project(query["name"], domain, query.get("classificationType"))
    return project.project.serialize(keep_readonly=True)


def _create_tag(service: StandIn, project_id: str, query: dict[str, str], body: bytes) -> Any:  # noqa: ANN401
    project = service.find(project_id)
    id_ = service.add_tag(project, query["name"], query.get("type", "Regular"))
    return next(tag for tag in project.tags if tag.id == id_).serialize(keep_readonly=True)


def _create_images(service: StandIn, project_id: str, query: dict[str, str], body: bytes) -> Any:  # noqa: ANN401
    project = service.find(project_id)
    results = []
    for entry in json.loads(body)["images"]:
        regions = tuple(
            (region["tagId"], (region["left"], region["top"], region["width"], region["height"]))
            for region in entry.get("regions") or ()
        )
        data = base64.b64decode(entry["contents"])
        id_ = service.add_image(project, data, tuple(entry.get("tagIds") or ()), regions)
        results.append({"status": "OK", "image": service.shown(project, project.images[id_])})
    return {"isBatchSuccessful": True, "images": results}


def _images_by_id(service: StandIn, project_id: str, query: dict[str, str], body: bytes) -> Any:  # noqa: ANN401
    project = service.find(project_id)
    return [service.shown(project, project.images[id_]) for id_ in query["imageIds"].split(",")]


_P = "/projects/([^/]+)"
_OPERATIONS: list[tuple[str, str, Callable[..., Any]]] = [
    ("GET", "/domains", lambda s, q, b: [_domain(name) for name in DOMAINS]),
    ("GET", "/domains/([^/]+)", _domain_of),
    ("GET", "/projects", lambda s, q, b: _plain(project.project for project in s.projects.values())),
    ("POST", "/projects", _create_project),
    ("GET", _P, lambda s, p, q, b: s.find(p).project.serialize(keep_readonly=True)),
    ("GET", f"{_P}/tags", lambda s, p, q, b: _plain(s.find(p).tags)),
    ("POST", f"{_P}/tags", _create_tag),
    ("POST", f"{_P}/images/files", _create_images),
    ("GET", f"{_P}/images/(tagged|untagged)", lambda s, p, k, q, b: _page(_listed(s, p, k), q)),
    ("GET", f"{_P}/images/(tagged|untagged)/count", lambda s, p, k, q, b: len(_listed(s, p, k))),
    ("GET", f"{_P}/images/id", _images_by_id),
    ("GET", f"{_P}/iterations", lambda s, p, q, b: _plain(s.find(p).iterations)),
    (
        "GET",
        f"{_P}/iterations/([^/]+)/performance",
        lambda s, p, i, q, b: _of_iteration(s.find(p).performances, i).serialize(keep_readonly=True),
    ),
    (
        "GET",
        f"{_P}/iterations/([^/]+)/performance/images",
        lambda s, p, i, q, b: _page(_plain(_of_iteration(s.find(p).image_performances, i)), q),
    ),
]


@contextmanager
def stand_in() -> Iterator[StandIn]:
    """Runs until the context ends."""
    service = StandIn()

    class Api(Handler):
        def respond(self) -> None:
            body = self.body()
            try:
                answer, status = service.answer(self.command, self.path, self.headers.get("Training-Key"), body), 200
            except Refused as refused:
                answer, status = {"code": refused.code, "message": f"{refused.code}, said the service to {KEY}"}, refused.status
            self.answer(status, json.dumps(answer).encode(), {"Content-Type": "application/json; charset=utf-8"})

        do_GET = do_POST = respond  # noqa: N815

    class Blobs(Handler):
        def respond(self) -> None:
            service.blob_headers.append(dict(self.headers))
            project_id, _, name = urlsplit(self.path).path.removeprefix("/o-").partition("/")
            image_id = name[2:]
            stored = service.projects[project_id].images[image_id].data
            answer = service.blob_answer(image_id, stored)
            if answer is None or f"sig={SIGNATURE}" not in self.path:
                self.close_connection = True
                return
            status, data = answer
            md5 = base64.b64encode(hashlib.md5(stored).digest()).decode()
            self.answer(status, data, {"Content-Type": "image/jpeg", "Content-MD5": md5})
            if status == 200:
                service.loads[image_id] += 1

        do_GET = respond  # noqa: N815

    with serving_http(Api) as port, serving_http(Blobs) as blob_port:
        service.url, service.blob_url = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{blob_port}"
        yield service
