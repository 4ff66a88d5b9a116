"""What is said of the codes with which Azure Storage refuses."""

import pytest

from vision_customization.common.storage_refusal import code_of_azure, why_refused


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("AuthorizationPermissionMismatch", "it lacks the role"),
        ("AuthorizationFailure", "the network rules of the storage account do not let the engine in"),
        ("AuthenticationFailed", "wrong or has expired"),
        ("KeyBasedAuthenticationNotPermitted", "the account takes no keys"),
        ("AccountIsDisabled", "it lacks the role"),
        (None, "it lacks the role"),
    ],
)
def test_each_code_has_its_cause(code: str | None, said: str) -> None:
    assert said in why_refused(code, "the engine", "it lacks the role")


@pytest.mark.parametrize(
    ("server", "code"),
    [
        ("Windows-Azure-Blob/1.0 Microsoft-HTTPAPI/2.0", "AuthorizationFailure"),
        (None, "AuthorizationFailure"),
        ("Azurite-Blob/3.35.0", None),
    ],
)
def test_azurites_code_for_a_wrong_token_is_not_azures_for_a_closed_network(server: str | None, code: str | None) -> None:
    assert code_of_azure("AuthorizationFailure", server) == code
