"""The name of a trained model: the declared name, and a short digest of what the training is made from.

`pulumi up` looks for a model under this name before it trains, and takes it over. So a training in the Studio under this name
saves the update that training.
"""

from __future__ import annotations

import hashlib
import json
import re

from vision_customization.contract.limits import NAME_DIGEST_LENGTH


def trained_name(declared: str, *, model_kind: str, training_digest: str, time_budget_in_hours: float, tiles: int = 1) -> str:
    """The name of the model that is declared as `declared`.

    Args:
        training_digest: the digest of the training dataset's content. A version of a dataset has the same one.
        time_budget_in_hours: whole hours.
    """
    made_from: dict[str, str | int] = {
        "model_kind": str(model_kind),
        "training_digest": training_digest,
        "time_budget_in_hours": int(time_budget_in_hours),
    }
    if tiles > 1:  # else the name from before `tiles` existed
        made_from["tiles"] = int(tiles)
    digest = hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()
    return f"{declared}-{digest[:NAME_DIGEST_LENGTH]}"


def is_trained_name(name: str, declared: str) -> bool:
    """Whether `name` is that of some training of the model that is declared as `declared`."""
    return re.fullmatch(rf"{re.escape(declared)}-[0-9a-f]{{{NAME_DIGEST_LENGTH}}}", name) is not None
