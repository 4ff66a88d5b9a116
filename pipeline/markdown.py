"""A preview as Markdown, for a pull request's comment or an issue, from the engine's events.

Text from elsewhere (names, values, messages) may contain anything: secrets are removed and the rest is escaped, so that it
can neither break the page nor mention users.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.cells import code, plain, table
from pipeline.cost import Billable, Estimate, estimate, estimate_lines, left_out_text, usd
from pipeline.events import Change, Preview, Step, name_of, type_of
from pipeline.prices import price_list
from vision_customization.common.redaction import redacted
from vision_customization.contract.enums import ModelKind
from vision_customization.contract.estimates import estimate_text, outlook_text
from vision_customization.contract.gate import METRICS, misses
from vision_customization.contract.training_time import ASSUMED_SPEED
from vision_customization.customization.resources.retraining import estimate as training_estimate

LIMIT_CHARACTERS = 60_000
"""GitHub's limit for comments and issues is 65,536."""

_SHOWN_CHARACTERS = 60
_SECRET = "[secret]"  # noqa: S105 - what the CLI writes in place of one
_SENSITIVE = re.compile(r"key$|token|secret|password|passphrase|connectionstring", re.IGNORECASE)
# Pulumi's message after the program's own error; and properties that other sections show.
_PROGRAM_ENDED = re.compile(r"^an unhandled error occurred: program exited with non-zero exit code")
_UNINTERESTING = re.compile(r"^(row_urn|__provider|(training_)?tags(\..*)?)$")
_ESTIMATE = re.compile(r"(?:re)?trains\b.*(about [\d.]+ (?:s|min|h) of [\d.]+ h.*)", re.DOTALL)
_VERBS = {"create": "create", "update": "update", "replace": "**replace**", "delete": "**delete**", "import": "import"}
_DRIFTED = {"create": "new", "update": "changed", "replace": "replaced", "delete": "**gone**", "import": "new"}
_ORDER = ("delete", "replace", "update", "import", "create")
_MODELS = ("vision:Model", "vision:PromotedModel")
_OF_DATA = ("vision:Dataset", *_MODELS, "vision:Evaluation")


def marker(kind: str, stack: str) -> str:
    """The hidden line by which a later run finds its comment or issue again; `kind` is `preview` or `drift`."""
    return f"<!-- vision-customization {kind} {stack} -->"


def preview_markdown(preview: Preview, stack: str, *, said: Sequence[str] = ()) -> str:
    """The comment of a pull request.

    Args:
        preview: the engine's events.
        stack: the stack's name.
        said: the CLI's last output, for a preview that ended before its engine wrote an event.
    """
    body = [
        f"## Preview of stack {code(stack)}",
        "",
        _headline(preview),
        *_errors(preview, said),
        *_violations(preview),
        *_plan("Plan", preview, _VERBS),
        *_remarks("Datasets", preview, ("vision:Dataset",), _tag_table(preview)),
        *_remarks("Models", preview, _MODELS, _estimates(preview)),
        *_gates(preview),
        *_costs(preview),
        *_others(preview),
    ]
    return _page(marker("preview", stack), body)


def drift_markdown(preview: Preview, stack: str, *, said: Sequence[str] = ()) -> str:
    """The issue of a drift check: the resources that have changed since the stack's last update."""
    changed = preview.changed
    if not preview.finished or preview.errors:
        headline = "**The drift check failed**, so it is unknown what has changed."
    elif changed:
        headline = (
            f"**{len(changed)} {'resource is' if len(changed) == 1 else 'resources are'} not as the last update left it.**"
        )
    else:
        headline = "No drift: everything is as the last update left it."
    body = [
        f"## Drift of stack {code(stack)}",
        "",
        headline,
        *_errors(preview, said),
        *_plan("What differs", preview, _DRIFTED),
    ]
    if changed:
        repair = (
            f"`make refresh STACK={stack}`, then `make up STACK={stack}`: the first records the drift, the second repairs it."
        )
        body += ["", repair]
    return _page(marker("drift", stack), body)


def _page(first: str, body: Iterable[str]) -> str:
    text = "\n".join([first, *body])
    if len(text) > LIMIT_CHARACTERS:
        text = text[:LIMIT_CHARACTERS].rsplit("\n", 1)[0] + "\n\n… the rest is in the log of the run."
    return text + "\n"


