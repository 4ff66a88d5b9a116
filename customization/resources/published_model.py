"""The PublishedModel resource: a stable name that applications call, and the model behind it."""

from collections.abc import Sequence

import pulumi
from pulumi import dynamic

from vision_customization.customization.resources.connection import CONNECTION_PROPERTIES, client
from vision_customization.customization.resources.evaluation import Evaluation
from vision_customization.customization.resources.model import ModelResource
from vision_customization.customization.resources.owner import other_owner, this_stack
from vision_customization.customization.resources.provider import Properties, VisionProvider, name_failures
from vision_customization.customization.resources.row import Row, row_urn


class PublishedModelProvider(VisionProvider):
    noun = "published name"
    inputs = (*CONNECTION_PROPERTIES[:2], "published_name", "model_name", "managed_by")
    identity = ("endpoint", "published_name")

    def check(self, _olds: Properties, news: Properties) -> dynamic.CheckResult:
        remedy = "Give this PublishedModel another `published_name`"
        return dynamic.CheckResult(news, name_failures("published_name", news.get("published_name"), remedy))

    def diff(self, _id: str, olds: Properties, news: Properties) -> dynamic.DiffResult:
        changed = self.changed(olds, news)
        return self.difference(olds, changed, sorted(changed & {"published_name"}))

    def create(self, props: Properties) -> dynamic.CreateResult:
        self._publish(props)
        self.keep(props)
        return dynamic.CreateResult(props["published_name"], props)

    def apply(self, olds: Properties, news: Properties) -> Properties:  # noqa: ARG002
        self._publish(news)
        return news

    def look(self, properties: Properties) -> Properties:
        published = client(properties).get_published_model(properties["published_name"])
        return {"model_name": published.model_name, **other_owner(published.managed_by, properties)}

    def remove(self, properties: Properties) -> None:
        client(properties).unpublish_model(properties["published_name"])

    @staticmethod
    def _publish(properties: Properties) -> None:
        client(properties).publish_model(
            properties["published_name"], properties["model_name"], managed_by=properties.get("managed_by")
        )
        Row(properties["row_urn"]).say(f"'{properties['published_name']}' answers with {properties['model_name']}")


class PublishedModel(dynamic.Resource, module="vision", name="PublishedModel"):
    """A name that `model-name` of analyze accepts. It switches to another model without a gap, and only after that model's
    `evaluations` have passed their gates."""

    published_name: pulumi.Output[str]
    model_name: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        *,
        model: ModelResource,
        evaluations: Sequence[Evaluation] = (),
        published_name: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__(
            PublishedModelProvider(),
            name,
            {
                **model.service.properties(),
                "published_name": published_name or name,
                "model_name": model.model_name,
                "managed_by": this_stack(),
                "row_urn": row_urn(name, f"pulumi-python:{self._resource_type_name}", opts),
            },
            pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=list(evaluations))),
        )
