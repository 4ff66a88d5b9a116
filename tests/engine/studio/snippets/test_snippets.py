"""What Code shows: whatever the names are, each text is read by its language as what was meant."""

import ast
import json
import re
import shlex
import subprocess
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import click
import pytest
import yaml  # type: ignore[import-untyped]

from stacks.settings import ModelSettings, StackSettings, read_settings
from vision_customization.contract.enums import AnnotationKind, AuthenticationKind, EvaluationStatus, ModelKind, ModelStatus
from vision_customization.contract.limits import DECLARED_NAME_MAX_LENGTH, NAME_MAX_LENGTH
from vision_customization.contract.models import ModelPerformance
from vision_customization.contract.outcomes import OutcomeFilter
from vision_customization.customization.cli.program import vision
from vision_customization.engine.outcomes.cells import CellFilter
from vision_customization.engine.store import DatasetRecord, EvaluationRecord, ModelRecord, TrainingOrder, VersionRecord
from vision_customization.engine.studio.judging.selection import Selection
from vision_customization.engine.studio.judging.sources import Source
from vision_customization.engine.studio.snippets import Snippet
from vision_customization.engine.studio.snippets.analyze import Picture, analyze_snippets
from vision_customization.engine.studio.snippets.datasets import dataset_snippets, label_issue_snippets
from vision_customization.engine.studio.snippets.drafts import (
    copy_command,
    draft_snippets,
    drafts_snippets,
    pull_command,
    version_snippets,
    versions_snippets,
)
from vision_customization.engine.studio.snippets.judging import comparison_snippets, judge_snippets, pictures_snippets
from vision_customization.engine.studio.snippets.languages import commands, literal, request
from vision_customization.engine.studio.snippets.models import published_snippets, training_snippets
from vision_customization.engine.studio.snippets.overview import datasets_snippets, models_snippets, overview_snippets
from vision_customization.engine.studio.snippets.stacks import Stack, stack_of_model

ORIGIN = "http://127.0.0.1:8080"
NOW = datetime(2026, 1, 1, tzinfo=UTC)

NAMES = [
    "trees",
    "1.10",  # YAML's numbers, words, dates and the like, which are names
    "1e3",
    "0x1f",
    "0o17",
    "1_000",
    "08",
    "2026-01-01",
    "null",
    "true",
    "Yes",
    "on",
    "y",
    "N",
    "NaN",
    "a.b_c-d",
    "x" * NAME_MAX_LENGTH,
]

TEXTS = [
    "dög",
    "two words",
    "it's",
    'say "hi"',
    "back\\slash",
    "$(touch hacked) `touch hacked` $HOME !1",
    "a&b=c#d?e%41+f",
    "</script><img src=x onerror=alert(1)>",
    "{{ 7 * 7 }} {0} %s",
    "--help",
    "-",
    "; rm -rf / #",
    "line\nbreak\ttab",
    "\u202etxt.exe",
    "\U0001f600",
    "\x00",
    "",
]


def dataset(name: str = "trees", kind: AnnotationKind = AnnotationKind.IMAGE_CLASSIFICATION, **changes: Any) -> DatasetRecord:  # noqa: ANN401
    uris = ("https://acct.blob.core.windows.net/c/train.json", "https://acct.blob.core.windows.net/c/more%20of%20it.json?x='1'")
    found = {"annotation_file_uris": uris, "custom_properties": None, **changes}
    return DatasetRecord(
        name=name,
        annotation_kind=kind,
        authentication_kind=AuthenticationKind.SAS,
        sas_token_encrypted="never shown",
        sas_scopes=(),
        created=NOW,
        updated=NOW,
        e_tag="1",
        **found,
    )


def order(training: str = "trees", test: str | None = None, **changes: Any) -> TrainingOrder:  # noqa: ANN401
    values = {"time_budget_in_hours": 1, "model_kind": ModelKind.GENERIC_CLASSIFIER, **changes}
    return TrainingOrder(training_dataset_name=training, test_dataset_name=test, **values)


