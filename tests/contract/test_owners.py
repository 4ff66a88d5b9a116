import pytest

from vision_customization.contract.owners import Owner, owner_of, pulumi_owner


@pytest.mark.parametrize(
    ("managed_by", "owner", "said"),
    [
        ("pulumi:photos/dev", Owner("pulumi", "photos", "dev"), "the Pulumi stack `photos/dev`"),
        (
            "pulumi:my.photos_2/eu-west.1",
            Owner("pulumi", "my.photos_2", "eu-west.1"),
            "the Pulumi stack `my.photos_2/eu-west.1`",
        ),
        ("terraform:photos/dev", Owner("terraform", "photos", "dev"), "terraform:photos/dev"),
        # A custom property can have any text.
        ("the team next door", Owner("the team next door"), "the team next door"),
        ("pulumi:", Owner("pulumi:"), "pulumi:"),
        ("pulumi:photos", Owner("pulumi:photos"), "pulumi:photos"),
        ("pulumi:photos/dev/x", Owner("pulumi:photos/dev/x"), "pulumi:photos/dev/x"),
        ("pulumi:photos/dev\n", Owner("pulumi:photos/dev\n"), "pulumi:photos/dev\n"),
    ],
)
def test_owner_of(managed_by: str, owner: Owner, said: str) -> None:
    assert owner_of(managed_by) == owner
    assert str(owner) == said


@pytest.mark.parametrize("managed_by", [None, ""])
def test_what_nobody_manages_has_no_owner(managed_by: str | None) -> None:
    assert owner_of(managed_by) is None


def test_what_a_stack_declares_is_read_back() -> None:
    assert owner_of(pulumi_owner("photos", "dev")) == Owner("pulumi", "photos", "dev")