def _headline(preview: Preview) -> str:
    counts = Counter(step.operation for step in preview.steps)
    if not preview.finished or preview.errors:
        return "**The preview failed.** Nothing was changed."
    if not preview.changed:
        return "No changes."
    parts = [f"{counts[operation]} to {operation}" for operation in reversed(_ORDER) if counts[operation]]
    unchanged = f"; {counts['same']} unchanged" if counts["same"] else ""
    return f"**{', '.join(parts)}**{unchanged}."


def _errors(preview: Preview, said: Sequence[str]) -> list[str]:
    errors = [(remark.urn, remark.text) for remark in preview.errors]
    errors = [error for error in errors if not _PROGRAM_ENDED.match(error[1])] or errors
    if not errors and not preview.finished:
        errors = [("", "\n".join(said) or "The Pulumi CLI ended without a message; the log of the run may say more.")]
    lines = []
    for urn, text in errors:
        where = f"{code(name_of(urn))} ({type_of(urn)})" if urn and type_of(urn) != "pulumi:pulumi:Stack" else "The stack"
        lines += [f"- {where}", "", *(f"      {line}" for line in redacted(text).splitlines()), ""]
    return _section("Errors", lines)


def _violations(preview: Preview) -> list[str]:
    rows = [
        (
            "**mandatory**" if violation.level == "mandatory" else code(violation.level),
            code(violation.policy),
            code(name_of(violation.urn)) if violation.urn else "",
            plain(violation.text),
        )
        for violation in sorted(preview.violations, key=lambda violation: violation.level != "mandatory")
    ]
    return _section("Policies", table(("level", "policy", "resource", "what is wrong"), rows))


def _plan(title: str, preview: Preview, verbs: Mapping[str, str]) -> list[str]:
    steps = sorted(preview.changed, key=lambda step: _ORDER.index(step.operation))
    rows = [(verbs[step.operation], code(step.name), code(step.type), _change_text(step)) for step in steps]
    return _section(title, table(("", "resource", "type", "what changes"), rows))


def _change_text(step: Step) -> str:
    changes = [change for change in step.changes if not _UNINTERESTING.match(change.path)]
    shown = "<br>".join(_one_change(change) for change in changes[:10])
    return f"{shown}<br>… and {len(changes) - 10} more" if len(changes) > 10 else shown


def _one_change(change: Change) -> str:
    values = (change.before, change.after)
    readable = all(value is None or (len(value) <= _SHOWN_CHARACTERS and _SECRET not in value) for value in values)
    if values == (None, None) or not readable or _SENSITIVE.search(change.path):
        return code(change.path)
    before, after = (code(value) if value else "–" for value in values)
    return f"{code(change.path)}: {before} → {after}"


def _tag_table(preview: Preview) -> list[str]:
    rows = []
    for step in _steps(preview, "vision:Dataset"):
        before, after = (_counts(side.get("tags")) for side in (step.before, step.after))
        if step.operation == "delete":
            after = {}
        rows += [
            (code(step.name), code(tag), f"{before.get(tag, 0):g}", f"{after.get(tag, 0):g}")
            for tag in sorted({*before, *after})
            if before.get(tag, 0) != after.get(tag, 0)
        ]
    return table(("dataset", "tag", "before", "after"), rows)


def _estimates(preview: Preview) -> list[str]:
    """What the models' metrics of the last update rest on, and what more images would bring."""
    known = [
        (code(step.name), step.before["performance"])
        for step in preview.steps
        if step.type in _MODELS and step.operation != "delete" and isinstance(step.before.get("performance"), Mapping)
    ]
    rows = [
        (name, estimate_text(performance) or "–", outlook_text(performance) or "–")
        for name, performance in known
        if isinstance(performance.get("estimate"), Mapping)
    ]
    return table(("model", "estimated in the last update", "with twice as many images"), rows)


def _remarks(title: str, preview: Preview, resource_types: Sequence[str], rows: list[str]) -> list[str]:
    lines = [
        f"- {code(name_of(remark.urn))}: {plain(line)}"
        for remark in preview.remarks
        if type_of(remark.urn) in resource_types and remark.severity != "error"
        for line in remark.text.splitlines()
    ]
    return _section(title, [*lines, *([""] if lines and rows else []), *rows])


