"""The identity that the engine runs as: one of the stack's own, or one that exists."""

from dataclasses import dataclass

import pulumi
from pulumi_azure_native import managedidentity

from vision_customization.components.azure.existing import TYPES, ArmId
from vision_customization.components.azure.place import Place


@dataclass(frozen=True)
class EngineIdentity:
    """A user-assigned identity: its ARM id, the id of its application, and its object id."""

    id: pulumi.Output[str]
    client_id: pulumi.Output[str]
    principal_id: pulumi.Output[str]

    @classmethod
    def existing(cls, id_: pulumi.Output[str], parent: pulumi.Resource) -> "EngineIdentity":
        """Look one up by its ARM id."""
        known = id_.apply(lambda given: ArmId.of("identity", given, TYPES["identity"]))
        found = managedidentity.get_user_assigned_identity_output(
            resource_group_name=known.resource_group, resource_name=known.name, opts=pulumi.InvokeOptions(parent=parent)
        )
        return cls(id_, found.client_id, found.principal_id)

    @classmethod
    def made(cls, name: str, place: Place, identity_name: str, opts: pulumi.ResourceOptions) -> "EngineIdentity":
        made = managedidentity.UserAssignedIdentity(
            name,
            resource_group_name=place.resource_group_name,
            resource_name_=identity_name,
            location=place.location,
            tags=place.tags,
            opts=opts,
        )
        return cls(made.id, made.client_id, made.principal_id)
