"""The custom role and its assignment as they are declared, with Pulumi's engine played."""

import pulumi

from tests.components.azure.played_engine import Engine
from vision_customization.components.azure.blob_adder import BlobAdder
from vision_customization.components.azure.roles import adder_id, assignment_name

GROUP = "/subscriptions/sub-1/resourceGroups/vision-dev"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/visiondev123456"
CONTAINER = f"{ACCOUNT}/blobServices/default/containers/training"
BLOBS = "Microsoft.Storage/storageAccounts/blobServices/containers/blobs"


def test_the_role_reads_and_adds_and_is_assigned_on_the_container_alone(engine: Engine) -> None:
    @pulumi.runtime.test
    def program() -> pulumi.Output[str]:
        adder = BlobAdder(
            "vision-engine-adds",
            subscription_id="sub-1",
            group_id=GROUP,
            account_name="visiondev123456",
            scope=CONTAINER,
            principal_id="engine",
        )
        return adder.assignment_id

    program()
    guid = adder_id(ACCOUNT)
    assert engine.declared["RoleDefinition"] == {
        "scope": GROUP,
        "roleDefinitionId": guid,
        "roleName": "Vision Blob Adder (visiondev123456)",
        "roleType": "CustomRole",
        "description": "Reads blobs and adds new ones, but neither overwrites nor deletes any.",
        "permissions": [
            {"actions": [], "notActions": [], "dataActions": [f"{BLOBS}/read", f"{BLOBS}/add/action"], "notDataActions": []}
        ],
        "assignableScopes": [GROUP],
    }
    assert engine.declared["RoleAssignment"] == {
        "scope": CONTAINER,
        "principalId": "engine",
        "principalType": "ServicePrincipal",
        "roleDefinitionId": f"/subscriptions/sub-1/providers/Microsoft.Authorization/roleDefinitions/{guid}",
        "roleAssignmentName": assignment_name(CONTAINER, "engine", guid),
    }
