"""Each command from its arguments to its output and exit code, against a service on a loopback port."""

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from PIL import ExifTags, Image

from tests.customization.cli.answers import DATASET, EVALUATION, STAMPS, URI, model, photos
from tests.customization.cli.ran import Vision
from tests.customization.fake_service import KEY, Answer, FakeService, Received
from tests.customization.samples import MakeFolder, encoded
from vision_customization.customization.cli.drawing import HUES, draw_answer, tag_colours
from vision_customization.customization.convert import LabelledImage, LabelledImages, copy_files, plan_copies
from vision_customization.customization.errors import ConversionFailed

ONNX = b"onnx" * 1000


def test_check_tells_every_violation(vision: Vision, dataset_folder: MakeFolder) -> None:
    folder = dataset_folder()
    folder.image(0).unlink()
    folder.document["annotations"][1]["image_id"] = 77
    folder.write()
    ran = vision("check", folder.path / "train.json")
    assert ran.code == 1
    assert len(ran.out.splitlines()) == 2
    assert "error: train.json: annotations[1] (id 2): image_id 77: the ids of images are 1 to 6" in ran.out
    assert ran.err == "2 violations\n"
    as_json = vision("check", folder.path / "train.json", "--json")
    assert as_json.code == 1
    assert [violation["index"] for violation in as_json.json["violations"]] == [1, 0]


@pytest.mark.parametrize(("box", "kind"), [(None, "imageClassification"), ([0, 0, 1, 1], "imageObjectDetection")])
def test_check_tells_what_a_good_dataset_holds(
    vision: Vision, dataset_folder: MakeFolder, box: list[float] | None, kind: str
) -> None:
    folder = dataset_folder(box=box)
    ran = vision("check", folder.path / "train.json", "--json")
    assert ran.code == 0
    assert ran.json["annotationKind"] == kind
    assert ran.json["tags"] == {"a": 3, "b": 3}
    assert f"fit for training as {kind}" in vision("check", folder.path / "train.json").out


def test_a_warning_is_told_and_the_dataset_is_fit_all_the_same(vision: Vision, dataset_folder: MakeFolder) -> None:
    folder = dataset_folder(box=[0, 0, 1, 1])
    folder.document["annotations"][1]["bbox"] = [0.5, 0.5, 0.01, 0.5]
    folder.write()
    ran = vision("check", folder.path / "train.json")
    assert ran.code == 0
    assert ran.out.startswith("warning: train.json: annotations[1] (id 2): bbox is 0.64 × 24 px of images/a_1.png")
    assert "fit for training as imageObjectDetection" in ran.out


def test_labels_for_classification_are_not_for_detection(vision: Vision, dataset_folder: MakeFolder) -> None:
    ran = vision("check", dataset_folder().path / "train.json", "--kind", "imageObjectDetection")
    assert (ran.code, ran.err) == (1, "1 violation\n")
    assert "none of the 6 annotations has a bbox" in ran.out


def test_what_is_converted_can_be_checked(vision: Vision, tmp_path: Path) -> None:
    ran = vision(
        "convert",
        photos(tmp_path),
        "--from",
        "folders",
        "--output",
        tmp_path / "data",
        "--copy-images",
        "--test-share",
        0.4,
        "--json",
    )
    assert ran.code == 0
    assert [part["images"] for part in ran.json["files"].values()] == [6, 4]
    for arguments in (["data/train.json"], ["data/test.json", "--purpose", "evaluation", "--json"]):
        checked = vision("check", *arguments)
        # Images of 64 × 48 px are too small to evaluate on: the one rule that is broken.
        assert checked.code == (1 if "evaluation" in arguments else 0)


def test_nothing_is_written_unless_everything_can_be(vision: Vision, tmp_path: Path) -> None:
    (photos(tmp_path) / "cat" / "1.png").write_text("no image")
    ran = vision("convert", tmp_path / "photos", "--from", "folders")
    assert ran.code == 1
    assert "cat/1.png: is not an image" in ran.err
    assert not (tmp_path / "photos" / "train.json").exists()


def test_a_conversion_ends_with_what_was_left_out_and_where(vision: Vision, tmp_path: Path) -> None:
    source = tmp_path / "set"
    source.mkdir()
    for name in ("1.png", "a#1.png"):
        (source / name).write_bytes(encoded(len(name)))
    (source / "classes.txt").write_text("fork\n\x1b[31mknife\n")
    (source / "1.txt").write_text("0 0.5 0.5 0.1 0.1\n1 0.5 0.5 0.1 0.1\n")
    (source / "a_1.txt").write_text("0 0.5 0.5 0.1 0.1\n" * 5)
    ran = vision("convert", "set", "--from", "yolo")
    assert ran.code == 0
    assert [line.split() for line in ran.out.splitlines() if line.split()[:1] in (["images"], ["boxes"])] == [
        ["images", "2", "2", "0"],
        ["boxes", "7", "2", "5"],
    ]
    assert "5 boxes" in ran.out
    assert "is in a label file without an image" in ran.out
    assert "set/a_1.txt:1, set/a_1.txt:2, set/a_1.txt:3 and 2 more" in ran.out
    assert "\x1b" not in ran.out
    printed = vision("convert", "set", "--from", "yolo", "--json").json
    assert (printed["read"], printed["written"]) == ({"images": 2, "labels": 7}, {"images": 2, "labels": 2})
    assert [(remark["effect"], remark["what"], remark["count"]) for remark in printed["remarks"]] == [
        ("warning", "image", 1),
        ("leftOut", "label", 5),
        ("warning", "tag", 1),
    ]
    assert printed["remarks"][1]["places"] == [f"set/a_1.txt:{line}" for line in range(1, 6)]


@pytest.mark.parametrize("options", [(), ("--test-share", 0.4)])
def test_the_split_of_a_source_is_kept_unless_another_is_asked_for(
    vision: Vision, tmp_path: Path, options: tuple[object, ...]
) -> None:
    for seed, name in enumerate(("train/a/1", "train/a/2", "train/b/3", "valid/b/4", "test/a/5", "test/b/6", "test/a/again")):
        path = tmp_path / "photos" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(0 if name == "test/a/again" else seed))
    ran = vision("convert", "photos", "--from", "folders", "--json", *options)
    assert ran.code == 0
    files = {Path(path).name: part["images"] for path, part in ran.json["files"].items()}
    moved = [place for remark in ran.json["remarks"] if remark["effect"] == "changed" for place in remark["places"]]
    notes = {remark["reason"]: remark["places"] for remark in ran.json["remarks"] if remark["effect"] == "note"}
    assert notes == {
        "is a split of the source, for testing": ["photos/test"],
        "is a split of the source, for training": ["photos/train", "photos/valid"],
    }
    assert sum(files.values()) == 7
    if options:
        assert len(moved) > 1
    else:
        assert files == {"train.json": 5, "test.json": 2}
        assert moved == ["photos/test/a/again.png"]