def text_of(snippets: Iterable[Snippet], language: str) -> str:
    return dict(snippets)[language]


def declared(snippets: Iterable[Snippet]) -> StackSettings:
    """What Pulumi passes to the program, which checks it."""
    written = text_of(snippets, "YAML")
    config = {key: json.dumps(value, default=str) for key, value in yaml.safe_load(written)["config"].items()}
    return read_settings(config, "dev", written)


def scalars(node: yaml.Node) -> Iterator[yaml.ScalarNode]:
    if isinstance(node, yaml.ScalarNode):
        yield node
    else:
        for item in node.value:
            yield from (found for part in (item if isinstance(item, tuple) else (item,)) for found in scalars(part))


def literals(program: str) -> list[object]:
    return [node.value for node in ast.walk(ast.parse(program)) if isinstance(node, ast.Constant)]


def words_of(text: str) -> list[list[str]]:
    """The commands of a shell's text, as words."""
    lines = shlex.split(text.replace("\\\n", " ").replace("\n", " ;;; "), comments=False)
    found: list[list[str]] = [[]]
    for word in lines:
        if word == ";;;":
            found.append([])
        else:
            found[-1].append(word)
    return [line for line in found if line and not line[0].startswith("#")]


def calls_of(snippets: Iterable[Snippet]) -> list[tuple[str, dict[str, list[str]], list[str]]]:
    """Of each call of curl: its path below /computervision, its query, and the words after it."""
    found = []
    for words in words_of(text_of(snippets, "curl")):
        if words[0] == "curl":
            address = urlsplit(words[1])
            assert address.scheme + "://" + address.netloc == ORIGIN
            path = address.path.removeprefix("/computervision/")
            found.append((path, parse_qs(address.query, keep_blank_values=True), words[2:]))
    assert found
    return found


def body_of(words: list[str]) -> Any:  # noqa: ANN401
    return json.loads(words[words.index("-d") + 1])


