"""Regions, and the Azure AI Vision account."""

from collections.abc import Iterator

from .rule import ANY, UNKNOWN, Resource, Rule, Settings, expect

ACCOUNT = "azure-native:cognitiveservices:Account"

GLOBAL_TYPES = ("azure-native:privatedns:", "azure-native:monitor:ActionGroup")
"""Services without a region of their own; Azure calls their location `global`."""


def in_allowed_region(resource: Resource, settings: Settings) -> Iterator[str]:
    location = resource.at("location")
    if not resource.type.startswith("azure-native:") or location is None or location is UNKNOWN:
        return
    region = str(location).replace(" ", "").lower()
    allowed = settings.texts("regions")
    if region not in allowed and not (region == "global" and resource.type.startswith(GLOBAL_TYPES)):
        yield f"location is {location!r}; this stack allows {', '.join(allowed)}"


def is_computer_vision(resource: Resource, _settings: Settings) -> Iterator[str]:
    yield from expect(resource, "kind", "ComputerVision")
    yield from expect(resource, "sku.name", "S1")


def has_subdomain(resource: Resource, _settings: Settings) -> Iterator[str]:
    if not resource.at("properties.customSubDomainName"):
        yield "properties.customSubDomainName is not set; it must be a name of the account's own"


def refuses_keys(resource: Resource, _settings: Settings) -> Iterator[str]:
    yield from expect(resource, "properties.disableLocalAuth", True)


def reads_named_hosts(resource: Resource, _settings: Settings) -> Iterator[str]:
    yield from expect(resource, "properties.restrictOutboundNetworkAccess", True)
    if not resource.at("properties.allowedFqdnList"):
        yield "properties.allowedFqdnList is not set; it must name the storage account's host"


RULES = (
    Rule(
        name="allowed-region",
        says="Resources are in East US, or in the other regions that the stack allows.",
        why="Images are often personal data: they stay in an allowed region.",
        fix="Set the stack's `location` to an allowed one, or allow it with `regions` in the stack's policy configuration.",
        types=(ANY,),
        settings={
            "regions": {
                "type": "array",
                "items": {"type": "string", "pattern": "^[a-z0-9]+$"},
                "minItems": 1,
                "default": ["eastus"],
            }
        },
        check=in_allowed_region,
    ),
    Rule(
        name="vision-kind-and-sku",
        says="The Vision account is of kind ComputerVision and SKU S1.",
        why="Other kinds have a different contract; F0 is limited to 20 calls per minute and one account per subscription.",
        fix='Set `kind` to "ComputerVision" and `sku.name` to "S1".',
        types=(ACCOUNT,),
        check=is_computer_vision,
    ),
    Rule(
        name="vision-custom-subdomain",
        says="The Vision account has a custom subdomain.",
        why="Entra identities and private endpoints need the account's own subdomain, and it can't be changed later.",
        fix="Set `properties.customSubDomainName`.",
        types=(ACCOUNT,),
        check=has_subdomain,
    ),
    Rule(
        name="vision-no-local-auth",
        says="The Vision account refuses keys.",
        why="A key identifies no user, does not expire and can be copied; callers have identities.",
        fix="Set `properties.disableLocalAuth` to true, and give each caller the role Cognitive Services User.",
        types=(ACCOUNT,),
        check=refuses_keys,
    ),
    Rule(
        name="vision-outbound-hosts",
        says="The Vision account reads images only from hosts that the stack names.",
        why="An account that calls any host can be made to call one in the caller's interest, or to carry data out.",
        fix="Set `properties.restrictOutboundNetworkAccess` to true, and name hosts by the stack's `imageHosts`, without `*`.",
        types=(ACCOUNT,),
        check=reads_named_hosts,
    ),
)
