import pytest

from tests.customization.resources.test_model import SUCCEEDED
from vision_customization.contract.models import Model
from vision_customization.customization.resources.takeover import takeover_line

OURS = "pulumi:photos/dev"


@pytest.mark.parametrize(
    ("found", "line"),
    [
        ({}, "trained already: taken over"),
        ({"managedBy": OURS}, "trained already: taken over"),
        ({"status": "training", "managedBy": OURS}, "resuming the training that an earlier update started"),
        ({"status": "training", "managedBy": "studio"}, "a training under this name runs already: taken over"),
        ({"status": "training"}, "a training under this name runs already: taken over"),
        (None, "resuming the training that an earlier update started"),
    ],
)
def test_what_the_row_says(found: dict[str, object] | None, line: str) -> None:
    model = None if found is None else Model.model_validate({**SUCCEEDED, **found})
    assert takeover_line(model, OURS) == line
