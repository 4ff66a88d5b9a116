"""Content indexes as a worker fills them, without files."""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from vision_customization.contract.enums import ProblemKind
from vision_customization.engine.store import ContentIndexRecord, Store
from vision_customization.engine.store.content_rows import NewImage
from vision_customization.engine.store.records import IndexedFile, IndexedProblem, IndexedTag, ProblemCount

FILES = (IndexedFile("https://a.blob.core.windows.net/c/train.json", "ab" * 32, 7, '"v1"'),)
TAGS = ("ash", "beech", "Ä" * 3000)


def new_images(
    count: int, tags_of: Callable[[int], Sequence[int]] = lambda number: [number % 2] if number % 5 else []
) -> Iterator[NewImage]:
    """So many images; every fifth has no label, and the width of every seventh is wrong."""
    for number in range(count):
        labels = [(tag, None) for tag in tags_of(number)]
        problems = [ProblemKind.SIZE] * (number % 7 == 0) + [ProblemKind.UNLABELLED] * (not labels)
        yield NewImage(number, f"https://h/c/{number}.png", f"{number}.png", 60.0, None, labels, problems)


def filled(store: Store, index_id: str, found: Sequence[NewImage]) -> ContentIndexRecord:
    """An index that a worker has read."""
    store.content.begin(index_id)
    writer = store.content.writer(index_id)
    writer.add_images(found)
    tags = list(chain.from_iterable({tag for tag, _ in image.labels} for image in found))
    labels = [tag for image in found for tag, _ in image.labels]
    writer.add_tags(IndexedTag(name, tags.count(tag), labels.count(tag)) for tag, name in enumerate(TAGS))
    writer.add_problems([IndexedProblem(0, ProblemKind.SIZE, "too wide"), IndexedProblem(None, ProblemKind.LIMIT, "too many")])
    counts = [ProblemCount(ProblemKind.SIZE, 9, writer.images_with(ProblemKind.SIZE), "too wide")]
    return store.content.finish(index_id, writer, FILES, counts)


def index_content(store: Store, dataset: str, found: Sequence[NewImage] | None = None) -> ContentIndexRecord:
    """The content of a dataset, at its first look."""
    created = store.content.look(dataset).created
    assert created is not None
    filled(store, created, list(new_images(30)) if found is None else found)
    return store.content.look(dataset).record
