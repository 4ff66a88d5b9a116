"""The comment and the issue: each section, on what the real CLI recorded where there is something recorded."""

import ast
import json
import re
from typing import Any

import pytest

from pipeline.billing import BILLED, FREE
from pipeline.cells import code, plain
from pipeline.events import Change, Preview, Remark, Step, Violation, read_events
from pipeline.markdown import LIMIT_CHARACTERS, drift_markdown, preview_markdown
from tests.pipeline.recordings import ACCOUNT, URN, recorded
from tests.support.places import CHECKOUT

MODEL = f"{URN}pulumi-python:dynamic/vision:Model::leaves"
EVALUATION = f"{URN}pulumi-python:dynamic/vision:Evaluation::leaves"


def azure(kind: str) -> str:
    return f"{URN}vision-customization:index:AzureWorkspace$azure-native:{kind}::{kind.rsplit(':', 1)[-1].lower()}"


@pytest.mark.parametrize(
    ("name", "said", "not_said"),
    [
        (
            "first",
            [
                "**11 to create**.",
                "| create | `shapes` | `vision:Model` |",
                "| `shapes-train` | `circle` | 0 | 10 |",
                "| `shapes` | – | `accuracyTop1` 0.6 | not measured yet |",
                "- Training of `shapes`: about 6 s of 1 h.",
            ],
            ["### Errors", "### Models"],
        ),
        (
            "unchanged",
            ["No changes.", "| `shapes` | accuracyTop1 0.950,", "| `accuracyTop1` 0.6 | passed |"],
            ["### Plan", "### Datasets", "### What it may cost"],
        ),
        (
            "images-added",
            [
                "**2 to update, 2 to replace**; 1 unchanged.",
                "- `shapes-train`: 5 images added to 'circle' (10 → 15)",
                "| `shapes-train` | `circle` | 10 | 15 |",
                "- `shapes`: retrains because dataset 'shapes-train' changes (circle 10 → 15); about 3 s of 1 h",
                "`model_name`: `shapes-",
                "passed; the update measures it again",
                "- Training of `shapes`: about 3 s of 1 h.",
            ],
            ["row_urn", "__provider"],
        ),
        (
            "tag-renamed",
            ["- `shapes-train`: tag 'circle' renamed to 'disc' (10 images)", "| `shapes-train` | `disc` | 0 | 10 |"],
            [],
        ),
        (
            "gate-raised",
            [
                "`require.accuracyTop1`: `0.6` → `0.99`",
                "- `shapes`: the update will stop at this gate: accuracyTop1 is 0.9500, below the required 0.99",
                "| `accuracyTop1` 0.99 | **not passed** |",
            ],
            ["Training of"],
        ),
        (
            "data-wrong",
            ["**The preview failed.** Nothing was changed.", "- `shapes-train` (vision:Dataset)", "images[3] (id 4)"],
            ["### Plan", "No changes."],
        ),
        (
            "settings-wrong",
            ["**The preview failed.**", "vision-customization:models.shapes.requires: unknown key; valid here: modelKind"],
            ["non-zero exit code"],
        ),
    ],
)
def test_previews_as_recorded(name: str, said: list[str], not_said: list[str]) -> None:
    text = preview_markdown(read_events(recorded(name)), "local")
    assert text.startswith("<!-- vision-customization preview local -->\n")
    assert [part for part in said if part not in text] == [], text
    assert [part for part in not_said if part in text] == [], text


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("no-drift", ["No drift: everything is as the last update left it."]),
        (
            "drift",
            [
                "**3 resources are not as the last update left it.**",
                "| **gone** | `shapes` | `vision:Model` |",
                "| changed | `shapes-test` | `vision:Dataset` | `custom_properties` |",
                "`make refresh STACK=local`",
            ],
        ),
        ("data-wrong", ["**The drift check failed**"]),
    ],
)
def test_drifts_as_recorded(name: str, said: list[str]) -> None:
    text = drift_markdown(read_events(recorded(name)), "local")
    assert text.startswith("<!-- vision-customization drift local -->\n")
    assert [part for part in said if part not in text] == [], text


SERVER = {"location": "eastus", "sku": {"name": "Standard_B1ms"}, "storage": {"storageSizeGB": 32}}
SMALL = "$16.09 at rest to $16.09 under load"


@pytest.mark.parametrize(
    ("operation", "before", "after", "said"),
    [
        ("create", {}, SERVER, f"after this update: {SMALL}. Before it: $0.00 at rest to $0.00 under load."),
        (
            "update",
            SERVER,
            {**SERVER, "storage": {"storageSizeGB": 64}},
            f"after this update: $19.77 at rest to $19.77 under load. Before it: {SMALL}.",
        ),
        ("delete", SERVER, {}, f"after this update: $0.00 at rest to $0.00 under load. Before it: {SMALL}."),
        (
            "replace",
            SERVER,
            {**SERVER, "location": "centralus"},
            f"$0.00 at rest to $0.00 under load, without what has no price (1). Before it: {SMALL}.",
        ),
    ],
)
def test_what_a_month_in_azure_costs_before_and_after(operation: str, before: Any, after: Any, said: str) -> None:  # noqa: ANN401
    step = Step(operation, azure("dbforpostgresql:Server"), (), before, after)
    text = preview_markdown(Preview((step,), finished=True), "dev")
    assert said in text
    assert ("| `server` (`dbforpostgresql:Server`) | Standard_B1ms and" in text) == (operation in ("create", "update"))


