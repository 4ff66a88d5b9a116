"""VisionAccount: the Azure AI Vision resource, whose prebuilt features stay reachable through the engine."""

import pulumi
from pulumi_azure_native import cognitiveservices

LOCATIONS = ("eastus", "westus2", "westeurope")
"""Where model customization was offered: East US, West US 2, West Europe."""


class VisionAccount(pulumi.ComponentResource):
    """An Azure AI Vision account: kind ComputerVision, SKU S1, with a system-assigned identity and a subdomain of its own.

    Its keys are switched off: who calls it does so by an Entra identity with the role Cognitive Services User.
    """

    account_id: pulumi.Output[str]
    """ARM id."""
    endpoint: pulumi.Output[str]
    """`https://<subdomain>.cognitiveservices.azure.com/`."""
    principal_id: pulumi.Output[str]
    """Object id of the account's own identity."""

    def __init__(
        self,
        name: str,
        *,
        resource_group_name: pulumi.Input[str],
        account_name: str,
        subdomain: str,
        location: str = LOCATIONS[0],
        public_network: bool = True,
        restore: bool = False,
        tags: dict[str, str] | None = None,
        protect: bool = False,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """
        Args:
            account_name: unique in the resource group, 2–64 characters.
            subdomain: unique in all of Azure.
            location: one of `LOCATIONS`.
            public_network: whether it answers from outside of private endpoints.
            restore: bring back a soft-deleted account of this name, which blocks the name for 48 hours otherwise.
            protect: refuse to destroy it.

        Raises:
            ValueError: another location.
        """
        if location not in LOCATIONS:
            raise ValueError(f"location '{location}': Azure AI Vision's customization was offered in {', '.join(LOCATIONS)}")
        super().__init__("vision-customization:index:VisionAccount", name, None, opts)
        account = cognitiveservices.Account(
            name,
            resource_group_name=resource_group_name,
            account_name=account_name,
            location=location,
            kind="ComputerVision",
            sku=cognitiveservices.SkuArgs(name="S1"),
            identity=cognitiveservices.IdentityArgs(type=cognitiveservices.ResourceIdentityType.SYSTEM_ASSIGNED),
            properties=cognitiveservices.AccountPropertiesArgs(
                custom_sub_domain_name=subdomain,
                disable_local_auth=True,
                public_network_access="Enabled" if public_network else "Disabled",
                network_acls=cognitiveservices.NetworkRuleSetArgs(default_action="Allow" if public_network else "Deny"),
                restrict_outbound_network_access=False,
                restore=True if restore else None,
            ),
            tags=tags,
            # Only a create restores; without this, taking the setting back would be a difference.
            opts=pulumi.ResourceOptions(parent=self, protect=protect, ignore_changes=["properties.restore"]),
        )
        self.account_id = account.id
        self.endpoint = pulumi.Output.format("https://{0}.cognitiveservices.azure.com/", subdomain)
        self.principal_id = account.identity.apply(lambda identity: identity.principal_id if identity else "")
        self.register_outputs({"endpoint": self.endpoint, "principalId": self.principal_id})
