"""Changes in two places, the database and the objects or the queue: where the second refuses, nothing is left half done."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError

from vision_customization.engine.store import StoreError

log = logging.getLogger("engine.service")


@contextmanager
def tidying(what: str, **names: str) -> Iterator[None]:
    """The block deletes leftovers alone: the answer does not depend on it. A refusal is logged, and a worker tries again."""
    try:
        yield
    except (OSError, SQLAlchemyError, StoreError):
        log.exception("%s, which a worker does later", what, extra=names)


@contextmanager
def undone_by(undo: Callable[[], object], what: str, **names: str) -> Iterator[None]:
    """Where the block fails, `undo` what was done before it, and let the failure be the answer. If undoing fails too, the
    caretaker ends what is left."""
    try:
        yield
    except Exception:
        with tidying(f"{what} not undone", **names):
            undo()
        raise
