"""The queues of storage accounts: Azurite, behind Azure's own authorization, and KEDA's scaler that counts their messages."""

import http.client
from urllib.parse import urlsplit

from tests.stacks.azure.directory import QUEUE, Directory, Resource
from tests.stacks.azure.front import Call, Upstream
from tests.stacks.azure.scale_rule import ScalerFailed, StorageQueueRule
from tests.stacks.azure.storage import AUDIENCE, AccountFront, Credential, Refused, credential, holder, not_permitted, place

CONTRIBUTOR = "974c5e8b-45b9-4653-ba55-5f855dd0fb88"
READER = "19e7f393-937e-4f77-808e-94535e297925"
"""Storage Queue Data Contributor and Reader, which may peek and read what a queue is."""


def reads(call: Call) -> bool:
    return call.method in ("GET", "HEAD") and (call.query.get("comp") == "metadata" or call.query.get("peekonly") == "true")


class QueueFront(AccountFront):
    """The queues of all accounts, which take tokens alone: https://learn.microsoft.com/rest/api/storageservices/authorize-with-azure-active-directory."""

    service = "queue"
    part_type = QUEUE

    def admit(self, call: Call, directory: Directory) -> Upstream:
        account, queue = place(call, directory)
        if credential(call) is not Credential.TOKEN:
            raise Refused(
                403, "KeyBasedAuthenticationNotPermitted", "Key based authentication is not permitted on this storage account."
            )
        object_id = holder(call, self._authority, f"https://{account.name}.queue.core.windows.net")
        target = f"{account.id}/queueServices/default/queues/{queue}" if queue else account.id
        roles = directory.working_roles(object_id, target)
        if CONTRIBUTOR not in roles and not (READER in roles and reads(call)):
            raise not_permitted()
        return self.serving(account, directory).upstream

    def address(self, account: Resource, part: str) -> str:
        return f"/{account.name}/{part}"

    def count(self, rule: StorageQueueRule) -> int:
        """The number of messages that KEDA's scaler `azure-queue` sees, as the identity of a rule. Raises ScalerFailed.

        It takes the approximate number, those that somebody has taken included:
        https://keda.sh/docs/2.16/scalers/azure-storage-queue (`queueLengthStrategy`).
        """
        directory = self._shared.directory()
        principal = next((found for found in directory.identities if found.id.lower() == rule.identity_id.lower()), None)
        if principal is None:
            raise ScalerFailed(f"there is no identity {rule.identity_id}")
        token, _ = self._authority.token(
            object_id=principal.object_id, client_id=principal.client_id, tenant_id=directory.tenant_id, audience=AUDIENCE
        )
        headers = {"Authorization": f"Bearer {token}", "x-ms-version": "2024-11-04"}
        front = urlsplit(self.url)
        assert front.hostname is not None
        connection = http.client.HTTPSConnection(front.hostname, front.port, timeout=60, context=self._context)
        try:
            connection.request("GET", f"/{rule.account_name}/{rule.queue_name}?comp=metadata", headers=headers)
            answer = connection.getresponse()
            if answer.status != 200:
                raise ScalerFailed(f"queue {rule.queue_name}: {answer.status} {answer.getheader('x-ms-error-code')}")
            return int(answer.getheader("x-ms-approximate-messages-count") or 0)
        except (OSError, http.client.HTTPException) as error:
            raise ScalerFailed(repr(error)) from None
        finally:
            connection.close()
