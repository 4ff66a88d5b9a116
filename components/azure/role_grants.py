"""BlobReader, BlobContributor, QueueContributor, VisionUser, SecretReader, ImagePuller: one role for one identity, on the
smallest scope."""

from typing import ClassVar

import pulumi
from pulumi_azure_native import authorization

from vision_customization.components.azure.roles import Role, assignment_name


class RoleGrant(pulumi.ComponentResource):
    """One role for one principal on one scope. The assignment's name is derived from the three, so it is always the same."""

    role: ClassVar[Role]
    assignment_id: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        subscription_id: pulumi.Input[str],
        scope: pulumi.Input[str],
        principal_id: pulumi.Input[str],
        principal_type: pulumi.Input[str] = "ServicePrincipal",
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """
        Args:
            scope: ARM id of the resource that the role is for.
            principal_id: object id of the identity.
            principal_type: `ServicePrincipal` for managed identities and pipelines. Set explicitly, since
                Azure does not find a new identity in the directory for a while.
        """
        super().__init__(f"vision-customization:index:{type(self).__name__}", name, None, opts)
        assignment = authorization.RoleAssignment(
            name,
            scope=scope,
            principal_id=principal_id,
            principal_type=principal_type,
            role_definition_id=pulumi.Output.from_input(subscription_id).apply(self.role.definition_id),
            role_assignment_name=pulumi.Output.all(scope, principal_id).apply(
                lambda known: assignment_name(known[0], known[1], self.role)
            ),
            # The new assignment of a changed principal has another name, so both may exist for a moment.
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.assignment_id = assignment.id
        self.register_outputs({"assignmentId": self.assignment_id})


class BlobReader(RoleGrant):
    """Storage Blob Data Reader for an identity on a container."""

    role = Role.STORAGE_BLOB_DATA_READER


class BlobContributor(RoleGrant):
    """Storage Blob Data Contributor for an identity, a person or a pipeline on a container."""

    role = Role.STORAGE_BLOB_DATA_CONTRIBUTOR


class QueueContributor(RoleGrant):
    """Storage Queue Data Contributor for an identity on a queue."""

    role = Role.STORAGE_QUEUE_DATA_CONTRIBUTOR


class VisionUser(RoleGrant):
    """Cognitive Services User for an identity on a Vision account: it may call the prebuilt features."""

    role = Role.COGNITIVE_SERVICES_USER


class SecretReader(RoleGrant):
    """Key Vault Secrets User for an identity on a vault: it may read secrets."""

    role = Role.KEY_VAULT_SECRETS_USER


class ImagePuller(RoleGrant):
    """AcrPull for an identity on a container registry: it may pull images."""

    role = Role.ACR_PULL