def test_an_unchanged_environment_has_no_costs() -> None:
    step = Step("same", azure("dbforpostgresql:Server"), (), SERVER, SERVER)
    assert "What it may cost" not in preview_markdown(Preview((step,), finished=True), "dev")


@pytest.mark.parametrize(("given", "times"), [({"tiles": 3.0}, 9), ({"tiles": 1.0}, None), ({}, None)])
def test_what_tiles_cost_is_said(given: dict[str, float], times: int | None) -> None:
    step = Step("create", MODEL, (), {}, {"time_budget_in_hours": 2.0, **given})
    text = preview_markdown(Preview((step,), finished=True), "dev")
    cost = f" With 3 × 3 tiles, an image takes about {times} times as long to analyze." if times else ""
    assert f"at most 2 h.{cost}\n" in text


def azure_types(source: str) -> set[str]:
    """The resources of azure-native that a module makes: `storage:BlobContainer`."""
    tree = ast.parse(source)
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "pulumi_azure_native"]
    modules = {alias.name for node in imports for alias in node.names}
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    return {
        f"{call.value.id}:{call.attr}"
        for call in calls
        if isinstance(call.value, ast.Name)
        and call.value.id in modules
        and call.attr[0].isupper()
        and not call.attr.endswith("Args")
    }


def test_a_resource_is_billed_or_free() -> None:
    assert not FREE & BILLED.keys()
    used = {kind for path in (CHECKOUT / "components").rglob("*.py") for kind in azure_types(path.read_text())}
    assert len(used) > 20
    assert used - BILLED.keys() - FREE == set()


def test_policies_the_mandatory_ones_first() -> None:
    violations = (
        Violation(ACCOUNT, "advisory", "vision: region", "not in East US"),
        Violation(ACCOUNT, "mandatory", "vision: tls", "TLS 1.0"),
    )
    lines = preview_markdown(Preview(violations=violations, finished=True), "prod").splitlines()
    rows = [line for line in lines if "`vision: " in line]
    assert rows == [
        "| **mandatory** | `vision: tls` | `account` | TLS 1.0 |",
        "| `advisory` | `vision: region` | `account` | not in East US |",
    ]


def test_a_preview_that_never_began_says_what_the_cli_said_last() -> None:
    text = preview_markdown(Preview(), "dev", said=["error: no stack named 'dev' found"])
    assert "**The preview failed.**" in text
    assert "      error: no stack named 'dev' found" in text


def test_a_model_whose_data_is_not_known_yet_costs_what_is_not_known_yet() -> None:
    unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
    text = preview_markdown(Preview((Step("create", MODEL, (), {}, {"training_tags": unknown}),), finished=True), "dev")
    assert "- Training of `leaves`: its duration is known once its dataset is registered" in text


def test_a_promoted_model_is_named_among_the_models_and_costs_no_training() -> None:
    urn = f"{URN}pulumi-python:dynamic/vision:PromotedModel::leaves"
    remark = Remark(urn, "info", "promotes leaves-0123abcd from dev: copies the same file, without training")
    text = preview_markdown(Preview((Step("create", urn, (), {}, {}),), (remark,), finished=True), "staging")
    assert "### Models\n\n- `leaves`: promotes leaves-0123abcd from dev: copies the same file, without training" in text
    assert "Training of" not in text


@pytest.mark.parametrize("kind", ["vision:PublishedModel", "vision:LocalService"], ids=["of the data", "of the platform"])
def test_every_warning_is_somewhere(kind: str) -> None:
    remark = Remark(f"{URN}pulumi-python:dynamic/{kind}::leaves", "warning", "not running, and will be restarted")
    assert "### Warnings\n\n- `leaves`: not running" in preview_markdown(Preview((), (remark,), finished=True), "dev")


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        (Change("sku", "B1ms", "D2s"), "`sku`: `B1ms` → `D2s`"),
        (Change("sku", None, "D2s"), "`sku`: – → `D2s`"),
        (Change("probes"), "`probes`"),
        (Change("text", "x" * 80, "y"), "`text`"),
        # Whatever the engine blinded, and whatever is called like a secret, is named alone.
        (Change("value", "[secret]", "[secret]"), "`value`"),
        (Change("administratorLoginPassword", "hunter2", "hunter3"), "`administratorLoginPassword`"),
        (Change("sas_token", "a", "b"), "`sas_token`"),
        (Change("primaryKey", "a", "b"), "`primaryKey`"),
    ],
)
def test_changed_properties(change: Change, shown: str) -> None:
    text = preview_markdown(Preview((Step("update", ACCOUNT, (change,), {}, {}),), finished=True), "dev")
    assert f"| update | `account` | `storage:StorageAccount` | {shown} |" in text


