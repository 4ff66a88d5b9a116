"""What a draft has changed, in words."""

from vision_customization.common.dataset_content.manifest import ContentChange, ImageLabels, change_of
from vision_customization.engine.store import DraftRecord, NotFound, Store, VersionRecord
from vision_customization.engine.store.draft_differences import DraftDifferences

CHANGES_MAX = 50


def changes_of(store: Store, draft: DraftRecord) -> list[str]:
    """What is different from what the draft began with, in words."""
    return in_words(draft.annotation_kind, store.drafts.differences(draft.sequence))


def saved_as(store: Store, draft: DraftRecord, changes: list[str]) -> VersionRecord | None:
    """The version that has the draft's content, if it is known without reading that: it was saved since the last change, or the
    draft began with it, and has no `changes`."""
    if draft.saved_digest is not None:
        try:
            return store.versions.find(draft.dataset_name, draft.saved_digest)
        except NotFound:
            return None
    if changes or len(draft.base_uris) != 1:
        return None
    found = store.versions.of_file(draft.base_uris[0])
    return next((version for version in found if version.dataset_name == draft.dataset_name), None)


def in_words(kind: str, found: DraftDifferences) -> list[str]:
    new_name = {old: new for old, new, _ in found.renamed}
    moved_boxes, kept = 0, []
    for then, now in found.changed:
        if tuple(sorted(new_name.get(tag, tag) for tag in then)) == now:
            moved_boxes += 1
        else:
            kept.append((ImageLabels(then), ImageLabels(now)))
    (added, added_by_tag), (removed, removed_by_tag) = found.added, found.removed
    counts = ContentChange(
        kind,
        kind,
        *found.images,
        added=added,
        removed=removed,
        added_by_tag=added_by_tag,
        removed_by_tag=removed_by_tag,
        tags=found.tags,
        renamed=tuple(found.renamed),
        moved_boxes=moved_boxes,
    )
    return change_of(counts, kept).summary()[:CHANGES_MAX]
