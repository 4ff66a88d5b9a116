import pytest

from vision_customization.contract.content_reference import content_reference, digest_of_reference


def test_a_reference_is_read_back() -> None:
    assert digest_of_reference(content_reference("a" * 64)) == "a" * 64


@pytest.mark.parametrize(
    "text", ["", "a" * 64, "sha256:abc", "sha256:" + "A" * 64, "sha256:" + "a" * 65, "latest", "sha256: " + "a" * 64]
)
def test_what_is_not_a_reference_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="64 hex digits"):
        digest_of_reference(text)
