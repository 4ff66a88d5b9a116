"""Calls for published models. All of them are extensions of the contract."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from vision_customization.contract.published_models import Publication, PublishedModel, PublishedModelPut
from vision_customization.customization.client.client_calls import ClientCalls, segment
from vision_customization.customization.client.typed_calls import parse


class PublishedModelCalls(ClientCalls):
    """The part of `VisionClient` about published names and their history."""

    def publish_model(
        self,
        name: str,
        model_name: str,
        *,
        require: Mapping[str, float] | None = None,
        evaluation: str | None = None,
        managed_by: str | None = None,
    ) -> PublishedModel:
        """Publish `model_name` as `name`, replacing the model that `name` answered with before.

        Args:
            require: the gate that this model and all later ones must pass: metric → minimum (`calibrationECE`: maximum). None
                keeps the gate that the name has; an empty one removes it.
            evaluation: the model's evaluation whose metrics the gate judges. [default: the model's own metrics]
            managed_by: who manages the name, as `contract.owners` writes it; None keeps who manages it.

        Raises:
            GateMissed: the model does not pass the gate of the name.
        """
        body = PublishedModelPut(
            model_name=model_name,
            require=dict(require) if require is not None else None,
            evaluation=evaluation,
            managed_by=managed_by,
        ).to_wire()
        return parse(PublishedModel, self._transport.send("PUT", _path(name), json=body).json())

    def get_published_model(self, name: str) -> PublishedModel:
        return self._calls.get(PublishedModel, _path(name))

    def list_published_models(self) -> Iterator[PublishedModel]:
        return self._calls.list(PublishedModel, "/publishedmodels")

    def publication_history(self, name: str) -> Iterator[Publication]:
        """The models that a name answered with, the newest first; also of a name that is no longer published."""
        return self._calls.list(Publication, f"{_path(name)}/history")

    def unpublish_model(self, name: str) -> None:
        self._calls.delete(_path(name))


def _path(name: str) -> str:
    return f"/publishedmodels/{segment(name)}"
