"""Whether the service can read a blob or container, an extension of the contract."""

from vision_customization.contract.wire import Wire


class StorageCheck(Wire):
    """Extension. Body of `POST /storage:check`: the URL of a blob or a container, without a query."""

    url: str


class StorageAccess(Wire):
    """Extension: whether the service's identity can read a blob or container; if not, why, and which identity that is.
    `code` is the storage's own: `AuthorizationPermissionMismatch` of a role that is missing or does not work yet."""

    readable: bool
    reason: str | None = None
    code: str | None = None
    identity: str | None = None