def test_several_tags_are_converted_when_asked_for(vision: Vision, tmp_path: Path) -> None:
    folder = photos(tmp_path)
    (folder / "cat" / "also a dog.png").write_bytes((folder / "dog" / "0.png").read_bytes())
    rows = [f"{path.relative_to(folder)},{path.parent.name}" for path in sorted(folder.rglob("*.png"))]
    (folder / "l.csv").write_text("\n".join(["file,tag", *rows, "cat/1.png,dog", "dog/2.png,"]))
    refused = vision("convert", folder / "l.csv", "--from", "csv")
    assert refused.code == 1
    assert "cat/1.png: has the tags 'cat', 'dog'" in refused.err
    assert "pass `--multi-label`" in refused.err

    ran = vision("convert", folder / "l.csv", "--from", "csv", "--multi-label", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["annotationKind"] == "imageMultiLabelClassification"
    assert ran.json["files"][str(folder / "train.json")] == {"images": 10, "tags": {"cat": 6, "dog": 6}}
    assert [(remark["effect"], remark["what"], remark["places"]) for remark in ran.json["remarks"]] == [
        ("leftOut", "image", [str(folder / "dog" / "0.png")])
    ]
    checked = vision("check", folder / "train.json", "--kind", "imageMultiLabelClassification", "--json")
    assert (checked.code, checked.json["tags"]) == (0, {"cat": 6, "dog": 6})


@pytest.mark.parametrize("name", ["train.json", "test.json"])
def test_a_source_is_not_written_over(vision: Vision, dataset_folder: MakeFolder, name: str) -> None:
    source = dataset_folder().path / "train.json"
    source = source.rename(source.with_name(name))
    before = source.read_bytes()
    ran = vision("convert", source, "--from", "coco", "--test-share", 0.3)
    assert ran.code == 2
    assert f"{name} would overwrite the labels that are read: name another folder with --output" in ran.err
    assert source.read_bytes() == before


def test_no_output_is_written_among_the_labels(vision: Vision, tmp_path: Path) -> None:
    for tag in ("cat", "dog"):
        (tmp_path / "photos" / tag).mkdir(parents=True)
        (tmp_path / "photos" / tag / "1.png").write_bytes(encoded(len(tag)))
    ran = vision("convert", "photos", "--output", "photos/data", "--copy-images")
    assert ran.code == 2
    assert "photos/data is inside photos, so its files would be read as labels" in ran.err
    assert not (tmp_path / "photos" / "data").exists()
    assert vision("convert", "photos", "--output", "data", "--copy-images").code == 0


def test_no_labels_are_lost_when_a_part_is_converted_into_the_same_folder(vision: Vision, tmp_path: Path) -> None:
    source = photos(tmp_path)
    share = ("--test-share", 0.4)
    assert vision("convert", source, "--from", "folders", *share).code == 0
    before = {name: (source / name).read_bytes() for name in ("train.json", "test.json")}
    training = source / "only-training.json"
    training.write_bytes(before["train.json"])
    ran = vision("convert", training, "--from", "coco", *share)
    assert ran.code == 1
    assert f"{source / 'test.json'}: replacing it would lose the labels of images that the source does not have: " in ran.err
    assert "and 1 more. Label them in the source, delete them, or name another folder (`--output`)" in ran.err
    assert {name: (source / name).read_bytes() for name in before} == before
    assert vision("convert", training, "--from", "coco", *share, "--output", tmp_path / "new", "--copy-images").code == 0


def test_a_second_set_replaces_no_picture_of_the_first(vision: Vision, tmp_path: Path) -> None:
    """Cameras number their pictures from 1 again."""
    for name, first in (("may", 0), ("june", 100)):
        for index in range(4):
            path = tmp_path / name / ("cat" if index % 2 else "dog") / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encoded(first + index))
    data = tmp_path / "data"
    into = ("--from", "folders", "--output", data, "--copy-images")
    assert vision("convert", tmp_path / "may", *into).code == 0
    before = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    ran = vision("convert", tmp_path / "june", *into)
    assert ran.code == 1
    assert "train.json: replacing it would lose the labels of images that the source does not have: " in ran.err
    assert {path: path.read_bytes() for path in data.rglob("*") if path.is_file()} == before, "a refusal writes nothing"

    (data / "train.json").rename(data / "may.json")
    assert vision("convert", tmp_path / "june", *into).code == 0
    del before[data / "train.json"]
    assert {path: path.read_bytes() for path in before} == before
    for document, first in (("may.json", 0), ("train.json", 100)):
        read = json.loads((data / document).read_text())
        tags = {category["id"]: category["name"] for category in read["categories"]}
        tag_of = {annotation["image_id"]: tags[annotation["category_id"]] for annotation in read["annotations"]}
        found = {(data / image["file_name"]).read_bytes(): tag_of[image["id"]] for image in read["images"]}
        assert found == {encoded(first + index): "cat" if index % 2 else "dog" for index in range(4)}
    again = sorted(data.rglob("*.png"))
    assert vision("convert", tmp_path / "june", *into).code == 0
    assert sorted(data.rglob("*.png")) == again, "what is there already is not copied again"


def test_an_interrupted_copy_leaves_no_half_of_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = tmp_path / "photo.png", tmp_path / "data" / "photo.png"
    source.write_bytes(encoded(1))

    def interrupted(_: object, to: str) -> None:
        Path(to).write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr("shutil.copy2", interrupted)
    with pytest.raises(KeyboardInterrupt):
        copy_files({target: source})
    monkeypatch.undo()
    assert list(target.parent.iterdir()) == []
    for links in (True, False):
        if not links:
            monkeypatch.setattr("os.link", no_links)
        copy_files({target: source})
        assert target.read_bytes() == encoded(1)
        with pytest.raises(ConversionFailed, match=r"photo.png: another process has just created this file"):
            copy_files({target: source})
        assert list(target.parent.iterdir()) == [target]
        target.unlink()


