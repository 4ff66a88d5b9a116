"""A model that was trained elsewhere, through the API."""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from onnx import ModelProto, numpy_helper

from tests.engine.learning.onnx_files.hostile import HOSTILE
from tests.support.api_world import BuildWorld, World
from tests.support.exported_model import Exported, put
from vision_customization.contract.limits import API_VERSIONS
from vision_customization.engine.api.routes import model_import as imports
from vision_customization.engine.learning.detection.artifact import export_detector
from vision_customization.engine.learning.pretrained.nanodet import with_classes
from vision_customization.engine.learning.pretrained.nanodet_weights import read_nanodet

UNNAMED_KIND = {"trainingDatasetName": "cats", "timeBudgetInHours": 1}

Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize("version", API_VERSIONS)
def test_an_imported_model_is_as_if_it_had_been_trained_here(world: World, exported: Exported, version: str) -> None:
    reply = put(world, exported, version=version)
    assert reply.status_code == 201, reply.text
    model = reply.json()
    assert model.pop("createdDateTime") == model.pop("updatedDateTime")
    assert model == {
        "name": "m",
        "status": "succeeded",
        "trainingParameters": exported.metadata["trainingParameters"],
        "evaluationParameters": exported.metadata["evaluationParameters"],
        "trainingCostInMinutes": 3,
        "modelPerformance": exported.metadata["performance"],
        "artifact": exported.metadata["artifact"],
    }
    file = world.call("GET", "models/m/artifact")
    assert (file.content, file.headers["x-ms-artifact-digest"]) == (exported.onnx, exported.digest)
    assert world.call("GET", "models/m/artifact:metadata").json() == exported.metadata
    assert world.call("PUT", "publishedmodels/live", json={"modelName": "m"}).status_code == 201
    assert world.call("DELETE", "models/m").status_code == 204


def test_nobody_trains_an_imported_model(world: World, exported: Exported) -> None:
    put(world, exported)
    assert world.jobs.trainings == []
    assert world.store.unfinished().models == ()
    assert world.store.models.training_seconds() == 0.0
    assert world.models.loaded == [world.store.models.find("m").id], "its first caller need not wait"


def test_an_imported_model_can_be_handed_on(world: World, exported: Exported) -> None:
    put(world, exported, digest=exported.digest)
    metadata = world.call("GET", "models/m/artifact:metadata").json()
    assert put(world, exported, name="n", metadata=metadata).status_code == 201


def test_a_name_is_imported_to_once(world: World, exported: Exported) -> None:
    world.train("trained")
    world.call("PUT", "publishedmodels/live", json={"modelName": "trained"})
    put(world, exported)
    files = world.objects.names("models")
    for name in ("m", "trained", "live"):
        reply = put(world, exported, name=name)
        assert (reply.status_code, reply.json()["error"]["code"]) == (409, "ModelAlreadyExists")
    assert world.objects.names("models") == files
    assert world.objects.names("imports") == []


def test_an_imported_detector_has_its_tiles(world: World, exported: Exported, weights_dir: Path) -> None:
    labels = exported.metadata["labels"]
    weights = with_classes(read_nanodet(weights_dir), labels, np.random.default_rng(0))
    onnx = export_detector(weights, labels, 416, "", tiles=3)
    digest = hashlib.sha256(onnx).hexdigest()
    artifact = {"digest": digest, "sizeBytes": len(onnx)}
    parameters = {**UNNAMED_KIND, "modelKind": "Generic-Detector", "tiles": 3}
    metadata = {**exported.metadata, "kind": "Generic-Detector", "trainingParameters": parameters, "artifact": artifact}
    sent = {"onnx": onnx, "digest": f"sha256:{digest}"}
    other = {**metadata, "trainingParameters": {**parameters, "tiles": 2}}
    refused(world, put(world, exported, metadata=other, **sent), "metadata", "tiles is 2, but the model file has 3")
    reply = put(world, exported, metadata=metadata, **sent)
    assert reply.status_code == 201, reply.text
    assert reply.json()["trainingParameters"] == parameters
    assert world.store.models.find("m").tiles == 3
    handed_on = world.call("GET", "models/m/artifact:metadata").json()
    assert handed_on["trainingParameters"] == parameters


