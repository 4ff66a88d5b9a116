"""A queue of Azure Storage, by its REST API: https://learn.microsoft.com/rest/api/storageservices/queue-service-rest-api."""

from email.utils import formatdate
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote
from xml.etree import ElementTree as ET

from vision_customization.common.storage_refusal import why_refused
from vision_customization.engine.blobs.identity import STORAGE_SCOPE
from vision_customization.engine.errors import EngineError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.core.rest import HttpResponse

API_VERSION = "2024-08-04"
TAKEN_MAX = 32
"""The most messages that the service hands out at once."""

_TAKEN_SECONDS = 30
_TIMEOUT_SECONDS = 10
_RETRIES = 2


class QueueUnavailable(EngineError):
    """The queue does not answer, or refuses the engine."""


class Message(NamedTuple):
    id: str
    receipt: str


class StorageQueue:
    """The queue at `url`, used as an identity, over https alone. All methods raise QueueUnavailable.

    Args:
        url: `https://{account}.queue.core.windows.net/{queue}`.
        who: the identity's name, for errors.
    """

    def __init__(self, url: str, credential: "TokenCredential", who: str) -> None:
        from azure.core import PipelineClient
        from azure.core.pipeline.policies import BearerTokenCredentialPolicy, HeadersPolicy, RetryPolicy

        self.url = url.rstrip("/")
        self._who = who
        policies = [
            HeadersPolicy({"x-ms-version": API_VERSION}),
            RetryPolicy(retry_total=_RETRIES, retry_backoff_factor=0.5),
            BearerTokenCredentialPolicy(credential, STORAGE_SCOPE),
        ]
        self._client: PipelineClient[Any, Any] = PipelineClient(
            self.url, policies=policies, connection_timeout=_TIMEOUT_SECONDS, read_timeout=_TIMEOUT_SECONDS
        )

    def count(self) -> int:
        """The number of messages, those that somebody has taken included. The service may count one too many for a while."""
        return int(self._send("GET", "?comp=metadata").headers["x-ms-approximate-messages-count"])

    def put(self) -> None:
        """Put a message that never expires."""
        body = b"<QueueMessage><MessageText>worker</MessageText></QueueMessage>"
        self._send("POST", "/messages?messagettl=-1", body)

    def take(self, most: int) -> list[Message]:
        """Up to `most` messages that nobody else has taken. What the caller does not delete, others can take after 30 s."""
        answer = self._send("GET", f"/messages?numofmessages={min(most, TAKEN_MAX)}&visibilitytimeout={_TAKEN_SECONDS}")
        found = ET.fromstring(answer.content)  # noqa: S314 - the account's own answer, over a verified connection
        return [Message(one.findtext("MessageId", ""), one.findtext("PopReceipt", "")) for one in found]

    def delete(self, message: Message) -> None:
        """Delete a message that was taken; one that is gone is as good as deleted."""
        self._send("DELETE", f"/messages/{message.id}?popreceipt={quote(message.receipt, safe='')}", gone=404)

    def close(self) -> None:
        self._client.close()

    def _send(self, method: str, path: str, body: bytes | None = None, gone: int | None = None) -> "HttpResponse":
        from azure.core.exceptions import AzureError
        from azure.core.rest import HttpRequest

        headers = {"x-ms-date": formatdate(usegmt=True)} | ({"Content-Type": "application/xml"} if body else {})
        try:
            answer: HttpResponse = self._client.send_request(
                HttpRequest(method, self.url + path, headers=headers, content=body)
            )
        except AzureError as error:
            raise QueueUnavailable(f"The queue {self.url} cannot be used as {self._who} ({type(error).__name__}).") from None
        if answer.status_code >= 400 and answer.status_code != gone:
            raise QueueUnavailable(self._refusal(answer))
        return answer

    def _refusal(self, answer: "HttpResponse") -> str:
        code = answer.headers.get("x-ms-error-code", "")
        said = f"The queue {self.url} answers {answer.status_code} {code}".rstrip()
        if answer.status_code not in (401, 403):
            return f"{said}."
        missing = f"{self._who} needs the role Storage Queue Data Contributor on it (a new role takes minutes)"
        return f"{said}: {why_refused(code, self._who, missing)}."