def no_links(*_: object) -> None:
    raise PermissionError(1, "Operation not permitted")


def test_names_that_differ_in_letter_case_are_two_files_everywhere(tmp_path: Path) -> None:
    images = tuple(
        LabelledImage(tmp_path / "photos" / name, digest * 64, 1, 1, ()) for name, digest in (("a.png", "a"), ("A.PNG", "b"))
    )
    _, copies = plan_copies(LabelledImages("imageClassification", (), images), tmp_path / "photos", tmp_path / "data")
    assert [path.name for path in copies] == ["a.png", "A-bbbbbbbbbbbb.PNG"]


@pytest.mark.parametrize("text", ["{", '{"images": 7}', "[]"])
def test_what_is_no_coco_file_is_not_replaced(vision: Vision, tmp_path: Path, text: str) -> None:
    target = photos(tmp_path) / "train.json"
    target.write_text(text)
    ran = vision("convert", target.parent, "--from", "folders")
    assert (ran.code, target.read_text()) == (1, text)
    assert f"{target}: already exists and is not a COCO file. Move it away" in ran.err


@pytest.mark.parametrize("options", [[], ["--output", "data", "--copy-images"]])
def test_a_source_that_has_changed_is_converted_again(vision: Vision, tmp_path: Path, options: list[str]) -> None:
    source = photos(tmp_path)
    arguments = ["convert", source, "--from", "folders", "--test-share", 0.4, "--json", *options]
    assert vision(*arguments).code == 0
    (source / "cat" / "10.png").write_bytes(encoded(10))
    (source / "cat" / "1.png").rename(source / "dog" / "1.png")
    if not options:
        (source / "cat" / "3.png").unlink()
    ran = vision(*arguments)
    assert ran.code == 0, ran.err
    assert sum(part["images"] for part in ran.json["files"].values()) == (11 if options else 10)


@pytest.mark.parametrize(
    ("arguments", "answer", "expected"),
    [
        (["datasets", "list"], {"value": [DATASET]}, "cats"),
        (["datasets", "list"], {"value": []}, "No dataset is registered"),
        (["datasets", "show", "cats"], DATASET, URI),
        (["models", "list"], {"value": [model()]}, "0.875"),
        (["models", "show", "m"], model(), "accuracyTop1"),
        (["models", "wait", "m"], model(), "succeeded"),
        (["models", "publish", "live", "m"], {"name": "live", "modelName": "m", **STAMPS}, None),
        (["models", "unpublish", "live"], b"", None),
        (["datasets", "delete", "cats", "--yes"], b"", None),
        (["datasets", "register", "cats", "--uri", URI, "--kind", "imageClassification"], DATASET, URI),
        (["models", "train", "m", "--dataset", "cats", "--no-wait"], model("notStarted"), "notStarted"),
        (
            ["models", "train", "m", "--dataset", "cats", "--kind", "Generic-Classifier", "--no-wait"],
            model("notStarted"),
            "notStarted",
        ),
    ],
)
def test_a_table_and_json(
    vision: Vision, service: FakeService, arguments: Sequence[str], answer: object, expected: str | None
) -> None:
    service.handler = lambda _: Answer(200, answer)
    ran = vision(*arguments)
    assert ran.code == 0
    if expected is not None:
        assert expected in ran.out
        assert vision(*arguments, "--json").json is not None