def parsed_commands(snippets: Iterable[Snippet], folder: Path) -> list[dict[str, Any]]:
    """The parameters of each command of `vision`, as the program itself reads them. Files of the snippets exist in `folder`."""
    found = []
    first, *commands = words_of(text_of(snippets, "CLI"))
    assert first == ["export", f"VISION_ENDPOINT={ORIGIN}"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for words in commands:
            assert words[0] == "vision"
            rest = words[1 : words.index(">")] if ">" in words else words[1:]
            command: click.Command = vision
            path = ["vision"]
            while isinstance(command, click.Group):
                path.append(rest.pop(0))
                command = command.commands[path[-1]]
            found.append({"command": " ".join(path), **command.make_context(path[-1], rest).params})
    return found


def source(name: str = "m", evaluation: str | None = None, test: str | None = None, managed_by: str | None = None) -> Source:
    """A model that was trained from `trees`, and its outcomes."""
    shared: dict[str, Any] = {"created": NOW, "updated": NOW, "performance": ModelPerformance(accuracy_top1=0.9189)}
    model = ModelRecord(
        id="1",
        name=name,
        training_dataset_name="trees",
        time_budget_in_hours=1,
        model_kind=ModelKind.GENERIC_CLASSIFIER,
        test_dataset_name=test,
        status=ModelStatus.SUCCEEDED,
        managed_by=managed_by,
        **shared,
    )
    if evaluation is None:
        return Source(model)
    done = EvaluationRecord("2", evaluation, "1", name, "test", EvaluationStatus.SUCCEEDED, **shared)
    return Source(model, done)


def version(name: str) -> VersionRecord:
    kind, uri = AnnotationKind.IMAGE_CLASSIFICATION, "https://account.blob.core.windows.net/training/annotations/a.json"
    return VersionRecord(name, "ab" * 32, kind, uri, (), 2, 2, {"ash": 2}, (), None, "ada", NOW)


def test_the_ways_to_git_and_into_the_studio_are_commands(tmp_path: Path) -> None:
    texts = [pull_command(ORIGIN, "leaves", "ab" * 32), copy_command(ORIGIN, "leaves", "https://a.example/c")]
    pulled, copied = parsed_commands([commands(ORIGIN, *texts)], tmp_path)
    assert (pulled["command"], pulled["wanted"], [str(file) for file in pulled["files"]]) == (
        "vision datasets pull",
        f"sha256:{'ab' * 32}",
        ["FOLDER/train.json"],
    )
    assert (copied["command"], copied["container"], copied["registered_name"]) == (
        "vision datasets copy",
        "https://a.example/c",
        "leaves",
    )


def test_drafts_and_versions_in_every_language(tmp_path: Path) -> None:
    assert [command["command"] for command in parsed_commands(drafts_snippets(ORIGIN), tmp_path)] == [
        "vision drafts list",
        "vision drafts begin",
    ]
    declared = text_of(version_snippets(ORIGIN, version("leaves")), "YAML")
    assert f"content: sha256:{'ab' * 32}" in declared


ALL: dict[str, Callable[[str], list[Snippet]]] = {
    "dataset": lambda name: dataset_snippets(ORIGIN, dataset(name)),
    "labelissues": lambda name: label_issue_snippets(ORIGIN, name, name),
    "training": lambda name: training_snippets(ORIGIN, name, order(name, f"{name}.test"[:NAME_MAX_LENGTH])),
    "published": lambda name: published_snippets(ORIGIN, name, f"{name}-1"[:NAME_MAX_LENGTH], order(name)),
    "judge": lambda name: judge_snippets(ORIGIN, source(name)),
    "judge on a test dataset": lambda name: judge_snippets(ORIGIN, source(name, test=name)),
    "draft": lambda name: draft_snippets(ORIGIN, name),
    "versions": lambda name: versions_snippets(ORIGIN, name),
    "version": lambda name: version_snippets(ORIGIN, version(name)),
    "analyze": lambda name: analyze_snippets(ORIGIN, name, ModelKind.GENERIC_CLASSIFIER),
    "detect": lambda name: analyze_snippets(ORIGIN, name, ModelKind.GENERIC_DETECTOR, threshold=0.43),
    "products": lambda name: analyze_snippets(ORIGIN, name, ModelKind.PRODUCT_RECOGNIZER),
}


@pytest.mark.parametrize("noun", ALL)
@pytest.mark.parametrize("name", NAMES)
def test_every_language_reads_every_name(noun: str, name: str, tmp_path: Path) -> None:
    for file in ("photo.jpg", "found.json", "planogram.json"):
        (tmp_path / file).touch()
    snippets = ALL[noun](name)
    for language, text in snippets:
        if language.startswith("Python"):
            compile(text, "pasted.py", "exec")
            assert name in literals(text)
    for path, query, _ in calls_of(snippets):
        assert name in [unquote(part).removesuffix(":save") for part in path.split("/")] + query.get("model-name", [])
        assert query["api-version"] == ["2023-04-01-preview"]
    for parameters in parsed_commands(snippets, tmp_path):
        assert name in parameters.values() or parameters["command"] == "vision planogram match"
    if "YAML" in dict(snippets):
        # Pulumi's reader takes more for numbers than PyYAML does.
        names = list(scalars(yaml.compose(text_of(snippets, "YAML"))))
        assert all(node.style for node in names if node.tag.endswith(":str") and re.match("[0-9]|[yn]$", node.value.lower()))
        settings = declared(snippets)
        assert name[:DECLARED_NAME_MAX_LENGTH] in {*settings.datasets, *settings.models}


@pytest.mark.parametrize("listed", [overview_snippets, datasets_snippets, models_snippets])
def test_lists(listed: Callable[[str], list[Snippet]], tmp_path: Path) -> None:
    (tmp_path / "my-images").mkdir()
    (tmp_path / "my-images" / "train.json").touch()
    snippets = listed(ORIGIN)
    compile(text_of(snippets, "Python"), "pasted.py", "exec")
    assert {path for path, *_ in calls_of(snippets)} <= {"datasets", "models"}
    assert all(command["command"].startswith("vision ") for command in parsed_commands(snippets, tmp_path))
    if "YAML" in dict(snippets):
        assert "leaves-train" in declared(snippets).datasets


def test_nothing_has_a_key_in_it() -> None:
    secret = "https://user:hunter2@acct.blob.core.windows.net/c/photo.jpg?sv=1&sig=c2VjcmV0"
    kept = dataset(annotation_file_uris=("https://acct.blob.core.windows.net/c/train.json?sig=c2VjcmV0",))
    snippets = [
        *dataset_snippets(ORIGIN, kept),
        *training_snippets(ORIGIN, "m", order(), [kept]),
        *(snippet for kind in ModelKind for snippet in analyze_snippets(ORIGIN, "m", kind, Picture.of("", secret))),
    ]
    for _, text in snippets:
        assert "hunter2" not in text
        assert "c2VjcmV0" not in text


@pytest.mark.parametrize("kind", AnnotationKind)
@pytest.mark.parametrize("texts", [TEXTS[:9], TEXTS[9:15]])
def test_a_dataset_is_declared_as_it_is_registered(kind: AnnotationKind, texts: list[str], tmp_path: Path) -> None:
    properties = {"season": "1.10", **{text: f"of {text}" for text in texts}}
    record = dataset(kind=kind, custom_properties={**properties, "managedBy": "pulumi:vision-customization/dev"})
    snippets = dataset_snippets(ORIGIN, record)
    found = declared(snippets).datasets["trees"]
    assert (found.annotation_kind, found.annotation_file_uris) == (kind, list(record.annotation_file_uris))
    assert found.custom_properties == properties
    (_, _, put) = calls_of(snippets)[1]
    uris = list(record.annotation_file_uris)
    assert body_of(put) == {"annotationKind": kind.value, "annotationFileUris": uris, "customProperties": properties}
    assert {*properties.values(), *uris} <= set(literals(text_of(snippets, "Python")))
    shown, registered = parsed_commands(snippets, tmp_path)
    assert shown["command"] == "vision datasets show"
    assert (registered["uris"], registered["kind"]) == (record.annotation_file_uris, kind.value)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (order(), {"training_dataset": "trees", "time_budget_in_hours": 1, "tiles": 1}),
        (order("trees", "test"), {"training_dataset": "trees", "evaluation_dataset": "test"}),
        (order("trees", "trees"), {"training_dataset": "trees", "evaluation_dataset": "trees"}),
        (
            order("shelves", tiles=2, model_kind=ModelKind.PRODUCT_RECOGNIZER, time_budget_in_hours=3),
            {"model_kind": ModelKind.PRODUCT_RECOGNIZER, "tiles": 2, "time_budget_in_hours": 3},
        ),
    ],
)
@pytest.mark.parametrize("registered", [True, False])
def test_a_model_is_declared_with_its_datasets(
    given: TrainingOrder, says: dict[str, object], registered: bool, tmp_path: Path
) -> None:
    kind = given.model_kind.annotation_kinds[0]
    snippets = training_snippets(ORIGIN, "m", given, [dataset(given.training_dataset_name, kind)] if registered else [])
    settings = declared(snippets)
    assert {name: getattr(settings.models["m"], name) for name in says} == says
    assert set(settings.datasets) == {given.training_dataset_name, given.test_dataset_name} - {None}
    assert (settings.datasets[given.training_dataset_name].annotation_file_uris is not None) == registered
    assert body_of(calls_of(snippets)[0][2])["trainingParameters"]["modelKind"] == given.model_kind.value
    trained, *_ = parsed_commands(snippets, tmp_path)
    wanted = (given.training_dataset_name, given.test_dataset_name, given.time_budget_in_hours, given.tiles)
    assert (trained["dataset"], trained["test_dataset"], trained["hours"], trained["tiles"]) == wanted


