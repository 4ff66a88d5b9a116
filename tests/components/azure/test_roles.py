"""What permissions allow, and how assignments are named."""

import uuid

import pytest

from vision_customization.components.azure.roles import Permission, Role, adder_id, assignment_name, missing_actions

WRITE = "Microsoft.Storage/storageAccounts/write"
ASSIGN = "Microsoft.Authorization/roleAssignments/write"


@pytest.mark.parametrize(
    ("permissions", "missing"),
    [
        # Owner
        ([Permission(("*",))], []),
        # Contributor
        ([Permission(("*",), ("Microsoft.Authorization/*/Delete", "Microsoft.Authorization/*/Write"))], [ASSIGN]),
        # what one role does not allow, another may
        ([Permission(("*",), ("Microsoft.Authorization/*",)), Permission(("Microsoft.Authorization/roleAssignments/*",))], []),
        # Reader
        ([Permission(("*/read",))], [WRITE, ASSIGN]),
        # letter case does not count, and a dot is a dot
        ([Permission(("microsoft.storage/STORAGEACCOUNTS/*",)), Permission(("MicrosoftxAuthorization/*",))], [ASSIGN]),
        ([], [WRITE, ASSIGN]),
    ],
)
def test_missing_actions(permissions: list[Permission], missing: list[str]) -> None:
    assert missing_actions(permissions, (WRITE, ASSIGN)) == missing


def test_an_assignment_has_one_name() -> None:
    name = assignment_name("/subscriptions/s/RG", "Someone", Role.STORAGE_BLOB_DATA_READER)
    assert str(uuid.UUID(name)) == name
    assert name == assignment_name("/Subscriptions/S/rg", "someone", Role.STORAGE_BLOB_DATA_READER)
    others = {
        assignment_name("/subscriptions/s/RG2", "Someone", Role.STORAGE_BLOB_DATA_READER),
        assignment_name("/subscriptions/s/RG", "Someone else", Role.STORAGE_BLOB_DATA_READER),
        assignment_name("/subscriptions/s/RG", "Someone", Role.STORAGE_BLOB_DATA_CONTRIBUTOR),
    }
    assert len(others | {name}) == 4


def test_a_name_once_given_stays() -> None:
    """It is in everybody's state and subscription."""
    assert assignment_name("/s", "p", Role.STORAGE_BLOB_DATA_READER) == "630a15a1-ba11-59f9-91db-e23b5bc1e5d8"
    assert adder_id("/S/account") == adder_id("/s/Account") == "50608d3b-da63-57f3-b21e-5c2f14345e74"
    assert adder_id("/s/other") != adder_id("/s/account")


def test_labels() -> None:
    assert Role.STORAGE_BLOB_DATA_READER.label == "Storage Blob Data Reader"
    assert Role.COGNITIVE_SERVICES_USER.definition_id("s").endswith("/roleDefinitions/a97b65f3-24c7-4388-baec-2e87135dc908")
