"""Names in Azure: given, or derived from one base, and checked against the rules of their kind of resource before use.

The rules are those of Azure's page "Naming rules and restrictions for Azure resources". A name that must be unique in
all of Azure ends with digits derived from the subscription and the base: the same on every machine, so that nothing is created
twice.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields

UNIQUE_DIGITS = 6


class NameNotAllowed(ValueError):
    """A name breaks Azure's rules. The message has the name, its value and the rule."""


@dataclass(frozen=True)
class _Rule:
    pattern: str
    says: str

    def check(self, what: str, name: str) -> None:
        if not re.fullmatch(self.pattern, name):
            raise NameNotAllowed(f"{what} '{name}': must have {self.says}")


def _label(longest: int) -> _Rule:
    return _Rule(
        rf"(?=.{{2,{longest}}}$)[a-z]([a-z0-9]|-(?!-))*[a-z0-9]",
        f"2–{longest} lowercase letters, digits or single '-', starting with a letter",
    )


RULES: Mapping[str, _Rule] = {
    "resource_group": _Rule(r"[\w().-]{0,89}[\w()-]", "1–90 letters, digits, '_', '-', '.', '(' or ')', not ending with '.'"),
    "vision_account": _Rule(
        r"[a-zA-Z0-9][a-zA-Z0-9.-]{1,62}[a-zA-Z0-9]|[a-zA-Z0-9]{2}",
        "2–64 letters, digits, '.' or '-', a letter or digit at both ends",
    ),
    "subdomain": _Rule(
        r"[a-zA-Z0-9][a-zA-Z0-9-]{0,62}[a-zA-Z0-9]", "2–64 letters, digits or '-', a letter or digit at both ends"
    ),
    "storage_account": _Rule(r"[a-z0-9]{3,24}", "3–24 lowercase letters and digits"),
    "identity": _Rule(r"[a-zA-Z0-9][\w-]{2,127}", "3–128 letters, digits, '-' or '_', starting with a letter or digit"),
    "log_workspace": _Rule(
        r"[a-zA-Z0-9][a-zA-Z0-9-]{2,61}[a-zA-Z0-9]", "4–63 letters, digits or '-', a letter or digit at both ends"
    ),
    "environment": _label(32),
    "engine": _label(32),
    "worker": _label(32),
    "worker_job": _label(32),
    "database_server": _Rule(
        r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", "3–63 lowercase letters, digits or '-', a letter or digit at both ends"
    ),
    "database_administrator": _Rule(
        r"[a-zA-Z0-9][\w-]{2,62}", "3–63 letters, digits, '-' or '_', starting with a letter or digit"
    ),
    "network": _Rule(r"[a-zA-Z0-9][\w.-]{0,62}\w|\w", "1–64 letters, digits, '_', '.' or '-'"),
    "key_vault": _Rule(
        r"(?=.{3,24}$)[a-zA-Z]([a-zA-Z0-9]|-(?!-))*[a-zA-Z0-9]",
        "3–24 letters, digits or single '-', starting with a letter, a letter or digit at the end",
    ),
}


@dataclass(frozen=True)
class AzureNames:
    """The names of a workspace's resources in Azure; `subdomain`, `storage_account`, `database_server` and
    `key_vault` are global."""

    resource_group: str
    vision_account: str
    subdomain: str
    storage_account: str
    identity: str
    log_workspace: str
    environment: str
    engine: str
    worker: str
    worker_job: str
    database_server: str
    database_administrator: str
    network: str
    key_vault: str

    def __post_init__(self) -> None:
        for field in fields(self):
            RULES[field.name].check(field.name.replace("_", " "), getattr(self, field.name))

    def worker_of(self, workers: str) -> str:
        """The name of the workers: `app` or `job`. When that changes, the new one is made before the old one is deleted, and
        Azure does not document whether an app and a job may have one name in an environment."""
        return self.worker_job if workers == "job" else self.worker

    @classmethod
    def of(cls, base: str, subscription_id: str, given: Mapping[str, str] | None = None) -> "AzureNames":
        """Names derived from `base`, except those in `given`.

        Args:
            base: lowercase letters, digits and '-', at most 20 of them, like `vision-dev`.
            given: field → name.

        Raises:
            NameNotAllowed: a name breaks one of Azure's rules.
        """
        _label(20).check("name", base)
        unique = hashlib.sha256(f"{subscription_id.lower()}/{base}".encode()).hexdigest()[:UNIQUE_DIGITS]
        made = {
            "resource_group": base,
            "vision_account": base,
            "subdomain": f"{base}-{unique}",
            "storage_account": f"{base.replace('-', '')[: 24 - UNIQUE_DIGITS]}{unique}",
            "identity": f"{base}-engine",
            "log_workspace": f"{base}-logs",
            "environment": f"{base}-apps",
            "engine": f"{base}-engine",
            "worker": f"{base}-worker",
            "worker_job": f"{base}-worker-job",
            "database_server": f"{base}-{unique}",
            "database_administrator": f"{base}-database",
            "network": f"{base}-net",
            "key_vault": f"{base[: 23 - UNIQUE_DIGITS].rstrip('-')}-{unique}",
        }
        return cls(**{**made, **(given or {})})
