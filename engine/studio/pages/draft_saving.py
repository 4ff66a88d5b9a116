"""What a draft becomes: saved as a version, merged with its dataset, or deleted."""

from urllib.parse import urlencode

from starlette.responses import Response

from vision_customization.contract.drafts import VersionSave
from vision_customization.contract.errors import ErrorCode
from vision_customization.contract.studio import Role
from vision_customization.engine.api.errors import ApiError
from vision_customization.engine.drafts.changes import changes_of, saved_as
from vision_customization.engine.drafts.errors import BaseNotReady
from vision_customization.engine.drafts.merging import merge_draft
from vision_customization.engine.drafts.saving import Report
from vision_customization.engine.orders.drafts import delete_draft
from vision_customization.engine.orders.versions import save_and_register
from vision_customization.engine.studio.draft_contents import container_of, draft_of
from vision_customization.engine.studio.draft_facts import facts_of, may_delete
from vision_customization.engine.studio.pages.drafts import waits
from vision_customization.engine.studio.progress import answer_with_progress
from vision_customization.engine.studio.routing import Pages
from vision_customization.engine.studio.snippets.drafts import draft_snippets
from vision_customization.engine.studio.visit import Visit, link

pages = Pages()

COUNTS = ("taken", "added", "removed", "kept")
"""Of images, by what a merge did with them; conflicts are the draft's own number."""
_COUNT_MAX = 100_000_000


@pages.get("/drafts/{draft}/save")
def saving(visit: Visit) -> Response:
    """What has changed, in words, and the form that saves it."""
    return _with_changes(visit, "draft_save.html")


@pages.post("/drafts/{draft}/save", role=Role.LABELER)
async def save(visit: Visit) -> Response:
    """Save a version, and go to its page."""

    def work(report: Report) -> dict[str, str]:
        record = draft_of(visit)
        message = VersionSave(message=visit.form.get("message", "").strip() or None).message
        version, _ = save_and_register(visit.service, container_of(visit), record, visit.who, message, report)
        visit.audit("version saved", draft=record.name, dataset=version.dataset_name, version=version.digest)
        return {"location": f"{link('datasets', version.dataset_name, 'versions', version.digest)}?saved=yes"}

    return await answer_with_progress(visit, work, lambda result: visit.redirect(result["location"]))


@pages.post("/drafts/{draft}/merge", role=Role.LABELER)
def merge(visit: Visit) -> Response:
    """Merge what the dataset has now."""
    record = draft_of(visit)
    try:
        counts = merge_draft(visit.service, container_of(visit), record.name, visit.who)
    except BaseNotReady:
        base, action = record.base_dataset or record.dataset_name, link("drafts", record.name, "merge")
        return waits(visit, base, f"Merge the draft {record.name}", action, {})
    visit.audit("draft merged", draft=record.name, conflicts=counts.conflicts)
    found = {name: getattr(counts, name) for name in COUNTS}
    query = urlencode({name: count for name, count in found.items() if count})
    return visit.redirect(f"{link('drafts', record.name, 'merged')}?{query}")


@pages.get("/drafts/{draft}/merged")
def merged(visit: Visit) -> Response:
    """What a merge did, by the counts in the address."""
    record = draft_of(visit)
    return visit.render(
        "draft_merged.html",
        draft=facts_of(visit, record),
        counts={name: visit.number(name, 0, 0, _COUNT_MAX) for name in COUNTS},
        snippets=draft_snippets(visit.origin, record.name),
    )


@pages.get("/drafts/{draft}/delete", role=Role.LABELER)
def deleting(visit: Visit) -> Response:
    """What would be lost."""
    return _with_changes(visit, "draft_delete.html")


@pages.post("/drafts/{draft}/delete", role=Role.LABELER)
def delete(visit: Visit) -> Response:
    record = draft_of(visit)
    if not may_delete(visit, record):
        message = f"'{record.created_by}' began the draft '{record.name}'. Only they or an owner may delete it."
        raise ApiError(403, ErrorCode.UNAUTHORIZED, message)
    delete_draft(visit.service, record.name)
    visit.audit("draft deleted", draft=record.name, changed=record.changed)
    return visit.redirect("/studio/drafts")


def _with_changes(visit: Visit, template: str) -> Response:
    """A page with what is different from what the draft began with, in words, and the version that has this content already."""
    record, store = draft_of(visit), visit.service.store
    lines = changes_of(store, record)
    return visit.render(
        template,
        draft=facts_of(visit, record),
        changes=lines,
        saved=saved_as(store, record, lines),
        snippets=draft_snippets(visit.origin, record.name),
    )
