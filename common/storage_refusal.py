"""What Azure Storage means by a 403: only one of its codes is that of a missing role, which waiting may help."""

ROLE_MISSING = "AuthorizationPermissionMismatch"
"""The caller's roles, or its SAS token, do not allow the operation. A new role answers so for minutes."""

NETWORK_CLOSED = "AuthorizationFailure"
"""The account's network rules, or its disabled public access, do not let the caller in. No role changes that.

Both: https://learn.microsoft.com/troubleshoot/azure/azure-storage/blobs/authentication/storage-troubleshoot-403-errors
"""

_WRONG_CREDENTIALS = {
    "AuthenticationFailed": "the key, token or signature is wrong or has expired",
    "KeyBasedAuthenticationNotPermitted": "the account takes no keys and no SAS tokens signed by a key: use an Entra identity",
}


def code_of_azure(code: str | None, server: str | None) -> str | None:
    """The code of an answer with this header `Server`. None if it is Azurite's: that answers `AuthorizationFailure` to a wrong
    SAS token."""
    return None if server is not None and server.startswith("Azurite") else code


def why_refused(code: str | None, who: str, missing: str) -> str:
    """Why storage answered 401 or 403, and what to do, as the second half of a sentence.

    Args:
        code: Azure's error code, from the answer's header `x-ms-error-code`.
        who: the caller.
        missing: what to say if the caller lacks a right, or if Azure does not say why.
    """
    if code == NETWORK_CLOSED:
        return (
            f"the network rules of the storage account do not let {who} in. Call from a network that reaches the account's "
            "private endpoint, or allow the caller's network in the account's firewall. A role does not help"
        )
    return _WRONG_CREDENTIALS.get(code or "", missing)
