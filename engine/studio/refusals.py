"""Refusals: what the API would answer, and the same in the words of pages, which know no fields of a body."""

from pydantic import ValidationError

from vision_customization.engine.api.errors import ApiError, draft_refusal, invalid_values, order_refusal, store_refusal
from vision_customization.engine.drafts.errors import DraftError
from vision_customization.engine.orders import OrderRefused
from vision_customization.engine.store import GateMissed, StoreError

REFUSALS = (ApiError, DraftError, StoreError, OrderRefused, ValidationError)
"""What pages raise when they refuse a request."""

Refusal = ApiError | DraftError | StoreError | OrderRefused | ValidationError


def refusal(error: Refusal) -> ApiError:
    """What the API would answer."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, StoreError):
        return store_refusal(error)
    if isinstance(error, DraftError):
        return draft_refusal(error)
    if isinstance(error, OrderRefused):
        return order_refusal(error)
    return invalid_values(error.errors(include_url=False, include_input=False), "the form")


def in_words(error: Refusal) -> str:
    """The same for people."""
    if isinstance(error, GateMissed):
        return (
            f"The model '{error.model_name}' does not pass the gate of '{error.name}' {error.judged_on}: "
            f"{'; '.join(error.misses)}. Nothing was published. Choose a model that passes, or publish with another gate."
        )
    if isinstance(error, OrderRefused):
        return error.reason
    return str(refusal(error))