def test_a_training_is_waited_for(vision: Vision, service: FakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vision_customization.customization.client.waiting.POLL_SECONDS", (0.01, 0.01))
    progress = {"stage": "features", "share": 0.5}
    service.answers = [
        Answer(201, model("notStarted")),
        Answer(200, model("training", trainingProgress=progress)),
        Answer(200, model()),
    ]
    ran = vision("models", "train", "m", "--dataset", "cats", "--test-dataset", "t")
    assert ran.code == 0
    assert "0.875" in ran.out
    assert service.received[0].json["evaluationParameters"] == {"testDatasetName": "t"}


@pytest.mark.parametrize(("dataset", "code"), [("cats", 0), ("dogs", 3)])
def test_a_training_that_is_there_is_taken_over_if_it_is_this_one(
    vision: Vision, service: FakeService, dataset: str, code: int
) -> None:
    def handle(request: Received) -> Answer:
        if request.method == "PUT":
            return Answer(409, {"error": {"code": "ModelAlreadyExists", "message": "taken"}})
        return Answer(200, model())

    service.handler = handle
    assert vision("models", "train", "m", "--dataset", dataset).code == code


@pytest.mark.parametrize(("status", "code"), [("failed", 1), ("cancelled", 1), ("succeeded", 0)])
def test_a_training_that_fails_is_an_answer(vision: Vision, service: FakeService, status: str, code: int) -> None:
    service.handler = lambda _: Answer(200, model(status, error={"code": "diverged", "message": "too little data"}))
    ran = vision("models", "wait", "m")
    assert ran.code == code
    assert ("diverged: too little data" in ran.err) is bool(code)


def test_ctrl_c_says_how_to_go_on(vision: Vision, service: FakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("vision_customization.customization.client.client.VisionClient.wait_for_model", interrupt)
    service.handler = lambda _: Answer(201, model("notStarted"))
    ran = vision("models", "train", "m", "--dataset", "cats")
    assert ran.code == 130
    assert "vision models wait m" in ran.err


def test_a_model_that_trains_is_cancelled_before_it_is_deleted(vision: Vision, service: FakeService) -> None:
    training, cancelled = Answer(200, model("training")), Answer(200, model("cancelled"))
    service.answers = [training, training, Answer(202, {}), cancelled, Answer(204, b"")]
    assert vision("models", "delete", "m", "--yes").code == 0
    assert [request.method for request in service.received] == ["GET", "GET", "POST", "GET", "DELETE"]


@pytest.mark.parametrize(("answer", "code"), [(None, 2), (False, 1)])
def test_deleting_asks(
    vision: Vision, service: FakeService, monkeypatch: pytest.MonkeyPatch, answer: bool | None, code: int
) -> None:
    if answer is not None:
        monkeypatch.setattr("sys.stdin.isatty", lambda: True)
        monkeypatch.setattr("click.confirm", lambda *_, **__: answer)
    service.handler = lambda _: Answer(200, model())
    assert vision("models", "delete", "m").code == code
    assert [request.method for request in service.received] == ["GET"]


@pytest.mark.parametrize(
    ("require", "code", "missed"),
    [
        ([], 0, []),
        (["accuracyTop1=0.875"], 0, []),
        (["accuracyTop1=0.9"], 1, ["accuracyTop1 is 0.8750, below the required 0.9"]),
        (["calibrationECE=0.05"], 0, []),
        (
            ["calibrationECE=0.01", "accuracyTop1=1"],
            1,
            [
                "accuracyTop1 is 0.8750, below the required 1",
                "calibrationECE is 0.0500, above the allowed 0.01",
            ],
        ),
        (["averagePrecision=0.5"], 1, ["averagePrecision is not among the metrics of this model, but 0.5 is required"]),
    ],
)
def test_a_gate(vision: Vision, service: FakeService, require: list[str], code: int, missed: list[str]) -> None:
    def handle(request: Received) -> Answer:
        kinds = {"evaluations": EVALUATION, "datasets": DATASET}
        return Answer(200, next((answer for kind, answer in kinds.items() if kind in request.path), model()))

    service.handler = handle
    options = [part for requirement in require for part in ("--require", requirement)]
    ran = vision("evaluate", "m", "t", *options, "--json")
    assert ran.code == code
    assert ran.json["missed"] == missed
    assert vision("evaluate", "m", "t", *options).out.count("missed:") == len(missed)


BOXES = {"trainingDatasetName": "shelves", "timeBudgetInHours": 1, "modelKind": "Generic-Detector"}
DETECTOR = model(name="d", trainingParameters=BOXES, modelPerformance={"meanAveragePrecision50": 0.4125, "tagPerformance": {}})


@pytest.mark.parametrize(
    ("name", "metric", "said"),
    [
        ("d", "accuracyTop1", "'accuracyTop1' is not a metric of a Generic-Detector; choose from meanAveragePrecision30, "),
        ("live", "accuracyTop1", "'accuracyTop1' is not a metric of a Generic-Detector; choose from meanAveragePrecision30, "),
        (
            "m",
            "meanAveragePrecision50",
            "'meanAveragePrecision50' is not a metric of a Generic-Classifier for imageClassification; choose from accuracy",
        ),
    ],
)
def test_a_gate_that_the_model_can_not_pass_is_refused_before_anything_is_measured(
    vision: Vision, service: FakeService, name: str, metric: str, said: str
) -> None:
    published = {"name": "live", "modelName": "d", **STAMPS}
    answers = {"/models/m": model(), "/models/d": DETECTOR, "/publishedmodels/live": published, "/datasets/t": DATASET}

    def handle(request: Received) -> Answer:
        path = request.path.removeprefix("/computervision")
        return Answer(200, answers[path]) if path in answers else Answer(404, {})

    service.handler = handle
    ran = vision("evaluate", name, "t", "--require", f"{metric}=0.5")
    assert ran.code == 2
    assert said in ran.err
    assert {request.method for request in service.received} == {"GET"}


def test_a_model_is_shown_by_its_published_name(vision: Vision, service: FakeService) -> None:
    answers = {"/models/d": DETECTOR, "/publishedmodels/live": {"name": "live", "modelName": "d", **STAMPS}}

    def handle(request: Received) -> Answer:
        path = request.path.removeprefix("/computervision")
        return Answer(200, answers[path]) if path in answers else Answer(404, {})

    service.handler = handle
    assert vision("models", "show", "live").out == vision("models", "show", "d").out
    ran = vision("models", "show", "dead")
    assert ran.code != 0
    assert "no model and no published name is called 'dead'" in ran.err


@pytest.mark.parametrize(
    ("kind", "metric"), [("imageMultiLabelClassification", "accuracyTop1"), ("imageClassification", "macroF1")]
)
def test_a_gate_is_checked_against_the_kind_of_the_dataset(
    vision: Vision, service: FakeService, kind: str, metric: str
) -> None:
    answers = {"/models/m": model(), "/datasets/t": {**DATASET, "annotationKind": kind}}
    service.handler = lambda request: Answer(200, answers[request.path.removeprefix("/computervision")])
    ran = vision("evaluate", "m", "t", "--require", f"{metric}=0.5")
    assert (ran.code, f"'{metric}' is not a metric of a Generic-Classifier for {kind}" in ran.err) == (2, True)
    assert {request.method for request in service.received} == {"GET"}


TILED = {**DETECTOR, "trainingParameters": {**BOXES, "tiles": 3}}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"trainingCostInMinutes": 3}, "3 min of 1 h"),
        ({"status": "notStarted"}, "at most 1 h"),
        ({"status": "training", "trainingProgress": {"stage": "learning", "seconds": 40}}, "40 s so far, at most 1 h"),
    ],
)
def test_the_time_of_a_training_is_shown_with_its_budget(
    vision: Vision, service: FakeService, changes: dict[str, object], said: str
) -> None:
    service.answers = [Answer(200, {**DETECTOR, **changes})]
    assert re.search(rf"time +{said}\b", vision("models", "show", "d").out)


def test_what_an_estimate_rests_on_is_shown(vision: Vision, service: FakeService) -> None:
    outlook = {"images": 240, "accuracyTop1": 0.93, "interval": [0.88, 0.96]}
    estimate = {"images": 120, "groups": 80, "accuracyTop1": [0.84, 0.95], "outlook": outlook}
    performance = {"accuracyTop1": 0.91, "estimate": estimate, "tagPerformance": {}}
    service.answers = [Answer(200, model()), Answer(200, model(modelPerformance=performance))]
    assert "estimate" not in vision("models", "show", "m").out
    shown = vision("models", "show", "m").out
    assert re.search(r"estimate +accuracyTop1 0.910 \(0.84 to 0.95; 120 images in 80 groups\)", shown)
    assert re.search(r"more images +240 images: probably 0.930 \(0.88 to 0.96\)", shown)


def test_tiles_are_shown_where_there_are_more_than_one(vision: Vision, service: FakeService) -> None:
    service.answers = [Answer(200, DETECTOR), Answer(200, TILED), Answer(200, TILED)]
    assert "tiles" not in vision("models", "show", "d").out
    assert re.search(r"tiles +3 × 3\b", vision("models", "show", "d").out)
    assert vision("models", "show", "d", "--json").json["trainingParameters"] == {**BOXES, "tiles": 3}


