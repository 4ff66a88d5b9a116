"""A dataset's health: what is wrong with it, or probably is, and what people accepted."""

from collections.abc import Callable, Sequence
from functools import partial

from starlette.responses import Response

from vision_customization.contract.errors import ErrorCode
from vision_customization.contract.studio import Role
from vision_customization.engine.api.errors import ApiError, invalid
from vision_customization.engine.inspection.balance import balance_text
from vision_customization.engine.inspection.report import Report
from vision_customization.engine.store import Store
from vision_customization.engine.studio.dataset_contents import Filter
from vision_customization.engine.studio.dataset_facts import TAGS_COMPARED_MAX, Looked, code, look_at
from vision_customization.engine.studio.dataset_health import PAGE, Health, Section, Wanted, checker, labels
from vision_customization.engine.studio.dataset_likeness import Comparison, comparison_of, copies, near_duplicates, sides
from vision_customization.engine.studio.routing import Pages
from vision_customization.engine.studio.snippets.datasets import label_issue_snippets
from vision_customization.engine.studio.visit import Visit, link

pages = Pages()

_OF_LABELS: dict[str, Callable[[Health], Section]] = {"checker": checker, "labels": labels}
_OF_PICTURES: dict[str, Callable[[Health, Report], Section]] = {"sides": sides, "near": near_duplicates, "copies": copies}
_START_MAX = 10_000
_KEY_DIGITS = 64


@pages.get("/datasets/{name}/health")
def health(visit: Visit) -> Response:
    looked = look_at(visit)
    snippets = code(visit, looked.record)
    if not looked.ready:
        return visit.render("dataset_health.html", dataset=looked.facts, snippets=snippets)
    own = Health(visit, looked, Wanted())
    compared = comparison_of(visit, looked.record.name)
    return visit.render(
        "dataset_health.html",
        dataset=looked.facts,
        changes=_changes(looked),
        sections=[make(own) for make in _OF_LABELS.values()],
        balance=_balance(visit.service.store, looked),
        snippets=snippets,
        **_pictures(own, compared),
    )


@pages.get("/datasets/{name}/health/pictures", is_polled=True)
def pictures(visit: Visit) -> Response:
    """What the comparison of the pictures found, for the page that waits for it."""
    looked = look_at(visit)
    if not looked.ready:
        return Response(status_code=204)
    compared = comparison_of(visit, looked.record.name)
    return visit.render("dataset_pictures.html", dataset=looked.facts, **_pictures(Health(visit, looked, Wanted()), compared))


@pages.post("/datasets/{name}/health/compare", role=Role.READER)
def compare(visit: Visit) -> Response:
    """Compare the pictures again, after a failure."""
    looked = look_at(visit)
    comparison_of(visit, looked.record.name, again=True)
    visit.audit("pictures compared again", dataset=looked.record.name)
    return visit.redirect(link("datasets", looked.record.name, "health"))


@pages.get("/datasets/{name}/health/{section}")
def section(visit: Visit) -> Response:
    """All findings of one kind."""
    looked = look_at(visit)
    kind = visit.path("section")
    if kind not in _OF_LABELS and kind not in _OF_PICTURES:
        raise ApiError(404, ErrorCode.RESOURCE_NOT_FOUND, "A dataset's health has no such section.")
    if not looked.ready:
        return visit.redirect(link("datasets", looked.record.name, "health"))
    accepted = visit.query("accepted") == "yes"
    wanted = Wanted(visit.number("start", 0, 0, _START_MAX), PAGE, accepted)
    own = Health(visit, looked, wanted)
    if kind in _OF_LABELS:
        found = _OF_LABELS[kind](own)
    else:
        compared = comparison_of(visit, looked.record.name)
        if compared.report is None:
            return visit.redirect(link("datasets", looked.record.name, "health"))
        found = _OF_PICTURES[kind](own, compared.report)
    after = wanted.start + PAGE
    return visit.render(
        "dataset_section.html",
        dataset=looked.facts,
        part=found,
        before=max(0, wanted.start - PAGE) if wanted.start else None,
        after=after if after < found.total else None,
        address=partial(_address, found.href, accepted),
        snippets=label_issue_snippets(visit.origin, looked.record.name) if kind == "labels" else code(visit, looked.record),
    )


@pages.post("/datasets/{name}/findings", role=Role.LABELER)
def accept(visit: Visit) -> Response:
    """Accept a finding, or let it count again."""
    store, form = visit.service.store, visit.form
    name = store.datasets.find(visit.path("name")).name
    finding, key = form.get("finding", ""), form.get("key", "")
    if finding not in _OF_LABELS and finding not in _OF_PICTURES:
        raise invalid(f"finding: must be one of {', '.join([*_OF_LABELS, *_OF_PICTURES])}.")
    if len(key) != _KEY_DIGITS or not set(key) <= set("0123456789abcdef"):
        raise invalid("key: must be 64 hex digits.")
    accepted = form.get("accepted") != "no"
    if accepted:
        store.accepted_findings.accept(name, finding, key, visit.who)
    else:
        store.accepted_findings.retract(name, finding, key)
    visit.audit("finding accepted" if accepted else "finding not accepted any more", dataset=name, finding=finding, key=key)
    if visit.is_fragment and accepted:
        return visit.render("dataset_accepted.html", dataset_name=name, finding=finding, key=key)
    return visit.redirect(link("datasets", name, "health", finding))


def _address(path: str, accepted: bool, start: int) -> str:
    return Filter().address(path, accepted="yes" if accepted else "", start=start)


def _pictures(own: Health, compared: Comparison) -> dict[str, object]:
    report = compared.report
    sections: Sequence[Section] = [] if report is None else [make(own, report) for make in _OF_PICTURES.values()]
    return {
        "comparing": compared.runs,
        "comparison_failed": compared.failed,
        "picture_sections": sections,
        "sizes": None if report is None else report.sizes,
    }


def _changes(looked: Looked) -> list[str]:
    """What changed since the last training, in words; empty if no model was trained from the dataset."""
    since = looked.since
    if since is None:
        return ["No model has been trained from this dataset."]
    if since.changed is None:
        return [f"Whether it has changed since model {since.model} was trained is not known."]
    if not since.changed:
        return [f"Nothing has changed since model {since.model} was trained."]
    return [f"It has changed since model {since.model} was trained.", *since.differences]


def _balance(store: Store, looked: Looked) -> str:
    if looked.content.tags > TAGS_COMPARED_MAX:
        return f"This dataset has {looked.content.tags:,} tags, too many to compare them here."
    return balance_text({tag.name: tag.images for tag in store.content.tags(looked.content.index)})
