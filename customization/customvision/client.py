"""Reads a project through Custom Vision's training API 3.x."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self, TypeVar

from vision_customization.common.errors import VisionError
from vision_customization.contract.wire import Wire
from vision_customization.customization.client.transport import RestApi, RetryPolicy, TokenCredential, Transport
from vision_customization.customization.customvision.wire import (
    COMPLETED,
    Domain,
    Image,
    ImagePerformance,
    Iteration,
    IterationPerformance,
    Project,
    Tag,
)
from vision_customization.customization.errors import NotFound, Unreachable

TRAINING_API = RestApi("/customvision/v3.3/training", {}, "Training-Key")

PAGE_IMAGES = 256
"""The most images of an answer (`take` of the SDK's get_tagged_images)."""

PROBABILITY_THRESHOLD = 0.5
OVERLAP_THRESHOLD = 0.3
"""Custom Vision's defaults: which predictions count, and how much a box must overlap (intersection over union)."""

_NAMES_SHOWN = 20

Body = TypeVar("Body", bound=Wire)


class CustomVision:
    """One Custom Vision resource.

    Args:
        endpoint: `https://{name}.cognitiveservices.azure.com`.
        credential: the training key, or an Entra credential of azure-identity.

    Every method raises `RequestError` (a subclass by status) if the service refuses, `Unreachable` if it does not answer.
    """

    def __init__(
        self,
        endpoint: str,
        credential: str | TokenCredential,
        *,
        retry: RetryPolicy | None = None,
        on_silence: Callable[[str], None] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._transport = Transport(
            endpoint,
            credential,
            timeout_seconds=None,
            retry=retry or RetryPolicy(),
            sleep=sleep,
            on_silence=on_silence,
            api=TRAINING_API,
        )

    @property
    def endpoint(self) -> str:
        return self._transport.endpoint

    def __repr__(self) -> str:
        return f"CustomVision({self.endpoint!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._transport.close()

    def project(self, name_or_id: str) -> Project:
        """Raises VisionError if no project, or more than one, has this name or id."""
        known = self._list(Project, "/projects")
        found = [project for project in known if name_or_id in (project.id, project.name)]
        if len(found) == 1:
            return found[0]
        if found:
            ids = ", ".join(project.id for project in found)
            raise VisionError(f"{len(found)} projects are named {name_or_id!r}. Name one by its id: {ids}")
        names = ", ".join(repr(project.name) for project in known[:_NAMES_SHOWN]) or "none"
        more = f" and {len(known) - _NAMES_SHOWN:,} more" if len(known) > _NAMES_SHOWN else ""
        raise VisionError(f"{self.endpoint} has no project {name_or_id!r}. Its projects are: {names}{more}")

    def domain(self, domain_id: str) -> Domain:
        return self._get(Domain, f"/domains/{domain_id}")

    def tags(self, project: Project) -> list[Tag]:
        return self._list(Tag, f"/projects/{project.id}/tags")

    def count_images(self, project: Project, kind: str) -> int:
        """How many images are `tagged`, or `untagged`."""
        count = self._transport.send("GET", f"/projects/{project.id}/images/{kind}/count").json()
        if type(count) is not int:
            raise Unreachable("the answer is not a number of images. Is the endpoint right?")
        return count

    def image_pages(self, project: Project, kind: str) -> Iterator[list[Image]]:
        """The `tagged`, or the `untagged`, images, the oldest first: images that are added meanwhile come last."""
        yield from self._pages(Image, f"/projects/{project.id}/images/{kind}")

    def images(self, project: Project, ids: list[str]) -> list[Image]:
        """These images, with URLs that are valid from now on."""
        return self._list(Image, f"/projects/{project.id}/images/id", {"imageIds": ",".join(ids)})

    def trained_iterations(self, project: Project) -> list[Iteration]:
        """Those with a model, the newest first."""
        found = self._list(Iteration, f"/projects/{project.id}/iterations")
        trained = [iteration for iteration in found if iteration.status == COMPLETED]
        return sorted(trained, key=lambda iteration: (iteration.trained_at is not None, iteration.trained_at), reverse=True)

    def performance(self, project: Project, iteration: Iteration) -> IterationPerformance | None:
        """The metrics at the thresholds above; None if the service has none."""
        path = f"/projects/{project.id}/iterations/{iteration.id}/performance"
        thresholds = {"threshold": str(PROBABILITY_THRESHOLD), "overlapThreshold": str(OVERLAP_THRESHOLD)}
        try:
            return self._get(IterationPerformance, path, thresholds)
        except NotFound:
            return None

    def image_performances(self, project: Project, iteration: Iteration) -> Iterator[ImagePerformance]:
        """The iteration's predictions for the images that Custom Vision evaluated it on, if it kept them."""
        try:
            for page in self._pages(ImagePerformance, f"/projects/{project.id}/iterations/{iteration.id}/performance/images"):
                yield from page
        except NotFound:
            return

    def _pages(self, kind: type[Body], path: str) -> Iterator[list[Body]]:
        skip = 0
        while True:
            page = self._list(kind, path, {"take": str(PAGE_IMAGES), "skip": str(skip), "orderBy": "Oldest"})
            if page:
                yield page
            if len(page) < PAGE_IMAGES:
                return
            skip += len(page)

    def _get(self, kind: type[Body], path: str, params: Mapping[str, str] | None = None) -> Body:
        return _parsed(kind, self._transport.send("GET", path, params=params).json(), path)

    def _list(self, kind: type[Body], path: str, params: Mapping[str, str] | None = None) -> list[Body]:
        items = self._transport.send("GET", path, params=params).json()
        if not isinstance(items, list):
            raise Unreachable(f"GET {path}: the answer is not a list of Custom Vision. Is the endpoint right?")
        return [_parsed(kind, item, path) for item in items]


def _parsed(kind: type[Body], body: Any, path: str) -> Body:  # noqa: ANN401 - whatever the service sent
    try:
        return kind.model_validate(body)
    except ValueError:
        raise Unreachable(f"GET {path}: the answer is not a {kind.__name__} of Custom Vision. Is the endpoint right?") from None
