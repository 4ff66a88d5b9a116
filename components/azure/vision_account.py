"""VisionAccount: the Azure AI Vision resource, whose prebuilt features stay reachable through the engine."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import cognitiveservices

from vision_customization.components.azure.place import Place, region_name

LOCATIONS = ("eastus", "westus2", "westeurope")
"""Where model customization was offered: East US, West US 2, West Europe."""


@dataclass(frozen=True)
class VisionAccountArgs:
    """The arguments of an account.

    Attributes:
        place: its location is one of `LOCATIONS`.
        account_name: unique in the resource group, 2–64 characters.
        subdomain: unique in all of Azure.
        public_network: whether it answers outside private endpoints.
        restore: restore a soft-deleted account of this name, which otherwise blocks the name for 48 hours. Only while there
            is one: Azure refuses every other request that asks for it.
        protect: refuse to destroy it.
        image_hosts: hosts that it may read images from, where a caller names an image by its URL; None: any.
    """

    place: Place
    account_name: str
    subdomain: pulumi.Input[str]
    public_network: bool = True
    restore: pulumi.Input[bool] = False
    protect: bool = False
    image_hosts: Sequence[pulumi.Input[str]] | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for another location."""
        if region_name(self.place.location) not in LOCATIONS:
            raise ValueError(
                f"vision_location '{self.place.location}': Azure AI Vision's customization is available only in "
                f"{', '.join(LOCATIONS)}"
            )


class VisionAccount(pulumi.ComponentResource):
    """An Azure AI Vision account: kind ComputerVision, SKU S1, with a system-assigned identity and a subdomain of its own.

    Its keys are disabled: callers need an Entra identity with the role Cognitive Services User.
    """

    account_id: pulumi.Output[str]
    """ARM id."""
    endpoint: pulumi.Output[str]
    """`https://<subdomain>.cognitiveservices.azure.com/`."""
    principal_id: pulumi.Output[str]
    """Object id of the account's own identity."""

    def __init__(self, name: str, args: VisionAccountArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("vision-customization:index:VisionAccount", name, None, opts)
        account = self._account(name, args)
        self.account_id = account.id
        self.endpoint = pulumi.Output.format("https://{0}.cognitiveservices.azure.com/", args.subdomain)
        self.principal_id = account.identity.apply(lambda identity: identity.principal_id if identity else "")
        self.register_outputs({"endpoint": self.endpoint, "principalId": self.principal_id})

    def _account(self, name: str, args: VisionAccountArgs) -> cognitiveservices.Account:
        return cognitiveservices.Account(
            name,
            resource_group_name=args.place.resource_group_name,
            account_name=args.account_name,
            location=args.place.location,
            kind="ComputerVision",
            sku=cognitiveservices.SkuArgs(name="S1"),
            identity=cognitiveservices.IdentityArgs(type=cognitiveservices.ResourceIdentityType.SYSTEM_ASSIGNED),
            properties=cognitiveservices.AccountPropertiesArgs(
                custom_sub_domain_name=args.subdomain,
                disable_local_auth=True,
                public_network_access="Enabled" if args.public_network else "Disabled",
                network_acls=cognitiveservices.NetworkRuleSetArgs(default_action="Allow" if args.public_network else "Deny"),
                restrict_outbound_network_access=args.image_hosts is not None,
                allowed_fqdn_list=args.image_hosts,
                restore=pulumi.Output.from_input(args.restore).apply(lambda restores: True if restores else None),
            ),
            tags=args.place.tags,
            # `restore` must not be ignored: what is ignored stays in each later request, and Azure refuses it there.
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
        )