@pytest.mark.parametrize(("tiles", "sent"), [([], BOXES), (["--tiles", 1], BOXES), (["--tiles", 3], {**BOXES, "tiles": 3})])
def test_tiles_are_sent_where_there_are_more_than_one(
    vision: Vision, service: FakeService, tiles: list[object], sent: dict[str, object]
) -> None:
    service.answers = [Answer(201, {**DETECTOR, "trainingParameters": sent})]
    assert vision("models", "train", "d", "--dataset", "shelves", "--kind", "Generic-Detector", *tiles, "--no-wait").code == 0
    [request] = service.received
    assert request.json == {"trainingParameters": sent}


@pytest.mark.parametrize(("tiles", "code"), [(3, 0), (2, 3)])
def test_a_training_with_other_tiles_is_another(vision: Vision, service: FakeService, tiles: int, code: int) -> None:
    taken = Answer(409, {"error": {"code": "ModelAlreadyExists", "message": "taken"}})
    service.handler = lambda request: Answer(200, TILED) if request.method == "GET" else taken
    options = ["--dataset", "shelves", "--kind", "Generic-Detector", "--tiles", tiles]
    assert vision("models", "train", "d", *options).code == code


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--tiles", 2], "--tiles: must be 1 for a Generic-Classifier, which analyzes each image as a whole"),
        (["--hours", 337], "--hours: must be 1 to 336 hours for a Generic-Classifier, not 337"),
        (["--kind", "Generic-Detector", "--tiles", 5], "5 is not in the range 1<=x<=4"),
    ],
)
def test_a_setting_that_a_kind_does_not_have(vision: Vision, service: FakeService, options: list[object], said: str) -> None:
    ran = vision("models", "train", "m", "--dataset", "cats", *options)
    assert (ran.code, service.received) == (2, [])
    assert said in ran.err


def test_each_model_of_the_list_has_the_metric_of_its_kind(vision: Vision, service: FakeService) -> None:
    service.handler = lambda _: Answer(200, {"value": [model(), DETECTOR, model("training")]})
    table = vision("models", "list").out
    assert re.search(r"m +succeeded +cats +accuracyTop1 0\.875 ", table)
    assert re.search(r"d +succeeded +shelves +meanAveragePrecision50 0\.41[23] ", table)
    assert re.search(r"m +training +cats +– ", table)


def analyzed(request: Received) -> Answer:
    if request.body.startswith(b"bad"):
        return Answer(400, {"error": {"code": "InvalidRequest", "message": "not an image"}})
    tags = [{"name": "cat", "confidence": 0.9}, {"name": "dog", "confidence": 0.1}]
    return Answer(
        200,
        {"customModelResult": {"tagsResult": {"values": tags}}, "modelVersion": "x", "metadata": {"width": 1, "height": 1}},
    )


def test_predictions(vision: Vision, service: FakeService, tmp_path: Path) -> None:
    service.handler = analyzed
    folder = photos(tmp_path)
    (folder / "bad.jpg").write_text("bad")
    ran = vision("predict", "m", folder, "https://x/a.jpg", "--threshold", 0.5, "--json")
    assert ran.code == 1
    results = {Path(result["image"]).name: result for result in ran.json}
    assert len(results) == 12
    assert results["bad.jpg"] == {"image": str(folder / "bad.jpg"), "error": "not an image"}
    assert results["a.jpg"]["tags"] == [{"name": "cat", "confidence": 0.9}]
    table = vision("predict", "m", folder / "cat", "--top", 1)
    assert table.code == 0
    assert table.out.count("cat ") >= 5
    assert "dog" not in table.out.replace("photos/dog", "")


def test_of_several_tags_the_table_shows_those_that_are_present(vision: Vision, service: FakeService, tmp_path: Path) -> None:
    tags = [
        {"name": name, "confidence": confidence, "threshold": threshold}
        for name, confidence, threshold in (("cat", 0.9, 0.5), ("dog", 0.6, 0.7), ("cow", 0.4, 0.3), ("elk", 0.3, 0.3))
    ]
    result = {"customModelResult": {"tagsResult": {"values": tags}}, "modelVersion": "x", "metadata": {"width": 1, "height": 1}}
    service.handler = lambda _: Answer(200, result)
    picture = photos(tmp_path) / "cat" / "1.png"
    table = vision("predict", "m", picture, "--top", 1).out
    assert re.findall("cat |cow |elk |dog ", table.replace("photos/cat", "")) == ["cat ", "cow ", "elk "]
    [answer] = vision("predict", "m", picture, "--json").json
    assert answer["tags"] == tags
    tags[:] = [{"name": "cat", "confidence": 0.1, "threshold": 0.5}]
    assert "(nothing)" in vision("predict", "m", picture).out


def test_novel_images_are_marked(vision: Vision, service: FakeService, tmp_path: Path) -> None:
    novelties = iter([0.98, 0.97, 0.5, 1.0])
    tags = {"values": [{"name": "cat", "confidence": 0.9}, {"name": "dog", "confidence": 0.1}]}
    size = {"width": 1, "height": 1}
    service.handler = lambda _: Answer(
        200, {"customModelResult": {"tagsResult": tags, "novelty": next(novelties)}, "modelVersion": "x", "metadata": size}
    )
    pictures = [photos(tmp_path) / "cat" / f"{number}.png" for number in (1, 3)]
    table = vision("predict", "m", *pictures).out
    assert re.search(r"cat +0\.900 +0\.98 novel *\n +dog +0\.100 *\n", table)
    assert re.search(r"cat +0\.900 +0\.97 *\n +dog +0\.100 *\n", table)
    assert "Unlike what the model was trained for (novelty 0.98 or more): 1 of 2 images." in table
    assert [result["novelty"] for result in vision("predict", "m", *pictures, "--json").json] == [0.5, 1.0]


SIGNED = "https://someone@x.blob.core.windows.net/c/a.jpg?sv=2024&sig=c2VjcmV0#top"
UNSIGNED = "https://x.blob.core.windows.net/c/a.jpg"


