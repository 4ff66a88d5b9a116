"""What is printed of a stack's outputs."""

import io
import json
import subprocess
from pathlib import Path

import pytest
from rich.console import Console

from toolchain.places import Places
from toolchain.stacks import show

OUTPUTS = {
    "endpoint": "http://127.0.0.1:8080/",
    "key": "[secret]",
    "datasets": {"textile-train": {"name": "textile-train", "images": 300.0, "tags": {"nominal": 100.0}, "digest": "d"}},
    "models": {
        "textile": {
            "name": "textile-1a2b3c4d",
            "kind": "Generic-Classifier",
            "status": "succeeded",
            "performance": {"accuracyTop1": 0.98333, "tagPerformance": {}},
            "trainingMinutes": 1.0,
            "publishedName": "textile",
        }
    },
}

# The first image has nothing on it.
TEST = {
    "images": [{"id": 1, "file_name": "images/empty.jpg"}, {"id": 2, "file_name": "images/a b.jpg"}],
    "annotations": [{"image_id": 2}],
}


def declare(checkout: Path, source: str, model: str) -> Path:
    """A stack's file with a model that is evaluated on the images in `source`; returns the images' folder."""
    folder = checkout / source
    folder.mkdir(parents=True)
    (checkout / "stacks").mkdir()
    (checkout / "stacks" / "Pulumi.local.yaml").write_text(
        "config:\n"
        f"  vision-customization:datasets: {{there: {{source: {source}, annotationFiles: [test.json]}}}}\n"
        f"  vision-customization:models: {{{model}: {{evaluationDataset: there}}}}\n"
    )
    return folder


def shown(outputs: dict[str, object], checkout: Path) -> str:
    out = io.StringIO()
    show.show(outputs, Places(checkout, checkout / "cache"), "local", Console(file=out, width=120))
    return out.getvalue()


def test_show(tmp_path: Path) -> None:
    folder = declare(tmp_path, "examples/textile", "textile")
    (folder / "test.json").write_text(json.dumps(TEST))
    text = shown(OUTPUTS, tmp_path)
    for part in ("textile-train", "300", "nominal 100", "textile-1a2b3c4d", "succeeded", "accuracyTop1 0.983", "1 min"):
        assert part in text
    assert "model-name=textile'" in text
    assert "--data-binary @'examples/textile/images/a b.jpg'" in text
    assert "vision predict" not in text


def test_the_contact_sheet_is_shown_again(tmp_path: Path) -> None:
    folder = declare(tmp_path, "examples/my photos", "textile")
    assert "Contact sheet" not in shown(OUTPUTS, tmp_path)
    (folder / "contact-sheet.html").write_text("<p>")
    assert f"Contact sheet of textile  {(folder / 'contact-sheet.html').resolve().as_uri()}\n" in shown(OUTPUTS, tmp_path)


def test_show_of_a_detector(tmp_path: Path) -> None:
    folder = declare(tmp_path, "examples/detection", "groceries")
    (folder / "test.json").write_text(json.dumps(TEST))
    performance = {"meanAveragePrecision50": 0.93, "meanAveragePrecision75": 0.7}
    model = {"name": "groceries-1a2b3c4d", "kind": "Generic-Detector", "performance": performance, "publishedName": "groceries"}
    text = shown({"endpoint": "http://127.0.0.1:8080", "models": {"groceries": model}}, tmp_path)
    assert "meanAveragePrecision50 0.930, meanAveragePrecision75 0.700" in text
    assert "model-name=groceries'" in text
    assert "--data-binary @'examples/detection/images/a b.jpg'" in text
    drawing = ".venv/bin/vision predict groceries 'examples/detection/images/a b.jpg' --draw boxes.png --threshold 0.5"
    assert f"{drawing} --stack local\n" in text


@pytest.mark.parametrize("document", [None, "{", "{}", '{"annotations": [], "images": []}'])
def test_without_a_test_image_another_is_asked_for(document: str | None, tmp_path: Path) -> None:
    folder = declare(tmp_path, "examples/textile", "textile")
    if document is not None:
        (folder / "test.json").write_text(document)
    assert "--data-binary @image.jpg" in shown(OUTPUTS, tmp_path)


def test_a_model_without_a_test_dataset_asks_for_an_image(tmp_path: Path) -> None:
    assert "--data-binary @image.jpg" in shown(OUTPUTS, tmp_path)
    declare(tmp_path, "mine", "another")
    assert "--data-binary @image.jpg" in shown(OUTPUTS, tmp_path)


def test_show_of_an_empty_stack(tmp_path: Path) -> None:
    assert "curl" not in shown({"endpoint": "http://127.0.0.1:1"}, tmp_path)


def test_the_curl_is_a_shell_command() -> None:
    command = show.curl("http://127.0.0.1:8080/", "it's", "image.jpg", "local")
    told = subprocess.run(
        ["sh", "-c", f"curl() {{ printf '%s\\n' \"$@\"; }}; {command}"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert told[0].endswith("/computervision/imageanalysis:analyze?api-version=2023-04-01-preview&model-name=it's")
    assert told[2].startswith("Ocp-Apim-Subscription-Key:")
    assert told[-2:] == ["--data-binary", "@image.jpg"]


@pytest.mark.parametrize(
    ("performance", "text"),
    [
        (None, ""),
        ({}, ""),
        ({"calibrationECE": 0, "accuracyTop5": 1, "accuracyTop1": 0.5}, "accuracyTop1 0.500, calibrationECE 0.000"),
        ({"tagPerformance": {"a": 1}, "meanAveragePrecision50": 0.25}, "meanAveragePrecision50 0.250"),
    ],
)
def test_performance_text(performance: dict[str, object] | None, text: str) -> None:
    assert show.performance_text(performance) == text


@pytest.mark.parametrize(
    ("endpoint", "proxy", "direct"),
    [
        ("http://127.0.0.1:8080", "http://proxy", True),
        ("http://127.0.0.1:8080", "", False),
        ("https://x.example", "http://p", False),
    ],
)
def test_curl_asks_no_proxy_for_this_machine(monkeypatch: pytest.MonkeyPatch, endpoint: str, proxy: str, direct: bool) -> None:
    for name in show.PROXIES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ALL_PROXY", proxy)
    assert (" --noproxy 127.0.0.1 " in show.curl(endpoint, "m", "image.jpg", "local")) is direct