def test_the_dataset_to_evaluate_on_is_of_the_kind_of_the_other() -> None:
    kind = AnnotationKind.IMAGE_MULTI_LABEL_CLASSIFICATION
    settings = declared(training_snippets(ORIGIN, "m", order("trees", "test"), [dataset("trees", kind)]))
    assert settings.datasets["test"].annotation_kind is kind


def test_a_stack_has_its_own_names_and_its_projects() -> None:
    stack = Stack("my-project", {"leaves-0f3c2a91": "leaves", "leaves-train-9d1e0000": "leaves-train"})
    snippets = training_snippets(ORIGIN, "leaves-0f3c2a91", order("leaves-train-9d1e0000"), stack=stack)
    config = yaml.safe_load(text_of(snippets, "YAML"))["config"]
    assert set(config) == {"my-project:datasets", "my-project:models"}
    assert config["my-project:models"]["leaves"]["trainingDataset"] == "leaves-train"


@pytest.mark.parametrize(
    ("managed_by", "project", "name"),
    [
        ("pulumi:photos/dev", "photos", "leaves"),
        (None, "vision-customization", "leaves-0f3c2a91"),
        ("somebody", "vision-customization", "leaves-0f3c2a91"),
    ],
)
def test_a_model_is_declared_by_its_owner(managed_by: str | None, project: str, name: str) -> None:
    stack = stack_of_model("leaves-0f3c2a91", managed_by)
    snippets = training_snippets(ORIGIN, "leaves-0f3c2a91", order(), stack=stack)
    assert list(yaml.safe_load(text_of(snippets, "YAML"))["config"][f"{project}:models"]) == [name]


