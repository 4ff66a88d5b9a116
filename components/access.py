"""BlobReader, BlobContributor, VisionUser: one role for one identity, on no more than it needs."""

import pulumi
from pulumi_azure_native import authorization

from components.roles import PrincipalType, Role, assignment_name


class RoleGrant(pulumi.ComponentResource):
    """One role for one principal on one scope. The assignment's name is made from the three, so it is the same every time."""

    assignment_id: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        role: Role,
        *,
        subscription_id: str,
        scope: pulumi.Input[str],
        principal_id: pulumi.Input[str],
        principal_type: PrincipalType = "ServicePrincipal",
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """
        Args:
            scope: ARM id of what the role is for.
            principal_id: object id of the identity.
            principal_type: `ServicePrincipal` for managed identities and pipelines. Named, since a fresh identity is not found
                in the directory for a while.
        """
        super().__init__(f"vision-customization:index:{type(self).__name__}", name, None, opts)
        assignment = authorization.RoleAssignment(
            name,
            scope=scope,
            principal_id=principal_id,
            principal_type=principal_type,
            role_definition_id=role.definition_id(subscription_id),
            role_assignment_name=pulumi.Output.all(scope, principal_id).apply(
                lambda known: assignment_name(known[0], known[1], role)
            ),
            # The new assignment of a changed principal has another name, so both may be there for a moment.
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.assignment_id = assignment.id
        self.register_outputs({"assignmentId": self.assignment_id})


class BlobReader(RoleGrant):
    """Storage Blob Data Reader for an identity on a container."""

    def __init__(
        self,
        name: str,
        *,
        subscription_id: str,
        container_id: pulumi.Input[str],
        principal_id: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(
            name,
            Role.STORAGE_BLOB_DATA_READER,
            subscription_id=subscription_id,
            scope=container_id,
            principal_id=principal_id,
            opts=opts,
        )


class BlobContributor(RoleGrant):
    """Storage Blob Data Contributor for an identity, a person or a pipeline on a container."""

    def __init__(
        self,
        name: str,
        *,
        subscription_id: str,
        container_id: pulumi.Input[str],
        principal_id: pulumi.Input[str],
        principal_type: PrincipalType = "ServicePrincipal",
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(
            name,
            Role.STORAGE_BLOB_DATA_CONTRIBUTOR,
            subscription_id=subscription_id,
            scope=container_id,
            principal_id=principal_id,
            principal_type=principal_type,
            opts=opts,
        )


class VisionUser(RoleGrant):
    """Cognitive Services User for an identity on a Vision account: it may call the prebuilt features."""

    def __init__(
        self,
        name: str,
        *,
        subscription_id: str,
        account_id: pulumi.Input[str],
        principal_id: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(
            name,
            Role.COGNITIVE_SERVICES_USER,
            subscription_id=subscription_id,
            scope=account_id,
            principal_id=principal_id,
            opts=opts,
        )
