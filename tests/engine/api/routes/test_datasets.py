"""Datasets as callers see them."""

import re
from typing import Any

import pytest

from tests.support.api_world import BuildWorld, World
from vision_customization.contract.enums import AnnotationKind, AuthenticationKind
from vision_customization.engine.api.routes.datasets import uri_fault


def token_of(world: World) -> str | None:
    token = world.store.datasets.sas_token(world.store.datasets.find("cats"))
    return None if token is None else str(token.get_secret_value())


def test_a_registered_dataset(world: World) -> None:
    sas = {"kind": "SAS", "sasToken": "?sv=2021&sig=Hidden%2B"}
    reply = world.register("cats", authentication=sas, customProperties={"k": "v"}, unknownKey=1, authenticationKind="sas")
    assert reply.status_code == 201
    body = reply.json()
    assert body.keys() == {
        "name",
        "annotationKind",
        "annotationFileUris",
        "authentication",
        "customProperties",
        "createdDateTime",
        "updatedDateTime",
        "eTag",
    }
    assert body["authentication"] == {"kind": "sas"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", body["createdDateTime"])
    assert reply.headers["etag"] == f'"{body["eTag"]}"'
    assert world.call("GET", "datasets/cats").json() == body
    assert world.call("GET", "datasets").json() == {"value": [body]}
    assert token_of(world) == "sv=2021&sig=Hidden%2B"


@pytest.mark.parametrize(
    ("authentication", "shown"),
    [
        (None, None),
        ({"kind": "none"}, None),  # a published client raises on this kind
        ({"kind": "managedIdentity"}, {"kind": "managedIdentity"}),
        ({"Kind": "ManagedIdentity", "SasToken": None}, {"kind": "managedIdentity"}),
    ],
)
def test_authentication_as_it_is_shown(world: World, authentication: object, shown: object) -> None:
    assert world.register("cats", authentication=authentication).json().get("authentication") == shown


@pytest.mark.parametrize(
    ("authentication", "expected"),
    [
        ({"kind": "sas"}, "needs a SAS token"),
        ({"kind": "sas", "sasToken": " ? "}, "needs a SAS token"),
        ({"kind": "sas", "sasToken": "https://a.blob.core.windows.net/c?sig=Hidden"}, "this is a URL. Expected only the token"),
        ({"kind": "sas", "sasToken": "Hidden"}, "not a SAS token"),
        ({"kind": "sas", "sasToken": "sig=Hidden and more"}, "not a SAS token"),
        ({"kind": "sas", "sasToken": "sig=Hidden" * 500}, "not a SAS token"),
        ({"kind": "none", "sasToken": "sig=Hidden"}, "allowed only with authentication of kind 'sas'"),
        ({"kind": "key", "sasToken": "sig=Hidden"}, "'managedIdentity'"),
        ({"sasToken": "sig=Hidden"}, "authentication.kind"),
        ("sas", "authentication"),
    ],
)
def test_authentication_that_is_refused_without_repeating_it(world: World, authentication: object, expected: str) -> None:
    reply = world.register("cats", authentication=authentication)
    assert reply.status_code == 400
    assert expected in reply.json()["error"]["message"]
    assert "Hidden" not in reply.text


@pytest.mark.parametrize(
    ("uri", "fault"),
    [
        ("https://acct.blob.core.windows.net/c/train.json", None),
        ("http://127.0.0.1:10000/devstoreaccount1/c/a%20b.json", None),
        ("HTTPS://HOST/c/t.json?snapshot=2024", None),
        ("train.json", "not absolute"),
        ("/c/train.json", "not absolute"),
        ("ftp://host/c/train.json", "not absolute"),
        ("https:///c/train.json", "not absolute"),
        ("AmlDatastore://ws/c/train.json", "not absolute"),
        ("https://host", "names no file"),
        ("https://host/", "names no file"),
        ("https://host/c/my train.json", "percent-encode it"),
        ("https://host:port/c/t.json", "cannot be read"),
        ("https://[::1/c/t.json", "cannot be read"),
        ("https://me:secret@host/c/t.json", "a user name"),
        ("https://host/c/t.json?sv=1&sig=secret", "authentication.sasToken"),
        ("https://host/" + "c" * 2048, "longer than 2048"),
        ("https://host/c/../t.json", "'..' segment"),
        ("https://my host.example/c/t.json".replace(" ", "!"), "does not name a valid host"),
        ("", "not absolute"),
    ],
)
def test_what_can_be_the_address_of_an_annotation_file(uri: str, fault: str | None) -> None:
    found = uri_fault(uri)
    assert (found is None) == (fault is None), found
    assert fault is None or (fault in (found or "") and "secret" not in (found or ""))


@pytest.mark.parametrize(
    ("changes", "target"),
    [
        ({"annotationFileUris": []}, "annotationFileUris"),
        ({"annotationFileUris": [f"https://h/c/{index}.json" for index in range(11)]}, "annotationFileUris"),
        ({"customProperties": {str(index): "v" for index in range(11)}}, "customProperties"),
        ({"customProperties": {**{str(index): "v" for index in range(11)}, "managedBy": "pulumi:p/s"}}, "customProperties"),
        ({"customProperties": {"k": 1}}, "customProperties.k"),
        ({"annotationKind": "multilabel"}, "annotationKind"),
        ({"annotationKind": None}, "annotationKind"),
    ],
)
def test_limits(world: World, changes: dict[str, Any], target: str) -> None:
    reply = world.register("cats", **changes)
    assert (reply.status_code, reply.json()["error"]["target"]) == (400, target)


def test_who_manages_a_dataset_is_not_one_of_its_ten_custom_properties(world: World) -> None:
    properties = {**{str(index): "v" for index in range(10)}, "managedBy": "pulumi:photos/dev"}
    assert world.register("cats", customProperties=properties).json()["customProperties"] == properties
    assert world.store.datasets.find("cats").managed_by == "pulumi:photos/dev"
    assert world.call("PATCH", "datasets/cats", json={"customProperties": {}}).status_code == 200
    assert world.store.datasets.find("cats").managed_by is None


def test_the_same_address_twice_is_kept(world: World) -> None:
    uris = ["https://h/c/t.json", "https://h/c/t.json"]
    assert world.register("cats", annotationFileUris=uris).json()["annotationFileUris"] == uris


def test_an_update_changes_what_it_names(world: World) -> None:
    first = world.register("cats", authentication={"kind": "sas", "sasToken": "sig=1"}, customProperties={"a": "1"}).json()
    reply = world.call("PATCH", "datasets/cats", json={"annotationKind": "imageClassification", "CustomProperties": {"b": "2"}})
    second = reply.json()
    assert reply.headers["etag"] == f'"{second["eTag"]}"'
    assert second["eTag"] != first["eTag"]
    assert second["customProperties"] == {"b": "2"}
    same = ("name", "annotationKind", "annotationFileUris", "authentication", "createdDateTime")
    assert {key: second[key] for key in same} == {key: first[key] for key in same}
    world.call("PATCH", "datasets/cats", json={"annotationKind": "imageObjectDetection"})
    assert world.store.datasets.find("cats").annotation_kind is AnnotationKind.IMAGE_OBJECT_DETECTION


def test_what_was_read_can_be_sent_back(world: World) -> None:
    body = world.register("cats", authentication={"kind": "sas", "sasToken": "sig=1"}).json()
    assert world.call("PATCH", "datasets/cats", json=body).status_code == 200
    assert token_of(world) == "sig=1"
    world.call("PATCH", "datasets/cats", json={"authentication": {"kind": "sas", "sasToken": "sig=2"}})
    assert token_of(world) == "sig=2"
    world.call("PATCH", "datasets/cats", json={"authentication": {"kind": "managedIdentity"}})
    record = world.store.datasets.find("cats")
    assert (record.authentication_kind, record.sas_token_encrypted) == (AuthenticationKind.MANAGED_IDENTITY, None)
    assert world.call("PATCH", "datasets/cats", json={"authentication": {"kind": "sas"}}).status_code == 400


ELSEWHERE = "https://other.blob.core.windows.net/c/train.json"


def test_a_token_does_not_follow_the_files_to_another_container(world: World) -> None:
    world.register("cats", authentication={"kind": "sas", "sasToken": "sig=Hidden"})
    before = world.store.datasets.find("cats")
    for changes in (
        {"annotationFileUris": [ELSEWHERE]},
        {"annotationFileUris": ["https://acct.blob.core.windows.net/other/train.json"]},
        {"annotationFileUris": [*before.annotation_file_uris, ELSEWHERE], "authentication": {"kind": "sas"}},
    ):
        reply = world.call("PATCH", "datasets/cats", json=changes)
        assert (reply.status_code, reply.json()["error"]["target"]) == (400, "authentication.sasToken")
        assert "token is for https://acct.blob.core.windows.net/c and is not sent elsewhere" in reply.json()["error"]["message"]
        assert "Hidden" not in reply.text
    assert world.store.datasets.find("cats") == before
    inside = {"annotationFileUris": ["https://acct.blob.core.windows.net/c/folder/test.json"]}
    assert world.call("PATCH", "datasets/cats", json=inside).status_code == 200
    assert token_of(world) == "sig=Hidden"


@pytest.mark.parametrize(
    ("authentication", "token", "scopes"),
    [
        ({"kind": "sas", "sasToken": "sig=2"}, "sig=2", ("https://other.blob.core.windows.net/c",)),
        ({"kind": "none"}, None, ()),
    ],
)
def test_the_files_move_with_a_token_or_without_authentication(
    world: World, authentication: object, token: str | None, scopes: tuple[str, ...]
) -> None:
    world.register("cats", authentication={"kind": "sas", "sasToken": "sig=1"})
    changes = {"annotationFileUris": [ELSEWHERE], "authentication": authentication}
    assert world.call("PATCH", "datasets/cats", json=changes).status_code == 200
    assert (token_of(world), world.store.datasets.find("cats").sas_scopes) == (token, scopes)


@pytest.mark.parametrize("form", ["{}", '"{}"', 'W/"{}"', '"other", "{}"', "*", ""])
def test_if_match_in_every_form(world: World, form: str) -> None:
    tag = world.register("cats").json()["eTag"]
    reply = world.call("PATCH", "datasets/cats", json={}, headers={"If-Match": form.format(tag)})
    assert reply.status_code == 200
    reply = world.call("DELETE", "datasets/cats", headers={"If-Match": form.format(tag)})
    assert reply.status_code == (204 if form in ("*", "") else 412), "the update has changed the eTag"


def test_pages_lead_to_the_end(world: World) -> None:
    names = [f"d{index}" for index in range(12)]
    for name in names:
        world.register(name)
    first = world.call("GET", "datasets").json()
    assert [item["name"] for item in first["value"]] == names[:10]
    link = first["nextLink"]
    assert link == "http://engine.test:8080/computervision/datasets?skip=10&top=10&api-version=2023-04-01-preview"
    second = world.call("GET", link, version=None).json()
    assert [item["name"] for item in second["value"]] == names[10:]
    assert "nextLink" not in second
    assert "nextLink" not in world.call("GET", "datasets?top=12").json()


def test_a_link_behind_a_proxy(world: World, build_world: BuildWorld) -> None:
    behind = build_world(world.settings.model_copy(update={"public_url": "https://vision.example/"}))
    for name in "ab":
        behind.register(name)
    link = behind.call("GET", "datasets?top=1&skip=0", version="2023-02-01-preview").json()["nextLink"]
    assert link == "https://vision.example/computervision/datasets?skip=1&top=1&api-version=2023-02-01-preview"