def test_a_published_name_has_its_gate() -> None:
    found: ModelSettings = declared(
        published_snippets(ORIGIN, "leaves", "leaves-1", order("trees", "test"), require={"accuracyTop1": 0.9})
    ).models["leaves"]
    assert (found.publish, found.require) == (True, {"accuracyTop1": 0.9})
    assert (found.evaluation_dataset, found.training_dataset) == ("test", "trees")


def test_a_gate_that_lacks_a_dataset_to_evaluate_on_is_to_be_completed() -> None:
    snippets = published_snippets(ORIGIN, "leaves", "leaves-1", order(), require={"accuracyTop1": 0.9})
    assert declared(snippets).models["leaves"].require == {}, "a gate needs a dataset to evaluate on"
    text = text_of(snippets, "YAML")
    completed = yaml.safe_load(re.sub(r"# (?!The gate)", "", text))["config"]["vision-customization:models"]["leaves"]
    assert (completed["evaluationDataset"], completed["require"]) == ("TEST-DATASET", {"accuracyTop1": 0.9})
    assert completed["publish"] is True
    assert "# The gate of a stack needs a dataset that the model has not seen." in text


def test_a_model_is_published_by_what_its_gate_judges(tmp_path: Path) -> None:
    snippets = published_snippets(ORIGIN, "leaves", "leaves-1", order(), evaluation="e")
    assert body_of(calls_of(snippets)[0][2]) == {"modelName": "leaves-1", "evaluation": "e"}
    assert parsed_commands(snippets, tmp_path)[0]["evaluation"] == "e"
    assert 'client.publish_model("leaves", "leaves-1", evaluation="e")' in text_of(snippets, "Python")


STACKS_DATASET = dataset("trees", custom_properties={"managedBy": "pulumi:photos/dev"})


