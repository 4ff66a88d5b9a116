"""BlobAdder: a custom role that reads and adds blobs, but neither overwrites nor deletes any, for one identity on a container.

None of Azure's built-in roles has this right: Storage Blob Data Contributor also overwrites and deletes.
"""

import pulumi
from pulumi_azure_native import authorization

from vision_customization.components.azure.roles import ADD_BLOBS, READ_BLOBS, adder_id, assignment_name, definition_id

LABEL = "Vision Blob Adder"


class BlobAdder(pulumi.ComponentResource):
    """The definition of the role in a resource group, and its assignment on a container.

    GUID and name of the role are derived from the storage account, so they are always the same, and no other stack has them.
    Azure allows a Put Blob of a new name with `blobs/add/action`, and demands `blobs/write` for a name that exists.
    """

    assignment_id: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        subscription_id: pulumi.Input[str],
        group_id: pulumi.Input[str],
        account_name: pulumi.Input[str],
        scope: pulumi.Input[str],
        principal_id: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """
        Args:
            group_id: ARM id of the storage account's resource group: the role can be assigned only there.
            account_name: of the storage account, unique in all of Azure.
            scope: ARM id of a container in that account.
            principal_id: object id of a managed identity.
        """
        super().__init__("vision-customization:index:BlobAdder", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        definition = authorization.RoleDefinition(
            f"{name}-role",
            scope=group_id,
            # From the group alone, so that the role exists well before the container that it is assigned on.
            role_definition_id=pulumi.Output.concat(
                group_id, "/providers/Microsoft.Storage/storageAccounts/", account_name
            ).apply(adder_id),
            role_name=pulumi.Output.concat(LABEL, " (", account_name, ")"),
            role_type="CustomRole",
            description="Reads blobs and adds new ones, but neither overwrites nor deletes any.",
            # The empty lists are in Azure's answer, too: without them, a refresh would show a difference.
            permissions=[
                authorization.PermissionArgs(
                    actions=[], not_actions=[], data_actions=[READ_BLOBS, ADD_BLOBS], not_data_actions=[]
                )
            ],
            assignable_scopes=[group_id],
            opts=child,
        )
        assignment = authorization.RoleAssignment(
            name,
            scope=scope,
            principal_id=principal_id,
            principal_type="ServicePrincipal",
            # By the definition's name, so that the definition is created before the assignment and deleted after it.
            role_definition_id=pulumi.Output.all(subscription_id, definition.name).apply(lambda known: definition_id(*known)),
            role_assignment_name=pulumi.Output.all(scope, principal_id, definition.name).apply(
                lambda known: assignment_name(known[0], known[1], known[2])
            ),
            opts=child,
        )
        self.assignment_id = assignment.id
        self.register_outputs({"assignmentId": self.assignment_id})