def test_no_secret_reaches_the_markdown() -> None:
    secret = "c2VjcmV0LXNlY3JldC1zZWNyZXQ="
    lines = [
        *recorded("images-added"),
        # The CLI's own debug messages are in the log, and hold properties in plain text.
        json.dumps({"diagnosticEvent": {"message": f"register resource, props={{key: {secret}}}", "severity": "debug"}}),
        json.dumps({"preludeEvent": {"config": {"key": secret}}}),
        json.dumps({"diagnosticEvent": {"message": f"403 for https://a.blob/x?sv=1&sig={secret}&se=2", "severity": "error"}}),
    ]
    for write in (preview_markdown, drift_markdown):
        text = write(read_events(lines), "dev")
        assert secret not in text
        assert secret[:12] not in text
        assert "sig=***&" in text.replace("&amp;", "&")
        assert "[secret]" not in text


def test_a_secret_is_found_before_the_text_is_escaped() -> None:
    """Escaped, neither the URL's `://` nor the underscores of a token would be recognized."""
    token = "eyJhbGciOiJI_UzI1.eyJzdWIi_OiIx.dozj_gNry"
    text = f"GET https://somebody:hunter2@example.org: 401 with {token}"
    change = Change("name", text, None)
    said = (Remark(MODEL, "info", text), Remark("", "error", text))
    page = preview_markdown(Preview((Step("update", MODEL, (change,), {}, {}),), said, finished=True), "dev")
    assert not re.search("hunter2|dozj", page)


@pytest.mark.parametrize(
    "text",
    ["@everyone", "<script>", "a | b", "`code`", "[link](https://example.org)", "line\nline", "**bold**", "<!-- x -->", "#1"],
)
def test_names_and_messages_stay_text(text: str) -> None:
    remark = Remark(MODEL, "info", text)
    change = Change("name", text, None)
    page = preview_markdown(Preview((Step("update", MODEL, (change,), {}, {}),), (remark,), finished=True), "dev")
    said = next(line for line in page.splitlines() if line.startswith("- `leaves`: "))
    assert not re.search(r"@e|<s|<!|(?<!\\)\]\(| \*\*|: #|://", said)
    row = next(line for line in page.splitlines() if line.startswith("| update"))
    assert row.replace("\\|", "").count("|") == 5
    assert page.count("<!--") == 1 or "`<!-- x -->`" in page


@pytest.mark.parametrize(("text", "span"), [("a", "`a`"), ("a`b", "`` a`b ``"), ("a|b", "`a\\|b`"), ("a\nb", "`a b`")])
def test_code(text: str, span: str) -> None:
    assert code(text) == span


def test_plain() -> None:
    assert plain("5 images added to 'circle' (10 → 15)") == "5 images added to 'circle' (10 → 15)"


def test_a_comment_that_github_would_not_take_is_cut_at_a_line() -> None:
    remarks = tuple(Remark(MODEL, "info", f"line {number} {'x' * 500}") for number in range(300))
    text = preview_markdown(Preview((), remarks, finished=True), "dev")
    assert len(text) < LIMIT_CHARACTERS + 100
    assert text.endswith("… the rest is in the log of the run.\n")
    assert text.splitlines()[-3].endswith("x")


@pytest.mark.parametrize("operation", ["same", "replace"])
def test_models_with_what_their_estimate_rests_on(operation: str) -> None:
    outlook = {"images": 240.0, "accuracyTop1": 0.93, "interval": [0.88, 0.96]}
    estimate = {"images": 120.0, "groups": 80.0, "accuracyTop1": [0.84, 0.95], "outlook": outlook}
    step = Step(operation, MODEL, (), {"performance": {"accuracyTop1": 0.91, "estimate": estimate}}, {})
    text = preview_markdown(Preview((step,), finished=True), "dev")
    row = (
        "| `leaves` | accuracyTop1 0.910 (0.84 to 0.95; 120 images in 80 groups) | 240 images: probably 0.930 (0.88 to 0.96) |"
    )
    assert row in text


@pytest.mark.parametrize(
    ("operation", "performance"),
    [
        ("delete", {"accuracyTop1": 0.9, "estimate": {"images": 2, "groups": 2}}),
        ("same", {"accuracyTop1": 0.9}),
        ("create", None),
    ],
)
def test_models_without_an_estimate_have_no_row(operation: str, performance: object) -> None:
    step = Step(operation, MODEL, (), {"performance": performance}, {})
    assert "estimated in the last update" not in preview_markdown(Preview((step,), finished=True), "dev")


def test_a_deleted_evaluation_has_no_gate() -> None:
    step = Step("delete", EVALUATION, (), {"performance": {"accuracyTop1": 0.9}}, {})
    assert "### Gates" not in preview_markdown(Preview((step,), finished=True), "dev")
