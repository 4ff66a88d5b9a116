"""Remove secrets from a text: tokens, keys and passwords, recognized by their form or by the name before them.

Callers pass secrets that have neither (an API key is 32 hex digits, like a digest). For a URL from a user, `without_query` is
safer. Standard library only: the toolchain runs on a bare Python 3.9.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

HIDDEN = "***"

_EQUALS = r"(?:=|%3D)"
_QUOTE = r"\\*[\"']"
# A name in quotes and a colon, as in JSON, in JSON within a JSON string, and in a `repr`.
_COLON = rf"{_QUOTE}\s*:\s*"
_BASE64 = r"(?:[A-Za-z0-9+/_-]|%2[BF])"

_NAMED = (
    r"sas_?-?token"
    r"|shared_?access_?(?:signature|key)"
    r"|(?:account|storage|primary|secondary|shared|subscription|api|access|vision|private|token)[_-]?keys?"
    r"|vision_engine_keys"
    r"|(?:access|refresh|id|auth)[_-]token"
    r"|client_?-?secret"
    r"|[a-z]*password|pwd|passphrase"
)

# A key's text contains no other key's first line: searching beyond one would take quadratic time.
_PRIVATE_KEY = re.compile(
    r"-----BEGIN (?P<kind>[A-Z ]*)PRIVATE KEY-----"
    r"(?:(?:[^\"-]|-(?!----BEGIN ))*?-----END (?P=kind)PRIVATE KEY-----|(?:[A-Za-z0-9+/=\s]|\\+[rn])*)"
)
# The user name, too: it is often a token. A password may contain a raw slash, unless it starts like a port.
_USERINFO = re.compile(
    r"(?P<kept>[a-z][a-z0-9+.-]{0,30}://)"
    r"(?:[^\s/?#\"'<>]{1,512}@|[^\s/?#\"'<>:@\[]{0,128}:(?![0-9]{0,5}(?:[/?#\s\"'<>]|$))[^\s\"'<>]{1,512}@)",
    re.IGNORECASE,
)
# `name: value`, `"name": "value"`, and the pair of a list of headers.
_BETWEEN = rf"(?:\s*[:=]|{_QUOTE}\s*[:=,])\s*(?:b?{_QUOTE})?"
_HEADER = re.compile(rf"(?P<kept>\b(?:Ocp-Apim-Subscription-Key|api-key){_BETWEEN})[^\s\"'\\,;&)}}]+", re.IGNORECASE)
_AUTHORIZATION = re.compile(
    rf"(?P<kept>\bAuthorization{_BETWEEN}(?:Bearer|Basic|SharedKey|SharedKeyLite|Token)\s+)[^\s\"'\\,;)}}]+", re.IGNORECASE
)
_SCHEME = re.compile(r"(?P<kept>\b(?:Bearer|Basic|SharedKey)\s+)(?:[A-Za-z0-9]{3,24}:)?[A-Za-z0-9._~+/-]{16,}=*", re.IGNORECASE)
_QUOTED = re.compile(
    rf"(?P<kept>(?<![A-Za-z])(?:sig|{_NAMED})(?:{_EQUALS}|{_COLON})(?P<quote>{_QUOTE}))(?:(?!(?P=quote)).)*", re.IGNORECASE
)
_SIGNATURE = re.compile(
    rf"(?P<kept>(?<![A-Za-z])(?:sig|sastoken)\s*(?:{_EQUALS}|:)\s*|(?<![A-Za-z])signature{_EQUALS})(?:(?!%26)[^&\s\"'`\\,;|<>()}}*…])+",
    re.IGNORECASE,
)
_ASSIGNED = re.compile(rf"(?P<kept>(?<![A-Za-z])(?:{_NAMED}){_EQUALS})(?:(?!%26)[^\s\"'`\\&;|<>])+", re.IGNORECASE)
# A shared access signature is a query of its own, whose parts are joined by `&`.
_CONNECTION = re.compile(rf"(?P<kept>\bSharedAccessSignature{_EQUALS})[^\s\"'`\\;|<>]+", re.IGNORECASE)
_JWT = re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{5,}\.eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
# 64 bytes: a key of a storage account or of a log; 32: a key that this project generates. A base64 digest follows its name.
_KEY_64 = re.compile(rf"(?<![A-Za-z0-9+/_-])(?<!%2[BF]){_BASE64}{{86}}(?:==|%3D%3D)(?![A-Za-z0-9+/=])", re.IGNORECASE)
_KEY_32 = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{43}(?:=|%3D)(?![A-Za-z0-9+/=%])", re.IGNORECASE)
_KEY_OF_AZURE_AI = re.compile(r"(?<![A-Za-z0-9])[A-Za-z0-9]{52}JQQJ9[A-Za-z0-9]{27}(?![A-Za-z0-9])")

_NAMES = ("sig", "token", "key", "secret", "password", "pwd", "passphrase")
_PATTERNS = (
    (("://",), _USERINFO, rf"\g<kept>{HIDDEN}@"),
    (("private key",), _PRIVATE_KEY, HIDDEN),
    (("eyj",), _JWT, HIDDEN),
    (("==", "%3d%3d"), _KEY_64, HIDDEN),
    (("=", "%3d"), _KEY_32, HIDDEN),
    (("jqqj9",), _KEY_OF_AZURE_AI, HIDDEN),
    (("-key",), _HEADER, rf"\g<kept>{HIDDEN}"),
    (("authorization",), _AUTHORIZATION, rf"\g<kept>{HIDDEN}"),
    (("bearer", "basic", "sharedkey"), _SCHEME, rf"\g<kept>{HIDDEN}"),
    (("sharedaccesssignature",), _CONNECTION, rf"\g<kept>{HIDDEN}"),
    (_NAMES, _QUOTED, rf"\g<kept>{HIDDEN}"),
    (("sig", "sastoken"), _SIGNATURE, rf"\g<kept>{HIDDEN}"),
    (_NAMES, _ASSIGNED, rf"\g<kept>{HIDDEN}"),
)
"""Each with lower-case strings, one of which is in every match: most lines of a log have none, and skip the search."""


def redacted(text: str, secrets: Iterable[str] = ()) -> str:
    """The text with HIDDEN for each secret in it; `secrets` are those that the caller knows, in any form.

    JSON stays JSON, and names stay (`sig=***`), so that a reader sees what was removed.
    """
    for secret in secrets:
        if secret:
            text = text.replace(secret, HIDDEN)
    lower = text.lower()
    for hints, pattern, replacement in _PATTERNS:
        if any(hint in lower for hint in hints):
            text = pattern.sub(replacement, text)
    return text


def without_query(url: str) -> str:
    """A URL without the parts that may contain a secret: its query, its fragment, and the user name before the host."""
    return re.sub(r"^([a-zA-Z][a-zA-Z0-9+.-]*://)[^/]*@", r"\1", re.split(r"[?#]", url, maxsplit=1)[0])