@pytest.mark.parametrize(
    ("snippets", "lacks", "datasets"),
    [
        (dataset_snippets(ORIGIN, STACKS_DATASET), "(source, annotationFiles)", {"trees"}),
        (
            training_snippets(ORIGIN, "m", order(), [STACKS_DATASET], stack_of_model("m", "pulumi:photos/dev")),
            "(evaluationDataset, require)",
            set(),
        ),
        (
            published_snippets(ORIGIN, "m", "m-1", order(), [STACKS_DATASET], stack=stack_of_model("m", "pulumi:photos/dev")),
            "(evaluationDataset, require)",
            set(),
        ),
        (
            judge_snippets(ORIGIN, source("m", managed_by="pulumi:photos/dev"), [STACKS_DATASET]),
            "(evaluationDataset, require)",
            {"TEST-DATASET"},
        ),
    ],
    ids=["dataset", "model", "published", "judge"],
)
def test_what_a_stack_declares_is_not_its_own_text(snippets: list[Snippet], lacks: str, datasets: set[str]) -> None:
    text = text_of(snippets, "YAML")
    assert text.startswith("# The Pulumi stack photos/dev declares this in a text of its own. Change that text.\n")
    assert lacks in text.splitlines()[1]
    config = yaml.safe_load(text)["config"]
    assert all(section.startswith("photos:") for section in config)
    assert set(config.get("photos:datasets", {})) == datasets, "those that the stack declares are not declared twice"


def test_a_model_is_declared_beside_the_datasets_of_a_stack() -> None:
    snippets = training_snippets(ORIGIN, "m", order("trees", "test"), [STACKS_DATASET, dataset("test")])
    text = text_of(snippets, "YAML")
    assert text.startswith("# The Pulumi stack photos/dev declares the dataset trees.\n")
    config = yaml.safe_load(text)["config"]
    assert set(config) == {"photos:datasets", "photos:models"}
    assert list(config["photos:datasets"]) == ["test"]
    assert config["photos:models"]["m"]["trainingDataset"] == "trees"


@pytest.mark.parametrize("tag", [text for text in TEXTS if text])
@pytest.mark.parametrize(
    ("selection", "path", "says"),
    [
        (lambda tag: Selection(OutcomeFilter.WRONG, tag), "outcomes", {"only": ["wrong"], "tag": 1}),
        (lambda tag: Selection(cell=CellFilter(tag, tag)), "outcomes", {"label": 1, "answer": 1}),
        (lambda tag: Selection(cell=CellFilter(tag, unanswered=True)), "outcomes", {"label": 1, "unanswered": ["true"]}),
        (
            lambda tag: Selection(cell=CellFilter(answer=tag, unlabelled=True)),
            "outcomes",
            {"answer": 1, "unlabelled": ["true"]},
        ),
        (
            lambda tag: Selection(OutcomeFilter.MISSED, tag, threshold=0.65),
            "outcomes:threshold",
            {"only": ["missed"], "tag": 1, "threshold": ["0.65"]},
        ),
    ],
)
def test_pictures_of_any_tag(selection: Callable[[str], Selection], path: str, says: dict[str, Any], tag: str) -> None:
    snippets = pictures_snippets(ORIGIN, source("m", "e"), selection(tag))
    [(asked, query, _)] = calls_of(snippets)
    del query["api-version"]
    assert asked == f"models/m/evaluations/e/{path}"
    assert query == {name: [tag] if value == 1 else value for name, value in says.items()}
    program = text_of(snippets, "Python")
    compile(program, "pasted.py", "exec")
    assert tag in literals(program)
    assert all(line.isprintable() for line in program.splitlines())


def test_a_model_is_judged_behind_a_gate_at_what_it_reaches() -> None:
    found = declared(judge_snippets(ORIGIN, source("m", test="test"))).models["m"]
    assert (found.evaluation_dataset, found.require, found.publish) == ("test", {"accuracyTop1": 0.91}, True)


def test_two_models_are_compared_by_their_evaluations() -> None:
    snippets = comparison_snippets(ORIGIN, source("a", "e"), source("b"))
    [(path, query, _)] = calls_of(snippets)
    assert (path, query["with-model"], query["evaluation"]) == ("models/a/outcomes:compare", ["b"], ["e"])
    assert "with-evaluation" not in query
    assert 'client.compare_models("a", "b", evaluation_name="e")' in text_of(snippets, "Python")