def _gates(preview: Preview) -> list[str]:
    """The metrics of the last update, compared with the gate after this one."""
    rows = []
    for step in preview.steps:
        if step.type != "vision:Evaluation" or step.operation == "delete":
            continue
        performance, require = _counts(step.before.get("performance")), _counts(step.after.get("require"))
        measured = ", ".join(f"{name} {performance[name]:.3f}" for name in METRICS if name in performance)
        gate = ", ".join(f"{code(name)} {threshold:g}" for name, threshold in sorted(require.items()))
        judged = "not measured yet" if not performance else "passed" if not misses(performance, require) else "**not passed**"
        again = "; the update measures it again" if step.operation in ("replace", "create") and performance else ""
        rows.append(
            (code(step.name), measured or "–", gate or "none", f"{judged if require or not performance else '–'}{again}")
        )
    remarks = [
        f"- {code(name_of(remark.urn))}: {plain(remark.text)}"
        for remark in preview.remarks
        if type_of(remark.urn) == "vision:Evaluation" and remark.severity == "warning"
    ]
    gates = table(("evaluation", "measured in the last update", "gate", ""), rows)
    return _section("Gates", [*remarks, *([""] if remarks and gates else []), *gates])


def _costs(preview: Preview) -> list[str]:
    lines = [
        f"- Training of {code(step.name)}: {_estimate(preview, step)}.{_analyzing(step)}"
        for step in _steps(preview, "vision:Model")
        if step.operation in ("create", "replace")
    ]
    azure = _azure_costs(preview)
    return _section("What it may cost", [*lines, *([""] if lines and azure else []), *azure])


def _azure_costs(preview: Preview) -> list[str]:
    """The monthly cost of the stack's resources in Azure after this update; nothing if it changes none of them."""
    steps = [step for step in preview.steps if "azure-native:" in step.urn]
    if all(step.operation == "same" for step in steps):
        return []
    prices = price_list()
    before = estimate([Billable(step.name, step.type, step.before) for step in steps if step.operation != "create"], prices)
    after = estimate([Billable(step.name, step.type, step.after) for step in steps if step.operation != "delete"], prices)
    change = f"A month in Azure after this update: {_month_text(after)}. Before it: {_month_text(before)}."
    return [change, "", *estimate_lines(after)]


def _month_text(found: Estimate) -> str:
    return f"{usd(found.at_rest)} at rest to {usd(found.under_load)} under load{left_out_text(found)}"


def _estimate(preview: Preview, step: Step) -> str:
    """As the model's row says it, which has asked its engine; else for a machine that has not trained yet."""
    for remark in preview.remarks:
        if remark.urn == step.urn and (said := _ESTIMATE.match(remark.text)):
            return plain(said[1])
    news = _trained_from(step.after)
    if not news["training_tags"]:
        return f"its duration is known once its dataset is registered, at most {news['time_budget_in_hours']:g} h"
    return training_estimate(_trained_from(step.before), news, ASSUMED_SPEED)


def _trained_from(properties: Mapping[str, Any]) -> dict[str, Any]:
    counts = _counts(properties)
    return {
        "model_kind": properties.get("model_kind", ModelKind.GENERIC_CLASSIFIER),
        "annotation_kind": properties.get("annotation_kind"),
        "training_tags": _counts(properties.get("training_tags")),
        "training_images": counts.get("training_images"),
        "tiles": counts.get("tiles", 1),
        "time_budget_in_hours": counts.get("time_budget_in_hours", 1),
    }


def _analyzing(step: Step) -> str:
    tiles = _counts(step.after).get("tiles", 1)
    return (
        f" With {tiles:g} × {tiles:g} tiles, an image takes about {tiles**2:g} times as long to analyze." if tiles > 1 else ""
    )


def _others(preview: Preview) -> list[str]:
    lines = [
        f"- {f'{code(name_of(remark.urn))}: ' if remark.urn else ''}{plain(remark.text)}"
        for remark in preview.remarks
        if remark.severity == "warning" and type_of(remark.urn) not in _OF_DATA
    ]
    return _section("Warnings", lines)


def _steps(preview: Preview, resource_type: str) -> list[Step]:
    return [step for step in preview.changed if step.type == resource_type]


def _counts(value: object) -> dict[str, float]:
    """The numbers of a mapping; empty if a preview does not know the value yet."""
    items: Mapping[str, Any] = value if isinstance(value, Mapping) else {}
    return {str(name): float(number) for name, number in items.items() if isinstance(number, int | float)}


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return ["", f"### {title}", "", *lines] if lines else []
