"""What another stack exports of its models, as it is taken."""

import pytest

from stacks.promotion import PromotionError, promotable

MODEL = {"name": "leaves-01234567", "status": "succeeded", "artifactDigest": "a" * 64, "performance": {}}


def test_the_name_and_the_digest_are_taken() -> None:
    assert promotable({"leaves": MODEL}, "dev", "leaves") == {"name": "leaves-01234567", "artifactDigest": "a" * 64}


@pytest.mark.parametrize(
    ("models", "said"),
    [
        (None, "stack 'dev' exports no models. Run `pulumi up --stack dev` first"),
        ({}, "stack 'dev' has no model 'leaves'; its models are: none"),
        ({"trees": MODEL}, "stack 'dev' has no model 'leaves'; its models are: trees. Choose one with promoteModel"),
        ({"leaves": {**MODEL, "status": "failed"}}, "model 'leaves' of stack 'dev' is failed, and only a succeeded model"),
        ({"leaves": {"name": "leaves"}}, "model 'leaves' of stack 'dev' is not trained, and only a succeeded model"),
        ({"leaves": {**MODEL, "artifactDigest": None}}, "stack 'dev' does not export the artifactDigest of its model 'leaves'"),
    ],
)
def test_what_cannot_be_promoted_is_named(models: object, said: str) -> None:
    with pytest.raises(PromotionError, match=said):
        promotable(models, "dev", "leaves")