def without(*keys: str) -> Change:
    return lambda metadata: [metadata.pop(key) for key in keys]


@pytest.mark.parametrize(
    ("change", "target", "said"),
    [
        (without("labels"), "metadata.labels", "Field required"),
        (without("trainingParameters"), "metadata.trainingParameters", "Field required"),
        (without("artifact"), "metadata.artifact", "Field required"),
        (lambda metadata: metadata.update(labels=["cat", "cow"]), "metadata", "its labels are not those of the model file"),
        (lambda metadata: metadata.update(features="0" * 16), "metadata", "Update both engines to the same version"),
        (
            lambda metadata: metadata.update(kind="Generic-Detector"),
            "model",
            "has no output boxes, classes, scores: it is not a detector",
        ),
        (
            lambda metadata: metadata["trainingParameters"].update(tiles=2),
            "metadata.trainingParameters.tiles",
            "must be 1 for a Generic-Classifier",
        ),
        (
            lambda metadata: metadata.update(trainingParameters={**UNNAMED_KIND, "tiles": 2}),
            "metadata",
            "trainingParameters.tiles: must be 1 for a Generic-Classifier",
        ),
        (lambda metadata: metadata.update(kind="Nonsense"), "metadata.kind", "Input should be"),
        (lambda metadata: metadata["artifact"].update(digest="0" * 64), "metadata", "it belongs to the file 0000"),
        (lambda metadata: metadata.update(trainingCostInMinutes=2**40), "metadata.trainingCostInMinutes", "less than"),
        (lambda metadata: metadata.update(extra=float("nan")), "metadata", "not JSON"),
    ],
)
def test_a_sidecar_that_does_not_fit_is_refused(
    world: World, exported: Exported, change: Change, target: str, said: str
) -> None:
    metadata = json.loads(json.dumps(exported.metadata))
    change(metadata)
    refused(world, put(world, exported, metadata=metadata), target, said)


@pytest.mark.parametrize(
    ("changes", "target", "said"),
    [
        ({"digest": None}, "x-ms-artifact-digest", "Field required"),
        ({"digest": "md5:1"}, "x-ms-artifact-digest", "should match pattern"),
        ({"digest": "sha256:" + "0" * 64}, "model", "damaged in transit"),
        ({"onnx": b"onnx"}, "model", "damaged in transit"),
        ({"metadata": b"{"}, "metadata", "not JSON"),
        ({"metadata": b"[]"}, "metadata", "not a JSON object"),
        ({"metadata": b" " * (16 * 1024 * 1024 + 1)}, "metadata", "longer than 16,777,216 bytes"),
        ({"files": {"metadata": b"{}"}}, "model", "no part 'model'"),
        ({"files": {"model": b"x"}}, "metadata", "no part 'metadata'"),
        ({"files": None, "json": {}}, "Content-Type", "expected multipart/form-data"),
    ],
)
def test_what_cannot_be_imported_is_refused(
    world: World, exported: Exported, changes: dict[str, Any], target: str, said: str
) -> None:
    refused(world, put(world, exported, **changes), target, said)


def test_a_file_that_is_no_classifier_is_refused(world: World, exported: Exported) -> None:
    metadata = {**exported.metadata, "artifact": {"digest": hashlib.sha256(b"onnx").hexdigest(), "sizeBytes": 4}}
    reply = put(world, exported, onnx=b"onnx", metadata=metadata, digest=metadata["artifact"]["digest"])
    refused(world, reply, "model", "it is not an ONNX file")


