import stat
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from vision_customization.contract.enums import AnnotationKind, AuthenticationKind
from vision_customization.engine.errors import SettingsError
from vision_customization.engine.settings import Settings
from vision_customization.engine.store import AlreadyExists, DatasetRecord, NotFound, PreconditionFailed, Store

TOKEN = "sv=2021&sig=NeverInClear"


def register(store: Store, name: str = "cats", **changes: object) -> DatasetRecord:
    values = {"authentication_kind": AuthenticationKind.SAS, "sas_token": SecretStr(TOKEN), "custom_properties": {"k": "v"}}
    uris = ["https://a.blob.core.windows.net/c/t.json"] * 2
    return store.datasets.create(name, AnnotationKind.IMAGE_CLASSIFICATION, uris, **{**values, **changes})  # type: ignore[arg-type]


def test_a_dataset_comes_back_as_it_was_registered(store: Store) -> None:
    record = register(store)
    assert store.datasets.find("cats") == record
    assert store.datasets.sas_token(record) == SecretStr(TOKEN)
    assert record.sas_scopes == ("https://a.blob.core.windows.net/c",)
    assert record.annotation_file_uris == ("https://a.blob.core.windows.net/c/t.json",) * 2
    assert record.created == record.updated
    assert record.created.utcoffset() is not None


@pytest.mark.parametrize(
    ("kind", "token", "identity"),
    [
        (AuthenticationKind.SAS, SecretStr(TOKEN), False),
        (AuthenticationKind.MANAGED_IDENTITY, None, True),
        (AuthenticationKind.NONE, None, False),
        (None, None, True),
    ],
)
def test_how_a_datasets_blobs_are_read(
    kind: AuthenticationKind | None, token: SecretStr | None, identity: bool, store: Store
) -> None:
    access = store.datasets.access(register(store, authentication_kind=kind, sas_token=token))
    assert (access.sas, access.identity) == (token, identity)
    scope = "https://a.blob.core.windows.net/c" if token else None
    assert access.scope_of("https://a.blob.core.windows.net/c/images/1.jpg?x=1") == scope
    for elsewhere in ("https://a.blob.core.windows.net/d/1.jpg", "https://b.blob.core.windows.net/c/1.jpg", "c/1.jpg"):
        assert access.scope_of(elsewhere) is None


def test_a_name_is_taken_once(store: Store) -> None:
    register(store)
    with pytest.raises(AlreadyExists, match="'cats' is already taken by a dataset"):
        register(store)
    register(store, "Cats")  # names differ by case


def test_an_update_replaces_what_is_given(store: Store) -> None:
    first = register(store)
    second = store.datasets.update("cats", custom_properties={"a": "b"})
    assert (second.custom_properties, second.annotation_file_uris) == ({"a": "b"}, first.annotation_file_uris)
    assert (second.sas_token_encrypted, second.sas_scopes) == (first.sas_token_encrypted, first.sas_scopes)
    assert second.e_tag != first.e_tag
    assert second.updated >= first.updated
    third = store.datasets.update("cats", authentication=(AuthenticationKind.NONE, None))
    assert (third.authentication_kind, store.datasets.sas_token(third), third.sas_scopes) == (AuthenticationKind.NONE, None, ())


def test_an_e_tag_guards_updates_and_deletion(store: Store) -> None:
    record = register(store)
    with pytest.raises(PreconditionFailed):
        store.datasets.update("cats", if_match=frozenset({"old"}), custom_properties={})
    with pytest.raises(PreconditionFailed):
        store.datasets.delete("cats", if_match=frozenset({"old"}))
    assert store.datasets.find("cats") == record
    store.datasets.delete("cats", if_match=frozenset({"old", record.e_tag}))
    for call in (store.datasets.find, store.datasets.delete, store.datasets.update):
        with pytest.raises(NotFound, match="no dataset 'cats'"):
            call("cats")


def test_pages_are_in_the_order_of_registration(store: Store) -> None:
    for name in "dbca":
        register(store, name)
    assert [record.name for record in store.datasets.page(1, 2)] == ["b", "c"]
    store.datasets.delete("d")
    register(store, "e")
    assert [record.name for record in store.datasets.page(0, 10)] == ["b", "c", "a", "e"]
    assert store.datasets.page(2**31 - 1, 30) == []


def test_a_token_is_nowhere_in_clear(settings: Settings, store: Store) -> None:
    register(store)
    store.close()
    for file in settings.data_dir.iterdir():
        assert b"NeverInClear" not in file.read_bytes(), file
    key_file = settings.data_dir / "token.key"
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    again = Store.open(settings)
    record = again.datasets.find("cats")
    token = again.datasets.sas_token(record)
    again.close()
    assert token == SecretStr(TOKEN)
    assert "NeverInClear" not in repr(token)
    assert str(record.sas_token_encrypted) not in repr(record)


def test_a_lost_key_is_said(settings: Settings, store: Store) -> None:
    register(store)
    store.close()
    other = Store.open(settings.model_copy(update={"token_key": SecretStr(Fernet.generate_key().decode())}))
    record = other.datasets.find("cats")
    assert other.datasets.page(0, 10) == [record]
    with pytest.raises(SettingsError, match="encrypted with another key"):
        other.datasets.sas_token(record)
    with pytest.raises(SettingsError, match=r"token of dataset 'cats' cannot be decrypted.*Set the token again"):
        other.datasets.access(record)
    again = other.datasets.update("cats", authentication=(AuthenticationKind.SAS, SecretStr("sig=new")))
    assert other.datasets.sas_token(again) == SecretStr("sig=new")
    other.close()


def test_a_token_key_must_be_one(settings: Settings) -> None:
    with pytest.raises(SettingsError, match="token_key is not a Fernet key"):
        Store.open(settings.model_copy(update={"token_key": SecretStr("short")}))


def test_a_token_key_whose_file_was_cut_is_named_with_its_remedy(tmp_path: Path) -> None:
    for content in ("", "c2hvcnQ="):
        file = tmp_path / "token.key"
        file.write_text(content)
        with pytest.raises(SettingsError, match=rf"{file} is not a Fernet key: .* If it is lost, delete the file") as told:
            Store.open(Settings(data_dir=tmp_path))
        assert not content or content not in str(told.value)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ["a_b", "Cats", "cats-test", "dogs"]),
        ("CAT", ["Cats", "cats-test"]),
        ("s-t", ["cats-test"]),
        ("_", ["a_b"]),  # no wildcard
        ("%", []),
        ("x", []),
    ],
)
def test_datasets_by_a_part_of_their_names(store: Store, text: str, names: list[str]) -> None:
    for name in ("dogs", "cats-test", "Cats", "a_b"):
        store.datasets.create(name, AnnotationKind.IMAGE_CLASSIFICATION, ["https://acct.blob.core.windows.net/c/t.json"])
    count, found = store.datasets.matching(text, 0, 50)
    assert (count, [record.name for record in found]) == (len(names), names)
    assert [record.name for record in store.datasets.matching(text, 1, 2)[1]] == names[1:3]
