"""How a draft becomes a version: a COCO file and a manifest in the container, in the layout that `Dataset` uploads.

Equal content gives an equal digest, and then nothing is written.
"""

import hashlib
import json
import tempfile
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

from vision_customization.common.dataset_content.blob_names import annotation_name, manifest_name, marker_name
from vision_customization.common.dataset_content.manifest import Manifest, compare, manifest_of
from vision_customization.contract.texts import counted
from vision_customization.engine.drafts.container import Container
from vision_customization.engine.drafts.errors import NotSaved
from vision_customization.engine.store import DraftImageRecord, DraftRecord, Store, VersionRecord
from vision_customization.engine.store.draft_records import DraftLabel

_CHANGES_MAX = 50


def save_version(store: Store, container: Container, draft: DraftRecord, who: str, message: str | None = None) -> VersionRecord:
    """Write the draft's content as a version, and record it.

    Raises:
        NotSaved: the draft has no images, or conflicts that somebody must settle.
        ContainerRefuses: nothing is recorded then.
    """
    draft = store.drafts.find(draft.name)
    if draft.conflicts:
        which, them = counted(draft.conflicts, "image"), "it" if draft.conflicts == 1 else "them"
        raise NotSaved(f"The draft '{draft.name}' has {which} that both sides changed. Settle {them} first.")
    if not draft.images:
        raise NotSaved(f"The draft '{draft.name}' has no images: add some first.")
    with tempfile.TemporaryFile() as file:
        written = write_coco(store, draft, file)
        digest = written.manifest.digest
        annotation = annotation_name(written.sha256)
        file.seek(0)
        container.write(annotation, file, "application/json")
    container.write(marker_name(digest, written.sha256), b"", "application/octet-stream")
    container.write(manifest_name(digest), written.manifest.to_bytes(), "application/json")
    return store.versions.add(
        VersionRecord(
            dataset_name=draft.dataset_name,
            digest=digest,
            annotation_kind=draft.annotation_kind,
            annotation_file_uri=f"{container.url}/{annotation}",
            base_uris=draft.base_uris,
            images=written.images,
            labels=written.labels,
            tags=written.manifest.tags,
            changes=tuple(changes_of(store, draft, written.manifest)),
            message=message or None,
            saved_by=who,
            saved=store.database.now(),
        )
    )


class WrittenCoco(NamedTuple):
    """A COCO file that was written: the SHA-256 of its bytes, and what it holds."""

    sha256: str
    manifest: Manifest
    images: int
    labels: int


def write_coco(store: Store, draft: DraftRecord, file: BinaryIO) -> WrittenCoco:
    """Write the draft's content as a COCO file of the contract, one image after the other: ids count from 1, boxes are
    fractions, and each tag is a category, also one without labels."""
    digest = hashlib.sha256()
    images = labels = 0
    ids = {tag.name: id_ for id_, tag in enumerate(store.drafts.tags(draft.sequence), start=1)}
    found: list[tuple[str, tuple[DraftLabel, ...]]] = []

    def write(text: str) -> None:
        data = text.encode()
        digest.update(data)
        file.write(data)

    write('{"images":[')
    for image in store.drafts.all_images(draft.sequence):
        images += 1
        write(("," if images > 1 else "") + _json(_image(images, draft, image)))
        found.append((image.sha256, image.labels))
    write('],"annotations":[')
    for number, (_, own) in enumerate(found, start=1):
        for label in own:
            labels += 1
            write(("," if labels > 1 else "") + _json(_annotation(labels, number, ids[label.tag], label)))
    write(f'],"categories":{_json([{"id": id_, "name": name} for name, id_ in ids.items()])}}}')
    manifest = manifest_of(draft.annotation_kind, ((sha256, _pairs(own)) for sha256, own in found))
    return WrittenCoco(digest.hexdigest(), manifest, images, labels)


def manifest_of_draft(store: Store, draft: DraftRecord) -> Manifest:
    """What the draft holds now."""
    images = store.drafts.all_images(draft.sequence)
    return manifest_of(draft.annotation_kind, ((image.sha256, _pairs(image.labels)) for image in images))


def changes_of(store: Store, draft: DraftRecord, now: Manifest | None = None) -> list[str]:
    """What is different from what the draft began with, in words."""
    before = manifest_of(draft.annotation_kind, _base(store, draft))
    lines = compare(before, now or manifest_of_draft(store, draft)).summary()
    return lines[:_CHANGES_MAX]


def _base(store: Store, draft: DraftRecord) -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    """The images that the draft began with, with their labels then."""
    base_name = {tag.name: tag.base_name or tag.name for tag in store.drafts.tags(draft.sequence)}
    for image in store.drafts.all_images(draft.sequence, removed=True):
        if image.in_base:
            labels = image.base
            if labels is None:
                labels = tuple(DraftLabel(base_name[label.tag], label.box) for label in image.labels)
            yield image.sha256, _pairs(labels)


def _pairs(labels: tuple[DraftLabel, ...]) -> list[tuple[str, Any]]:
    return [(label.tag, label.box) for label in labels]


def _image(id_: int, draft: DraftRecord, image: DraftImageRecord) -> dict[str, Any]:
    entry: dict[str, Any] = {"id": id_}
    for side, pixels in (("width", image.width), ("height", image.height)):
        if pixels is not None:
            entry[side] = int(pixels) if pixels == int(pixels) else pixels
    return {**entry, "file_name": image.file_name, "absolute_url": draft.url_of(image.sha256, image.extension)}


def _annotation(id_: int, image: int, category: int, label: DraftLabel) -> dict[str, Any]:
    entry: dict[str, Any] = {"id": id_, "image_id": image, "category_id": category}
    if label.box is not None:
        entry |= {"bbox": list(label.box), "area": label.box[2] * label.box[3]}
    return entry


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