@pytest.mark.parametrize("kind", ModelKind)
@pytest.mark.parametrize("name", TEXTS)
def test_a_file_may_have_any_name(kind: ModelKind, name: str, tmp_path: Path) -> None:
    shown = name if name.isprintable() and name and "/" not in name else "photo.jpg"
    for file in (shown, "found.json", "planogram.json"):
        (tmp_path / file).touch()
    snippets = analyze_snippets(ORIGIN, "m", kind, Picture.of(name, ""))
    (_, _, words) = calls_of(snippets)[0]
    sent = words[words.index("--data-binary") + 1]
    assert sent.startswith("@")
    assert sent != "@-", "which is standard input"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        assert Path(sent[1:]).samefile(shown)
    for language, text in snippets:
        assert text.replace("\n", "").isprintable()
        if language.startswith("Python"):
            compile(text, "pasted.py", "exec")
            assert sent[1:] in literals(text)
    command = parsed_commands(snippets, tmp_path)[0]
    assert command.get("images", (command.get("image"),)) == (sent[1:],)


@pytest.mark.parametrize(
    "url", ["https://pictures.example/a.jpg", 'https://pictures.example/it\'s $(a) "b"`c`\\d.jpg', "http://ö.example/é"]
)
@pytest.mark.parametrize("kind", ModelKind)
def test_a_url_may_have_any_characters(kind: ModelKind, url: str, tmp_path: Path) -> None:
    for file in ("found.json", "planogram.json"):
        (tmp_path / file).touch()
    snippets = analyze_snippets(ORIGIN, "m", kind, Picture.of("", url))
    assert body_of(calls_of(snippets)[0][2]) == {"url": url}
    for language, text in snippets:
        if language.startswith("Python"):
            compile(text, "pasted.py", "exec")
            assert url in literals(text)
    command = parsed_commands(snippets, tmp_path)[0]
    assert command.get("images", (command.get("image"),)) == (url,)


@pytest.mark.parametrize(
    "url", ["https://pictures.example/a.jpg?sig=x", "https://me@pictures.example/a.jpg", "https://p.example/a#b"]
)
def test_a_url_that_may_be_secret_comes_from_a_variable(url: str) -> None:
    for kind in ModelKind:
        snippets = analyze_snippets(ORIGIN, "m", kind, Picture.of("", url))
        for language, text in snippets:
            assert url not in text
            assert 'os.environ["IMAGE_URL"]' in text if language.startswith("Python") else "$IMAGE_URL" in text


def test_a_detectors_threshold_counts_everywhere(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    snippets = ALL["detect"]("m")
    [predicted] = parsed_commands(snippets, tmp_path)
    assert predicted["threshold"] == 0.43
    assert all(0.43 in literals(text) for language, text in snippets if language.startswith("Python"))


@pytest.mark.parametrize("origin", ['http://a.example/"; touch hacked; "', "http://$(touch hacked)", "http://`touch hacked`"])
def test_an_address_that_a_shell_would_read(origin: str) -> None:
    [_, address, *_] = shlex.split(request(origin, "models").replace("\\\n", " "))
    assert "$(" not in address
    assert "`" not in address
    assert address.endswith("/computervision/models?api-version=2023-04-01-preview")


@pytest.mark.parametrize("text", TEXTS)
def test_python_reads_every_text_as_it_is(text: str) -> None:
    assert ast.literal_eval(literal(text)) == text


def test_a_shell_reads_nothing_but_the_variables_of_the_snippets(tmp_path: Path) -> None:
    def shown() -> Iterator[str]:
        for name in TEXTS:
            for kind in ModelKind:
                yield text_of(analyze_snippets(ORIGIN, "m", kind, Picture.of(name, "")), "curl")
                yield text_of(analyze_snippets(ORIGIN, "m", kind, Picture.of("", f"https://a.example/{name}")), "curl")
                yield text_of(analyze_snippets(ORIGIN, "m", kind, Picture.of(name, "")), "CLI")

    script = "curl() { :; }; vision() { :; }\n" + "".join(shown())
    done = subprocess.run(["bash", "-e"], input=script.encode(), cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert [file.name for file in tmp_path.iterdir()] == ["found.json"]
