"""The tags of a draft: counts, and how they are added, renamed, merged and deleted. Each change is shown before it is made."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.responses import Response

from vision_customization.contract.enums import Purpose
from vision_customization.contract.limits import DATASET_LIMITS
from vision_customization.contract.studio import Role
from vision_customization.contract.texts import counted
from vision_customization.engine.api.errors import invalid
from vision_customization.engine.drafts.labels import tag_fault
from vision_customization.engine.drafts.saving import Report
from vision_customization.engine.inspection.balance import balance_text
from vision_customization.engine.store import DraftRecord, NotFound
from vision_customization.engine.store.draft_bulk import Report as BulkReport
from vision_customization.engine.store.draft_records import DraftTagRecord
from vision_customization.engine.studio.dataset_contents import TAG_CHARACTERS_MAX, tone_of
from vision_customization.engine.studio.dataset_facts import TAGS_COMPARED_MAX
from vision_customization.engine.studio.draft_contents import draft_of
from vision_customization.engine.studio.draft_facts import facts_of
from vision_customization.engine.studio.progress import answer_with_progress, of_images
from vision_customization.engine.studio.routing import Pages
from vision_customization.engine.studio.snippets.drafts import draft_snippets
from vision_customization.engine.studio.visit import Visit, link

pages = Pages()

KEYS = 9
"""Tags that a digit gives to images."""


@dataclass(frozen=True)
class TagRow:
    """A tag. `share` is the length of its bar, 0 to 100; `why` says what it lacks; `key` is its digit in the grid."""

    name: str
    images: int
    labels: int
    share: float
    why: str
    tone: int
    key: str
    href: str
    change: str


@pages.get("/drafts/{draft}/tags")
def tags(visit: Visit) -> Response:
    record = draft_of(visit)
    facts = facts_of(visit, record)
    found = visit.service.store.drafts.tags(record.sequence)
    limits = DATASET_LIMITS[record.annotation_kind.value, Purpose.TRAINING]
    most = max((tag.labels for tag in found), default=0)
    rows = []
    for number, tag in enumerate(found, start=1):
        why = ""
        if not tag.labels:
            why = "no label yet"
        elif tag.labels < limits.annotations_per_tag_min:
            why = f"{limits.annotations_per_tag_min - tag.labels} too few"
        elif 0 < limits.images_without_tag_min > record.images - tag.images:
            why = "on nearly every image"
        path, query = link("drafts", record.name), urlencode({"tag": tag.name})
        rows.append(
            TagRow(
                tag.name,
                tag.images,
                tag.labels,
                100 * tag.labels / most if most else 0,
                why,
                tone_of(tag.name),
                str(number) if number <= KEYS and not facts.detection else "",
                f"{path}?{query}",
                f"{path}/tags/change?{query}",
            )
        )
    label = "box" if facts.detection else "image"
    least = f"{limits.annotations_per_tag_min} {label}{'' if limits.annotations_per_tag_min == 1 else 's'}"
    few = len(found) <= TAGS_COMPARED_MAX
    return visit.render(
        "draft_tags.html",
        draft=facts,
        tags=rows,
        balance=balance_text({tag.name: tag.images for tag in found}) if found and few and record.labels else "",
        rule=f"To train, a dataset needs {counted(limits.categories_min, 'tag')}, and each tag at least {least}. Five to ten "
        "are enough to start; more are better.",
        snippets=draft_snippets(visit.origin, record.name),
    )


@pages.get("/drafts/{draft}/tags/change", role=Role.LABELER)
def change(visit: Visit) -> Response:
    """What renaming a tag to `name`, or deleting it, would change; without either, the forms to choose from."""
    record = draft_of(visit)
    tag = _tag(visit, record, visit.query("tag"))
    name = visit.query("name").strip()[:TAG_CHARACTERS_MAX]
    other, fault = None, None
    if name and name != tag.name:
        other = next((each for each in visit.service.store.drafts.tags(record.sequence) if each.name == name), None)
        fault = None if other else tag_fault(name)
    return visit.render(
        "draft_tag_change.html",
        400 if fault else 200,
        draft=facts_of(visit, record),
        tag=tag,
        name=name,
        other=other,
        fault=fault,
        deletes=visit.query("delete") == "yes",
        others=[each.name for each in visit.service.store.drafts.tags(record.sequence) if each.name != tag.name],
        snippets=draft_snippets(visit.origin, record.name),
    )


@pages.post("/drafts/{draft}/tags", role=Role.LABELER)
def add(visit: Visit) -> Response:
    record = draft_of(visit)
    name = visit.form.get("name", "").strip()
    if fault := tag_fault(name):
        raise invalid(f"name: {fault}.", target="name")
    visit.service.store.drafts.add_tag(record.name, name, visit.who)
    visit.audit("tag added", draft=record.name, tag=name)
    return visit.redirect(link("drafts", record.name, "tags"))


@pages.post("/drafts/{draft}/tags/rename", role=Role.LABELER)
async def rename(visit: Visit) -> Response:
    """Rename a tag; with `merge`, it becomes one with the tag that has the name."""
    tag, name, merge = visit.form.get("tag", ""), visit.form.get("name", "").strip(), visit.form.get("merge") == "yes"
    if not merge and (fault := tag_fault(name)):
        raise invalid(f"name: {fault}.", target="name")

    def change(record: DraftRecord, report: BulkReport) -> None:
        images = visit.service.store.drafts.rename_tag(record.name, tag, name, visit.who, merge=merge, report=report)
        visit.audit("tag merged" if merge else "tag renamed", draft=record.name, tag=tag, into=name, images=images)

    return await _changed(visit, change)


@pages.post("/drafts/{draft}/tags/delete", role=Role.LABELER)
async def delete(visit: Visit) -> Response:
    tag = visit.form.get("tag", "")

    def change(record: DraftRecord, report: BulkReport) -> None:
        images = visit.service.store.drafts.delete_tag(record.name, tag, visit.who, report=report)
        visit.audit("tag deleted", draft=record.name, tag=tag, images=images)

    return await _changed(visit, change)


async def _changed(visit: Visit, change: Callable[[DraftRecord, BulkReport], None]) -> Response:
    """Change a tag, and go to the list of tags."""

    def work(report: Report) -> dict[str, str]:
        record = draft_of(visit)
        change(record, of_images(report))
        return {"location": link("drafts", record.name, "tags")}

    return await answer_with_progress(visit, work, lambda result: visit.redirect(result["location"]))


def _tag(visit: Visit, record: DraftRecord, name: str) -> DraftTagRecord:
    """Raises NotFound."""
    for tag in visit.service.store.drafts.tags(record.sequence):
        if tag.name == name:
            return tag
    raise NotFound("tag", name)
