"""The engine behind the pictures of its Studio: a few calls of its API, and what the pictures need besides the stack's own."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from toolchain.browser.studio_views import FAILED, OBJECTS, RUNNING, UNREADABLE
from toolchain.commands import say
from toolchain.errors import ToolchainError
from toolchain.stacks.show import API_VERSION

OTHER = "pictures-other"
"""A second model of the same images, to compare the stack's own with. It stays on the engine, for the next pictures."""

TRAINED_SECONDS = 3600
FOLLOW_SECONDS = 2.0
ANSWER_SECONDS = 60
FINAL = ("succeeded", "failed", "cancelled")


class Service:
    """Calls of one engine, with its key."""

    def __init__(self, endpoint: str, key: str) -> None:
        self.endpoint = endpoint.rstrip("/")
        self._key = key
        # The engine of a local stack is on loopback, so no proxy leads to it.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """The reply to a call below `/computervision`. Raises ToolchainError with what the engine says."""
        url = f"{self.endpoint}/computervision{path}?api-version={API_VERSION}"
        headers = {"Ocp-Apim-Subscription-Key": self._key, "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, headers, method=method)  # noqa: S310 - the stack's own endpoint
        try:
            with self._opener.open(request, timeout=ANSWER_SECONDS) as reply:
                return dict(json.loads(reply.read() or "{}"))
        except urllib.error.HTTPError as error:
            said = error.read().decode(errors="replace")
            raise ToolchainError(f"The engine refused {method} {path} ({error.code}): {said}") from None
        except OSError as error:
            raise ToolchainError(f"{self.endpoint} does not answer ({error}). Run `make up` first.") from None

    def exists(self, path: str) -> bool:
        try:
            self.call("GET", path)
        except ToolchainError as error:
            if "(404)" in str(error):
                return False
            raise
        return True

    def sign_in_address(self) -> str:
        """The address that signs a browser in, once, within a minute."""
        return f"{self.endpoint}/studio/sign-in#code={self.call('POST', '/studio/codes', {})['code']}"

    def train(self, name: str, dataset: str, kind: str, test: str | None = None) -> None:
        """Start a training of at most an hour."""
        body: dict[str, Any] = {
            "trainingParameters": {"trainingDatasetName": dataset, "timeBudgetInHours": 1, "modelKind": kind}
        }
        if test is not None:
            body["evaluationParameters"] = {"testDatasetName": test}
        self.call("PUT", f"/models/{name}", body)

    def wait(self, name: str, *states: str) -> None:
        """Wait until a model is in one of these states, or has ended. Raises ToolchainError after an hour."""
        ends = time.monotonic() + TRAINED_SECONDS
        while self.call("GET", f"/models/{name}")["status"] not in {*states, *FINAL}:
            if time.monotonic() > ends:
                raise ToolchainError(
                    f"The training of {name} has not ended within an hour. The Studio shows what it waits for."
                )
            time.sleep(FOLLOW_SECONDS)


def train_other(service: Service, train: str, test: str, kind: str) -> None:
    """Train the second model unless it exists. For objects it is a product recognizer, which is also tried with a planogram.

    Raises:
        ToolchainError: the training fails.
    """
    if not service.exists(f"/models/{OTHER}"):
        say(f"Training {OTHER}, to compare with. It takes as long as the stack's own model, and stays for the next pictures.")
        service.train(OTHER, train, "Product-Recognizer" if kind == OBJECTS else "Generic-Classifier", test)
    service.wait(OTHER)
    status = service.call("GET", f"/models/{OTHER}")["status"]
    if status != "succeeded":
        raise ToolchainError(f"The training of {OTHER} ended as {status!r}. Delete it in the Studio, and try again.")


def save_version(service: Service, draft: str, train: str) -> str:
    """Begin a draft of a dataset unless there is one of this name, change an image in it, and save a version. The draft and the
    version stay, for the next pictures.

    Returns:
        The version's digest.

    Raises:
        ToolchainError: the engine has not read the dataset within an hour.
    """
    ends = time.monotonic() + TRAINED_SECONDS
    while not service.exists(f"/drafts/{draft}"):
        try:
            service.call("PUT", f"/drafts/{draft}", {"baseDataset": train})
        except ToolchainError as error:
            if "not read yet" not in str(error) or time.monotonic() > ends:
                raise
            time.sleep(FOLLOW_SECONDS)
    if not service.call("GET", f"/drafts/{draft}")["changedImages"]:
        labels = service.call("GET", f"/drafts/{draft}/images/0")["labels"]
        service.call("PUT", f"/drafts/{draft}/images/0/labels", {"labels": labels[1:], "empty": len(labels) == 1})
    return str(service.call("POST", f"/drafts/{draft}:save", {"message": "one label less"})["digest"])


@contextmanager
def busy(service: Service, train: str, kind: str) -> Iterator[None]:
    """While this is open, a training runs, another one has failed, and a dataset can't be read."""
    model_kind = "Generic-Detector" if kind == OBJECTS else "Generic-Classifier"
    clear(service)
    try:
        [uri, *_] = service.call("GET", f"/datasets/{train}")["annotationFileUris"]
        missing = f"{uri.rpartition('/')[0]}/missing.json"
        service.call("PUT", f"/datasets/{UNREADABLE}", {"annotationKind": kind, "annotationFileUris": [missing]})
        service.train(FAILED, UNREADABLE, model_kind)
        service.wait(FAILED)
        service.train(RUNNING, train, model_kind)
        service.wait(RUNNING, "training")
        yield
    finally:
        clear(service)


def clear(service: Service) -> None:
    """Remove what `busy` adds, also what an interrupted run has left."""
    if service.exists(f"/models/{RUNNING}"):
        if service.call("GET", f"/models/{RUNNING}")["status"] not in FINAL:
            service.call("POST", f"/models/{RUNNING}:cancel")
            service.wait(RUNNING)
        service.call("DELETE", f"/models/{RUNNING}")
    for path in (f"/models/{FAILED}", f"/datasets/{UNREADABLE}"):
        if service.exists(path):
            service.call("DELETE", path)
