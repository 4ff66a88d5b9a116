"""What a dataset holds, by REST: in pages once a worker has read it, and how far that is before."""

from typing import Any

import pytest

from tests.engine.store.indexed import index_content
from tests.support.api_world import World
from vision_customization.contract.wire import ErrorDetails
from vision_customization.engine.store.content_rows import NewImage
from vision_customization.engine.store.records import BlobRecord


@pytest.fixture
def indexed(world: World) -> World:
    world.register("cats")
    index_content(world.store, "cats")
    return world


def positions(body: dict[str, Any]) -> list[int]:
    return [image["position"] for image in body["value"]]


def test_the_first_look_queues_an_index_and_the_next_ones_say_how_far_it_is(world: World) -> None:
    world.register("cats")
    assert world.jobs.indexes == []
    first = world.call("GET", "datasets/cats/content").json()
    assert (first["status"], first["annotationKind"], first["purpose"]) == ("queued", "imageClassification", "training")
    (index,) = world.jobs.indexes
    world.store.content.begin(index)
    world.store.content.report(index, images_read=12_000)
    reading = world.call("GET", "datasets/cats/content").json()
    assert (reading["status"], reading["imagesRead"], reading["tags"]) == ("reading", 12_000, [])
    refused = world.call("GET", "datasets/cats/images")
    assert refused.status_code == 400
    assert refused.json()["error"]["message"] == (
        "The content of dataset 'cats' is 'reading' (12,000 images so far): GET its /content until the status is 'ready'."
    )
    assert len(world.jobs.indexes) == 1


def test_a_queue_that_does_not_answer_leaves_the_index_to_the_workers(world: World) -> None:
    world.register("cats")
    world.jobs.broken = True
    assert world.call("GET", "datasets/cats/content").status_code == 500
    world.jobs.broken = False
    assert world.call("GET", "datasets/cats/content").json()["status"] == "queued"
    assert len(world.store.unfinished().content_indexes) == 1


def test_counts_tags_and_problems(indexed: World) -> None:
    body = indexed.call("GET", "datasets/cats/content").json()
    assert {key: body[key] for key in ("status", "images", "unlabelledImages", "labels", "tagCount")} == {
        "status": "ready", "images": 30, "unlabelledImages": 6, "labels": 24, "tagCount": 3,
    }  # fmt: skip
    assert body["tags"][:2] == [{"name": "ash", "images": 12, "labels": 12}, {"name": "beech", "images": 12, "labels": 12}]
    assert body["problems"] == [{"kind": "size", "count": 9, "images": 5, "warning": False, "first": "too wide"}]
    assert len(body["digest"]) == 64
    assert not {"message", "error", "successor"} & body.keys()


@pytest.mark.parametrize(
    ("query", "expected", "count"),
    [
        ("", list(range(10)), 30),
        ("?skip=25&top=200", list(range(25, 30)), 30),
        ("?skip=2147483647", [], 30),
        ("?tag=beech&skip=2&top=3", [7, 9, 11], 12),
        ("?tag=beech&skip=2147483647", [], 12),
        ("?tag=elm", [], 0),
        ("?tag=%00", [], 0),
        ("?problem=size&top=2", [0, 7], 5),
        ("?problem=otherTags", [], 0),
        ("?unlabelled=true&top=200", [0, 5, 10, 15, 20, 25], 6),
        ("?unlabelled=false&top=1", [0], 30),
    ],
)
def test_a_page_of_images(indexed: World, query: str, expected: list[int], count: int) -> None:
    body = indexed.call("GET", f"datasets/cats/images{query}").json()
    assert (positions(body), body["count"]) == (expected, count)


def test_all_pages_of_a_filter_follow_each_other(indexed: World) -> None:
    seen, link = [], "datasets/cats/images?tag=beech&top=5"
    while link:
        body = indexed.call("GET", link, version=None if "api-version" in link else "2023-04-01-preview").json()
        seen += positions(body)
        link = body.get("nextLink", "")
    assert seen == [number for number in range(30) if number % 5 and number % 2]


def test_an_image_as_callers_see_it(world: World) -> None:
    world.register("boxes", annotationKind="imageObjectDetection")
    world.store.known_blobs.remember([BlobRecord("https://h/c/1.png", "", "cd" * 32, 1, 1)])
    found = [
        NewImage(0, "https://h/c/1.png?sig=TOPSECRET", "red/1.png", 60.5, 80.0, [(0, (0.1, 0.2, 0.3, 0.4)), (1, None)], []),
        NewImage(1, "https://h/c/2.png", "", None, None, [], []),
    ]
    index_content(world.store, "boxes", found)
    reply = world.call("GET", "datasets/boxes/images")
    assert "TOPSECRET" not in reply.text
    assert reply.json()["value"] == [
        {
            "position": 0,
            "image": "https://h/c/1.png",
            "fileName": "red/1.png",
            "width": 60.5,
            "height": 80.0,
            "digest": "cd" * 32,
            "labels": [{"tag": "ash", "bbox": [0.1, 0.2, 0.3, 0.4]}, {"tag": "beech"}],
            "problems": ["too wide"],
        },
        {"position": 1, "image": "https://h/c/2.png", "labels": []},
    ]


def test_a_content_that_could_not_be_read_says_why(world: World) -> None:
    world.register("cats")
    world.call("GET", "datasets/cats/content")
    world.store.content.fail(world.jobs.indexes[0], ErrorDetails(code="datasetCorrupt", message="Line 7 is odd."))
    body = world.call("GET", "datasets/cats/content").json()
    assert (body["status"], body["error"]) == ("failed", {"code": "datasetCorrupt", "message": "Line 7 is odd."})
    refused = world.call("GET", "datasets/cats/images").json()["error"]["message"]
    assert refused == "The content of dataset 'cats' could not be read. Line 7 is odd."


def test_a_change_of_the_dataset_shows_the_former_content_until_the_next_is_ready(indexed: World) -> None:
    indexed.call("PATCH", "datasets/cats", json={"customProperties": {"a": "b"}})
    body = indexed.call("GET", "datasets/cats/content").json()
    assert (body["status"], body["images"]) == ("ready", 30)
    assert body["successor"] == {"status": "queued", "imagesRead": 0}
    assert indexed.call("GET", "datasets/cats/images").json()["count"] == 30
    assert len(indexed.jobs.indexes) == 1


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("datasets/none/content", 404, "There is no dataset 'none'."),
        ("datasets/none/images", 404, "There is no dataset 'none'."),
        ("datasets/cats/images?top=201", 400, "top: Input should be less than or equal to 200"),
        ("datasets/cats/images?problem=none", 400, "problem: Input should be 'limit', 'fewLabels'"),
        ("datasets/cats/images?tag=ash&unlabelled=true", 400, "tag, problem and unlabelled: only one of them can be given."),
    ],
)
def test_what_is_refused(indexed: World, path: str, status: int, says: str) -> None:
    reply = indexed.call("GET", path)
    assert reply.status_code == status
    assert says in reply.json()["error"]["message"]


def test_indexes_are_counted_in_the_metrics(world: World) -> None:
    world.register("cats")
    world.call("GET", "datasets/cats/content")
    metrics = world.call("GET", "/metrics").text
    assert 'vision_engine_content_indexes{status="queued"} 1.0' in metrics
    assert "vision_engine_queue_length 1.0" in metrics
