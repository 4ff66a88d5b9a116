"""The subnets of a network, laid out in one range of addresses: pure arithmetic."""

from dataclasses import dataclass
from ipaddress import IPv4Network

ADDRESS_PREFIX = "10.42.0.0/23"

PRIVATE_RANGES = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")))
"""RFC 1918 and RFC 6598."""

RESERVED_RANGES = tuple(
    map(
        IPv4Network,
        (
            *("169.254.0.0/16", "172.30.0.0/16", "172.31.0.0/16", "192.0.2.0/24"),
            *("100.100.0.0/17", "100.100.128.0/19", "100.100.160.0/19", "100.100.192.0/19"),
        ),
    )
)
"""What Container Apps with workload profiles use themselves
(https://learn.microsoft.com/azure/container-apps/custom-virtual-networks#subnet-address-range-restrictions)."""

LARGEST, SMALLEST = 16, 25
"""The lengths of the prefixes that can be laid out."""


@dataclass(frozen=True)
class AddressPlan:
    """The ranges of the three subnets.

    Azure's least sizes are /27 for apps, which gives 70 replicas
    (https://learn.microsoft.com/azure/container-apps/custom-virtual-networks#subnet), and /28 for the database
    (https://learn.microsoft.com/azure/postgresql/flexible-server/concepts-networking-private#virtual-network-concepts).
    """

    apps: IPv4Network
    database: IPv4Network
    endpoints: IPv4Network

    @classmethod
    def of(cls, prefix: str) -> "AddressPlan":
        """Lay out a range such as `10.42.0.0/23`: half of it for the apps, then a /28 for the database and a /27 for endpoints.

        A range of /22 or larger is laid out as earlier versions did, since a subnet in use can't move.

        Raises:
            ValueError: not a range, too small or too large, not private, or reserved by Container Apps.
        """
        whole = _private_range(prefix)
        first = int(whole.network_address)
        if whole.prefixlen <= 22:
            return cls(IPv4Network((first, 23)), IPv4Network((first + 512, 28)), IPv4Network((first + 768, 24)))
        apps, rest = whole.subnets(prefixlen_diff=1)
        start = int(rest.network_address)
        return cls(apps, IPv4Network((start, 28)), IPv4Network((start + 32, 27)))


def _private_range(prefix: str) -> IPv4Network:
    try:
        whole = IPv4Network(prefix)
    except ValueError as error:
        raise ValueError(f"{prefix!r} is not a range of IPv4 addresses ({error}). Use one like {ADDRESS_PREFIX}") from None
    if not LARGEST <= whole.prefixlen <= SMALLEST:
        raise ValueError(f"{prefix} has the prefix length {whole.prefixlen}. Use a range of /{LARGEST} to /{SMALLEST}")
    if not any(whole.subnet_of(private) for private in PRIVATE_RANGES):
        raise ValueError(f"{prefix} is not private. Use a range in {', '.join(map(str, PRIVATE_RANGES))}")
    for reserved in RESERVED_RANGES:
        if whole.overlaps(reserved):
            raise ValueError(f"{prefix} overlaps with {reserved}, which Container Apps use themselves. Use another range")
    return whole
