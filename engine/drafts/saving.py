"""How a draft becomes a version: a COCO file and a manifest in the container, in the layout that `Dataset` uploads.

The content is read once, as it is at one moment, and goes through temporary files, so that a draft of any size takes the same
memory. Equal content gives an equal digest, and then nothing is written.
"""

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import islice
from typing import BinaryIO, NamedTuple

from vision_customization.common.dataset_content.blob_names import (
    annotation_name,
    draft_base_name,
    draft_pin_name,
    manifest_name,
    marker_name,
)
from vision_customization.common.dataset_content.manifest_file import Annotation, ManifestFile
from vision_customization.contract.texts import counted
from vision_customization.engine.drafts.changes import in_words
from vision_customization.engine.drafts.container import Container
from vision_customization.engine.drafts.errors import NotSaved
from vision_customization.engine.store import DraftImageRecord, DraftRecord, Store, VersionRecord
from vision_customization.engine.store.draft_pages import DraftPages
from vision_customization.engine.store.draft_records import DraftLabel

Report = Callable[[str, int, int], None]
"""Called with what is done now, how much of it is done, and how much there is."""

_CONTENT_NAME = re.compile(r"([0-9a-f]{64})\.json")
_AT_ONCE = 1000
_COPIED_BYTES = 1024 * 1024


def unreported(doing: str, done: int, of: int) -> None:
    """A report that nobody waits for."""


def save_version(
    store: Store,
    container: Container,
    draft: DraftRecord,
    who: str,
    message: str | None = None,
    *,
    pins: bool = False,
    report: Report = unreported,
) -> VersionRecord:
    """Write the draft's content as a version, and record it. All of it is read as it is at one moment.

    Args:
        pins: note the version as what the draft begins with, so that its files stay for as long as the draft exists.

    Raises:
        NotSaved: the draft has no images, or conflicts that somebody must settle.
        ContainerRefuses: nothing is recorded then.
    """
    with ExitStack() as files:
        coco = files.enter_context(tempfile.TemporaryFile())
        with store.drafts.at_one_moment() as drafts:
            draft = drafts.find(draft.name)
            _check(draft)
            changes = tuple(in_words(draft.annotation_kind, drafts.differences(draft.sequence)))
            manifest = files.enter_context(_manifest(drafts, draft))
            written = write_coco(drafts, draft, coco, manifest, report)
        annotation = annotation_name(written.sha256)
        report("Writing the version's files", 0, 0)
        coco.seek(0)
        container.write(annotation, coco, "application/json")
        container.write(marker_name(written.digest, written.sha256), b"", "application/octet-stream")
        names = [manifest_name(written.digest)]
        if pins:
            container.write(draft_pin_name(draft.id, written.sha256), b"", "application/octet-stream")
            names.insert(0, draft_base_name(draft.id, written.digest))
        _write_manifest(container, manifest, *names)
    version = store.versions.add(
        VersionRecord(
            dataset_name=draft.dataset_name,
            digest=written.digest,
            annotation_kind=draft.annotation_kind,
            annotation_file_uri=f"{container.url}/{annotation}",
            base_uris=draft.base_uris,
            images=written.images,
            labels=written.labels,
            tags=written.tags,
            changes=changes,
            message=message or None,
            saved_by=who,
            saved=store.database.now(),
        )
    )
    store.drafts.note_saved(draft, written.digest)
    return version


def _check(draft: DraftRecord) -> None:
    """Raises NotSaved."""
    if draft.conflicts:
        which, them = counted(draft.conflicts, "image"), "it" if draft.conflicts == 1 else "them"
        raise NotSaved(f"The draft '{draft.name}' has {which} that both sides changed. Settle {them} first.")
    if not draft.images:
        raise NotSaved(f"The draft '{draft.name}' has no images: add some first.")


class WrittenCoco(NamedTuple):
    """A COCO file that was written: the SHA-256 of its bytes, the digest of its content, how much it holds, and how many
    labels of each tag."""

    sha256: str
    digest: str
    images: int
    labels: int
    tags: dict[str, int]


