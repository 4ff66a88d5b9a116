"""Published names, an extension of the contract."""

from typing import Annotated

from pydantic import AfterValidator

from vision_customization.contract.gate import faults
from vision_customization.contract.wire import ManagedBy, Name, Timestamp, Wire


def _judgeable(require: dict[str, float]) -> dict[str, float]:
    if found := faults(require):
        raise ValueError("; ".join(found))
    return require


Gate = Annotated[dict[str, float], AfterValidator(_judgeable)]
"""Metric → the least that a model must reach to be published (`calibrationECE`: the most), each in 0…1; see `contract.gate`."""


class PublishedModelPut(Wire):
    """Extension. Body of `PUT /publishedmodels/{name}`: the model that the name answers with from now on.

    `require` is the name's gate, which every later model must pass, too. Without it, the stored gate stays; an empty one
    removes it. The gate judges the metrics of `evaluation` (an evaluation of the model); without it, the model's own metrics.
    Without `managed_by`, the stored owner stays.
    """

    model_name: Name
    require: Gate | None = None
    evaluation: Name | None = None
    managed_by: ManagedBy | None = None


class PublishedModel(Wire):
    """Extension: a stable name that `model-name` of analyze accepts, and the model behind it."""

    name: str
    model_name: str
    created_date_time: Timestamp
    updated_date_time: Timestamp
    require: dict[str, float] | None = None
    managed_by: str | None = None


class Publication(Wire):
    """Extension: a name answered with this model from `published_date_time` on, until the next publication.

    `available` says whether this very model still exists: another one may have its name. `published_by` is absent for what an
    older engine published. `reason` is why the gate was overridden, if it was. `evaluation` is the model's evaluation that the
    gate judged; it is absent if the gate judged the model's own metrics.
    """

    model_name: str
    published_date_time: Timestamp
    published_by: str | None = None
    reason: str | None = None
    evaluation: str | None = None
    available: bool