@pytest.mark.parametrize("url", [SIGNED, SIGNED.replace("https", "HTTPS")])
@pytest.mark.parametrize("options", [[], ["--json"], ["--draw", "out.png"]])
@pytest.mark.parametrize("status", [200, 400])
def test_a_token_in_an_images_url_is_not_printed(
    vision: Vision, service: FakeService, url: str, options: list[str], status: int
) -> None:
    refused = Answer(400, {"error": {"code": "InvalidRequest", "message": "no image"}})
    service.handler = lambda request: refused if status == 400 else analyzed(request)
    ran = vision("predict", "m", url, *options)
    assert UNSIGNED.removeprefix("https") in ran.out + ran.err
    assert not re.search("sig|c2VjcmV0|someone", ran.out + ran.err)
    assert [request.json for request in service.received] == ([] if "--draw" in options else [{"url": url}])


def test_a_token_in_a_shelfs_url_is_not_printed(vision: Vision, service: FakeService, monkeypatch: pytest.MonkeyPatch) -> None:
    titles = []

    def note(title: str) -> AbstractContextManager[Callable[..., None]]:
        titles.append(title)
        return nullcontext(lambda *_: None)

    monkeypatch.setattr("vision_customization.customization.cli.commands.products.progress_bar", note)
    service.handler = lambda request: Answer(
        201, run_of("notStarted" if request.method == "PUT" else "succeeded", result=RESULT)
    )
    ran = vision("products", "run", "m", SIGNED, "--name", "r")
    assert (ran.code, titles) == (0, [f"looking at {UNSIGNED}"])
    assert "sig" not in ran.out + ran.err
    assert service.received[0].json == {"url": SIGNED}


def test_answers_are_drawn(vision: Vision, service: FakeService, tmp_path: Path) -> None:
    box = {"id": "1", "boundingBox": {"x": 40, "y": 30, "w": 20, "h": 10}, "tags": [{"name": "cat", "confidence": 0.9}]}
    reply = {
        "customModelResult": {"objectsResult": {"values": [box]}},
        "modelVersion": "x",
        "metadata": {"width": 1, "height": 1},
    }
    service.handler = lambda _: Answer(200, reply)
    photo = tmp_path / "photo.png"
    Image.new("RGB", (100, 80), "grey").save(photo)
    out = tmp_path / "boxes.png"
    ran = vision("predict", "m", photo, "--draw", out)
    assert ran.code == 0
    assert f"{out} written" in ran.out.replace("\n", "")
    with Image.open(out) as drawn:
        assert drawn.size == (100, 80)
        assert drawn.getpixel((59, 39)) == tag_colours(["cat"])["cat"]
        assert drawn.getpixel((50, 35)) == drawn.getpixel((5, 70)) == (128, 128, 128)
    refused = [(photo, "--draw", photo), (photo, "--draw", tmp_path / "x.gif"), ("https://x/a.jpg", "--draw", out)]
    assert [vision("predict", "m", *arguments).code for arguments in refused] == [2, 2, 2]
    folder = tmp_path / "drawn"
    assert vision("predict", "m", photo, out, "--draw", folder).code == 0
    assert sorted(file.name for file in folder.iterdir()) == ["boxes.png", "photo.png"]
    assert vision("predict", "m", photo, out, "--draw", folder).code == 0, "drawings may be drawn again"
    jpeg = tmp_path / "photo.jpg"
    Image.new("RGB", (100, 80), "grey").save(jpeg)
    before = photo.read_bytes()
    ran = vision("predict", "m", jpeg, "--draw", tmp_path)
    assert (ran.code, photo.read_bytes()) == (2, before)
    assert "photo.png already exists, and this version of `vision predict` did not draw it" in ran.err


def test_tags_are_drawn_into_the_corner_of_an_upright_image() -> None:
    image = Image.new("RGB", (120, 60), "white")
    image.getexif()[ExifTags.Base.Orientation] = 6
    drawn = draw_answer(image, [], [{"name": "dog", "confidence": 0.5}])
    assert drawn.size == (60, 120)
    assert drawn.getpixel((2, 3)) == tag_colours(["dog"])["dog"]
    assert drawn.getpixel((30, 110)) == (255, 255, 255)


def test_boxes_without_an_area_and_long_names_are_drawn_within_the_picture() -> None:
    box = {"boundingBox": {"x": 90, "y": 40, "w": 0, "h": 0}, "tags": [{"name": "a very long name " * 9, "confidence": 0.5}]}
    drawn = draw_answer(Image.new("RGB", (100, 80), "grey"), [box], [])
    assert drawn.size == (100, 80)
    label = {drawn.getpixel((x, 39)) for x in range(100)}
    [colour] = tag_colours([box["tags"][0]["name"]]).values()  # type: ignore[index]
    assert colour in label
    assert drawn.getpixel((50, 79)) == (128, 128, 128)


def test_tags_of_one_picture_have_colours_of_their_own_and_keep_them_among_others() -> None:
    names = ["apple", "banana", "bread", "carrot", "cheese", "juice", "milk", "tin"]
    colours = tag_colours(names)
    assert len(set(colours.values())) == len(names)
    assert tag_colours(reversed(names)) == colours  # type: ignore[arg-type]
    assert len(tag_colours([f"tag {number}" for number in range(HUES + 5)])) == HUES + 5
    kept = sum(tag_colours([name])[name] == colours[name] for name in names)
    assert kept >= 4


def test_labels_at_one_place_stand_below_each_other() -> None:
    names = ("apple", "bread", "tin")
    boxes = [
        {"boundingBox": {"x": 10, "y": 40, "w": 60, "h": 60}, "tags": [{"name": name, "confidence": 0.9}]} for name in names
    ]
    drawn = draw_answer(Image.new("RGB", (300, 300), "grey"), boxes, [])
    colours = tag_colours(names)
    tops = [min(y for y in range(300) if drawn.getpixel((12, y)) == colours[name]) for name in names]
    assert tops[0] < tops[1] - 8 < tops[2] - 16


def test_a_picture_whose_image_failed_is_not_said_to_be_written(vision: Vision, service: FakeService, tmp_path: Path) -> None:
    service.handler = lambda _: Answer(400, {"error": {"code": "InvalidRequest", "message": "no image"}})
    photo, out = tmp_path / "photo.png", tmp_path / "old.png"
    for file in (photo, out):
        Image.new("RGB", (100, 80), "grey").save(file)
    ran = vision("predict", "m", photo, "--draw", out)
    assert ran.code == 1
    assert "written" not in ran.out


def test_a_model_that_is_not_there_is_said_once(vision: Vision, service: FakeService, tmp_path: Path) -> None:
    service.handler = lambda _: Answer(404, {"error": {"code": "404", "message": "Resource not found"}})
    assert vision("predict", "no", photos(tmp_path)).code == 3
    assert len(service.received) == 1


