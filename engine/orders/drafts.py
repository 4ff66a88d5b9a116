"""Deleting a draft, with what workers computed of its images."""

import logging

from vision_customization.engine.objects.keys import draft_key
from vision_customization.engine.orders.collaborators import Collaborators

_log = logging.getLogger(__name__)


def delete_draft(service: Collaborators, name: str) -> None:
    """Delete a draft, with everything that was not saved as a version. Raises NotFound."""
    draft = service.store.drafts.delete(name)
    try:
        service.objects.delete(draft_key(draft.id))
    except OSError as error:
        _log.warning("a worker deletes the vectors of draft %s when it starts again: %s", name, error)