def write_coco(
    drafts: DraftPages, draft: DraftRecord, file: BinaryIO, manifest: ManifestFile, report: Report = unreported
) -> WrittenCoco:
    """Write the draft's content as a COCO file of the contract, and into a manifest: ids count from 1, boxes are fractions, and
    each tag is a category, also one without labels."""
    ids = {tag.name: id_ for id_, tag in enumerate(drafts.tags(draft.sequence), start=1)}
    categories = [{"id": id_, "name": name} for name, id_ in ids.items()]
    images = labels = 0
    with tempfile.TemporaryFile() as annotations:
        target = _Hashed(file)
        target.write('{"images":[')
        for batch in _batches(drafts.all_images(draft.sequence)):
            manifest.add((image.sha256, _pairs(image.labels)) for image in batch)
            entries, own = [], []
            for image in batch:
                images += 1
                entries.append(_image(images, draft, image))
                for label in image.labels:
                    labels += 1
                    own.append(_annotation(labels, images, ids[label.tag], label))
            target.write(("," if images > len(batch) else "") + ",".join(entries))
            annotations.write((("," if labels > len(own) and own else "") + ",".join(own)).encode())
            report("Reading the images", images, draft.images)
        target.write('],"annotations":[')
        annotations.seek(0)
        shutil.copyfileobj(annotations, target, _COPIED_BYTES)
        target.write(f'],"categories":{_json(categories)}}}')
    return WrittenCoco(target.sha256, manifest.finish(), images, labels, dict(sorted(manifest.tags.items())))


def pin_base(store: Store, container: Container, draft: DraftRecord) -> None:
    """Note in the container what the draft begins with, so that its images and annotation files stay there for as long as the
    draft exists. Raises ContainerRefuses."""
    with ExitStack() as files:
        with store.drafts.at_one_moment() as drafts:
            manifest = files.enter_context(_manifest(drafts, draft))
            for batch in _batches(drafts.all_images(draft.sequence)):
                manifest.add((image.sha256, _pairs(image.labels)) for image in batch)
        _write_manifest(container, manifest, draft_base_name(draft.id, manifest.finish()))
    for uri in draft.base_uris:
        if (named := _CONTENT_NAME.fullmatch(uri.rpartition("/")[2])) is not None:
            container.write(draft_pin_name(draft.id, named[1]), b"", "application/octet-stream")


class _Hashed:
    """A file to which text or bytes are written, and the digest of all of it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def write(self, part: str | bytes) -> int:
        data = part.encode() if isinstance(part, str) else part
        self._digest.update(data)
        return self._file.write(data)


def _manifest(drafts: DraftPages, draft: DraftRecord) -> ManifestFile:
    return ManifestFile(draft.annotation_kind, drafts.copies(draft.sequence))


def _write_manifest(container: Container, manifest: ManifestFile, *names: str) -> None:
    with tempfile.TemporaryFile() as file:
        manifest.write(file)
        for name in names:
            file.seek(0)
            container.write(name, file, "application/json")


def _batches(images: Iterable[DraftImageRecord]) -> Iterator[list[DraftImageRecord]]:
    rest = (_with_each_label_once(image) for image in images)
    while batch := list(islice(rest, _AT_ONCE)):
        yield batch


def _with_each_label_once(image: DraftImageRecord) -> DraftImageRecord:
    """Of several labels with the same tag and box, one, as a dataset has them: two tags that became one may leave such."""
    labels = tuple(dict.fromkeys(image.labels))
    return image if len(labels) == len(image.labels) else replace(image, labels=labels)


def _pairs(labels: Sequence[DraftLabel]) -> list[Annotation]:
    return [(label.tag, label.box) for label in labels]


def _image(id_: int, draft: DraftRecord, image: DraftImageRecord) -> str:
    sides = "".join(
        f'"{side}":{_number(pixels)},'
        for side, pixels in (("width", image.width), ("height", image.height))
        if pixels is not None
    )
    address = _json(draft.url_of(image.sha256, image.extension))
    return f'{{"id":{id_},{sides}"file_name":{_json(image.file_name)},"absolute_url":{address}}}'


def _annotation(id_: int, image: int, category: int, label: DraftLabel) -> str:
    box = ""
    if label.box is not None:
        box = f',"bbox":{_json(label.box)},"area":{label.box[2] * label.box[3]!r}'
    return f'{{"id":{id_},"image_id":{image},"category_id":{category}{box}}}'


def _number(pixels: float) -> str:
    return repr(int(pixels) if pixels == int(pixels) else pixels)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