COLA = {
    "id": "1",
    "boundingBox": {"x": 1, "y": 2, "w": 3, "h": 4},
    "tags": [{"name": "cola", "confidence": 0.9}, {"name": "tea", "confidence": 0.25}],
}
RESULT = {"imageMetadata": {"width": 60, "height": 80}, "products": [COLA], "gaps": []}
PLANOGRAM = {
    "Width": 100,
    "Height": 50,
    "Products": [{"Id": "1", "Name": "cola", "W": 6, "H": 20}],
    "Fixtures": [{"Id": "f", "W": 100, "H": 2, "X": 0, "Y": 48}],
    "Positions": [{"Id": id_, "ProductId": "1", "FixtureId": "f", "X": 10, "Y": 5} for id_ in ("here", "there")],
}


def run_of(status: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"runName": "r", "modelName": "m", "status": status, **STAMPS, **fields}


def test_products_of_an_image(vision: Vision, service: FakeService, tmp_path: Path) -> None:
    (tmp_path / "shelf.png").write_bytes(b"shelf")
    done = run_of("succeeded", result=RESULT)
    service.handler = lambda request: Answer(201, run_of("notStarted")) if request.method == "PUT" else Answer(200, done)
    ran = vision("products", "run", "live", "shelf.png", "--name", "r", "--json")
    assert (ran.code, ran.json) == (0, done)
    assert [(one.method, one.path) for one in service.received] == [
        ("PUT", "/computervision/productrecognition/live/runs/r"),
        ("GET", "/computervision/productrecognition/m/runs/r"),
    ]
    assert service.received[0].body == b"shelf"
    table = vision("products", "run", "live", "https://x/shelf.png")
    assert re.search(r"1 +cola +0\.900 +1, 2, 3, 4 +tea 0\.250", table.out)
    assert re.fullmatch(r"\d{8}T\d{12}", service.received[2].path.rpartition("/")[2])
    service.received.clear()
    waiting = vision("products", "run", "live", "shelf.png", "--name", "r", "--no-wait")
    assert (waiting.code, len(service.received)) == (0, 1)
    assert "`vision products show m r`" in waiting.err


def test_a_run_that_fails_is_an_answer(vision: Vision, service: FakeService) -> None:
    failed = run_of("failed", error={"code": "modelNotFound", "message": "gone"})
    service.answers = [Answer(201, run_of("notStarted")), Answer(200, failed)]
    ran = vision("products", "run", "m", "https://x/shelf.png", "--name", "r")
    assert (ran.code, ran.err) == (1, "Error: run 'r' of model 'm': failed: modelNotFound: gone\n")


def test_an_image_of_a_shelf_that_is_not_there(vision: Vision, service: FakeService) -> None:
    ran = vision("products", "run", "m", "no.png")
    assert (ran.code, service.received) == (2, [])
    assert "no.png: can't be read" in ran.err


def test_runs_are_listed_shown_and_deleted(vision: Vision, service: FakeService) -> None:
    runs = [run_of("succeeded", result=RESULT), run_of("running")]
    service.answers = [Answer(200, {"value": runs}), Answer(200, {"value": runs}), Answer(200, {"value": []})]
    assert re.search(r"r +succeeded +1 +0 +2026-01-13 20:46\n", vision("products", "list", "m").out)
    assert vision("products", "list", "m", "--json").json == runs
    assert "There is no run" in vision("products", "list", "m").out
    failed = run_of("failed", error={"code": "unknown", "message": "why"})
    service.answers = [Answer(200, failed), Answer(200, failed), Answer(204, b"")]
    assert "unknown: why" in vision("products", "show", "m", "r").err
    assert vision("products", "show", "m", "r", "--json").json == failed
    assert vision("products", "delete", "m", "r").code == 2, "the terminal is not interactive"
    assert vision("products", "delete", "m", "r", "--yes").code == 0
    assert service.received[-1].method == "DELETE"


@pytest.mark.parametrize("recognized", [RESULT, {"runName": "r", "result": RESULT}])
@pytest.mark.parametrize("plan", [PLANOGRAM, {"planogram": PLANOGRAM}])
def test_a_planogram_is_matched(
    vision: Vision, service: FakeService, tmp_path: Path, recognized: dict[str, Any], plan: dict[str, Any]
) -> None:
    (tmp_path / "run.json").write_text(json.dumps(recognized))
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    reply = {"matchingResultPerPosition": [{"positionId": "here", "detectedObject": COLA}]}
    service.handler = lambda _: Answer(200, reply)
    assert vision("planogram", "match", "run.json", "plan.json", "--json").json == reply
    assert service.received[0].json["detectedProducts"] == RESULT
    ran = vision("planogram", "match", "run.json", "plan.json")
    assert ran.code == 0
    assert re.search(r"here +cola +1 *\nthere +cola +missing", ran.out)
    assert ran.err == "1 of 2 positions as planned\n"


@pytest.mark.parametrize(
    ("run_text", "plan_text", "says"),
    [
        ("{", "{}", "run.json is not JSON"),
        ("[]", "{}", "run.json is not a ProductRecognitionResult of the contract"),
        (json.dumps(RESULT), json.dumps({**PLANOGRAM, "Width": -1}), "plan.json is not a Planogram of the contract: width: "),
        (json.dumps(RESULT), json.dumps({"planogram": 3}), "plan.json is not a Planogram of the contract"),
    ],
)
def test_files_that_are_no_planogram(
    vision: Vision, service: FakeService, tmp_path: Path, run_text: str, plan_text: str, says: str
) -> None:
    (tmp_path / "run.json").write_text(run_text)
    (tmp_path / "plan.json").write_text(plan_text)
    ran = vision("planogram", "match", "run.json", "plan.json")
    assert (ran.code, service.received) == (2, [])
    assert says in ran.err