def put_changed(world: World, exported: Exported, onnx: bytes) -> httpx.Response:
    digest = hashlib.sha256(onnx).hexdigest()
    metadata = {**exported.metadata, "artifact": {"digest": digest, "sizeBytes": len(onnx)}}
    return put(world, exported, onnx=onnx, metadata=metadata, digest=digest)


@pytest.mark.parametrize(("change", "said"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_file_is_refused(world: World, exported: Exported, change: Callable[[ModelProto], object], said: str) -> None:
    model = ModelProto.FromString(exported.onnx)
    change(model)
    reply = put_changed(world, exported, model.SerializeToString())
    assert reply.status_code == 400, reply.text
    error = reply.json()["error"]
    assert (error["code"], error["target"]) == ("InvalidRequest", "model")
    assert re.search(said, error["message"])
    assert world.store.models.page(0, 1) == []
    assert world.objects.names("models") == world.objects.names("imports") == []


def test_a_model_that_fails_for_an_image_is_refused(world: World, exported: Exported) -> None:
    model = ModelProto.FromString(exported.onnx)
    weights = next(tensor for tensor in model.graph.initializer if tensor.name.endswith("_conv_stem.weight"))
    weights.CopyFrom(numpy_helper.from_array(np.zeros((1, 1, 1, 1), np.float32), weights.name))
    reply = put_changed(world, exported, model.SerializeToString())
    refused(world, reply, "model", "it fails for an image of 50 × 50 pixels")


def test_a_model_that_is_too_slow_is_refused(world: World, build_world: BuildWorld, exported: Exported) -> None:
    impatient = build_world(world.settings.model_copy(update={"analyze_seconds": 1e-6}))
    refused(impatient, put(impatient, exported), "model", "it takes longer than 1e-06 s")


@pytest.mark.parametrize(
    "head",
    [
        b'Content-Type: image/jpeg; name="x.jpg"\r\nContent-Disposition: form-data; name="model"',
        b'Content-Disposition: form-data; filename="my name=foo.onnx"; name="model"',
        b"Content-Disposition: form-data; filename*=utf-8''%C3%B6.onnx; name=model",
        b'Content-Disposition: form-data; name="model"\r\n\r\n1\r\n--x\r\nContent-Disposition: form-data; name="model"',
    ],
    ids=["name in another header", "name in the file name", "unquoted", "twice"],
)
def test_the_forms_of_other_clients_are_read(world: World, exported: Exported, head: bytes) -> None:
    metadata = b'--x\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n' + json.dumps(exported.metadata).encode()
    content = metadata + b"\r\n--x\r\n" + head + b"\r\n\r\n" + exported.onnx + b"\r\n--x--\r\n"
    headers = {"x-ms-artifact-digest": exported.digest, "Content-Type": "multipart/form-data; boundary=x"}
    reply = world.call("PUT", "models/m/artifact", content=content, headers=headers)
    assert reply.status_code == 201, reply.text


@pytest.mark.parametrize("content", [b"", b"--x--"])
def test_an_empty_form_is_refused(world: World, exported: Exported, content: bytes) -> None:
    headers = {"x-ms-artifact-digest": exported.digest, "Content-Type": "multipart/form-data; boundary=x"}
    reply = world.call("PUT", "models/m/artifact", content=content, headers=headers)
    assert reply.status_code == 400


def test_a_body_that_is_too_long_is_refused(world: World, exported: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "IMPORT_BYTES_MAX", 1000)
    reply = put(world, exported)
    assert (reply.status_code, reply.json()["error"]["message"]) == (413, "The body is longer than 1,000 bytes.")


def refused(world: World, reply: httpx.Response, target: str, said: str) -> None:
    assert reply.status_code == 400, reply.text
    error = reply.json()["error"]
    assert (error["code"], error["target"]) == ("InvalidRequest", target)
    assert said in error["message"]
    assert world.call("GET", "models/m").status_code == 404
    assert world.objects.names("models") == []
    assert world.objects.names("imports") == []
