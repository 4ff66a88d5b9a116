"""Shared access signatures (SAS): finding them in texts, and finding out what they allow.

The parameters are those of Azure Storage's "Create an account SAS", "service SAS" and "user delegation SAS".
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

_TOKEN = re.compile(r"[^\s\"'<>;]*\bsig=[^\s\"'<>;]*")
_PREFIX = re.compile(r"^.*\?|^SharedAccessSignature=", re.IGNORECASE)


@dataclass(frozen=True)
class Signature:
    """A SAS token's parameters; the signature itself is left out."""

    parameters: dict[str, str]

    @property
    def is_for_account(self) -> bool:
        """An account SAS names services (`ss`) and resource types (`srt`): it is not bound to one container."""
        return "srt" in self.parameters or "ss" in self.parameters

    @property
    def is_by_identity(self) -> bool:
        """A user delegation SAS is signed with a key that an Entra identity (`skoid`) requested."""
        return "skoid" in self.parameters

    @property
    def writes(self) -> bool:
        return not set(self.parameters.get("sp", "?")) <= set("rl")

    def lifetime(self, now: datetime) -> timedelta | None:
        """From its start, or from now, to its expiry; None if it has no readable expiry."""
        expiry = _moment(self.parameters.get("se"))
        return None if expiry is None else expiry - (_moment(self.parameters.get("st")) or now)


def signatures_in(text: str) -> Iterator[Signature]:
    """The SAS tokens in a text: bare, in a URL, or in a connection string."""
    for match in _TOKEN.finditer(text):
        parameters = {name: values[0] for name, values in parse_qs(_PREFIX.sub("", match.group()).lstrip("?&")).items()}
        if "sig" in parameters and parameters.keys() & {"sv", "se", "sp", "si"}:
            yield Signature({name: value for name, value in parameters.items() if name != "sig"})


def _moment(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
