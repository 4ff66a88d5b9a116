"""Changes in two places, the database and the objects or the queue: if the second fails, the first is undone."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError

from vision_customization.engine.store import StoreError

log = logging.getLogger("engine.service")


@contextmanager
def tidying(what: str, **names: str) -> Iterator[None]:
    """For a block that only deletes leftovers: the answer does not depend on it. A failure is logged; a worker tries again."""
    try:
        yield
    except (OSError, SQLAlchemyError, StoreError):
        log.exception("%s: a worker will do it later", what, extra=names)


@contextmanager
def undone_by(undo: Callable[[], object], what: str, **names: str) -> Iterator[None]:
    """If the block fails, `undo` the change made before it and raise the failure. If undoing fails too, the caretaker cleans
    up."""
    try:
        yield
    except Exception:
        with tidying(f"{what} not undone", **names):
            undo()
        raise