@pytest.mark.parametrize("name", ["m", "live"])
def test_a_model_is_exported_with_its_sidecar(vision: Vision, service: FakeService, tmp_path: Path, name: str) -> None:
    def handle(request: Received) -> Answer:
        path = request.path.removeprefix("/computervision")
        if path == "/models/m/artifact":
            return Answer(200, ONNX, {"x-ms-artifact-digest": hashlib.sha256(ONNX).hexdigest()})
        answers = {
            "/models/m": model(),
            "/publishedmodels/live": {"name": "live", "modelName": "m", **STAMPS},
            "/models/m/artifact:metadata": {"labels": ["cat", "dog"], "artifact": {}},
        }
        return Answer(200, answers[path]) if path in answers else Answer(404, {})

    service.handler = handle
    (tmp_path / "m.json").write_text('{"images": []}')
    ran = vision("export", name)
    assert (ran.code, (tmp_path / "m.json").read_text(), (tmp_path / "m.onnx").exists()) == (2, '{"images": []}', False)
    assert "m.json, which `vision export` did not write: name another file" in ran.err
    (tmp_path / "m.json").unlink()
    (tmp_path / "m.onnx").write_bytes(b"another's")
    ran = vision("export", name)
    assert (ran.code, (tmp_path / "m.onnx").read_bytes()) == (2, b"another's")
    assert "m.onnx already exists and has no metadata beside it: name another file" in ran.err
    assert vision("export", name, "--output", "m.onnx").code == 0, "a file that is named may be replaced"
    ran = vision("export", name, "--json")
    assert ran.code == 0, "an export may be done again"
    assert (tmp_path / "m.onnx").read_bytes() == ONNX
    assert json.loads((tmp_path / "m.json").read_text())["labels"] == ["cat", "dog"]
    assert ran.json["digest"] == hashlib.sha256(ONNX).hexdigest()


# What the service says to the import, what it has under the name, and how the command ends.
@pytest.mark.parametrize(
    ("status", "digest", "code"),
    [(201, None, 0), (409, hashlib.sha256(ONNX).hexdigest(), 0), (409, "0" * 64, 3), (400, None, 3)],
)
def test_an_exported_model_is_imported(
    vision: Vision, service: FakeService, tmp_path: Path, status: int, digest: str | None, code: int
) -> None:
    (tmp_path / "m.onnx").write_bytes(ONNX)
    (tmp_path / "m.json").write_text('{"labels": ["cat"]}')
    error = {"error": {"code": "Code", "message": "for a reason"}}
    found = model(artifact={"digest": digest, "sizeBytes": 4}) if digest else model()
    service.handler = lambda request: Answer(status, error) if status != 201 and request.method == "PUT" else Answer(201, found)
    ran = vision("models", "import", "m", "m.onnx", "--json")
    assert ran.code == code
    assert service.received[0].path == "/computervision/models/m/artifact"
    assert b'{"labels": ["cat"]}' in service.received[0].body
    if code == 0:
        assert ran.json["name"] == "m"
        assert ("already imported" in ran.err) == (status == 409)


@pytest.mark.parametrize("text", [None, "{"])
def test_a_model_without_its_sidecar_is_not_imported(vision: Vision, tmp_path: Path, text: str | None) -> None:
    (tmp_path / "m.onnx").write_bytes(ONNX)
    if text is not None:
        (tmp_path / "m.json").write_text(text)
    assert vision("models", "import", "m", "m.onnx").code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["check"],
        ["check", "no.json"],
        ["convert", ".", "--from", "csv"],
        ["datasets", "register", "x"],
        ["datasets", "register", "x", "--uri", URI],
        ["models", "train", "x"],
        ["evaluate", "m", "t", "--require", "accuracy=1"],
        ["evaluate", "m", "t", "--require", "accuracyTop1=high"],
        ["predict", "m", "no.jpg"],
    ],
)
def test_wrong_usage(vision: Vision, arguments: Sequence[str]) -> None:
    assert vision(*arguments).code == 2


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["models", "train", "-h"], ["check", "--help"], ["datasets", "--help"]]
)
def test_help(vision: Vision, arguments: Sequence[str]) -> None:
    assert vision(*arguments).code == 0


@pytest.mark.parametrize(
    ("status", "text"),
    [(401, "401: wrong key"), (404, "404: wrong key"), (409, "409: wrong key")],
)
def test_a_refusal_is_a_failure(vision: Vision, service: FakeService, status: int, text: str) -> None:
    service.handler = lambda _: Answer(status, {"error": {"code": str(status), "message": "wrong key"}})
    ran = vision("datasets", "show", "x")
    assert ran.code == 3
    assert ran.err == f"Error: GET /datasets/x: {text}\n"


@pytest.mark.parametrize("stack", [None, "dev"])
def test_the_service_of_a_pulumi_stack(
    vision: Vision, service: FakeService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stack: str | None
) -> None:
    service.handler = lambda _: Answer(200, {"value": []})
    outputs = json.dumps({"endpoint": service.url, "key": KEY})
    (tmp_path / "Pulumi.yaml").write_text("name: x\nruntime: python\n")
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "pulumi"
    program.write_text(f"#!/bin/sh\necho \"$@\" > {tmp_path}/called\necho '{outputs}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    if stack is None:
        monkeypatch.delenv("VISION_ENDPOINT")
        monkeypatch.delenv("VISION_KEY")
    else:
        monkeypatch.setenv("VISION_ENDPOINT", "http://127.0.0.1:9")
    ran = vision("models", "list", *(["--stack", stack] if stack else []))
    assert ran.code == 0
    assert service.received[0].headers["Ocp-Apim-Subscription-Key"] == KEY
    assert ("--stack dev" in (tmp_path / "called").read_text()) is (stack == "dev")


@pytest.mark.parametrize(
    ("script", "code", "expected"),
    [
        ("echo 'error: no stack selected' >&2; exit 255", 3, "the current stack: no stack selected"),
        ("echo '{}'", 3, "the current stack has no output `endpoint`. Run `pulumi up` first"),
        (
            "echo 'error: passphrase must be set with PULUMI_CONFIG_PASSPHRASE' >&2; exit 1",
            3,
            "the current stack: passphrase must be set with PULUMI_CONFIG_PASSPHRASE. Export PULUMI_CONFIG_PASSPHRASE",
        ),
    ],
)
def test_a_stack_that_is_not_there(
    vision: Vision, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, code: int, expected: str
) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: x\nruntime: python\n")
    program = tmp_path / "pulumi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.delenv("VISION_ENDPOINT")
    ran = vision("models", "list")
    assert ran.code == code
    assert expected in ran.err


def test_no_service(vision: Vision, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VISION_ENDPOINT")
    ran = vision("models", "list")
    assert ran.code == 2
    assert "pass --endpoint and --key, or set VISION_ENDPOINT and VISION_KEY" in ran.err
